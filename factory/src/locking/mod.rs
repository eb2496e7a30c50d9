//! From specifications and archive indexes to a lock.

mod notes;
mod resolve;

pub use notes::Note;
pub use resolve::{Locked, SuiteIndexes, Suites, UnresolvedImage, resolve};

#[cfg(test)]
mod tests;
