//! `lightship migrate shift|status|rollback|finish`: which side answers for a repository.

mod proof;
mod shown;

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use store::{TransitionState, Upstream};

use self::proof::{Change, ProofOptions};
use crate::administration::{Administered, RegistryOption, VerbFormat, repository_name};
use crate::arguments::Format;
use crate::failure::{Failure, Kind, Outcome};
use crate::settings::Settings;
use crate::{output, runtime};

/// How often the status is looked at while a rollback runs.
const LOOKED_AFTER: Duration = Duration::from_millis(500);

/// Change which side answers for a repository that replaces an old registry
///
/// STATE is disabled (the old side answers everything, as the caller), partial-and-copying (this side answers --reads percent of
/// the reads; the old side owns the tags and takes pushes), enabled-and-copying (this side answers, and fetches what it
/// lacks) or enabled (this side answers from what it has). The first one says with --old where the old registry is. Going
/// back from the last two is `lightship migrate rollback`.
#[derive(Debug, Args)]
pub(crate) struct ShiftArguments {
    /// The repository, as in `lightship repo`
    repository: String,
    /// The state to be in
    #[arg(value_enum)]
    state: State,
    /// Of a hundred reads, how many this side answers; for partial-and-copying
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: Option<u8>,
    /// The old registry and what stands before the names of packages there; said when the transition begins
    #[arg(long, value_name = "HOST[:PORT][/PREFIX]")]
    old: Option<Upstream>,
    /// Where pushes go: to the side that owns the tags, or to both, and then they are answered when both have them
    #[arg(long, value_enum, value_name = "SIDES")]
    pushes: Option<Sides>,
    /// Step back by itself when more of this side's answers fail; `none` for never
    #[arg(long, value_name = "PERCENT|none", value_parser = limit)]
    error_limit: Option<Limit>,
    #[command(flatten)]
    proof: ProofOptions,
    #[command(flatten)]
    server: Server,
}

/// Show which side answers for a repository, and how both do
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The repository
    repository: String,
    #[command(flatten)]
    server: Server,
}

/// Give a repository back to the old registry that it replaces, with what was pushed here meanwhile
///
/// What was pushed here is copied to the old side first, and pushes go to both until it has all of it. What was deleted here is
/// there again, and listed. If something cannot be copied, nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The repository
    repository: String,
    /// Of a hundred reads, how many this side still answers
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: Option<u8>,
    /// Go back although something cannot be copied: it stays on this side alone
    #[arg(long)]
    leave_behind: bool,
    #[command(flatten)]
    proof: ProofOptions,
    #[command(flatten)]
    server: Server,
}

/// End the transition of a repository for good: the old registry can be switched off
///
/// Only one that is enabled is finished. There is no way back from here.
#[derive(Debug, Args)]
pub(crate) struct FinishArguments {
    /// The repository
    repository: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
struct Server {
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: VerbFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Disabled,
    PartialAndCopying,
    EnabledAndCopying,
    Enabled,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sides {
    One,
    Both,
}

/// A limit of failures, or none.
#[derive(Debug, Clone, Copy)]
struct Limit(Option<u8>);

fn limit(text: &str) -> Result<Limit, String> {
    match (text, text.parse::<u8>()) {
        ("none", _) => Ok(Limit(None)),
        (_, Ok(percent @ 0..=100)) => Ok(Limit(Some(percent))),
        _ => Err("write a number from 0 to 100, or none".to_owned()),
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Disabled => TransitionState::Disabled,
            Self::PartialAndCopying => TransitionState::PartialAndCopying { reads_percent: 0 },
            Self::EnabledAndCopying => TransitionState::EnabledAndCopying,
            Self::Enabled => TransitionState::Enabled,
        }
        .name()
    }
}

pub(crate) fn shift(arguments: &ShiftArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let state = arguments.state.name();
    match (arguments.state, arguments.reads) {
        (State::PartialAndCopying, None) => {
            return Err(Failure::usage("partial-and-copying needs the share of reads")
                .hint("add --reads PERCENT, such as --reads 1"));
        }
        (State::PartialAndCopying, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            return Err(Failure::usage(format!("{state} has no share of reads")).hint("leave --reads out"));
        }
    }
    let body = step(arguments, state);
    let repository = repository_name(&arguments.repository)?;
    let server = arguments.server.registry.open(None, settings)?;
    let attempted = format!("shift {repository} to {state}");
    let format = arguments.server.format.format;
    runtime::block_on(async {
        let current = known(&server, &repository, arguments.old.as_ref()).await;
        let change = match arguments.state {
            State::Disabled => Change::Nothing,
            State::PartialAndCopying if arguments.reads == Some(0) => Change::Nothing,
            State::PartialAndCopying => Change::Reads,
            State::EnabledAndCopying => Change::Tags,
            State::Enabled => Change::Everything,
        };
        let sides = (&server, &arguments.server.registry);
        let against = arguments
            .proof
            .against(change, sides, (&repository, &current), settings);
        let against = against.await?;
        if !against.is_empty() {
            return refused(&format!("no step to {state}"), &against, format);
        }
        let found = server
            .post(&attempted, &path(&repository, "shift"), &body)
            .await?;
        report("migrate-shift", format, &found)
    })?
}

/// The transition as it is, or as it is to begin.
async fn known(server: &Administered, repository: &str, old: Option<&Upstream>) -> Value {
    match (look(server, repository).await, old) {
        (Ok(current), _) => current,
        (Err(_), Some(old)) => json!({"old": old.to_string()}),
        (Err(_), None) => Value::Null,
    }
}

/// Exit status 1: what speaks against it is the report.
fn refused(what: &str, against: &[String], format: Format) -> Result<Outcome, Failure> {
    let content = json!({"refused": what, "differences": against});
    output::report("migrate-refusal", format, &content, || {
        let mut told = against.join("\n");
        told.push('\n');
        told
    })?;
    output::talk(&format!(
        "{what}: see what is different; --unverified makes it all the same"
    ));
    Ok(Outcome::NotSo)
}

/// What the server is asked for.
fn step(arguments: &ShiftArguments, state: &str) -> Value {
    let mut body = json!({"state": state});
    let mut set = |name: &str, value: Value| {
        if let Some(object) = body.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
    };
    if let Some(reads) = arguments.reads {
        set("readsPercent", reads.to_string().into());
    }
    if let Some(old) = &arguments.old {
        set("old", old.to_string().into());
    }
    if let Some(sides) = arguments.pushes {
        let sides = match sides {
            Sides::One => "one",
            Sides::Both => "both",
        };
        set("pushes", sides.into());
    }
    if let Some(Limit(percent)) = arguments.error_limit {
        set(
            "errorLimitPercent",
            percent.map(|percent| percent.to_string()).into(),
        );
    }
    if arguments.proof.is_left_out() {
        set("leaveUnsettled", true.into());
    }
    body
}

pub(crate) fn status(arguments: &StatusArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let repository = repository_name(&arguments.repository)?;
    let server = arguments.server.registry.open(None, settings)?;
    let found = runtime::block_on(look(&server, &repository))??;
    report("migrate-status", arguments.server.format.format, &found)
}

pub(crate) fn roll_back(arguments: &RollbackArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let repository = repository_name(&arguments.repository)?;
    let mut body = json!({"leaveBehind": arguments.leave_behind});
    if let (Some(reads), Some(object)) = (arguments.reads, body.as_object_mut()) {
        object.insert("state".to_owned(), "partial-and-copying".into());
        object.insert("readsPercent".to_owned(), reads.to_string().into());
    }
    let server = arguments.server.registry.open(None, settings)?;
    let format = arguments.server.format.format;
    runtime::block_on(async {
        let current = look(&server, &repository).await?;
        let sides = (&server, &arguments.server.registry);
        let against = arguments
            .proof
            .against(Change::Reads, sides, (&repository, &current), settings);
        let against = against.await?;
        if !against.is_empty() {
            return refused("no rollback", &against, format);
        }
        let found = rolled_back(&server, &repository, &body).await?;
        report("migrate-rollback", format, &found)
    })?
}

async fn rolled_back(server: &Administered, repository: &str, body: &Value) -> Result<Value, Failure> {
    let attempted = format!("roll {repository} back");
    let mut found = server
        .post(&attempted, &path(repository, "rollback"), body)
        .await?;
    loop {
        match found.pointer("/rollback/state").and_then(Value::as_str) {
            Some("RUNNING") => {}
            Some("FAILED") => {
                let reason = found.pointer("/rollback/error").and_then(Value::as_str);
                let reason = reason.unwrap_or("the server does not say why");
                let cause = std::io::Error::other(reason.to_owned());
                return Err(Failure::new(Kind::Outside, format!("cannot {attempted}"), cause));
            }
            _ => return Ok(found),
        }
        tokio::time::sleep(LOOKED_AFTER).await;
        found = look(server, repository).await?;
    }
}

pub(crate) fn finish(arguments: &FinishArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let repository = repository_name(&arguments.repository)?;
    let server = arguments.server.registry.open(None, settings)?;
    let attempted = format!("finish the transition of {repository}");
    runtime::block_on(server.post(&attempted, &path(&repository, "finish"), &json!({})))??;
    let content = json!({"repository": repository});
    output::report("migrate-finish", arguments.server.format.format, &content, || {
        format!("{repository} has replaced the old registry\n")
    })
}

async fn look(server: &Administered, repository: &str) -> Result<Value, Failure> {
    let attempted = format!("show the transition of {repository}");
    server.get(&attempted, &path(repository, "transition")).await
}

fn path(repository: &str, verb: &str) -> String {
    format!("/v1/{repository}:{verb}")
}

fn report(command: &str, format: Format, found: &Value) -> Result<Outcome, Failure> {
    output::report(command, format, found, || shown::transition(found))
}
