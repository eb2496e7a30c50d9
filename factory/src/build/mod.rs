//! The flow from a lock to images in sinks.
