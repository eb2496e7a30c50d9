//! What a user writes about an image.
