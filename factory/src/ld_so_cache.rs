//! The cache of the dynamic loader, written without running it.
