//! The merged file system of one image.

/// The merged file system of one image.
pub struct ImageView {}
