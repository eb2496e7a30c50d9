//! A data directory whose process is killed, again and again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod child;
mod killed;
