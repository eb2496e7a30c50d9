//! Specification, lock, file tree, layers, image: how an image is made.
