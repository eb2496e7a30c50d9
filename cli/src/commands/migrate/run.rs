//! `lightship migrate run`: moves what is not there yet.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use inspect::visible;
use migrate::failure::Failure as Failed;
use migrate::journal::{Journal, JournalError};
use migrate::place::PlaceName;
use migrate::plan::{Depth, Plan};
use migrate::run::{Report, RunError, RunOptions};
use serde_json::{Value, json};

use super::sides::{self, ChoiceOptions, SidesOptions};
use crate::arguments::FormatOption;
use crate::failure::{Failure, Kind, Outcome};
use crate::progress_display::ProgressDisplay;
use crate::settings::Settings;
use crate::{output, runtime};

/// The longest plan that is read, in bytes.
const PLAN_BYTES_MAX: u64 = 4 << 30;

/// Copy what is missing at the destination
///
/// A PLAN is done as it stands, except that a tag that was moved since is copied as it is now; with --from and --to both
/// sides are looked at anew, and only what is missing is read. A journal on disk notes what is done: after an interruption
/// the same command goes on, and sends nothing twice. What cannot be copied does not stop the rest; it is tried again at
/// the end and listed, and the exit status is then 1.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A plan that `lightship migrate plan` has made
    #[arg(id = "plan", value_name = "PLAN")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    sides: SidesOptions,
    #[command(flatten)]
    choice: ChoiceOptions,
    /// Keep the journal in this directory, instead of one for both sides below the user's data
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Copy this number of blobs at once
    #[arg(short, long, value_name = "N", default_value = "16")]
    jobs: NonZeroUsize,
    /// Leave tags that name something else at the destination as they are
    #[arg(long)]
    keep_differing: bool,
    /// Write what could not be copied to this file, one JSON document a line
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
    #[command(flatten)]
    format: FormatOption,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let report = runtime::block_on(copy(arguments, settings))??;
    if let Some(path) = &arguments.failures {
        sides::replace(path, lines_of(&report.failures)?.as_bytes())?;
    }
    output::report("migrate-run", arguments.format.format, &to_json(&report), || {
        to_text(&report)
    })?;
    Ok(match report.failures.is_empty() {
        true => Outcome::Done,
        false => Outcome::NotSo,
    })
}

async fn copy(arguments: &Arguments, settings: &Settings) -> Result<Report, Failure> {
    let plan = arguments.plan.as_deref().map(read_plan).transpose()?;
    let (from, to) = arguments.sides.names(plan.as_ref())?;
    let sides = arguments.sides.open((&from, &to), settings).await?;
    let journal = Arc::new(open_journal(arguments, (&from, &to), settings)?);
    let display = ProgressDisplay::new(settings);
    let is_fresh = plan.is_none();
    let plan = match plan {
        Some(plan) => plan,
        None => {
            let options = arguments.choice.survey(
                (&from, &to),
                settings,
                (Depth::Missing, journal.manifests()),
                Some(&journal),
            )?;
            sides::survey(&sides, &options, &display).await?
        }
    };
    let mut filter = arguments.choice.filter(settings)?;
    filter.platforms.extend(plan.platforms());
    let options = RunOptions {
        blobs_at_once: arguments.jobs,
        is_fresh,
        keep_differing: arguments.keep_differing,
        filter,
    };
    let ran = migrate::run::run(&sides, &plan, &journal, &options, &display).await;
    ran.map_err(|error| {
        let attempt = format!("cannot move {from} to {to}");
        match error {
            RunError::Journal(error) => Failure::outside(attempt, error),
            error => Failure::outside(attempt, error),
        }
    })
}

pub(super) fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let attempt = || format!("cannot use the plan {}", path.display());
    let bytes = sides::read_bounded(path, PLAN_BYTES_MAX);
    let bytes = bytes.map_err(|error| Failure::outside(attempt(), error))?;
    Plan::parse(&bytes).map_err(|error| Failure::new(Kind::Usage, attempt(), error))
}

fn open_journal(
    arguments: &Arguments,
    (from, to): (&PlaceName, &PlaceName),
    settings: &Settings,
) -> Result<Journal, Failure> {
    let (from, to) = (from.to_string(), to.to_string());
    let dir = match &arguments.journal {
        Some(dir) => dir.clone(),
        None => {
            let mut name = oci::Digest::sha256_of(format!("{from}\n{to}").as_bytes()).hex();
            name.truncate(16);
            settings.data_directory(None)?.join("migrate").join(name)
        }
    };
    Journal::open(&dir, &from, &to).map_err(|error| {
        let kind = match error {
            JournalError::Io { .. } | JournalError::Busy { .. } => Kind::Outside,
            JournalError::Other { .. } | JournalError::NotAJournal { .. } => Kind::Usage,
        };
        Failure::new(kind, "cannot open the journal", error)
    })
}

fn lines_of(failures: &[Failed]) -> Result<String, Failure> {
    let mut text = String::new();
    for failure in failures {
        let line = serde_json::to_string(failure);
        text.push_str(&line.map_err(|error| Failure::bug("cannot write JSON", error))?);
        text.push('\n');
    }
    Ok(text)
}

fn to_json(report: &Report) -> Value {
    json!(report)
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for moved in &report.moved {
        let now = match &moved.now {
            Some(now) => format!("copied as it is now, {now}"),
            None => "gone meanwhile, not set".to_owned(),
        };
        _ = writeln!(text, "moved: {}:{}: {now}", moved.repository, moved.tag);
    }
    for failure in &report.failures {
        _ = writeln!(
            text,
            "not copied: {} (tried {} times): {}",
            visible(&failure.subject()),
            failure.attempts,
            visible(&failure.error)
        );
    }
    _ = writeln!(
        text,
        "{} tags set, {} were the same, {} could not be copied",
        report.tags_set,
        report.tags_same,
        report.failures.len()
    );
    if report.kept_there > 0 {
        _ = writeln!(
            text,
            "{} images have tags that were pushed or deleted at the destination meanwhile, which count there",
            report.kept_there
        );
    }
    _ = writeln!(
        text,
        "{} manifests put; {} blobs sent ({}), {} mounted, {} found there",
        report.manifests_put,
        report.blobs_sent,
        output::bytes(report.bytes_sent),
        report.blobs_mounted,
        report.blobs_found
    );
    _ = writeln!(
        text,
        "{} requests to the source, {} to the destination",
        report.source_requests, report.destination_requests
    );
    text
}
