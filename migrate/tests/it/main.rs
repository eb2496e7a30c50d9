//! Moving registries: what is asked, what is sent, and what comes of trouble.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions shared by tests are test code too"
)]

mod copying;
mod names;
mod places;
mod requests;
mod trouble;
mod world;
