//! One cleanup from beginning to end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Expired, Expiry};
use crate::{Actor, Cursor, InPackage, MetadataStore, Repository, RepositoryPath, StoreError, Walk};

/// Versions that a report names; the rest is only counted.
pub const CLEANED_LISTED_MAX: usize = 1000;

/// Versions that are looked at by one call of the store.
const PAGE: usize = 256;

/// Versions that one transaction removes: nothing that a push would wait for long.
const BATCH: usize = 32;

/// Repositories that are read at a time.
const REPOSITORIES: usize = 100;

/// Indexes within indexes: each pass frees what the last one's versions held.
const PASSES_MAX: usize = 16;

/// What a cleanup does.
#[derive(Debug, Clone)]
pub struct CleanupOptions {
    /// Only this repository; else all.
    pub repository: Option<RepositoryPath>,
    /// How long a version stays after it was stored, stored again or has lost a tag, whatever policies say: a push may
    /// be under way that needs it.
    pub grace: Duration,
    /// Removes nothing, and reports what it would.
    pub dry_run: bool,
    /// Who is said to have removed versions.
    pub actor: Actor,
}

/// Versions that went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// How many.
    pub versions: u64,
    /// Their tags.
    pub tags: u64,
    /// Their sizes, added up. What they shared with others is still there; the rest goes with the next collections.
    pub bytes: u64,
}

impl Cleaned {
    fn add(&mut self, expired: &Expired) {
        self.versions += 1;
        self.tags += expired.tags.len() as u64;
        self.bytes = self.bytes.saturating_add(expired.size_bytes);
    }
}

/// What a cleanup removed, and what it only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Repositories with policies.
    pub repositories: u64,
    /// What went.
    pub removed: Cleaned,
    /// What would have gone, in a dry run or where a repository's policies only count.
    pub counted: Cleaned,
    /// The first of `removed`, at most [`CLEANED_LISTED_MAX`].
    pub removed_versions: Vec<Expired>,
    /// The first of `counted`, at most [`CLEANED_LISTED_MAX`].
    pub counted_versions: Vec<Expired>,
}

/// Removes what the policies of repositories remove, as of `now`. Pushes may go on: no call of the store takes long, and
/// a version that is stored again, tagged or named by an index meanwhile stays.
///
/// # Errors
/// When the metadata cannot be read or written. What was removed until then is removed.
pub async fn cleanup(
    metadata: &dyn MetadataStore,
    options: &CleanupOptions,
    now: Timestamp,
) -> Result<CleanupReport, StoreError> {
    let changed_before = SignedDuration::try_from(options.grace)
        .ok()
        .and_then(|grace| now.checked_sub(grace).ok())
        .unwrap_or(Timestamp::MIN);
    let mut run = Run {
        metadata,
        options,
        expiry: Expiry { now, changed_before },
        report: CleanupReport::default(),
    };
    if let Some(path) = &options.repository {
        if let Some(repository) = metadata.repository(path).await? {
            run.repository(&repository).await?;
        }
        return Ok(run.report);
    }
    let mut after: Option<RepositoryPath> = None;
    loop {
        let part = metadata.repositories(None, after.as_ref(), REPOSITORIES).await?;
        for repository in &part {
            run.repository(repository).await?;
        }
        if part.len() < REPOSITORIES {
            return Ok(run.report);
        }
        after = part.into_iter().next_back().map(|last| last.path);
    }
}

struct Run<'r> {
    metadata: &'r dyn MetadataStore,
    options: &'r CleanupOptions,
    expiry: Expiry,
    report: CleanupReport,
}

impl Run<'_> {
    async fn repository(&mut self, repository: &Repository) -> Result<(), StoreError> {
        if repository.cleanup.is_empty() {
            return Ok(());
        }
        self.report.repositories += 1;
        if self.options.dry_run || repository.cleanup_dry_run {
            return self.count(&repository.path).await;
        }
        for _ in 0..PASSES_MAX {
            if self.pass(&repository.path).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn count(&mut self, path: &RepositoryPath) -> Result<(), StoreError> {
        let mut from = None;
        loop {
            let walk = part(from.as_ref());
            let page = self.metadata.expired(path, self.expiry, true, walk).await?;
            for expired in page.items {
                self.report.counted.add(&expired);
                list(&mut self.report.counted_versions, expired);
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes what can go at once, and says how many that were.
    async fn pass(&mut self, path: &RepositoryPath) -> Result<u64, StoreError> {
        let before = self.report.removed.versions;
        let mut from = None;
        loop {
            let walk = part(from.as_ref());
            let page = self.metadata.expired(path, self.expiry, false, walk).await?;
            let found: Vec<InPackage> = page.items.into_iter().map(|expired| expired.version).collect();
            for batch in found.chunks(BATCH) {
                let (expiry, actor) = (self.expiry, &self.options.actor);
                for expired in self.metadata.remove_expired(batch, expiry, actor).await? {
                    self.report.removed.add(&expired);
                    list(&mut self.report.removed_versions, expired);
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(self.report.removed.versions - before);
            }
        }
    }
}

fn list(listed: &mut Vec<Expired>, expired: Expired) {
    if listed.len() < CLEANED_LISTED_MAX {
        listed.push(expired);
    }
}

fn part(from: Option<&Cursor>) -> Walk<'_> {
    Walk { from, limit: PAGE }
}
