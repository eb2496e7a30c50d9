//! Looks whether what is stored is what was pushed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use oci::{Algorithm, Digest, Hasher};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::files::run_blocking;
use crate::{
    Blob, BlobContent, BlobStore, ByteRange, Cursor, MetadataStore, PackagePath, Page, StoreError, Walk,
};

/// Findings that a report holds; the rest is only counted.
pub const FINDINGS_MAX: usize = 1000;

/// What is looked at by one call of the store. A part of manifests is held in memory.
const PAGE: usize = 64;

/// What is read at once.
const PIECE_BYTES: usize = 1 << 20;

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

/// Hashes every blob and every manifest again and looks for what they name. Changes nothing.
///
/// # Errors
/// When the metadata cannot be read. Whatever is wrong with a blob is a finding.
pub async fn scrub(blobs: &dyn BlobStore, metadata: &dyn MetadataStore) -> Result<ScrubReport, StoreError> {
    let mut report = ScrubReport::default();
    for message in metadata.integrity().await? {
        report.add(Finding::Database { message });
    }
    let mut from = None;
    loop {
        let page = metadata.all_blobs(part(from.as_ref())).await?;
        for blob in page.items {
            scrub_blob(blobs, metadata, &blob, &mut report).await?;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    loop {
        let page = metadata.all_manifests(part(from.as_ref())).await?;
        for manifest in page.items {
            scrub_manifest(manifest, &mut report);
        }
        from = page.next;
        if from.is_none() {
            return Ok(report);
        }
    }
}

async fn scrub_blob(
    blobs: &dyn BlobStore,
    metadata: &dyn MetadataStore,
    blob: &Blob,
    report: &mut ScrubReport,
) -> Result<(), StoreError> {
    let digest = blob.digest;
    let read = match blobs.read(&blob.key, blob.size, ByteRange::all(blob.size)).await {
        Ok(content) => digest_of(content, digest.algorithm()).await,
        Err(error) => Err(error),
    };
    let finding = match read {
        Ok(Some(found)) => {
            report.blobs += 1;
            report.bytes += blob.size;
            if found == digest {
                return Ok(());
            }
            Finding::BlobDamaged { digest }
        }
        Ok(None) => {
            report.elsewhere += 1;
            return Ok(());
        }
        Err(StoreError::Missing { .. }) => Finding::BlobMissing { digest },
        Err(StoreError::Damaged { .. }) => Finding::BlobDamaged { digest },
        Err(error) => Finding::BlobUnreadable {
            digest,
            reason: error.to_string(),
        },
    };
    // A collection may have taken it since it was listed.
    if !metadata
        .named_keys(std::slice::from_ref(&blob.key))
        .await?
        .is_empty()
    {
        report.add(finding);
    }
    Ok(())
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

/// The digest of all that is read; none where only a client can read it.
async fn digest_of(content: BlobContent, algorithm: Algorithm) -> Result<Option<Digest>, StoreError> {
    match content {
        BlobContent::File { file, range } => {
            run_blocking(move || {
                hash_file(&file, range, algorithm)
                    .map(Some)
                    .map_err(|source| StoreError::io("read an object", source))
            })
            .await
        }
        BlobContent::Stream(stream) => hash_stream(stream, algorithm)
            .await
            .map(Some)
            .map_err(|source| StoreError::io("read an object", source)),
        BlobContent::Redirect(_) => Ok(None),
    }
}

fn hash_file(file: &File, range: ByteRange, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(range.length()).unwrap_or(PIECE_BYTES))];
    let mut at = range.start;
    while at < range.end {
        let rest = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let room = piece.len().min(rest);
        let Some(room) = piece.get_mut(..room) else { break };
        file.read_exact_at(room, at)?;
        hasher.update(room);
        at += room.len() as u64;
    }
    Ok(hasher.finish())
}

async fn hash_stream(mut stream: Pin<Box<dyn AsyncRead + Send>>, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(piece.get(..count).unwrap_or_default());
    }
}

fn part(from: Option<&Cursor>) -> Walk<'_> {
    Walk { from, limit: PAGE }
}

#[cfg(test)]
mod tests;
