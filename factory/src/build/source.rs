//! Where the files come from that a build needs.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::lock::{LockedArchive, LockedPackage};

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nobody knows the archive that the lock names.
    #[error("the lock takes it from {archive}, which is none of the archives of this build")]
    ArchiveUnknown {
        /// The archive's name and suite.
        archive: String,
    },
    /// It cannot be fetched.
    #[error("it cannot be fetched")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Gives files by what a lock or specification says of them. They are verified when they are read.
#[async_trait]
pub trait PackageSource: Send + Sync {
    /// A package file on disk.
    ///
    /// # Errors
    /// When it is neither in the cache nor can be fetched.
    async fn package(&self, package: &LockedPackage, archive: &LockedArchive) -> Result<PathBuf, SourceError>;

    /// An archive that a specification names by address and SHA-256, on disk.
    ///
    /// # Errors
    /// As [`PackageSource::package`].
    async fn archive(&self, url: &str, sha256: &[u8; 32]) -> Result<PathBuf, SourceError>;
}
