//! The Debian releases that images are made of.
