//! Whole files: the labelled corpus, and what rewriting does to it.

#![expect(clippy::unwrap_used, reason = "functions shared by tests are test code too")]

mod corpus;
mod directories;
mod environments;
mod places;
mod rewriting;
