//! Back to the old side, with what was pushed here meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::registry::ManifestHead;
use oci::{Digest, Tag};
use serde_json::{Value, json};
use store::{
    Actor, Image, InTransition, PackagePath, Pushes, RepositoryPath, StoreError, Transition,
    TransitionRefusal, TransitionState, Walk,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{CopiedBack, CopyBackError, Moving, copy_back};
use crate::manifests;
use crate::registry::Registry;

/// Manifests that are looked at on the old side at a time.
const AT_ONCE: usize = 8;

/// Manifests that are read from the store at a time.
const PAGE: usize = 256;

/// When every server of the store has heard of a change.
const HEARD_AFTER: Duration = Duration::from_millis(1200);

/// How often a tag may be moved while it is copied.
const MOVES_MAX: usize = 20;

/// What could not be copied, at most, that is told.
const TOLD_MAX: usize = 100;

/// Why a rollback ended early. What it copied stays copied, and it goes on from there when it is asked for again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RollbackError {
    #[error("{path} is not in transition")]
    NoTransition { path: RepositoryPath },
    #[error("a rollback goes to disabled or partial-and-copying")]
    Target,
    #[error(
        "{count} images could not be copied to the old side, such as {first}; with --leave-behind (`leaveBehind`) they stay here alone"
    )]
    NotCopied { count: usize, first: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] TransitionRefusal),
}

/// What a rollback did.
#[derive(Debug, Default)]
pub(crate) struct RolledBack {
    pub(crate) looked_at: usize,
    pub(crate) copied: CopiedBack,
    pub(crate) images_copied: usize,
    /// What could not be copied, and why.
    pub(crate) failed: Vec<(String, String)>,
    pub(crate) failed_count: usize,
    /// What was deleted here and is to be had again from the old side.
    pub(crate) deleted_here: Vec<String>,
}

/// Rollbacks that run or ran since the process began.
#[derive(Debug, Default)]
pub(crate) struct Rollbacks(Mutex<HashMap<RepositoryPath, Option<Result<Value, String>>>>);

impl Rollbacks {
    /// False when one of the repository is running.
    pub(crate) fn begin(&self, path: &RepositoryPath) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(None) = all.get(path) {
            return false;
        }
        all.insert(path.clone(), None);
        true
    }

    pub(crate) fn end(&self, path: &RepositoryPath, told: Result<Value, String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.clone(), Some(told));
    }

    /// How the last one of a repository goes or went.
    pub(crate) fn document(&self, path: &RepositoryPath) -> Value {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(path) {
            None => Value::Null,
            Some(None) => json!({"state": "RUNNING"}),
            Some(Some(Ok(report))) => json!({"state": "DONE", "report": report}),
            Some(Some(Err(reason))) => json!({"state": "FAILED", "error": reason}),
        }
    }
}

impl Registry {
    /// Gives the tags back to the old side: what was pushed here meanwhile is copied there first, and pushes go to both sides
    /// until it has all of it, so that none is lost.
    pub(crate) async fn roll_back(
        &self,
        path: &RepositoryPath,
        to: TransitionState,
        leave_behind: bool,
        actor: &Actor,
    ) -> Result<RolledBack, RollbackError> {
        if to.owns_tags() {
            return Err(RollbackError::Target);
        }
        let found = self.transition(path).await?;
        let unknown = || RollbackError::NoTransition { path: path.clone() };
        let mut current = found.ok_or_else(unknown)?;
        let pushes = current.pushes;
        let mut report = RolledBack::default();
        if current.state.owns_tags() {
            if pushes == Pushes::One {
                current = self
                    .with(path, &current, (current.state, Pushes::Both), actor)
                    .await?;
                // Other servers of the store hear of it that much later.
                tokio::time::sleep(HEARD_AFTER).await;
            }
            let copied = self.copy_all_back(path, &current, &mut report).await;
            if copied.is_err() || (report.failed_count > 0 && !leave_behind) {
                // As it was: the caller looks at what failed, or leaves it behind.
                self.with(path, &current, (current.state, pushes), actor).await?;
                copied?;
                let first = report.failed.first();
                let first = first.map_or_else(String::new, |(what, why)| format!("{what}: {why}"));
                let count = report.failed_count;
                return Err(RollbackError::NotCopied { count, first });
            }
            report.deleted_here = self.deleted_here(path).await?;
        }
        self.with(path, &current, (to, pushes), actor).await?;
        Ok(report)
    }

    async fn with(
        &self,
        path: &RepositoryPath,
        current: &Transition,
        (state, pushes): (TransitionState, Pushes),
        actor: &Actor,
    ) -> Result<Transition, RollbackError> {
        let next = Transition {
            state,
            pushes,
            since: match state == current.state {
                true => current.since,
                false => self.now(),
            },
            owned_since: current.owned_since.filter(|_| state.owns_tags()),
            ..current.clone()
        };
        self.set_transition(path, &next, actor).await??;
        Ok(Transition {
            generation: next.generation.saturating_add(1),
            ..next
        })
    }

    async fn copy_all_back(
        &self,
        path: &RepositoryPath,
        transition: &Transition,
        report: &mut RolledBack,
    ) -> Result<(), RollbackError> {
        let transition = Arc::new(transition.clone());
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut from = None;
        loop {
            let walk = Walk {
                from: from.as_ref(),
                limit: PAGE,
            };
            let page = self.metadata().images(path, walk).await?;
            let mut tasks = JoinSet::new();
            for image in page.items {
                let package = PackagePath {
                    repository: path.clone(),
                    name: image.package.clone(),
                };
                let name = image.package.to_string();
                let Some(moving) = Moving::of(&transition, package, &name) else {
                    continue;
                };
                let (registry, permits) = (self.clone(), Arc::clone(&permits));
                tasks.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    let result = copy_image_back(&registry, &moving, &image).await;
                    (format!("{}@{}", moving.old_name, image.version.digest), result)
                });
            }
            while let Some(done) = tasks.join_next().await {
                match done {
                    Ok((what, result)) => report.note(what, result),
                    Err(error) => report.note(path.to_string(), Err(error.to_string())),
                }
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn deleted_here(&self, path: &RepositoryPath) -> Result<Vec<String>, StoreError> {
        let stones = self.metadata().tombstones(path, None, TOLD_MAX).await?;
        let shown = |InTransition { package, reference }: InTransition| match reference.parse::<Digest>() {
            Ok(_) => format!("{package}@{reference}"),
            Err(_) => format!("{package}:{reference}"),
        };
        Ok(stones.into_iter().map(shown).collect())
    }
}

impl RolledBack {
    fn note(&mut self, what: String, result: Result<Option<CopiedBack>, String>) {
        self.looked_at += 1;
        match result {
            Ok(None) => {}
            Ok(Some(copied)) => {
                self.images_copied += 1;
                self.copied.add(copied);
            }
            Err(why) => {
                self.failed_count += 1;
                if self.failed.len() < TOLD_MAX {
                    self.failed.push((what, why));
                }
            }
        }
    }
}

/// Copies a manifest and its tags to the old side where they are not as here; nothing when they are.
async fn copy_image_back(
    registry: &Registry,
    moving: &Moving,
    image: &Image,
) -> Result<Option<CopiedBack>, String> {
    let digest = &image.version.digest;
    let is_there = described(registry, moving, digest.to_string()).await?.is_some();
    let mut tags = Vec::new();
    for tag in &image.version.tags {
        let there = described(registry, moving, tag.to_string()).await?;
        if there.and_then(|described| described.digest) != Some(*digest) {
            tags.push(tag.clone());
        }
    }
    if is_there && tags.is_empty() {
        return Ok(None);
    }
    let stored = registry.metadata().manifest(&moving.package, digest).await;
    let Some(stored) = stored.map_err(|error| error.to_string())? else {
        // It went meanwhile.
        return Ok(None);
    };
    let mut all = CopiedBack::default();
    if tags.is_empty() {
        let copied = copy_back::copy_back(registry, moving, &manifests::descriptor(&stored), None).await;
        all.add(copied.map_err(|error| whole(&error))?);
    }
    for tag in &tags {
        all.add(copy_tag_back(registry, moving, tag).await?);
    }
    Ok(Some(all))
}

/// Copies what a tag names, and again when it was moved meanwhile: a push writes to both sides, and the older of the two must not
/// come last.
async fn copy_tag_back(registry: &Registry, moving: &Moving, tag: &Tag) -> Result<CopiedBack, String> {
    let mut all = CopiedBack::default();
    let mut copied_last = None;
    for _ in 0..MOVES_MAX {
        let stored = registry.metadata().tagged(&moving.package, tag).await;
        let Some(stored) = stored.map_err(|error| error.to_string())? else {
            return Ok(all);
        };
        if copied_last == Some(stored.digest) {
            return Ok(all);
        }
        let descriptor = manifests::descriptor(&stored);
        let copied = copy_back::copy_back(registry, moving, &descriptor, Some(tag.as_str())).await;
        all.add(copied.map_err(|error| whole(&error))?);
        copied_last = Some(stored.digest);
    }
    Err(format!("{tag} was moved {MOVES_MAX} times while it was copied"))
}

/// What the old side says of a tag or digest.
async fn described(
    registry: &Registry,
    moving: &Moving,
    reference: String,
) -> Result<Option<ManifestHead>, String> {
    let (old, name) = (&moving.transition.old, &moving.old_name);
    let described = registry.ask_upstream(old, name, |repository| {
        let reference = reference.clone();
        async move { repository.head(&reference).await }
    });
    described.await.map_err(|trouble| trouble.to_string())
}

/// An error with its causes, in a line.
pub(super) fn whole(error: &CopyBackError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
