//! The factory as a whole: packages in, layouts out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod child;
mod end_to_end;
mod foreign;
mod fuzz_finds;
mod shop;
