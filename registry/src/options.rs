//! What a registry is made with.

use std::time::Duration;

use jiff::Timestamp;
use store::ImmutableTags;

use crate::{AccessOptions, HostRoutes, Rates, TrustedProxies, Writes};

/// The time, as a value.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
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
    /// Which proxies are believed when they say whose request they pass on.
    pub trusted_proxies: TrustedProxies,
    /// How many requests may be made.
    pub rates: Rates,
    /// Whether a manifest may name blobs and manifests that are not there. Naming them gives no access to them.
    pub sparse_manifests: bool,
    /// What becomes of a push to a repository that is not there.
    pub new_repositories: NewRepositories,
    /// How long a blob that nobody links or asks for is kept. A client that was told of a blob has this long to name it
    /// in a manifest.
    pub grace: Duration,
    /// How long an upload may rest before a collection that is asked for takes it.
    pub upload_idle: Duration,
    /// How much and how long.
    pub limits: Limits,
}

/// Repositories that a push would make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewRepositories {
    /// It makes none, and is refused.
    Refused,
    /// It makes one like this.
    Made {
        /// Which tags may not be moved or removed.
        immutable_tags: ImmutableTags,
    },
}

impl Default for NewRepositories {
    fn default() -> NewRepositories {
        NewRepositories::Made {
            immutable_tags: ImmutableTags::None,
        }
    }
}

/// How much and how long a client may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Of all request headers together.
    pub header_bytes_max: usize,
    /// For the headers of a request to arrive.
    pub header_time: Duration,
    /// For the handshake of TLS.
    pub handshake_time: Duration,
    /// Without a byte of a request's body, and without one taken of an answer.
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
            handshake_time: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stop: Duration::from_secs(20),
            blob_bytes_max: 1 << 40,
            page_max: 10_000,
            manifest_cache_bytes_max: 32 << 20,
        }
    }
}
