//! Packages, plans and contents for the unit tests of this module and of [`crate::tree`].
