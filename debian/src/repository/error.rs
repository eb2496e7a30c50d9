//! Why something could not be fetched from an archive.

use cache::{CacheError, KeyError};
use jiff::Timestamp;
use thiserror::Error;
use transport::Url;

use crate::Architecture;
use crate::keyring::VerifyError;
use crate::release::ReleaseError;

/// Why something could not be fetched from an archive. Digests are in hexadecimal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No mirror is known at all.
    #[error("no mirror of the archive {archive} is known")]
    NoMirror {
        /// The archive's name.
        archive: String,
    },
    /// It is not in the cache, and the network must not be used.
    #[error("{what} is not in the cache, and the network is not to be used")]
    Offline {
        /// What was wanted.
        what: String,
    },
    /// It could not be transferred.
    #[error("cannot fetch {what}")]
    Transport {
        /// What was wanted.
        what: String,
        /// Why.
        source: transport::FetchError,
    },
    /// The release carries no good signature of a trusted key.
    #[error("the release of {suite} at {url} is not to be trusted")]
    Untrusted {
        /// The suite.
        suite: String,
        /// Where it came from.
        url: String,
        /// What is wrong with its signatures.
        source: VerifyError,
    },
    /// The release is signed, but cannot be understood.
    #[error("the release of {suite} at {url} cannot be understood")]
    Malformed {
        /// The suite.
        suite: String,
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        source: ReleaseError,
    },
    /// The release is well signed, but that of another suite.
    #[error("{url} has the release of {actual} where that of {suite} should be")]
    OtherSuite {
        /// The suite that was asked for.
        suite: String,
        /// The code name or suite that the release names.
        actual: String,
        /// Where it came from.
        url: String,
    },
    /// The release says itself that it must not be used any more.
    #[error(
        "the release of {suite} at {url} was valid until {valid_until}, and now it is {now}: the mirror no longer \
         follows Debian, or this machine's clock is wrong"
    )]
    Expired {
        /// The suite.
        suite: String,
        /// Where it came from.
        url: String,
        /// Its `Valid-Until`.
        valid_until: Timestamp,
        /// The time it was judged at.
        now: Timestamp,
    },
    /// The release is of a time that has not come.
    #[error(
        "the release of {suite} at {url} is dated {date}, and now it is only {now}: is this machine's clock right?"
    )]
    FromTheFuture {
        /// The suite.
        suite: String,
        /// Where it came from.
        url: String,
        /// Its `Date`.
        date: Timestamp,
        /// The time it was judged at.
        now: Timestamp,
    },
    /// The release is older than one that was seen before.
    #[error(
        "the release of {suite} at {url} is dated {date}, but one of {seen} was seen before: the mirror lags, or it holds \
         back updates"
    )]
    Older {
        /// The suite.
        suite: String,
        /// Where it came from.
        url: String,
        /// Its `Date`.
        date: Timestamp,
        /// The date of the newest one seen.
        seen: Timestamp,
    },
    /// The suite does not have the architecture. Images for it can be built from the other suites.
    #[error("{suite} has no packages for {architecture}")]
    ArchitectureAbsent {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: Architecture,
    },
    /// The suite does not have the component.
    #[error("{suite} has no component {component}")]
    ComponentAbsent {
        /// The suite.
        suite: String,
        /// The component.
        component: String,
    },
    /// An index is not the one that the release lists.
    #[error(
        "the package index of {suite} for {architecture} at {url} does not match the signed release: {path} should have \
         SHA-256 {expected} ({expected_bytes} bytes), the mirror has {actual} ({actual_bytes} bytes)"
    )]
    IndexMismatch {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: Architecture,
        /// The path below the suite's directory.
        path: String,
        /// Where it came from.
        url: String,
        /// The SHA-256 in the release.
        expected: String,
        /// The SHA-256 of what came.
        actual: String,
        /// The size in the release.
        expected_bytes: u64,
        /// The size of what came.
        actual_bytes: u64,
    },
    /// An index is larger than what is accepted, by what the release says.
    #[error("the package index {path} of {suite} has {bytes} bytes, at most {limit_bytes} are accepted")]
    IndexTooLarge {
        /// The suite.
        suite: String,
        /// The path below the suite's directory.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A file has the right digest but cannot be decompressed.
    #[error("cannot decompress {path} of {suite}")]
    IndexUnreadable {
        /// The suite.
        suite: String,
        /// The path below the suite's directory.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A package, or another file named with its digest, is not the one that it should be.
    #[error("{path} at {url} does not match: it should have SHA-256 {expected}, the server has {actual}")]
    FileMismatch {
        /// Its path in the archive, or its name.
        path: String,
        /// Where it came from.
        url: String,
        /// The SHA-256 that it should have.
        expected: String,
        /// The SHA-256 of what came.
        actual: String,
    },
    /// A package has another size than it should.
    #[error(
        "{path} at {url} does not match: it should have {expected_bytes} bytes, the server has {actual_bytes}"
    )]
    SizeMismatch {
        /// Its path in the archive.
        path: String,
        /// Where it came from.
        url: String,
        /// The size that it should have.
        expected_bytes: u64,
        /// The size of what the server has.
        actual_bytes: u64,
    },
    /// A path that leads out of the archive's directory, or is none.
    #[error("`{path}` is not a path within an archive")]
    Path {
        /// The path.
        path: String,
    },
    /// The cache could not be used.
    #[error("cannot use the cache")]
    Cache(#[source] CacheError),
    /// Something cannot be a name in the cache.
    #[error("cannot use the cache")]
    CacheKey(#[from] KeyError),
    /// A file in the cache could not be read.
    #[error("cannot read a file of the cache")]
    CacheFile(#[source] std::io::Error),
    /// The program is ending.
    #[error("interrupted")]
    Interrupted,
}

impl FetchError {
    /// Whether every mirror answered that there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, FetchError::Transport { source, .. } if source.is_missing())
    }

    /// Whether something came that is not what was signed: a mirror that lags or lies, not one that is down.
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self,
            FetchError::IndexMismatch { .. }
                | FetchError::FileMismatch { .. }
                | FetchError::SizeMismatch { .. }
        )
    }

    /// How much it matters among the errors of several mirrors: doubt about trust before trouble on the way.
    pub(super) fn weight(&self) -> u8 {
        match self {
            FetchError::Untrusted { .. } | FetchError::OtherSuite { .. } => 6,
            _ if self.is_mismatch() => 5,
            FetchError::Expired { .. } | FetchError::FromTheFuture { .. } | FetchError::Older { .. } => 4,
            FetchError::Transport { .. } if self.is_missing() => 1,
            FetchError::Transport { .. } => 2,
            FetchError::NoMirror { .. } | FetchError::Offline { .. } => 0,
            _ => 3,
        }
    }

    pub(super) fn transport(what: impl Into<String>, source: transport::FetchError) -> FetchError {
        FetchError::Transport {
            what: what.into(),
            source,
        }
    }

    pub(super) fn mismatch(path: &str, url: &Url, expected: &[u8; 32], actual: &[u8; 32]) -> FetchError {
        FetchError::FileMismatch {
            path: path.to_owned(),
            url: url.to_string(),
            expected: super::hex(expected),
            actual: super::hex(actual),
        }
    }
}
