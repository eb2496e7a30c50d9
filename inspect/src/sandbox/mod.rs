//! Runs commands of an image in namespaces of its own.
