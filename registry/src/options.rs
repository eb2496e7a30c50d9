//! What a registry is made with.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::{AccessOptions, HostRoutes, Writes};

/// The time, as a value.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Hears of every request, and of trouble that only the operator may know of.
pub trait Log: Send + Sync {
    /// A request was answered.
    fn request(&self, record: &Record<'_>);
    /// Something failed here; the client was told only that it did.
    fn trouble(&self, request_id: &str, error: &dyn std::error::Error);
}

/// One answered request. Never carries a credential.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Also in the answer's `X-Request-Id`.
    pub request_id: &'r str,
    /// Where it came from.
    pub peer: SocketAddr,
    /// `GET`.
    pub method: &'r str,
    /// Without the query, which may hold secrets.
    pub path: &'r str,
    /// The answer's status.
    pub status: u16,
    /// Until the answer's headers were ready.
    pub took: Duration,
}

/// How a registry behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which hosts lead to which repositories.
    pub routes: HostRoutes,
    /// Who may write without a credential, while there are no accounts.
    pub writes: Writes,
    /// Who is believed beside the registry's own accounts.
    pub access: AccessOptions,
    /// Whether a manifest may name blobs and manifests that are not there. Naming them gives no access to them.
    pub sparse_manifests: bool,
    /// How long a blob that nobody links or asks for is kept. A client that was told of a blob has this long to name it
    /// in a manifest.
    pub grace: Duration,
    /// How much and how long.
    pub limits: Limits,
}

/// How much and how long a client may.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Of all request headers together.
    pub header_bytes_max: usize,
    /// For the headers of a request to arrive.
    pub header_time: Duration,
    /// Without a byte of a request's body.
    pub idle: Duration,
    /// For open requests to end after the server was told to stop.
    pub stop: Duration,
    /// Of one blob.
    pub blob_bytes_max: u64,
    /// Entries of one page of a listing, whatever the client asks for.
    pub page_max: usize,
    /// Manifests kept in memory.
    pub manifest_cache_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4096,
            header_bytes_max: 32 << 10,
            header_time: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            stop: Duration::from_secs(20),
            blob_bytes_max: 1 << 40,
            page_max: 10_000,
            manifest_cache_bytes_max: 32 << 20,
        }
    }
}
