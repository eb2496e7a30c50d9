//! The contract of every medium, and what hostile ones can do.

#![expect(clippy::unwrap_used, reason = "functions shared by tests are test code too")]

mod contract;
mod copying;
mod docker_archives;
mod fake_registry;
mod hostile;
mod layouts;
mod registries;
mod sample;
