//! Fetching from an archive, trusted step by step.
