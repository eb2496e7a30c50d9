//! From one state to the next.

use std::time::Duration;

use jiff::Timestamp;
use store::{
    Actor, Mode, PackagePath, Pushes, RepositoryPath, StoreError, Transition, TransitionRefusal,
    TransitionState, Upstream,
};

use super::memory::HEARD_AFTER;
use super::{Moving, Running, old_side, settling};
use crate::registry::Registry;
use crate::upstream::Trouble;

/// How long a step waits for pushes that the old side is still taking.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(60);

/// How often it looks.
const PASSED_ON_CHECKED: Duration = Duration::from_millis(20);

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
    /// Whether tags that cannot be compared with the old side may stay as they were copied when it is not asked any more.
    pub(crate) leaves_unsettled: bool,
}

/// Why a transition stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShiftRefusal {
    #[error("the transition begins with where the old registry is")]
    OldMissing,
    #[error("{path} is a {mode} repository: only a standard one takes the place of an old registry")]
    Mode {
        path: RepositoryPath,
        mode: &'static str,
    },
    #[error("the old registry of this transition is {old}; finish it or roll it back before another begins")]
    OldDiffers { old: Upstream },
    #[error(
        "this side owns the tags: pushes of here would be lost. A rollback copies them to the old side first"
    )]
    NeedsRollback,
    #[error("a rollback of {path} is running; `status` says when it has ended")]
    RollingBack { path: RepositoryPath },
    #[error(
        "this server cannot read {name} at the old registry, with what it shows there by its configuration (`[upstream]`): {trouble}"
    )]
    OldUnreadable { name: String, trouble: Trouble },
    #[error(
        "this side owns the tags now (enabled-and-copying), and goes no further: {count} tags or images that were copied before could not be compared with the old registry or completed from it, such as {first}; with --unverified (`leaveUnsettled`) they stay as they are here"
    )]
    Unsettled { count: usize, first: String },
    #[error(transparent)]
    Store(#[from] TransitionRefusal),
}

impl Registry {
    /// The transition of a repository, as the store has it now.
    pub(crate) async fn transition(&self, path: &RepositoryPath) -> Result<Option<Transition>, StoreError> {
        let all = self.metadata().transitions().await?;
        let found = all.into_iter().find(|(other, _)| other == path);
        Ok(found.map(|(_, transition)| transition))
    }

    /// Changes the state of a transition, or begins one.
    pub(crate) async fn shift(
        &self,
        path: &RepositoryPath,
        shift: &Shift,
        actor: &Actor,
    ) -> Result<Result<Transition, ShiftRefusal>, StoreError> {
        let mode = match &*self.mode_of(path).await? {
            Mode::Standard => None,
            Mode::Remote(_) => Some("remote"),
            Mode::Virtual(_) => Some("virtual"),
        };
        if let Some(mode) = mode {
            let path = path.clone();
            return Ok(Err(ShiftRefusal::Mode { path, mode }));
        }
        let found = self.transition(path).await?;
        // Looked at after the transition was read: what a rollback sets for its own time must not be taken over, and one that
        // begins from here on changes the generation.
        if self.rollbacks().is_running(path) {
            return Ok(Err(ShiftRefusal::RollingBack { path: path.clone() }));
        }
        let owned_tags = found.as_ref().is_some_and(|found| found.state.owns_tags());
        let mut next = match next(found, shift, self.now()) {
            Ok(next) => next,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let settles = next.state == TransitionState::Enabled && !shift.leaves_unsettled;
        let fetches = (settles && !owned_tags)
            || matches!(
                next.state,
                TransitionState::PartialAndCopying { .. } | TransitionState::EnabledAndCopying
            );
        if fetches && let Some(refusal) = self.cannot_fetch(path, &next.old).await? {
            return Ok(Err(refusal));
        }
        if settles {
            // The tags change hands first: what the old side still took while they are compared would be missed.
            if !owned_tags {
                let copying = Transition {
                    state: TransitionState::EnabledAndCopying,
                    ..next.clone()
                };
                if let Err(refusal) = self.set_transition(path, &copying, actor).await? {
                    return Ok(Err(refusal.into()));
                }
                next.generation = next.generation.saturating_add(1);
                tokio::time::sleep(HEARD_AFTER).await;
            }
            self.pushes_are_passed_on(path).await;
            let unsettled = settling::settle_all(self, path, &next).await?;
            if let Some(first) = unsettled.first {
                let count = unsettled.count;
                return Ok(Err(ShiftRefusal::Unsettled { count, first }));
            }
        }
        let set = self.set_transition(path, &next, actor).await?;
        Ok(set.map(|()| next).map_err(ShiftRefusal::from))
    }

    /// Until the old side has answered the pushes that this server passes on to it; not for ever, since who pushes decides how long
    /// they take.
    async fn pushes_are_passed_on(&self, path: &RepositoryPath) {
        let end = tokio::time::Instant::now() + PASSED_ON_WITHIN;
        while self.transition_memory().passes_on(path) && tokio::time::Instant::now() < end {
            tokio::time::sleep(PASSED_ON_CHECKED).await;
        }
    }

    /// Whether this server could not fetch from the old side what it would have to: of one package that is here, whether it is there.
    async fn cannot_fetch(
        &self,
        path: &RepositoryPath,
        old: &Upstream,
    ) -> Result<Option<ShiftRefusal>, StoreError> {
        let packages = self.metadata().packages(path, None, 1).await?;
        let Some(package) = packages.into_iter().next() else {
            return Ok(None);
        };
        let package = PackagePath {
            repository: path.clone(),
            name: package.name,
        };
        let asked = self.has_upstream_package(old, &package).await;
        let refused = asked.err().map(|trouble| ShiftRefusal::OldUnreadable {
            name: format!("{} of {}", package.name, old),
            trouble,
        });
        Ok(refused)
    }

    pub(super) async fn set_transition(
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
    let Some(running) = Running::begin(registry, path) else {
        return;
    };
    let told = StepsBack {
        path: path.clone(),
        from: transition.state,
        limit_percent,
    };
    registry.trouble("transition", &told);
    let (registry, moving) = (registry.clone(), moving.clone());
    tokio::spawn(async move {
        let asked = registry.has_upstream_package(&moving.transition.old, &moving.package);
        // Who does not answer cannot take over, and the attempt alone would send every push there as well.
        if let Err(trouble @ (Trouble::Unreachable { .. } | Trouble::Busy { .. })) = asked.await {
            running.refuse(format!("there is nobody to go back to: {trouble}"));
            return;
        }
        let actor = old_side::actor();
        if let Err(error) = running.run(TransitionState::Disabled, false, &actor).await {
            registry.trouble("transition", &error);
        }
    });
}

/// For the operator's log.
#[derive(Debug, thiserror::Error)]
#[error("{path} steps back from {from}: more than {limit_percent} % of this side's answers failed")]
struct StepsBack {
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
            leaves_unsettled: false,
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
