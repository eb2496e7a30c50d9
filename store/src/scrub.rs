//! Looks whether what is stored is what was pushed.

mod reading;

use std::fmt;
use std::num::NonZeroU64;

use async_trait::async_trait;
use bytes::Bytes;
use oci::Digest;

use crate::{
    Blob, BlobStore, ByteRange, Cursor, Extent, MetadataStore, PackagePath, Page, StoreError, Walk, Watch,
};
use reading::Reading;

/// Findings that a report holds; the rest is only counted.
pub const FINDINGS_MAX: usize = 1000;

/// What is looked at by one call of the store. A part of manifests is held in memory.
const PAGE: usize = 64;

/// A manifest, and what of that which it names is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestState {
    /// Its package.
    pub package: PackagePath,
    /// The digest it is stored under.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
    /// Blobs that it names, that were there, and that its package does not link.
    pub unlinked: Vec<Digest>,
    /// Manifests that it names and its package does not have.
    pub missing_children: Vec<Digest>,
}

/// Walks over everything.
#[async_trait]
pub trait Inspection: Send + Sync {
    /// All blobs, linked or not.
    async fn all_blobs(&self, walk: Walk<'_>) -> Result<Page<Blob>, StoreError>;

    /// All manifests of all packages.
    async fn all_manifests(&self, walk: Walk<'_>) -> Result<Page<ManifestState>, StoreError>;

    /// How many blobs there are, and their bytes.
    async fn extent(&self) -> Result<Extent, StoreError>;

    /// What the store itself finds wrong with its own files. May take long; holds up nobody.
    async fn integrity(&self) -> Result<Vec<String>, StoreError>;
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A blob's object is gone.
    #[error("blob {digest} is not there")]
    BlobMissing {
        /// Which.
        digest: Digest,
    },
    /// A blob's object has other bytes.
    #[error("blob {digest} is damaged")]
    BlobDamaged {
        /// Which.
        digest: Digest,
    },
    /// A blob's object could not be read to its end.
    #[error("blob {digest} cannot be read: {reason}")]
    BlobUnreadable {
        /// Which.
        digest: Digest,
        /// What the system said.
        reason: String,
    },
    /// A manifest has other bytes.
    #[error("manifest {digest} of {package} is damaged")]
    ManifestDamaged {
        /// Whose.
        package: PackagePath,
        /// Which.
        digest: Digest,
    },
    /// A manifest names a blob that its package does not link: it was deleted since.
    #[error("manifest {manifest} of {package} names blob {blob}, which is not there")]
    BlobUnlinked {
        /// Whose.
        package: PackagePath,
        /// Which.
        manifest: Digest,
        /// What it names.
        blob: Digest,
    },
    /// The database is not whole.
    #[error("the database says: {message}")]
    Database {
        /// What it says.
        message: String,
    },
}

/// What a scrub looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Blobs hashed again.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Manifests hashed again.
    pub manifests: u64,
    /// Children that indexes name and their packages do not have. Sparse indexes may, so these are no findings.
    pub missing_children: u64,
    /// Blobs that only a client can fetch, so that they were not looked at.
    pub elsewhere: u64,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub findings_left_out: u64,
}

impl ScrubReport {
    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }
}

/// How a scrub goes about it.
#[derive(Clone, Default)]
pub struct ScrubOptions {
    /// What it reads of blobs at most, so that pulls have the disk; none is no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Is told how many blobs are done, and how many bytes.
    pub watch: Option<Watch>,
}

impl fmt::Debug for ScrubOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScrubOptions")
            .field("bytes_per_second", &self.bytes_per_second)
            .finish_non_exhaustive()
    }
}

/// Hashes every blob and every manifest again and looks for what they name. Changes nothing. It can be given up at any moment.
///
/// # Errors
/// When the metadata cannot be read. Whatever is wrong with a blob is a finding.
pub async fn scrub(
    blobs: &dyn BlobStore,
    metadata: &dyn MetadataStore,
    options: &ScrubOptions,
) -> Result<ScrubReport, StoreError> {
    let mut run = Run {
        blobs,
        metadata,
        reading: Reading::new(options, metadata.extent().await?),
        report: ScrubReport::default(),
    };
    for message in metadata.integrity().await? {
        run.report.add(Finding::Database { message });
    }
    let mut from = None;
    loop {
        let page = metadata.all_blobs(part(from.as_ref())).await?;
        for blob in page.items {
            run.blob(&blob).await?;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    loop {
        let page = metadata.all_manifests(part(from.as_ref())).await?;
        for manifest in page.items {
            scrub_manifest(manifest, &mut run.report);
        }
        from = page.next;
        if from.is_none() {
            return Ok(run.report);
        }
    }
}

struct Run<'r> {
    blobs: &'r dyn BlobStore,
    metadata: &'r dyn MetadataStore,
    reading: Reading,
    report: ScrubReport,
}

impl Run<'_> {
    async fn blob(&mut self, blob: &Blob) -> Result<(), StoreError> {
        let finding = self.finding(blob).await;
        self.reading.done(blob.size);
        let Some(finding) = finding else {
            return Ok(());
        };
        // A collection may have taken it since it was listed.
        let named = self.metadata.named_keys(std::slice::from_ref(&blob.key)).await?;
        if !named.is_empty() {
            self.report.add(finding);
        }
        Ok(())
    }

    async fn finding(&mut self, blob: &Blob) -> Option<Finding> {
        let digest = blob.digest;
        let all = ByteRange::all(blob.size);
        let read = match self.blobs.read(&blob.key, blob.size, all).await {
            Ok(content) => self.reading.digest_of(content, digest.algorithm()).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(Some(found)) => {
                self.report.blobs += 1;
                self.report.bytes += blob.size;
                (found != digest).then_some(Finding::BlobDamaged { digest })
            }
            Ok(None) => {
                self.report.elsewhere += 1;
                None
            }
            Err(StoreError::Missing { .. }) => Some(Finding::BlobMissing { digest }),
            Err(StoreError::Damaged { .. }) => Some(Finding::BlobDamaged { digest }),
            Err(error) => Some(Finding::BlobUnreadable {
                digest,
                reason: error.to_string(),
            }),
        }
    }
}

fn scrub_manifest(manifest: ManifestState, report: &mut ScrubReport) {
    let ManifestState { package, digest, .. } = manifest;
    report.manifests += 1;
    report.missing_children += manifest.missing_children.len() as u64;
    if Digest::of(digest.algorithm(), &manifest.bytes) != digest {
        let package = package.clone();
        report.add(Finding::ManifestDamaged { package, digest });
    }
    for blob in manifest.unlinked {
        report.add(Finding::BlobUnlinked {
            package: package.clone(),
            manifest: digest,
            blob,
        });
    }
}

fn part(from: Option<&Cursor>) -> Walk<'_> {
    Walk { from, limit: PAGE }
}

#[cfg(test)]
mod tests;
