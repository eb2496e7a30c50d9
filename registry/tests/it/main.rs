//! The registry over real connections, on the embedded stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod accounts;
mod administration;
mod authorisation;
mod blobs;
mod challenges;
mod connections;
mod credentials;
mod google;
mod isolation;
mod issuers;
mod manifests;
mod operation;
mod server;
mod uploads;
