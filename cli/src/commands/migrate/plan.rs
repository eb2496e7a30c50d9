//! `lightship migrate plan`: what a move would do.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use inspect::visible;
use migrate::manifests::ManifestStore;
use migrate::place::PlaceName;
use migrate::plan::{Depth, Estimate, Plan, Quota, TagState};
use serde_json::{Value, json};

use super::sides::{self, ChoiceOptions, SidesOptions};
use crate::arguments::FormatOption;
use crate::failure::{Failure, Outcome};
use crate::progress_display::ProgressDisplay;
use crate::settings::Settings;
use crate::{output, runtime};

/// Look at both sides and say what a move would do
///
/// Every tag, manifest and blob of the source is looked at, and nothing is changed. With -o, the plan is kept in a file
/// that `lightship migrate run` does as it stands; without it, what repositories would be called is shown. Exit status 1
/// means that something at the source is damaged or cannot be read.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SidesOptions,
    #[command(flatten)]
    choice: ChoiceOptions,
    /// Keep the plan in this file
    #[arg(short, long, value_name = "PLAN", id = "plan")]
    output: Option<PathBuf>,
    /// Say how long the requests take when no more are made than these
    #[arg(long, value_name = "REQUESTS/SECONDS")]
    quota: Vec<Quota>,
    #[command(flatten)]
    format: FormatOption,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let (plan, bytes_per_second) = runtime::block_on(make(arguments, settings))??;
    if let Some(path) = &arguments.output {
        let bytes = plan
            .to_bytes()
            .map_err(|error| Failure::bug("cannot write the plan", error))?;
        sides::replace(path, &bytes)?;
    }
    let summary = Summary {
        estimate: plan.estimate(),
        plan: &plan,
        quotas: &arguments.quota,
        bytes_per_second,
    };
    let shows_mapping = arguments.output.is_none();
    output::report(
        "migrate-plan",
        arguments.format.format,
        &summary.to_json(),
        || summary.to_text(shows_mapping),
    )?;
    Ok(match plan.failures.is_empty() {
        true => Outcome::Done,
        false => Outcome::NotSo,
    })
}

async fn make(arguments: &Arguments, settings: &Settings) -> Result<(Plan, Option<f64>), Failure> {
    let (from, to) = arguments.sides.names(None)?;
    let sides = arguments.sides.open((&from, &to), settings).await?;
    let store = ManifestStore::temporary().map_err(|error| Failure::outside("cannot plan", error))?;
    let options = arguments
        .choice
        .survey((&from, &to), settings, (Depth::Complete, &store), None)?;
    let display = ProgressDisplay::new(settings);
    let mut plan = sides::survey(&sides, &options, &display).await?;
    plan.made = settings.now.to_string();
    let rate = migrate::plan::observed_rate(&sides, &plan).await;
    Ok((plan, rate))
}

/// What people and programs are told of a plan.
struct Summary<'s> {
    plan: &'s Plan,
    estimate: Estimate,
    quotas: &'s [Quota],
    bytes_per_second: Option<f64>,
}

impl Summary<'_> {
    fn tags(&self) -> (usize, usize, usize) {
        (
            self.plan.tags_in(|state| *state == TagState::Missing),
            self.plan
                .tags_in(|state| matches!(state, TagState::Differs { .. })),
            self.plan.tags_in(|state| *state == TagState::Same),
        )
    }

    /// How long the bytes take at the rate that was seen.
    fn time(&self) -> Option<Duration> {
        let rate = self.bytes_per_second.filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(self.estimate.bytes as f64 / rate).ok()
    }

    fn to_json(&self) -> Value {
        let (missing, differs, same) = self.tags();
        let (plan, estimate) = (self.plan, &self.estimate);
        let repositories: Vec<Value> = plan
            .repositories
            .iter()
            .map(|(from, repository)| {
                json!({
                    "from": from, "to": repository.to, "tags": repository.tags.len(),
                    "untagged": repository.untagged.len(), "only_there": repository.only_there,
                })
            })
            .collect();
        let quotas: Vec<Value> = self.quotas.iter().map(|quota| self.quota_json(quota)).collect();
        json!({
            "from": plan.from, "to": plan.to, "filter": plan.filter,
            "repositories": repositories,
            "tags": {"missing": missing, "differs": differs, "same": same},
            "images": estimate.images, "manifests": estimate.manifests, "blobs": estimate.blobs,
            "bytes": estimate.bytes, "bytes_without_deduplication": estimate.bytes_without_deduplication,
            "source_requests": estimate.source_requests,
            "destination_requests": estimate.destination_requests,
            "bytes_per_second": self.bytes_per_second.map(|rate| rate as u64),
            "seconds": self.time().map(|time| time.as_secs()),
            "quotas": quotas,
            "not_relayed": NOT_RELAYED,
            "failures": plan.failures,
        })
    }

    fn quota_json(&self, quota: &Quota) -> Value {
        json!({
            "requests": quota.requests, "window_seconds": quota.window.as_secs(),
            "source_seconds": quota.time_for(self.estimate.source_requests).as_secs(),
            "destination_seconds": quota.time_for(self.estimate.destination_requests).as_secs(),
        })
    }

    fn quotas_to_text(&self, text: &mut String) {
        for quota in self.quotas {
            let time = |requests| sides::duration(quota.time_for(requests));
            _ = writeln!(
                text,
                "with {} requests in {}: {} for the source, {} for the destination",
                quota.requests,
                sides::duration(quota.window),
                time(self.estimate.source_requests),
                time(self.estimate.destination_requests),
            );
        }
    }

    fn to_text(&self, shows_mapping: bool) -> String {
        let mut text = String::new();
        let (plan, estimate) = (self.plan, &self.estimate);
        if shows_mapping {
            for (from, to) in plan.mapping() {
                _ = writeln!(text, "{from} -> {to}");
            }
        }
        let (missing, differs, same) = self.tags();
        _ = writeln!(
            text,
            "{} repositories, {} tags: {missing} missing, {differs} differ, {same} the same",
            plan.repositories.len(),
            missing + differs + same,
        );
        for (name, repository) in &plan.repositories {
            for (tag, planned) in &repository.tags {
                if let TagState::Differs { there } = planned.state {
                    _ = writeln!(text, "differs: {name}:{tag} is {}, there {there}", planned.digest);
                }
            }
            if !repository.only_there.is_empty() {
                let (to, count) = (&repository.to, repository.only_there.len());
                _ = writeln!(text, "only there: {count} tags of {to}");
            }
        }
        for failure in &plan.failures {
            _ = writeln!(
                text,
                "cannot move: {}: {}",
                visible(&failure.subject()),
                visible(&failure.error)
            );
        }
        _ = writeln!(
            text,
            "to move: {} images, {} in {} blobs ({} without deduplication)",
            estimate.images,
            output::bytes(estimate.bytes),
            estimate.blobs,
            output::bytes(estimate.bytes_without_deduplication),
        );
        _ = writeln!(
            text,
            "requests: about {} to the source, {} to the destination",
            estimate.source_requests, estimate.destination_requests
        );
        if let (Some(rate), Some(time)) = (self.bytes_per_second, self.time()) {
            let (rate, time) = (output::bytes(rate as u64), sides::duration(time));
            _ = writeln!(text, "time: about {time} at {rate} a second, as seen just now");
        }
        self.quotas_to_text(&mut text);
        if matches!(plan.from.parse(), Ok(PlaceName::Registry { .. })) {
            let kinds = NOT_RELAYED.join("; ");
            _ = writeln!(
                text,
                "credentials that a transition cannot pass on to the old side: {kinds}"
            );
        }
        text
    }
}

/// Kinds of credentials that Lightship cannot show to the old registry in the name of a caller: it sees them never, or not in a
/// form that the old one takes. Passwords, key files and access tokens as Basic credentials or in a form are passed on.
const NOT_RELAYED: [&str; 4] = [
    "bearer tokens of the old registry that clients hold already",
    "refresh tokens and identity tokens of OAuth2",
    "client certificates",
    "key files and tokens that count at the new registry alone",
];
