//! What is inside the packages: read once, remembered.
