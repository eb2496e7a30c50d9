//! The registry over real connections, on the embedded stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod accounts;
mod administration;
mod administration_of_access;
mod administrators;
mod authorisation;
mod blobs;
mod challenges;
mod connections;
mod credentials;
mod faults;
mod fuzz_finds;
mod google;
mod isolation;
mod issuers;
mod jobs;
mod late_append;
mod leftovers;
mod manifests;
mod modes;
mod operation;
mod proxies;
mod races;
mod remote;
mod remote_blobs;
mod server;
mod sides;
mod tokens;
mod transition;
mod transition_amid_trouble;
mod transition_both;
mod transition_credentials;
mod transition_failures;
mod transition_tags;
mod uploads;
mod virtual_repositories;
