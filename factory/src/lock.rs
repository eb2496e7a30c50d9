//! What was resolved: exact packages and where they come from.
