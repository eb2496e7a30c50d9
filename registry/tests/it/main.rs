//! The registry over real connections, on the embedded stores.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod blobs;
mod connections;
mod faults;
mod google;
mod isolation;
mod manifests;
mod operation;
mod races;
mod server;
mod uploads;
