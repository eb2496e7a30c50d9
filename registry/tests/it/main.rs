//! The registry over real connections, on the embedded stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod blobs;
mod google;
mod isolation;
mod late_append;
mod manifests;
mod server;
mod uploads;
