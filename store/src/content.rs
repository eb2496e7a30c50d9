//! What packages hold: links to blobs, manifests, tags.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, MediaType, RepositoryName, Tag};

use crate::{Actor, PackagePath, RepositoryPath, StorageKey, StoreError};

/// A blob, as a package that links it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// The object that holds its bytes.
    pub key: StorageKey,
    /// When somebody last asked for it or stored it, as far as it was noted.
    pub last_seen: Timestamp,
}

/// What became of the object of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The blob's row names the key.
    Kept,
    /// The digest was there under another key: the package links that, and the caller removes its own object.
    Superseded,
    /// The quota of the repository or its project would be exceeded; nothing was changed, and the caller removes its own object.
    OverQuota {
        /// The quota, in bytes.
        quota_bytes: u64,
    },
    /// There is no such repository.
    RepositoryUnknown,
}

/// A manifest to be stored.
#[derive(Debug, Clone)]
pub struct NewManifest {
    /// The digest it is stored under; its algorithm is remembered.
    pub digest: Digest,
    /// Its bytes, verbatim.
    pub bytes: Bytes,
    /// What it is.
    pub media_type: MediaType,
    /// The artifact type that referrers lists show: its own, else the media type of its configuration.
    pub artifact_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// Its configuration, layers and children.
    pub references: Vec<ManifestReference>,
    /// Sizes of configuration and layers, added up.
    pub size_bytes: u64,
    /// Tags to set on it, in the same transaction.
    pub tags: Vec<Tag>,
}

/// One thing that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestReference {
    /// By which digest.
    pub digest: Digest,
    /// What it is, and whether it must be there.
    pub kind: Reference,
}

/// What a manifest names, and whether it must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// A blob; a manifest that names one which the package does not link is refused.
    Blob,
    /// A blob that may be missing. Naming it links nothing.
    SparseBlob,
    /// A manifest of the same package that must be there.
    Child,
    /// A manifest that may be missing.
    SparseChild,
}

/// Why a manifest was not stored, or a tag not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutRefusal {
    /// There is no such repository.
    #[error("the repository does not exist")]
    RepositoryUnknown,
    /// It names a blob that the package does not link.
    #[error("blob {digest} is unknown to this package")]
    BlobUnknown {
        /// Which.
        digest: Digest,
    },
    /// It names a manifest that the package does not have.
    #[error("manifest {digest} is unknown to this package")]
    ManifestUnknown {
        /// Which.
        digest: Digest,
    },
    /// A tag is set to something else and immutable.
    #[error("tag {tag} is immutable")]
    TagImmutable {
        /// Which.
        tag: Tag,
    },
    /// The quota of the repository or its project would be exceeded.
    #[error("the quota of the repository or its project, {quota_bytes} bytes, would be exceeded")]
    OverQuota {
        /// The quota, in bytes.
        quota_bytes: u64,
    },
}

/// A manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The digest it was pushed under.
    pub digest: Digest,
    /// Its bytes, verbatim.
    pub bytes: Bytes,
    /// What it is.
    pub media_type: MediaType,
    /// See [`NewManifest::artifact_type`].
    pub artifact_type: Option<String>,
}

/// Which referrers are asked for.
#[derive(Debug, Clone)]
pub struct ReferrerQuery<'q> {
    /// What they refer to.
    pub subject: &'q Digest,
    /// Only those of this artifact type.
    pub artifact_type: Option<&'q str>,
    /// Only those after this one, in the order of their digests.
    pub after: Option<&'q Digest>,
    /// At most this many.
    pub limit: usize,
}

/// What became of a manifest that was to go only if nothing holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// There is none.
    Unknown,
    /// This tag names it, among others perhaps.
    Tagged(Tag),
    /// This index names it.
    ChildOf(Digest),
    /// This referrer names it as its subject.
    SubjectOf(Digest),
}

/// A tag to be moved to a manifest that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMove {
    /// Which.
    pub tag: Tag,
    /// Where to.
    pub to: Digest,
}

/// What packages hold. A package is there from its first link or manifest on.
#[async_trait]
pub trait Content: Send + Sync {
    /// The blob, if the package links it. Tells nothing of blobs that others link.
    async fn blob(&self, package: &PackagePath, digest: &Digest) -> Result<Option<Blob>, StoreError>;

    /// Renews when the blob was last seen, so that a collection leaves it its grace time. Call it when a client was
    /// told that a blob is there and `last_seen` is older than half of that time.
    ///
    /// False when the blob is gone meanwhile: then the client must not be told that it is there.
    async fn touch_blob(
        &self,
        package: &PackagePath,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Links an uploaded blob, whose object is durable, to a package. Durable when answered.
    async fn commit_blob(
        &self,
        package: &PackagePath,
        blob: &Blob,
        actor: &Actor,
    ) -> Result<Committed, StoreError>;

    /// Links to `package` a blob that `from` links; false when `from` does not.
    async fn mount_blob(
        &self,
        package: &PackagePath,
        from: &PackagePath,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Packages that link a blob, in order, after `after`, at most `limit`: for a mount without a source, where the
    /// caller then asks which of them may be read.
    async fn packages_with_blob(
        &self,
        digest: &Digest,
        after: Option<&PackagePath>,
        limit: usize,
    ) -> Result<Vec<PackagePath>, StoreError>;

    /// Takes a package's link to a blob away; false when there is none. The bytes go with a later collection.
    async fn unlink_blob(&self, package: &PackagePath, digest: &Digest) -> Result<bool, StoreError>;

    /// Stores a manifest with its references and tags, in one transaction: readers see all or nothing. One that is
    /// there already is left as it is, and its tags are set. Durable when answered.
    async fn put_manifest(
        &self,
        package: &PackagePath,
        manifest: &NewManifest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), PutRefusal>, StoreError>;

    /// A manifest by digest.
    async fn manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StoreError>;

    /// The manifest that a tag names.
    async fn tagged(&self, package: &PackagePath, tag: &Tag) -> Result<Option<StoredManifest>, StoreError>;

    /// Sets a tag on a manifest that is there.
    async fn move_tag(
        &self,
        package: &PackagePath,
        tag_move: &TagMove,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), PutRefusal>, StoreError>;

    /// Removes a tag; false when there is none of that name.
    async fn delete_tag(
        &self,
        package: &PackagePath,
        tag: &Tag,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError>;

    /// Removes a manifest and the tags that name it; false when there is none. Refused while an immutable tag names it.
    async fn delete_manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError>;

    /// Removes a manifest that no tag names, no index as a child, and no referrer as its subject. Whether something
    /// holds it is looked up in the same transaction.
    async fn delete_unheld_manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Removal, StoreError>;

    /// Removes a package with all that is in it; false when there is none. Refused while it has an immutable tag.
    ///
    /// It goes in parts, and others read and write between them. Where that ends half-way, as with the process, what is left
    /// is whole, an index with what it names, and goes when this is called again. What is pushed into the package meanwhile
    /// stays.
    async fn delete_package(
        &self,
        package: &PackagePath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError>;

    /// Tags in bytewise order, after `after`, at most `limit`; none when the package is not known.
    async fn tags(
        &self,
        package: &PackagePath,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<Tag>>, StoreError>;

    /// Manifests that refer to another, whether that one is there or not.
    async fn referrers(
        &self,
        package: &PackagePath,
        query: &ReferrerQuery<'_>,
    ) -> Result<Vec<StoredManifest>, StoreError>;

    /// Whether an index of the package names this manifest as a child, or a referrer as its subject.
    async fn parents(
        &self,
        package: &PackagePath,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError>;

    /// Manifests of the package that name a blob, at most `limit`, in no order.
    async fn manifests_with_blob(
        &self,
        package: &PackagePath,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<StoredManifest>, StoreError>;

    /// Names of packages of a repository that have a manifest and whose name lies directly or deeper below `prefix`, in
    /// bytewise order, after `after`, at most `limit`; without a prefix, all.
    async fn packages_below(
        &self,
        repository: &RepositoryPath,
        prefix: Option<&RepositoryName>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError>;
}
