//! From a tree to layers.
