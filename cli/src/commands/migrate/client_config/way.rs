//! A way that a client goes: whom it asks, and by which name.

use std::path::PathBuf;

/// Whom a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Which clients go it.
    pub(super) clients: &'static str,
    /// The file that says so; nothing for the name alone.
    pub(super) because: Option<PathBuf>,
    /// `HOST[:PORT]`.
    pub(super) host: String,
    /// What stands before names there.
    pub(super) prefix: Option<String>,
    /// Without TLS.
    pub(super) is_plain: bool,
    /// Files of authorities that are trusted for it.
    pub(super) authorities: Vec<PathBuf>,
}

/// Why a client's file says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("it is not the TOML that it should be")]
    Toml(#[from] toml::de::Error),
    #[error("{0:?} is no server")]
    Server(String),
}

/// Longest file of a client that is read, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;
