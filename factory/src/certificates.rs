//! Certificate authorities: the bundle and the hashed links.
