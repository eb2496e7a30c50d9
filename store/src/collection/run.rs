//! One collection from beginning to end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oci::Digest;

use super::pace::{PAGE, Pace};
use super::{Cursor, InPackage, Others, Walk};
use crate::{Actor, Blob, BlobStore, MetadataStore, ObjectAge, StorageKey, StoreError};

/// The shortest sensible [`CollectionOptions::grace`]: between an object and its row lies an answer of the database, and
/// between a client's question for a blob and the manifest that names it lies the push of the others.
pub const GRACE_MIN: Duration = Duration::from_secs(3600);

/// Indexes within indexes: each pass frees what the last one's manifests held.
const UNTAGGED_PASSES_MAX: usize = 16;

/// What a collection does.
#[derive(Debug, Clone)]
pub struct CollectionOptions {
    /// How long a blob that nobody needs is kept since somebody last asked for it, and an object that no row names
    /// since it was written. See [`GRACE_MIN`].
    pub grace: Duration,
    /// How long an upload may rest.
    pub upload_idle: Duration,
    /// Removes manifests that have been without a tag for so long, if given. Children of an index and referrers of
    /// what is there stay.
    pub untagged_after: Option<Duration>,
    /// Removes nothing, and reports what it would. What only the removal of something else would free is not in it.
    pub dry_run: bool,
    /// Who is said to have removed manifests.
    pub actor: Actor,
}

/// Things of one kind that went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// How many.
    pub count: u64,
    /// Their sizes, added up.
    pub bytes: u64,
}

impl Freed {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a collection freed, or would have freed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectionReport {
    /// Manifests without a tag.
    pub manifests: u64,
    /// Links of packages to blobs that no manifest of theirs names.
    pub links: u64,
    /// Packages that held nothing any more.
    pub packages: u64,
    /// Blobs.
    pub blobs: Freed,
    /// Objects that no row names: of pushes that lost a race, or whose server died.
    pub orphans: Freed,
    /// Uploads that nobody went on with.
    pub uploads: Freed,
    /// Objects and uploads that could not be removed. A later collection tries again.
    pub failures: u64,
}

/// Frees what nobody needs, as of `now`. Pushes and pulls may go on: no call of the store takes long, and what became
/// needed since it was looked for stays.
///
/// # Errors
/// When the metadata cannot be read or written, or objects cannot be listed. What was freed until then is freed. An
/// object that cannot be removed is counted and is no error.
pub async fn collect(
    blobs: &dyn BlobStore,
    metadata: &dyn MetadataStore,
    options: &CollectionOptions,
    now: Timestamp,
) -> Result<CollectionReport, StoreError> {
    run(blobs, metadata, options, now, Pace::new(None)).await
}

/// The same beside others: while they ask for anything, it works in small parts and rests between them.
///
/// # Errors
/// As [`collect`].
pub async fn collect_beside(
    blobs: &dyn BlobStore,
    metadata: &dyn MetadataStore,
    options: &CollectionOptions,
    now: Timestamp,
    others: &dyn Others,
) -> Result<CollectionReport, StoreError> {
    run(blobs, metadata, options, now, Pace::new(Some(others))).await
}

async fn run(
    blobs: &dyn BlobStore,
    metadata: &dyn MetadataStore,
    options: &CollectionOptions,
    now: Timestamp,
    pace: Pace<'_>,
) -> Result<CollectionReport, StoreError> {
    let mut run = Run {
        blobs,
        metadata,
        options,
        now,
        pace,
        report: CollectionReport::default(),
    };
    run.untagged().await?;
    if run.report.manifests > 0 && !options.dry_run {
        run.pace.forget_manifests();
    }
    run.idle_links().await?;
    run.idle_blobs().await?;
    run.orphans().await?;
    run.uploads().await?;
    if !options.dry_run {
        run.report.packages = metadata.forget_empty_packages().await? as u64;
    }
    Ok(run.report)
}

struct Run<'r> {
    blobs: &'r dyn BlobStore,
    metadata: &'r dyn MetadataStore,
    options: &'r CollectionOptions,
    now: Timestamp,
    pace: Pace<'r>,
    report: CollectionReport,
}

impl Run<'_> {
    fn before(&self, age: Duration) -> Timestamp {
        SignedDuration::try_from(age)
            .ok()
            .and_then(|age| self.now.checked_sub(age).ok())
            .unwrap_or(Timestamp::MIN)
    }

    async fn untagged(&mut self) -> Result<(), StoreError> {
        let Some(age) = self.options.untagged_after else {
            return Ok(());
        };
        let before = self.before(age);
        for _ in 0..UNTAGGED_PASSES_MAX {
            let removed = self.untagged_pass(before).await?;
            self.report.manifests += removed;
            if removed == 0 || self.options.dry_run {
                break;
            }
        }
        Ok(())
    }

    async fn untagged_pass(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut removed, mut from) = (0, None);
        loop {
            let limit = self.pace.begin();
            let page = self
                .metadata
                .untagged_manifests(before, part(from.as_ref(), limit))
                .await?;
            removed += self
                .count_or(&page.items, async |manifests: &[InPackage]| {
                    let (actor, now) = (&self.options.actor, self.now);
                    self.metadata.remove_untagged(manifests, before, actor, now).await
                })
                .await?;
            from = page.next;
            if from.is_none() {
                return Ok(removed);
            }
            self.pace.rest().await;
        }
    }

    async fn idle_links(&mut self) -> Result<(), StoreError> {
        let before = self.before(self.options.grace);
        let mut from = None;
        loop {
            let limit = self.pace.begin();
            let page = self
                .metadata
                .idle_links(before, part(from.as_ref(), limit))
                .await?;
            self.report.links += self
                .count_or(&page.items, async |links: &[InPackage]| {
                    self.metadata.remove_idle_links(links, before).await
                })
                .await?;
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
            self.pace.rest().await;
        }
    }

    /// In a dry run the number of candidates, else of what `remove` removed of them.
    async fn count_or(
        &self,
        items: &[InPackage],
        remove: impl AsyncFnOnce(&[InPackage]) -> Result<usize, StoreError>,
    ) -> Result<u64, StoreError> {
        if self.options.dry_run || items.is_empty() {
            return Ok(items.len() as u64);
        }
        Ok(remove(items).await? as u64)
    }

    async fn idle_blobs(&mut self) -> Result<(), StoreError> {
        let before = self.before(self.options.grace);
        let mut from = None;
        loop {
            let limit = self.pace.begin();
            let page = self
                .metadata
                .idle_blobs(before, part(from.as_ref(), limit))
                .await?;
            let taken = self.taken(page.items, before).await?;
            for blob in taken {
                if self.remove_object(&blob.key).await {
                    self.report.blobs.add(blob.size);
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
            self.pace.rest().await;
        }
    }

    async fn taken(&self, candidates: Vec<Blob>, before: Timestamp) -> Result<Vec<Blob>, StoreError> {
        if self.options.dry_run || candidates.is_empty() {
            return Ok(candidates);
        }
        let digests: Vec<Digest> = candidates.iter().map(|blob| blob.digest).collect();
        self.metadata.take_idle_blobs(&digests, before).await
    }

    /// Objects without a row. One that is old enough cannot get a row any more.
    async fn orphans(&mut self) -> Result<(), StoreError> {
        let mut after: Option<StorageKey> = None;
        loop {
            let limit = self.pace.begin();
            let objects = self.blobs.objects(after.as_ref(), limit).await?;
            let is_last = objects.len() < limit;
            after = objects.last().map(|object| object.key.clone());
            let old: Vec<ObjectAge<StorageKey>> = objects
                .into_iter()
                .filter(|object| object.idle > self.options.grace)
                .collect();
            let keys: Vec<StorageKey> = old.iter().map(|object| object.key.clone()).collect();
            let named = if keys.is_empty() {
                Vec::new()
            } else {
                self.metadata.named_keys(&keys).await?
            };
            for object in old {
                if !named.contains(&object.key) && self.remove_object(&object.key).await {
                    self.report.orphans.add(object.size);
                }
            }
            if is_last {
                return Ok(());
            }
            self.pace.rest().await;
        }
    }

    async fn uploads(&mut self) -> Result<(), StoreError> {
        loop {
            self.pace.begin();
            // The files look at all uploads each time, and the writer of rows has nothing to do with them.
            let limit = PAGE;
            let idle = self.blobs.idle_uploads(self.options.upload_idle, limit).await?;
            let (found, mut removed) = (idle.len(), 0);
            for upload in idle {
                let gone = self.options.dry_run || self.blobs.abort(&upload.key).await.is_ok();
                if gone {
                    removed += 1;
                    self.report.uploads.add(upload.size);
                } else {
                    self.report.failures += 1;
                }
            }
            // Where some resist, the next page would be the same again.
            if found < limit || removed < found || self.options.dry_run {
                return Ok(());
            }
            self.pace.rest().await;
        }
    }

    /// Whether the object is gone, or would be.
    async fn remove_object(&mut self, key: &StorageKey) -> bool {
        let removed = self.options.dry_run || self.blobs.remove(key).await.is_ok();
        if !removed {
            self.report.failures += 1;
        }
        removed
    }
}

fn part(from: Option<&Cursor>, limit: usize) -> Walk<'_> {
    Walk { from, limit }
}
