//! What maintainer scripts would have made.
