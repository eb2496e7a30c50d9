//! From one state to the next, and back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::registry::Described;
use jiff::Timestamp;
use oci::{Digest, Manifest, Tag};
use serde_json::{Value, json};
use store::{
    Actor, Image, InTransition, PackagePath, Pushes, RepositoryPath, StoreError, Transition,
    TransitionRefusal, TransitionState, Upstream, Walk,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{CopiedBack, CopyBackError, Moving, copy_back, old_side};
use crate::registry::Registry;
use crate::upstream::Trouble;

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

/// What a transition is to be.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    /// The state to be in.
    pub(crate) state: TransitionState,
    /// The old registry; needed when the transition begins, and it cannot be changed later.
    pub(crate) old: Option<Upstream>,
    /// Where pushes go, if that is to change.
    pub(crate) pushes: Option<Pushes>,
    /// The limit of failures, if that is to change; none in it is none.
    pub(crate) error_limit_percent: Option<Option<u8>>,
}

/// Why a transition stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShiftRefusal {
    #[error("the transition begins with where the old registry is")]
    OldMissing,
    #[error("the old registry of this transition is {old}; finish it or roll it back before another begins")]
    OldDiffers { old: Upstream },
    #[error(
        "this side owns the tags: pushes of here would be lost. A rollback copies them to the old side first"
    )]
    NeedsRollback,
    #[error(
        "this server cannot read {name} at the old registry, with what it shows there by its configuration (`[upstream]`): {trouble}"
    )]
    OldUnreadable { name: String, trouble: Trouble },
    #[error(transparent)]
    Store(#[from] TransitionRefusal),
}

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
    /// Changes the state of a transition, or begins one.
    pub(crate) async fn shift(
        &self,
        path: &RepositoryPath,
        shift: &Shift,
        actor: &Actor,
    ) -> Result<Result<Transition, ShiftRefusal>, StoreError> {
        let found = self.metadata().transitions().await?;
        let found = found.into_iter().find(|(other, _)| other == path);
        let found = found.map(|(_, transition)| transition);
        let next = match next(found, shift, self.now()) {
            Ok(next) => next,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(refusal) = self.cannot_fetch(path, &next).await? {
            return Ok(Err(refusal));
        }
        let set = self.set_transition(path, &next, actor).await?;
        Ok(set.map(|()| next).map_err(ShiftRefusal::from))
    }

    /// Whether this server could not fetch from the old side what it would have to: of one package that is here, the tags there.
    async fn cannot_fetch(
        &self,
        path: &RepositoryPath,
        next: &Transition,
    ) -> Result<Option<ShiftRefusal>, StoreError> {
        let fetches = matches!(
            next.state,
            TransitionState::PartialAndCopying { .. } | TransitionState::EnabledAndCopying
        );
        let packages = self.metadata().packages(path, None, 1).await?;
        let name = packages
            .first()
            .and_then(|package| next.old.name_of(&package.name).ok());
        let Some(name) = name.filter(|_| fetches) else {
            return Ok(None);
        };
        let tags = self.ask_upstream(&next.old, &name, |reading| async move { reading.tags().await });
        let refused = tags.await.err().map(|trouble| ShiftRefusal::OldUnreadable {
            name: format!("{}/{name}", next.old.host),
            trouble,
        });
        Ok(refused)
    }

    async fn set_transition(
        &self,
        path: &RepositoryPath,
        next: &Transition,
        actor: &Actor,
    ) -> Result<Result<(), TransitionRefusal>, StoreError> {
        let (path, next, actor) = (path.clone(), next.clone(), actor.clone());
        let of = path.clone();
        let set = self
            .change_repository(&path, async move |metadata| {
                metadata.set_transition(&of, &next, &actor).await
            })
            .await?;
        self.transition_memory().forget();
        self.transition_counts().judge_anew(&path);
        Ok(set)
    }

    /// Ends a transition for good.
    pub(crate) async fn finish_transition(
        &self,
        path: &RepositoryPath,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let (of, actor, now) = (path.clone(), actor.clone(), self.now());
        let finished = self
            .change_repository(path, async move |metadata| {
                metadata.finish_transition(&of, &actor, now).await
            })
            .await;
        self.transition_memory().forget();
        finished
    }

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
        let mut current = self.transition(path).await?;
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
            self.copy_all_back(path, &current, &mut report).await?;
            if report.failed_count > 0 && !leave_behind {
                // As it was: the caller looks at what failed, or leaves it behind.
                self.with(path, &current, (current.state, pushes), actor).await?;
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
            since: self.now(),
            owned_since: current.owned_since.filter(|_| state.owns_tags()),
            ..current.clone()
        };
        self.set_transition(path, &next, actor).await??;
        Ok(Transition {
            generation: next.generation.saturating_add(1),
            ..next
        })
    }

    async fn transition(&self, path: &RepositoryPath) -> Result<Transition, RollbackError> {
        let all = self.metadata().transitions().await?;
        let found = all.into_iter().find(|(other, _)| other == path);
        let unknown = || RollbackError::NoTransition { path: path.clone() };
        found.map(|(_, transition)| transition).ok_or_else(unknown)
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
                let Ok(old_name) = transition.old.name_of(&image.package) else {
                    continue;
                };
                let moving = Moving {
                    name: image.package.to_string(),
                    package,
                    old_name,
                    transition: Arc::clone(&transition),
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

fn next(found: Option<Transition>, shift: &Shift, now: Timestamp) -> Result<Transition, ShiftRefusal> {
    let current = match (found, &shift.old) {
        (Some(current), Some(old)) if current.old != *old => {
            return Err(ShiftRefusal::OldDiffers { old: current.old });
        }
        (Some(current), _) => current,
        (None, Some(old)) => Transition {
            old: old.clone(),
            state: TransitionState::Disabled,
            pushes: Pushes::One,
            error_limit_percent: None,
            since: now,
            owned_since: None,
            generation: 0,
        },
        (None, None) => return Err(ShiftRefusal::OldMissing),
    };
    if current.state.owns_tags() && !shift.state.owns_tags() {
        return Err(ShiftRefusal::NeedsRollback);
    }
    let owned_since = match shift.state.owns_tags() {
        true => current.owned_since.or(Some(now)),
        false => None,
    };
    Ok(Transition {
        state: shift.state,
        owned_since,
        pushes: shift.pushes.unwrap_or(current.pushes),
        error_limit_percent: shift.error_limit_percent.unwrap_or(current.error_limit_percent),
        since: now,
        ..current
    })
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
    let manifest = Manifest::parse(stored.bytes.to_vec(), Some(&stored.media_type));
    let manifest = manifest.map_err(|error| error.to_string())?;
    let mut all = CopiedBack::default();
    if tags.is_empty() {
        let copied = copy_back::copy_back(registry, moving, &manifest, (digest, None)).await;
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
        let manifest = Manifest::parse(stored.bytes.to_vec(), Some(&stored.media_type));
        let manifest = manifest.map_err(|error| error.to_string())?;
        let what = (&stored.digest, Some(tag.as_str()));
        let copied = copy_back::copy_back(registry, moving, &manifest, what).await;
        all.add(copied.map_err(|error| whole(&error))?);
        copied_last = Some(stored.digest);
    }
    Err(format!("{tag} was moved {MOVES_MAX} times while it was copied"))
}

async fn described(
    registry: &Registry,
    moving: &Moving,
    reference: String,
) -> Result<Option<Described>, String> {
    let (old, name) = (&moving.transition.old, &moving.old_name);
    let described = registry.ask_upstream(old, name, |reading| {
        let reference = reference.clone();
        async move { reading.describe(&reference).await }
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

/// Steps back when more of this side's answers failed than the transition allows: a canary at once, and what owns the tags by
/// a rollback that runs by itself.
pub(super) async fn step_back_if_failing(registry: &Registry, moving: &Moving) {
    let (path, transition) = (&moving.package.repository, &moving.transition);
    let Some(limit_percent) = transition.error_limit_percent else {
        return;
    };
    if transition.state == TransitionState::Disabled
        || !registry.transition_counts().fails(path, limit_percent)
    {
        return;
    }
    // One request steps back; the others see that nothing is to be judged any more.
    registry.transition_counts().judge_anew(path);
    let told = SteppedBack {
        path: path.clone(),
        from: transition.state,
        limit_percent,
    };
    registry.trouble("transition", &told);
    let (registry, path) = (registry.clone(), path.clone());
    if !registry.rollbacks().begin(&path) {
        return;
    }
    tokio::spawn(async move {
        let actor = old_side::actor();
        let back = registry.roll_back(&path, TransitionState::Disabled, false, &actor);
        let told = match back.await {
            Ok(_) => Ok(Value::Null),
            Err(error) => {
                registry.trouble("transition", &error);
                Err(error.to_string())
            }
        };
        registry.rollbacks().end(&path, told);
    });
}

/// For the operator's log.
#[derive(Debug, thiserror::Error)]
#[error("{path} steps back from {from}: more than {limit_percent} % of this side's answers failed")]
struct SteppedBack {
    path: RepositoryPath,
    from: TransitionState,
    limit_percent: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(state: TransitionState, old: Option<&str>) -> Shift {
        Shift {
            state,
            old: old.map(|text| text.parse().unwrap()),
            pushes: None,
            error_limit_percent: None,
        }
    }

    #[test]
    fn a_transition_begins_with_its_old_registry_and_keeps_it() {
        let now = Timestamp::UNIX_EPOCH;
        let canary = TransitionState::PartialAndCopying { reads_percent: 10 };
        assert!(matches!(
            next(None, &shift(canary, None), now),
            Err(ShiftRefusal::OldMissing)
        ));
        let begun = next(None, &shift(canary, Some("old.example/p")), now).unwrap();
        assert_eq!((begun.state, begun.generation), (canary, 0));
        let other = next(Some(begun.clone()), &shift(canary, Some("other.example")), now);
        assert!(matches!(other, Err(ShiftRefusal::OldDiffers { .. })));
        let on = next(Some(begun), &shift(TransitionState::EnabledAndCopying, None), now).unwrap();
        for down in [TransitionState::Disabled, canary] {
            let refused = next(Some(on.clone()), &shift(down, None), now);
            assert!(matches!(refused, Err(ShiftRefusal::NeedsRollback)), "{down}");
        }
        let end = next(Some(on), &shift(TransitionState::Enabled, None), now).unwrap();
        let back = next(Some(end), &shift(TransitionState::EnabledAndCopying, None), now);
        assert_eq!(back.unwrap().old.to_string(), "old.example/p");
    }
}
