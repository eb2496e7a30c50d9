//! Content-addressed files under the user's cache directory, shared safely by several processes.
