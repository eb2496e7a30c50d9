//! Fetching from an archive, trusted step by step: keys → `InRelease` → indexes → packages.
//!
//! Each step is checked against the one before it, and what does not match is an error that says so; nothing of it
//! stays in the cache. There is no option that loosens this. Several mirrors are tried in their order.
//!
//! ```no_run
//! # async fn run(transport: transport::Transport, cache: cache::Cache, now: jiff::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! use debian::mirror::Mirrors;
//! use debian::repository::{Archives, ArchivesOptions, Repository};
//!
//! let mirrors = Mirrors::from_arguments(&["http://mirror.example".parse()?]);
//! let archives = Archives::new(transport, cache, std::sync::Arc::new(progress::Silent), ArchivesOptions::at(now));
//! let trixie = Repository::debian("trixie", &mirrors)?;
//! let release = archives.release(&trixie).await?;
//! let index = archives.index(&trixie, &release, "main", &"amd64".parse()?).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod files;
mod index;
mod release;

use std::sync::Arc;

use cache::{Cache, Guard, Key, Shelf};
use jiff::Timestamp;
use progress::Progress;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use transport::{Transport, Url};

use crate::keyring::{Fingerprint, Keyring, KeyringError};
use crate::mirror::{ArchiveName, Mirrors};
use crate::release::Release;

pub use error::FetchError;
pub use files::{FILE_BYTES_MAX, PACKAGES_AT_A_TIME, PackageFile, PackageRequest, SNAPSHOT_FILES_AT_A_TIME};
pub use index::INDEX_BYTES_MAX;

/// One suite of an archive, and where to fetch it from.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The archive's name in a lock: `debian`, `debian-security`, or what a specification calls its own.
    pub name: String,
    /// Base URLs (the directory above `dists/`), in the order in which they are tried.
    pub uris: Vec<Url>,
    /// The suite.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// Who may sign it.
    pub keyring: Arc<Keyring>,
    /// What the archive is recognised by from one run to the next, whatever its mirror.
    identity: String,
}

impl Repository {
    /// A suite of Debian with the component main: security suites from the security archive, the others from the main
    /// one. Only Debian's archive keys that ship in the program may sign it.
    ///
    /// # Errors
    /// When the keys cannot be read, which a test excludes.
    pub fn debian(suite: &str, mirrors: &Mirrors) -> Result<Repository, KeyringError> {
        let archive = ArchiveName::of_suite(suite);
        Ok(Repository {
            name: archive.to_string(),
            uris: mirrors.of(archive).to_vec(),
            suite: suite.to_owned(),
            components: vec!["main".to_owned()],
            keyring: Arc::new(Keyring::debian()?),
            identity: archive.to_string(),
        })
    }

    /// A suite of another archive, which only `keyring` may sign.
    pub fn other(name: &str, uri: Url, suite: &str, components: &[String], keyring: Keyring) -> Repository {
        Repository {
            name: name.to_owned(),
            identity: uri.to_string(),
            uris: vec![uri],
            suite: suite.to_owned(),
            components: components.to_vec(),
            keyring: Arc::new(keyring),
        }
    }

    /// The same suite, signed by other keys than Debian's: for archives made in tests.
    pub fn signed_by(mut self, keyring: Keyring) -> Repository {
        self.keyring = Arc::new(keyring);
        self
    }

    /// The key under which something about this suite is kept in the cache.
    fn cache_key(&self, what: &str) -> Result<Key, FetchError> {
        let mut digest = Sha256::new();
        for part in [&self.identity, &self.suite] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        for fingerprint in self.keyring.fingerprints() {
            digest.update(fingerprint.as_str().as_bytes());
        }
        Ok(key(&format!("{what}-{}", hex(&digest.finalize().into())))?)
    }
}

/// How releases are judged, and whether the network is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivesOptions {
    /// The time at which releases are judged.
    pub now: Timestamp,
    /// Whether the network is used.
    pub network: Network,
    /// What is done with a release that is older than one seen before.
    pub older_releases: OlderReleases,
}

/// Whether the network is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It is.
    Online,
    /// Only the cache is; `file:` mirrors are read all the same.
    Offline,
}

/// What is done with a release that is older than one seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OlderReleases {
    /// It is an error: the mirror may be holding back security updates.
    Refuse,
    /// It is taken; what is remembered as newest stays.
    Allow,
}

impl ArchivesOptions {
    /// Online, older releases refused.
    pub fn at(now: Timestamp) -> ArchivesOptions {
        ArchivesOptions {
            now,
            network: Network::Online,
            older_releases: OlderReleases::Refuse,
        }
    }
}

/// A release whose signature was good and that may be used now.
#[derive(Debug, Clone)]
pub struct SignedRelease {
    /// What it says.
    pub release: Release,
    /// The SHA-256 of the `InRelease` file.
    pub inrelease_sha256: [u8; 32],
    /// Who signed; never empty.
    pub signers: Vec<Fingerprint>,
    /// Where it came from; none: from the cache.
    pub url: Option<Url>,
}

/// A verified index.
#[derive(Debug, Clone)]
pub struct FetchedIndex {
    /// The uncompressed `Packages` file.
    pub bytes: Vec<u8>,
    /// Its SHA-256, as the release lists it.
    pub sha256: [u8; 32],
    /// Its path below the suite's directory: `main/binary-amd64/Packages`.
    pub path: String,
}

/// Fetches from archives. Cheap to clone.
#[derive(Clone)]
pub struct Archives {
    transport: Transport,
    cache: Cache,
    progress: Arc<dyn Progress>,
    options: ArchivesOptions,
    /// Limits what is asked of snapshots at a time.
    snapshots: Arc<Semaphore>,
}

impl Archives {
    /// Fetches by `transport` into `cache`, and tells `progress`.
    pub fn new(
        transport: Transport,
        cache: Cache,
        progress: Arc<dyn Progress>,
        options: ArchivesOptions,
    ) -> Archives {
        Archives {
            transport,
            cache,
            progress,
            options,
            snapshots: Arc::new(Semaphore::new(SNAPSHOT_FILES_AT_A_TIME)),
        }
    }

    /// Whether `url` may be asked.
    fn may_fetch(&self, url: &Url) -> bool {
        self.options.network == Network::Online || url.scheme() == "file"
    }

    /// Waits for the lock of `key` without keeping a thread of the runtime.
    async fn lock(&self, shelf: Shelf, key: &Key) -> Result<Guard, FetchError> {
        let (cache, key) = (self.cache.clone(), key.clone());
        blocking(move || cache.lock(shelf, &key))
            .await?
            .map_err(FetchError::Cache)
    }
}

/// Runs work that takes a while on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| FetchError::Interrupted)
}

/// The errors of one mirror after the other: of all, the one that matters most to whoever reads it.
#[derive(Default)]
struct Attempts {
    worst: Option<FetchError>,
}

impl Attempts {
    fn failed(&mut self, error: FetchError) {
        if self
            .worst
            .as_ref()
            .is_none_or(|worst| error.weight() > worst.weight())
        {
            self.worst = Some(error);
        }
    }

    /// The error to report; `otherwise` when nothing was tried.
    fn into_error(self, otherwise: impl FnOnce() -> FetchError) -> FetchError {
        self.worst.unwrap_or_else(otherwise)
    }
}

fn key(text: &str) -> Result<Key, cache::KeyError> {
    Key::new(text)
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
