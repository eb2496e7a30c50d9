//! Repositories that replace an old registry: which side answers what, and how one state follows another.
//!
//! | state | tags belong to | reads | pushes |
//! |---|---|---|---|
//! | disabled | the old side | the old side, as the caller | the old side, as the caller |
//! | partial-and-copying | the old side | a share here, by the policies here; the rest there, as the caller | the old side, as the caller |
//! | enabled-and-copying | this side | here; what is missing is fetched from there | here |
//! | enabled | this side | here | here |
//!
//! Two kinds of requests reach the old side and never mix. A *relayed* one carries what its caller showed at `/v2/token`,
//! exchanged there and sealed in our token, and the old side decides ([`relay`]). One that this registry makes for itself, to
//! know what a tag means there or to fetch what is missing, shows the configured credential, and is made only after the
//! policies here allowed the caller ([`old_side`]).
//!
//! When the side whose turn it is cannot answer a read, the other one is asked by its own rules: better an answer of the
//! second than none. A caller whom this side denies what the old one gives, or tells that it is not there, is answered there while
//! the tags are the old side's, and counted as a failure of this side.

mod canary;
mod copy_back;
mod counts;
mod deletion;
mod each_image;
mod exchange;
mod held;
mod listing;
mod memory;
mod old_side;
mod pushes;
mod relay;
mod rollback;
mod settling;
mod steps;
mod straddling;
mod wholeness;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::registry::Relay;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use oci::RepositoryName;
use store::{PackagePath, Pushes, RepositoryPath, Transition, TransitionState};

use crate::answer::Answer;
use crate::call::{Arriving, Call};
use crate::host_routes::Place;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::{Operation, Reference};
use crate::upstream::Trouble;

use self::copy_back::{CopiedBack, CopyBackError};
pub(crate) use self::counts::TransitionCounts;
use self::counts::{Class, Side};
pub(crate) use self::deletion::delete_package_there;
pub(crate) use self::exchange::{Introduced, basic, basic_of_form, introduce};
pub(crate) use self::memory::TransitionMemory;
pub(crate) use self::pushes::push;
use self::relay::Unanswered;
pub(crate) use self::rollback::{Rollbacks, Running};
pub(crate) use self::steps::Shift;

/// A package in transition, as one request names it.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    /// Its name in the request.
    pub(crate) name: String,
    pub(crate) package: PackagePath,
    /// Its name at the old side.
    pub(crate) old_name: RepositoryName,
    pub(crate) transition: Arc<Transition>,
}

impl Moving {
    /// None where its name at the old side would be longer than any.
    fn of(transition: &Arc<Transition>, package: PackagePath, name: &str) -> Option<Moving> {
        Some(Moving {
            name: name.to_owned(),
            old_name: transition.old.name_of(&package.name).ok()?,
            package,
            transition: Arc::clone(transition),
        })
    }

    /// Whether what is missing here is fetched from the old side.
    fn fetches(&self) -> bool {
        self.is_copying() || self.transition.pushes == Pushes::Both
    }

    fn is_copying(&self) -> bool {
        matches!(
            self.transition.state,
            TransitionState::PartialAndCopying { .. } | TransitionState::EnabledAndCopying
        )
    }
}

impl Registry {
    /// Every transition there is.
    pub(crate) async fn transitions(&self) -> Result<Arc<HashMap<RepositoryPath, Arc<Transition>>>, Refusal> {
        let memory = self.transition_memory();
        Ok(memory.current(self.metadata(), self.now()).await?)
    }

    /// The package of an operation, if it is in transition.
    pub(crate) async fn moving(
        &self,
        operation: &Operation,
        call: &Call<'_>,
    ) -> Result<Option<Moving>, Refusal> {
        let Some(name) = operation.name() else {
            return Ok(None);
        };
        let all = self.transitions().await?;
        if all.is_empty() {
            return Ok(None);
        }
        let Some(Place::Package(package)) = call.host.place(name) else {
            return Ok(None);
        };
        let Some(transition) = all.get(&package.repository) else {
            return Ok(None);
        };
        Ok(Moving::of(transition, package, name))
    }

    /// The package, if it is in transition; for what is not of one operation.
    pub(crate) async fn moving_package(&self, package: &PackagePath) -> Result<Option<Moving>, Refusal> {
        let all = self.transitions().await?;
        let Some(transition) = all.get(&package.repository) else {
            return Ok(None);
        };
        Ok(Moving::of(transition, package.clone(), package.name.as_str()))
    }

    /// The old registry of that name, to be spoken to in the name of callers.
    pub(crate) fn relay(&self, host: &str) -> Option<Arc<Relay>> {
        self.upstreams().relay(host)
    }
}

/// Whether a request is of a copy from the old side to this one: it says so by `Lightship-Side: here`.
pub(crate) fn is_copy(call: &Call<'_>) -> bool {
    call.headers.get(SIDE).is_some_and(|side| side == "here")
}

const SIDE: HeaderName = HeaderName::from_static("lightship-side");

/// One request about a package in transition.
struct Turn<'t> {
    registry: &'t Registry,
    moving: &'t Moving,
    operation: &'t Operation,
    call: &'t Call<'t>,
}

/// Answers a request about a package in transition by the side whose turn it is.
pub(crate) async fn answer(
    registry: &Registry,
    moving: &Moving,
    operation: &Operation,
    call: &Call<'_>,
    body: Arriving,
) -> Result<Answer, Refusal> {
    let turn = Turn {
        registry,
        moving,
        operation,
        call,
    };
    let is_read = call.reads() && !matches!(operation, Operation::Uploads { .. } | Operation::Upload { .. });
    let begins_here = matches!(operation, Operation::Upload { .. }) && !relay::is_relayed(operation);
    let result = match moving.transition.state {
        // A copy from the old side is written here, whatever the state says, where the policies here allow it.
        _ if is_copy(call) => match registry.dispatch(operation, call, body).await {
            Ok(answer) if call.reads() => wholeness::only_whole(&turn, answer).await,
            answered => answered,
        },
        // An upload goes on where it was begun.
        _ if relay::is_relayed(operation) => turn.old(body).await,
        _ if begins_here => turn.here(body).await,
        TransitionState::Enabled => turn.here(body).await,
        TransitionState::EnabledAndCopying => turn.here_then_old(body).await,
        _ if turn.deletes() && moving.transition.pushes == Pushes::Both => turn.delete_on_both().await,
        _ if !is_read && moving.transition.pushes == Pushes::Both => turn.here(body).await,
        TransitionState::PartialAndCopying { reads_percent } if is_read && turn.is_chosen(reads_percent) => {
            turn.here_by_old_tags(body).await
        }
        _ if is_read => turn.old_then_here(body).await,
        _ => turn.old(straddling::bring_along(&turn, body).await?).await,
    };
    steps::step_back_if_failing(registry, moving).await;
    result
}

impl Turn<'_> {
    /// Whether the caller is of those whose reads this side answers.
    fn is_chosen(&self, reads_percent: u8) -> bool {
        let caller = &self.call.caller;
        let client = match caller.is_authenticated() {
            true => caller.principal().to_string(),
            false => canary::network(self.call.client()),
        };
        canary::is_chosen(&client, &self.moving.package, reads_percent)
    }

    fn count(&self, side: Side, class: Class, took: Duration) {
        let of = (&self.moving.package.repository, self.moving.transition.state);
        let counts = self.registry.transition_counts();
        counts.answered(of, side, class, took);
    }

    /// Counts what this side answered, by itself or with the old side's help.
    fn count_here(&self, result: &Result<Answer, Refusal>, took: Duration) {
        let class = class(result);
        match result {
            Err(refusal) if refusal.is_of_old_side() => self.count_unjudged(class, took),
            _ => self.count(Side::Here, class, took),
        }
    }

    /// Counts an answer of this side that says nothing for or against it.
    fn count_unjudged(&self, class: Class, took: Duration) {
        let of = (&self.moving.package.repository, self.moving.transition.state);
        self.registry.transition_counts().unjudged(of, class, took);
    }

    /// Counts what the old side said to a request of our own. What stopped it on this side says nothing of that one.
    fn count_own<T>(&self, answer: &Result<Option<T>, Trouble>, begun: Instant) {
        let class = match answer {
            Ok(Some(_)) => Class::Good,
            Ok(None) => Class::Absent,
            Err(Trouble::Denied { .. }) => Class::Denied,
            Err(Trouble::Busy { .. }) => Class::Limited,
            Err(trouble) if trouble.is_of_upstream() => Class::Failed,
            Err(_) => return,
        };
        self.count(Side::Old, class, begun.elapsed());
    }

    /// This side, by its own rules alone.
    async fn here(&self, body: Arriving) -> Result<Answer, Refusal> {
        let begun = Instant::now();
        let result = self.registry.dispatch(self.operation, self.call, body).await;
        self.count_here(&result, begun.elapsed());
        result
    }

    /// The old side, as the caller.
    async fn passed_on(&self, body: &mut Arriving) -> Result<Answer, Unanswered> {
        let begun = Instant::now();
        // Whoever makes the next step waits for what the old side may still set a tag by.
        let sets_tag = matches!(self.operation, Operation::Manifest { .. }) && !self.call.reads();
        let memory = self.registry.transition_memory();
        let _passing_on = sets_tag.then(|| memory.passing_on(&self.moving.package.repository));
        let result = relay::relay(self.registry, self.moving, self.operation, self.call, body).await;
        let class = match &result {
            Ok(answer) => Class::of(answer.status()),
            Err(Unanswered::Refused(refusal)) => Class::of(refusal.told().status),
            Err(Unanswered::Unreachable(_)) => Class::Failed,
        };
        self.count(Side::Old, class, begun.elapsed());
        result
    }

    async fn old(&self, mut body: Arriving) -> Result<Answer, Refusal> {
        self.passed_on(&mut body)
            .await
            .map_err(|unanswered| self.told(unanswered))
    }

    fn told(&self, unanswered: Unanswered) -> Refusal {
        match unanswered {
            Unanswered::Refused(refusal) => refusal,
            Unanswered::Unreachable(error) => {
                self.registry.trouble("old registry", &error);
                Refusal::OldSide
            }
        }
    }

    /// A read of the old side's share. Where it does not answer, and for a digest that it lacks, this side may.
    async fn old_then_here(&self, mut body: Arriving) -> Result<Answer, Refusal> {
        let answered = self.passed_on(&mut body).await;
        let is_by_digest = matches!(
            self.operation,
            Operation::Blob { .. }
                | Operation::Manifest {
                    reference: Reference::Digest(_),
                    ..
                }
        );
        let may_be_here = match &answered {
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
                is_by_digest && self.moving.is_copying()
            }
            Ok(answer) => {
                answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS
            }
            Err(Unanswered::Unreachable(_)) | Err(Unanswered::Refused(Refusal::OldSide)) => true,
            Err(Unanswered::Refused(_)) => false,
        };
        if may_be_here && let Ok(answer) = self.here(body).await {
            return Ok(answer);
        }
        answered.map_err(|unanswered| self.told(unanswered))
    }

    /// A read that this side answers while the old side owns the tags.
    async fn here_by_old_tags(&self, body: Arriving) -> Result<Answer, Refusal> {
        if matches!(
            self.operation,
            Operation::Tags { .. } | Operation::Referrers { .. }
        ) {
            return self.old_then_here(body).await;
        }
        let begun = Instant::now();
        let result = old_side::read_by_old_tags(self).await;
        if result.is_ok() {
            self.count_here(&result, begun.elapsed());
            return result;
        }
        let (class, took) = (class(&result), begun.elapsed());
        // What is not here was asked for there by our own credential, which may be told 404 of what it may not see.
        let there = self.passed_on(&mut Arriving::none()).await;
        match there.ok().filter(|there| there.status().is_success()) {
            Some(there) if matches!(class, Class::Denied | Class::Absent) => {
                self.count_unjudged(class, took);
                let counts = self.registry.transition_counts();
                counts.denied_here(&self.moving.package.repository);
                Ok(there)
            }
            there => {
                self.count_here(&result, took);
                there.map_or(result, Ok)
            }
        }
    }

    /// This side, and what it lacks from the old one.
    async fn here_then_old(&self, body: Arriving) -> Result<Answer, Refusal> {
        let begun = Instant::now();
        let result = match self.operation {
            Operation::Tags { .. } if self.call.reads() => listing::tags(self, body).await,
            Operation::Referrers { .. } if self.call.reads() => listing::referrers(self, body).await,
            _ => {
                if let (
                    true,
                    Operation::Manifest {
                        reference: Reference::Tag(tag),
                        ..
                    },
                ) = (self.call.reads(), self.operation)
                {
                    settling::settle_once(self, tag).await?;
                }
                let result = self.registry.dispatch(self.operation, self.call, body).await;
                match &result {
                    Err(refusal) if refusal.is_absent() && self.call.reads() => {
                        old_side::read_missing(self, result).await
                    }
                    Err(refusal) if refusal.is_absent() && *self.call.method == Method::DELETE => {
                        deletion::delete_missing(self, result).await
                    }
                    _ => result,
                }
            }
        };
        self.count_here(&result, begun.elapsed());
        result
    }
}

fn class(result: &Result<Answer, Refusal>) -> Class {
    match result {
        Ok(answer) => Class::of(answer.status()),
        Err(refusal) => Class::of(refusal.told().status),
    }
}
