//! Back to the old side, with what was pushed here meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, Tag};
use serde_json::{Value, json};
use store::{
    Actor, Image, InTransition, Pushes, RepositoryPath, StoreError, Transition, TransitionRefusal,
    TransitionState,
};

use super::each_image::each_image;
use super::memory::HEARD_AFTER;
use super::{CopiedBack, CopyBackError, Moving, copy_back, settling};
use crate::manifests;
use crate::registry::Registry;

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
struct RolledBack {
    looked_at: usize,
    copied: CopiedBack,
    images_copied: usize,
    /// What could not be copied, and why.
    failed: Vec<(String, String)>,
    failed_count: usize,
    /// What was deleted here and is to be had again from the old side.
    deleted_here: Vec<String>,
}

/// Rollbacks that run or ran since the process began.
#[derive(Debug, Default)]
pub(crate) struct Rollbacks(Arc<Known>);

/// How the last one of each repository ended; nothing while it runs.
type Known = Mutex<HashMap<RepositoryPath, Option<Result<Value, String>>>>;

impl Rollbacks {
    /// Nothing when one of the repository is running.
    fn begin(&self, path: &RepositoryPath) -> Option<Ending> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(None) = all.get(path) {
            return None;
        }
        all.insert(path.clone(), None);
        Some(Ending {
            all: Arc::clone(&self.0),
            path: path.clone(),
            told: Err("it ended by a fault of the program".to_owned()),
        })
    }

    /// Whether one of the repository is running: until it ends, the transition is its own.
    pub(crate) fn is_running(&self, path: &RepositoryPath) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(all.get(path), Some(None))
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

/// How a rollback ended is told when this is dropped, also by a panic: otherwise none could ever begin again.
#[derive(Debug)]
struct Ending {
    all: Arc<Known>,
    path: RepositoryPath,
    told: Result<Value, String>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let told = std::mem::replace(&mut self.told, Ok(Value::Null));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.path.clone(), Some(told));
    }
}

/// A rollback that runs.
#[derive(Debug)]
pub(crate) struct Running {
    registry: Registry,
    ending: Ending,
}

impl Running {
    /// Nothing when one of the repository is running already.
    pub(crate) fn begin(registry: &Registry, path: &RepositoryPath) -> Option<Running> {
        let ending = registry.rollbacks().begin(path)?;
        let registry = registry.clone();
        Some(Running { registry, ending })
    }

    /// Rolls back, and tells what was done or why it was not.
    pub(crate) async fn run(
        mut self,
        to: TransitionState,
        leave_behind: bool,
        actor: &Actor,
    ) -> Result<(), RollbackError> {
        let done = self
            .registry
            .roll_back(&self.ending.path, to, leave_behind, actor);
        let done = done.await;
        self.ending.told = match &done {
            Ok(report) => Ok(report.document()),
            Err(error) => Err(error.to_string()),
        };
        done.map(drop)
    }

    /// Ends without having begun.
    pub(super) fn refuse(mut self, reason: String) {
        self.ending.told = Err(reason);
    }
}

impl Registry {
    /// Gives the tags back to the old side: what was pushed here meanwhile is copied there first, and pushes go to both sides
    /// until it has all of it, so that none is lost.
    async fn roll_back(
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
        let work = |registry: Registry, moving: Moving, image: Image| async move {
            let result = copy_image_back(&registry, &moving, &image).await;
            (format!("{}@{}", moving.old_name, image.version.digest), result)
        };
        each_image(self, (path, transition), work, |done| match done {
            Ok((what, result)) => report.note(what, result),
            Err(error) => report.note(path.to_string(), Err(error.to_string())),
        })
        .await?;
        Ok(())
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
    fn document(&self) -> Value {
        let failed: Vec<Value> = self
            .failed
            .iter()
            .map(|(what, why)| json!({"image": what, "error": why}))
            .collect();
        json!({
            "lookedAt": self.looked_at,
            "imagesCopied": self.images_copied,
            "manifestsCopied": self.copied.manifests,
            "blobBytesCopied": self.copied.blob_bytes.to_string(),
            "failedCount": self.failed_count,
            "failed": failed,
            "deletedHere": self.deleted_here,
        })
    }

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
    let (old, package) = (&moving.transition.old, &moving.package);
    let described = registry.describe_upstream_manifest(old, package, digest).await;
    let is_there = described.map_err(|trouble| trouble.to_string())?.is_some();
    let mut tags = Vec::new();
    for tag in &image.version.tags {
        let there = registry.resolve_upstream(old, package, tag).await;
        let there = there.map_err(|trouble| trouble.to_string())?;
        let is_ours = match there {
            Some(there) if there == *digest => continue,
            Some(there) => settling::is_ours(registry, moving, tag, there).await,
            None => Ok(true),
        };
        if is_ours.map_err(|error| error.to_string())? {
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
pub(super) async fn copy_tag_back(
    registry: &Registry,
    moving: &Moving,
    tag: &Tag,
) -> Result<CopiedBack, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_panics_does_not_run_for_ever() {
        let (rollbacks, path) = (
            Rollbacks::default(),
            "projects/p/locations/l/repositories/r".parse().unwrap(),
        );
        let ending = rollbacks.begin(&path).unwrap();
        assert!(rollbacks.begin(&path).is_none(), "one at a time");
        assert_eq!(rollbacks.document(&path)["state"], "RUNNING");
        let work = tokio::spawn(async move {
            let _ending = ending;
            panic!("a fault of the program");
        });
        assert!(work.await.is_err());
        assert_eq!(rollbacks.document(&path)["state"], "FAILED");
        let mut again = rollbacks.begin(&path).unwrap();
        again.told = Ok(Value::Null);
        drop(again);
        assert_eq!(rollbacks.document(&path)["state"], "DONE");
    }
}
