//! The program as people and scripts meet it: what it prints where, and how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions shared by tests are test code too"
)]

mod administration;
mod audit;
mod chaos;
mod documents;
mod encrypted;
mod errors;
mod migrate_client_config;
mod migrate_iam;
mod migrate_verify;
mod moving;
mod newcomer;
mod program;
mod server_process;
mod serving;
mod streams;
mod upkeep;
