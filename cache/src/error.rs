//! Why the cache could not do something.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the cache could not do something.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A directory holds something else; cleaning it would remove files that are not ours.
    #[error("{} is not a cache of lightship: it has no {tag}", path.display())]
    NotACache {
        /// The directory.
        path: PathBuf,
        /// The file that a cache has.
        tag: &'static str,
    },
    /// A cached file is larger than what its reader takes.
    #[error("the cached file {} is larger than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The reader's limit.
        limit_bytes: u64,
    },
}

impl CacheError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> CacheError {
        CacheError::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
