//! Online collection: what nobody needs any more goes, while pushes go on.
//!
//! Rows decide here too. A blob's row is taken under a condition (no package links it, nobody has asked for it since
//! a time) in one transaction, and only then the object that it named is removed. A push of the same digest meanwhile
//! has an object of its own, so whichever comes first, nothing is lost. Walks look for candidates and may be behind
//! the truth; removals look again.

mod pace;
mod run;

use async_trait::async_trait;
use jiff::Timestamp;
use oci::Digest;

use crate::{Actor, Blob, PackagePath, StorageKey, StoreError};
pub use run::{CollectionOptions, CollectionReport, Freed, GRACE_MIN, collect, collect_beside};

/// Those who push and pull while a collection runs.
pub trait Others: Sync {
    /// Grows with each of their requests.
    fn requests(&self) -> u64;

    /// Manifests are gone, and what they named goes next: who has them in memory forgets them.
    fn forget_manifests(&self);
}

/// Where a walk goes on. It means something to the store that gave it, and to no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of a walk over everything there is of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found in this part; it may be nothing while more comes.
    pub items: Vec<T>,
    /// Where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// Which part of a walk is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walk<'w> {
    /// Where to go on; none to begin.
    pub from: Option<&'w Cursor>,
    /// How many things are *looked at*, so that no part takes long.
    pub limit: usize,
}

/// A manifest or a linked blob in a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InPackage {
    /// The package.
    pub package: PackagePath,
    /// The manifest or blob.
    pub digest: Digest,
}

/// Finds and removes what nobody needs.
#[async_trait]
pub trait Collection: Send + Sync {
    /// Manifests without a tag since `before` that no index of their package names, and whose subject, if they have
    /// one, is not there.
    async fn untagged_manifests(
        &self,
        before: Timestamp,
        walk: Walk<'_>,
    ) -> Result<Page<InPackage>, StoreError>;

    /// Removes those of these manifests that [`untagged_manifests`](Collection::untagged_manifests) would still list;
    /// returns how many, with an event for each.
    async fn remove_untagged(
        &self,
        manifests: &[InPackage],
        before: Timestamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Links to blobs that nobody has seen since `before` and no manifest of the package names.
    async fn idle_links(&self, before: Timestamp, walk: Walk<'_>) -> Result<Page<InPackage>, StoreError>;

    /// Removes those of these links that [`idle_links`](Collection::idle_links) would still list; returns how many.
    async fn remove_idle_links(&self, links: &[InPackage], before: Timestamp) -> Result<usize, StoreError>;

    /// Blobs that nobody has seen since `before` and no package links.
    async fn idle_blobs(&self, before: Timestamp, walk: Walk<'_>) -> Result<Page<Blob>, StoreError>;

    /// Removes the rows of those of these blobs that [`idle_blobs`](Collection::idle_blobs) would still list, and
    /// returns what they were. Once this is answered no row names their keys, and none ever will again: the caller
    /// removes the objects.
    async fn take_idle_blobs(&self, digests: &[Digest], before: Timestamp) -> Result<Vec<Blob>, StoreError>;

    /// Those of these keys that a row names.
    async fn named_keys(&self, keys: &[StorageKey]) -> Result<Vec<StorageKey>, StoreError>;

    /// Removes packages that hold neither manifest nor link any more; returns how many.
    async fn forget_empty_packages(&self) -> Result<usize, StoreError>;
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod stress_tests;
#[cfg(test)]
mod tests;
