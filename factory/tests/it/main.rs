//! The factory as a whole: packages in, layouts out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod build;
mod child;
mod shop;
