//! The transition of a repository: where it stands, steps forward and back. Google has a setting of a project for it.

use std::time::Duration;

use access::Permission;
use hyper::Method;
use serde_json::{Value, json};
use store::{Pushes, RepositoryPath, Resource, Transition, TransitionState};

use super::repositories::existing;
use super::routes::TransitionVerb;
use super::status::Invalid;
use super::{Asked, Unfit, documents, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::transition::{Running, Shift};

/// Longest word in a body.
const WORD_BYTES_MAX: usize = 512;

/// How long an answer waits for the end of a rollback.
const WAITED_FOR: Duration = Duration::from_secs(5);

/// Debts and tombstones that one answer lists.
const LISTED_MAX: usize = 100;

pub(crate) async fn one(
    asked: &Asked<'_>,
    (path, verb): (&RepositoryPath, TransitionVerb),
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(path.clone());
    if verb == TransitionVerb::Get {
        if *asked.method() != Method::GET {
            return Err(asked.call.refuse_method("GET"));
        }
        asked.authorise(Permission::GetRepository, &resource).await?;
        existing(asked, path).await?;
        return status(asked, path).await;
    }
    if *asked.method() != Method::POST {
        return Err(asked.call.refuse_method("POST"));
    }
    asked.authorise(Permission::UpdateRepository, &resource).await?;
    let given = asked.document(body).await?;
    existing(asked, path).await?;
    match verb {
        TransitionVerb::Shift => shift(asked, path, &given).await,
        TransitionVerb::Rollback => roll_back(asked, path, &given).await,
        TransitionVerb::Finish => finish(asked, path).await,
        TransitionVerb::Get => Err(Refusal::PathUnknown),
    }
}

async fn current(asked: &Asked<'_>, path: &RepositoryPath) -> Result<Transition, Refusal> {
    let found = asked.registry.transition(path).await?;
    found.ok_or_else(|| Unfit::not_found(format!("a transition of {path}")))
}

async fn status(asked: &Asked<'_>, path: &RepositoryPath) -> Result<Answer, Refusal> {
    let transition = current(asked, path).await?;
    let metadata = asked.registry.metadata();
    let debts = metadata.debts(path, None, LISTED_MAX).await?;
    let stones = metadata.tombstones(path, None, LISTED_MAX).await?;
    let names = |list: Vec<store::InTransition>| -> Vec<String> {
        let shown = |entry: store::InTransition| format!("{} {}", entry.package, entry.reference);
        list.into_iter().map(shown).collect()
    };
    let mut document = document(path, &transition);
    if let Some(object) = document.as_object_mut() {
        object.insert("owedToOld".to_owned(), names(debts).into());
        object.insert("deletedHere".to_owned(), names(stones).into());
        object.insert("rollback".to_owned(), asked.registry.rollbacks().document(path));
        object.insert(
            "sides".to_owned(),
            asked
                .registry
                .transition_counts()
                .document(path, transition.state),
        );
    }
    Ok(ok(&document))
}

async fn shift(asked: &Asked<'_>, path: &RepositoryPath, given: &Value) -> Result<Answer, Refusal> {
    let shift = Shift {
        state: state(given)?,
        old: match documents::text(given, "old", WORD_BYTES_MAX)? {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|error| Invalid::new("old", format!("{error}")))?,
            ),
        },
        pushes: match documents::text(given, "pushes", WORD_BYTES_MAX)? {
            "" => None,
            "one" => Some(Pushes::One),
            "both" => Some(Pushes::Both),
            _ => return Err(Invalid::new("pushes", "it is neither one nor both").into()),
        },
        error_limit_percent: match given.get("errorLimitPercent") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(_) => Some(Some(percent(given, "errorLimitPercent")?.unwrap_or_default())),
        },
        leaves_unsettled: documents::flag(given, "leaveUnsettled")?,
    };
    let shifted = asked.registry.shift(path, &shift, &asked.actor()).await?;
    match shifted {
        Ok(transition) => Ok(ok(&document(path, &transition))),
        Err(refusal) => Err(Unfit::precondition(refusal.to_string())),
    }
}

/// Of a body: the state, with its percentage.
fn state(given: &Value) -> Result<TransitionState, Refusal> {
    let text = documents::text(given, "state", WORD_BYTES_MAX)?;
    let state: TransitionState = text
        .parse()
        .map_err(|error| Invalid::new("state", format!("{error}")))?;
    let reads = percent(given, "readsPercent")?;
    match (state, reads) {
        (TransitionState::PartialAndCopying { .. }, Some(reads_percent)) => {
            Ok(TransitionState::PartialAndCopying { reads_percent })
        }
        (TransitionState::PartialAndCopying { .. }, None) => {
            Err(Invalid::new("readsPercent", "partial-and-copying needs the share of reads").into())
        }
        (_, Some(_)) => {
            Err(Invalid::new("readsPercent", "only partial-and-copying has a share of reads").into())
        }
        (state, None) => Ok(state),
    }
}

fn percent(given: &Value, field: &str) -> Result<Option<u8>, Refusal> {
    let number = documents::number(given, field)?;
    let percent = number.map(u8::try_from).transpose().ok().flatten();
    match (number, percent) {
        (None, _) => Ok(None),
        (_, Some(percent @ 0..=100)) => Ok(Some(percent)),
        _ => Err(Invalid::new(field, "it is a number from 0 to 100").into()),
    }
}

async fn roll_back(asked: &Asked<'_>, path: &RepositoryPath, given: &Value) -> Result<Answer, Refusal> {
    let to = match given.get("state") {
        None => TransitionState::Disabled,
        Some(_) => state(given)?,
    };
    let leave_behind = documents::flag(given, "leaveBehind")?;
    let Some(running) = Running::begin(asked.registry, path) else {
        return Err(Unfit::precondition(format!(
            "a rollback of {path} is running already"
        )));
    };
    let actor = asked.actor();
    // By itself: a client that goes away must not leave it half-way.
    let work = tokio::spawn(async move { running.run(to, leave_behind, &actor).await });
    match tokio::time::timeout(WAITED_FOR, work).await {
        Ok(Ok(Err(error))) => Err(Unfit::precondition(error.to_string())),
        // How it ends is told with the status.
        Ok(_) | Err(_) => status(asked, path).await,
    }
}

async fn finish(asked: &Asked<'_>, path: &RepositoryPath) -> Result<Answer, Refusal> {
    let transition = current(asked, path).await?;
    if transition.state != TransitionState::Enabled {
        return Err(Unfit::precondition(format!(
            "the transition is {}: only one that is enabled is finished",
            transition.state
        )));
    }
    if asked.registry.rollbacks().is_running(path) {
        return Err(Unfit::precondition(format!("a rollback of {path} is running")));
    }
    asked.registry.finish_transition(path, &asked.actor()).await?;
    Ok(super::nothing())
}

fn document(path: &RepositoryPath, transition: &Transition) -> Value {
    json!({
        "repository": path.to_string(),
        "old": transition.old.to_string(),
        "state": transition.state.name(),
        "readsPercent": transition.state.reads_percent(),
        "pushes": match transition.pushes {
            Pushes::One => "one",
            Pushes::Both => "both",
        },
        "pushesGoTo": match (transition.pushes, transition.state.owns_tags()) {
            (Pushes::Both, _) => "both",
            (Pushes::One, true) => "here",
            (Pushes::One, false) => "old",
        },
        "errorLimitPercent": transition.error_limit_percent,
        "since": documents::time(transition.since),
    })
}
