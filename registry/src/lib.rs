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
mod forwarded;
mod host_routes;
mod options;
mod origin;
mod range;
mod rate;
mod refusal;
mod routes;

mod answer;
mod audit;
mod body;
mod call;
mod conditional;
mod percent;

mod blobs;
mod catalog;
mod google_listing;
mod google_strictness;
mod manifest_cache;
mod manifests;
mod modes;
mod reading;
mod referrers;
mod tags;
mod uploads;
mod upstream;
mod usage;
mod warning;

mod collection;
mod leftover;
mod log;
mod metrics;
mod pace;
mod registry;
mod room;
mod running_hashes;
mod server;
mod tls;
mod transition;

pub use access::Writes;
pub use authentication::{AccessOptions, Introspection, Issuer};
pub use forwarded::{Network, NetworkError, TRUSTED_PROXIES_MAX, TrustedProxies};
pub use host_routes::{HostRoute, HostRoutes, Style};
pub use log::{AuditRecord, Log, Record};
pub use options::{Clock, Limits, NewRepositories, Options};
pub use rate::{Rate, Rates};
pub use registry::{Registry, Services};
pub use routes::{Operation, Reference, RouteError, route};
pub use server::{Listening, serve};
pub use tls::{Certificates, PemPair, TlsError};
