//! The HTTP server of a registry.
//!
//! [`routes`](route) says which operation a request asks for, [`host_routes`] which package it is about; every operation
//! asks [`access`] first (who asks is [`authentication`]'s business), then does its work on the `store` traits; every refusal becomes a status and a code in one
//! table ([`refusal`]). Nothing here knows a path or SQL, and nothing reads a clock or the environment: both come as
//! values.
//!
//! [`administration`] is the other half: Artifact Registry's REST API and verbs of our own.
//!
//! Revision followed where a comment says "Spec:": distribution-spec 967efdc (2026-07-16).

mod access;
mod access_memory;
pub mod administration;
mod authentication;
mod host_routes;
mod options;
mod range;
mod refusal;
mod routes;

mod answer;
mod body;
mod call;

mod blobs;
mod catalog;
mod google_listing;
mod manifest_cache;
mod manifests;
mod referrers;
mod tags;
mod uploads;
mod usage;

mod metrics;
mod registry;
mod server;

pub use access::Writes;
pub use authentication::{AccessOptions, Introspection, Issuer};
pub use host_routes::{HostRoute, HostRoutes, Style};
pub use options::{Clock, Limits, Log, Options, Record};
pub use registry::{Registry, Services};
pub use routes::{Operation, RouteError, route};
pub use server::serve;
