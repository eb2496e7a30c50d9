//! Configuration, manifest and index of an image.
