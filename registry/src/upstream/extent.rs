//! How long a blob may be that comes from another registry: what is fetched goes to our disk before anybody knows whether it is
//! right.

use std::collections::BTreeSet;
use std::sync::Arc;

use oci::{Digest, Parsed};
use store::{PackagePath, RepositoryPath, StoreError, StoredManifest};

use super::Trouble;
use crate::manifests;
use crate::registry::Registry;

/// Manifests that are looked into for the length of one blob. Mostly one says it, and all say the same.
const NAMED_BY_MAX: usize = 4;

/// How long a blob may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// No more than so many bytes are taken.
    pub(super) bytes_max: u64,
    /// Whether the upstream or a manifest says its length. Otherwise no end of it is in sight.
    pub(super) is_told: bool,
}

impl Registry {
    /// How long a blob of the package may be, of which the upstream says that it has `told` bytes.
    ///
    /// A manifest of the package that names it says its length, and the upstream must say no other. Where nobody says it, the blob
    /// has to fit into what quotas leave. One whose length is known may be longer: it is served, and not kept.
    ///
    /// # Errors
    /// When it has another length than it should have, or more bytes than a blob may have, or the disk has room for, or nothing is
    /// left of a quota.
    pub(super) async fn extent_of(
        &self,
        (host, package): (&str, &PackagePath),
        digest: &Digest,
        told: Option<u64>,
    ) -> Result<Extent, Trouble> {
        let failed = |error: StoreError| {
            self.trouble("upstream", &error);
            Trouble::of_store(&error)
        };
        let limit_bytes = self.options().limits.blob_bytes_max;
        if told.is_some_and(|told| told > limit_bytes) {
            return Err(Trouble::TooLarge { limit_bytes });
        }
        let named = self.named_lengths(package, digest).await.map_err(failed)?;
        let extent = match (told, named.last()) {
            (Some(told), Some(named_most)) if !named.contains(&told) => {
                let problem = format!("blob {digest} of {told} bytes, where its manifest says {named_most}");
                let trouble = Trouble::wrong(host, problem);
                self.trouble("upstream", &trouble);
                return Err(trouble);
            }
            (Some(bytes), _) | (None, Some(&bytes)) => Extent {
                bytes_max: bytes.min(limit_bytes),
                is_told: true,
            },
            (None, None) => match self.quota_left(&package.repository).await.map_err(failed)? {
                Some(0) => return Err(Trouble::NoQuota),
                left => Extent {
                    bytes_max: left.unwrap_or(limit_bytes).min(limit_bytes),
                    is_told: false,
                },
            },
        };
        // Looked at before the first byte: an answer that was begun could only be broken off.
        let room = self.blobs().room().await.map_err(failed)?;
        if extent.is_told && room.is_some_and(|room| room < extent.bytes_max) {
            self.trouble("upstream", &Trouble::Full);
            return Err(Trouble::Full);
        }
        Ok(extent)
    }

    /// What manifests of the package say of the blob's length, those too that have only come and are not kept yet.
    async fn named_lengths(
        &self,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<BTreeSet<u64>, StoreError> {
        let kept = self
            .metadata()
            .manifests_with_blob(package, digest, NAMED_BY_MAX)
            .await?;
        let mut lengths: BTreeSet<u64> = kept
            .iter()
            .flat_map(|manifest| lengths_in(manifest, digest))
            .collect();
        if lengths.is_empty() {
            let arrived: Vec<Arc<StoredManifest>> = self.upstreams().arrived.of(package);
            lengths.extend(arrived.iter().flat_map(|manifest| lengths_in(manifest, digest)));
        }
        Ok(lengths)
    }

    /// Bytes that the quotas of a repository and its project leave; none where there is no quota.
    async fn quota_left(&self, path: &RepositoryPath) -> Result<Option<u64>, StoreError> {
        let repository = self.metadata().repository(path).await?;
        let project = self.metadata().project(path.project()).await?;
        let of_repository = repository.map(|found| (found.quota_bytes, found.size_bytes));
        let quotas = of_repository
            .into_iter()
            .chain([(project.quota_bytes, project.size_bytes)]);
        Ok(quotas
            .filter_map(|(quota, held)| Some(quota?.saturating_sub(held)))
            .min())
    }
}

/// What a manifest says of a blob's length.
fn lengths_in(manifest: &StoredManifest, digest: &Digest) -> Vec<u64> {
    let Ok(manifest) = manifests::parsed(manifest) else {
        return Vec::new();
    };
    let Parsed::Image(image) = manifest.parsed() else {
        return Vec::new();
    };
    std::iter::once(&image.config)
        .chain(&image.layers)
        .filter(|blob| blob.digest == *digest)
        .map(|blob| blob.size)
        .collect()
}
