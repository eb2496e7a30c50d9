//! Where the files come from that a build needs.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use debian::{
    mirror::{ArchiveName, Mirrors},
    repository::{Archives, FetchError, PackageFile},
};
use oci::Digest;
use transport::Url;

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
    /// The SHA-256 in the lock is none.
    #[error("{text:?} is not a SHA-256")]
    Digest {
        /// What stands there.
        text: String,
    },
    /// It cannot be fetched.
    #[error(transparent)]
    Fetch(Box<FetchError>),
}

/// Gives files by what a lock or specification says of them. They are verified when they are read.
#[async_trait]
pub trait PackageSource: Send + Sync {
    /// A package file on disk.
    ///
    /// # Errors
    /// When it is neither in the cache nor can be fetched.
    async fn package(&self, package: &LockedPackage, archive: &LockedArchive)
    -> Result<PathBuf, SourceError>;

    /// An archive that a specification names by address and SHA-256, on disk.
    ///
    /// # Errors
    /// As [`PackageSource::package`].
    async fn archive(&self, url: &str, sha256: &[u8; 32]) -> Result<PathBuf, SourceError>;
}

/// Files from Debian's archive, the archives of specifications, and anywhere else, by way of the cache.
#[derive(Clone)]
pub struct ArchivePackages {
    /// What fetches and verifies.
    pub archives: Archives,
    /// Where Debian's archives are.
    pub mirrors: Mirrors,
    /// Where the archives of specifications are, by their name in the lock.
    pub others: BTreeMap<String, Vec<Url>>,
}

impl ArchivePackages {
    fn uris(&self, archive: &LockedArchive) -> Result<&[Url], SourceError> {
        let official = ArchiveName::ALL
            .into_iter()
            .find(|name| name.as_str() == archive.name);
        match (official, self.others.get(&archive.name)) {
            (Some(name), _) => Ok(self.mirrors.of(name)),
            (None, Some(uris)) => Ok(uris),
            (None, None) => Err(SourceError::ArchiveUnknown {
                archive: archive.id(),
            }),
        }
    }
}

#[async_trait]
impl PackageSource for ArchivePackages {
    async fn package(
        &self,
        package: &LockedPackage,
        archive: &LockedArchive,
    ) -> Result<PathBuf, SourceError> {
        let digest = format!("sha256:{}", package.sha256).parse::<Digest>().ok();
        let sha256 = digest.and_then(|digest| digest.as_bytes().try_into().ok());
        let sha256 = sha256.ok_or_else(|| SourceError::Digest {
            text: package.sha256.clone(),
        })?;
        let file = PackageFile {
            path: package.path.clone(),
            size: package.size,
            sha256,
        };
        self.archives
            .package(self.uris(archive)?, &file)
            .await
            .map_err(fetch_failed)
    }

    async fn archive(&self, url: &str, sha256: &[u8; 32]) -> Result<PathBuf, SourceError> {
        match url.parse::<Url>() {
            Ok(url) => self.archives.file(&url, sha256).await.map_err(fetch_failed),
            // A specification may name a file on disk too; its bytes are verified as it is read.
            Err(_) => Ok(PathBuf::from(url)),
        }
    }
}

fn fetch_failed(error: FetchError) -> SourceError {
    SourceError::Fetch(Box::new(error))
}
