//! Events of long work, for whoever wants to draw them.
