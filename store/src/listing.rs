//! What packages hold, as somebody looks at it: in pages, with sizes and times.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, MediaType, RepositoryName, Tag};

use crate::{Cursor, PackagePath, Page, RepositoryPath, StoreError, Walk};

/// A package that holds a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name in its repository.
    pub name: RepositoryName,
    /// When something was first stored in it.
    pub created: Timestamp,
    /// When a manifest was last stored in it or removed, or a tag moved.
    pub updated: Timestamp,
}

/// A manifest in a listing of its package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its digest.
    pub digest: Digest,
    /// What it is.
    pub media_type: MediaType,
    /// See [`NewManifest::artifact_type`](crate::NewManifest::artifact_type).
    pub artifact_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// Sizes of the manifest, its configuration and layers, added up: those that it says, so at most the largest number
    /// that is kept.
    pub size_bytes: u64,
    /// When it was first stored.
    pub created: Timestamp,
    /// When it was last stored, or a tag last set on it or taken from it.
    pub updated: Timestamp,
    /// Its tags, in bytewise order.
    pub tags: Vec<Tag>,
}

/// A version and its package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The package.
    pub package: RepositoryName,
    /// The version.
    pub version: Version,
}

/// A tag and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagEntry {
    /// Its name.
    pub tag: Tag,
    /// What it names.
    pub digest: Digest,
    /// Since when.
    pub updated: Timestamp,
}

/// In which order versions are listed. Those of the same time are in the order of their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VersionOrder {
    /// By their digests.
    #[default]
    Digest,
    /// By when they were first stored.
    Created,
    /// By when they were last changed.
    Updated,
}

/// Which versions of a package are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct VersionQuery<'q> {
    /// In which order.
    pub order: VersionOrder,
    /// The other way round: greatest or newest first.
    pub descending: bool,
    /// Where to go on, as the page before told; the order must be the same. None to begin.
    pub from: Option<&'q Cursor>,
    /// At most this many.
    pub limit: usize,
}

/// Looks at what packages hold.
///
/// # Errors
/// A [`Cursor`] that the store has not given is [`StoreError::Cursor`].
#[async_trait]
pub trait Listing: Send + Sync {
    /// Packages of a repository in the bytewise order of their names, after `after`, at most `limit`.
    async fn packages(
        &self,
        repository: &RepositoryPath,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<Package>, StoreError>;

    /// One package.
    async fn package(&self, package: &PackagePath) -> Result<Option<Package>, StoreError>;

    /// Manifests of a package. One that is stored or changed while pages are read may be missed or come twice.
    async fn versions(
        &self,
        package: &PackagePath,
        query: &VersionQuery<'_>,
    ) -> Result<Page<Version>, StoreError>;

    /// One of them.
    async fn version(&self, package: &PackagePath, digest: &Digest) -> Result<Option<Version>, StoreError>;

    /// Manifests of all packages of a repository, in the order of package and digest.
    async fn images(&self, repository: &RepositoryPath, walk: Walk<'_>) -> Result<Page<Image>, StoreError>;

    /// Tags with what they name, in bytewise order, after `after`, at most `limit`.
    async fn tag_entries(
        &self,
        package: &PackagePath,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<TagEntry>, StoreError>;

    /// One of them.
    async fn tag_entry(&self, package: &PackagePath, tag: &Tag) -> Result<Option<TagEntry>, StoreError>;
}
