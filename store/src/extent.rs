//! How far long work has come.

use std::sync::Arc;

/// A number of objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many.
    pub objects: u64,
    /// Their sizes, added up.
    pub bytes: u64,
}

/// How far work has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Advance {
    /// What is done.
    pub done: Extent,
    /// What there was to do when the work began: what came or went since is not in it.
    pub total: Extent,
}

/// Is told how far work has come. It is called often, and has to return at once.
pub type Watch = Arc<dyn Fn(Advance) + Send + Sync>;
