//! From specifications and archive indexes to a lock.
