//! `lightship gc` and `lightship scrub`: looking after a data directory or a running registry.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use registry::administration::reports;
use serde_json::{Value, json};
use store::{Actor, CleanupOptions, CollectionOptions, ScrubOptions};

use crate::administration::{RegistryOption, job, number, text};
use crate::arguments::FormatOption;
use crate::commands::repo::{bytes, seconds};
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{output, runtime, server};

/// How long a blob that nobody needs is kept, and an upload may rest, as the server has it by default.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Free what nobody needs: blobs, dead uploads, and untagged manifests where that is asked for
///
/// First removes what the cleanup policies of repositories remove; the blobs of that stay for a day at least, so that a
/// later run frees them. Works on a running registry, without holding up anybody, or on a data directory that no server uses.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only say what would be removed and freed
    #[arg(long)]
    dry_run: bool,
    /// Remove manifests that have been without a tag for so long: 30d, 12h
    #[arg(long, value_name = "TIME")]
    untagged_after: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Hash every blob again and look whether everything that is referred to is there; exit status 1 when not
///
/// Works on a running registry, or on a data directory that no server uses.
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// What is read in a second at most, as 20MB; 0 is no limit [default: a running registry 64 MiB, a data directory no limit]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    rate: Option<u64>,
    #[command(flatten)]
    place: Place,
}

/// What is looked after.
#[derive(Debug, Args)]
struct Place {
    /// The data directory, which no server may use; without it a running registry is asked
    #[arg(long, value_name = "DIR", conflicts_with = "registry")]
    data: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: FormatOption,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let untagged = match arguments.untagged_after.as_deref() {
        None => None,
        Some(text) => Some(seconds(text).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no time")).hint("write a number with s, m, h or d, as 30d")
        })?),
    };
    let dry_run = arguments.dry_run;
    let (cleanup, mut report) = match &arguments.place.data {
        Some(data) => {
            let age = untagged.and_then(|text| text.trim_end_matches('s').parse().ok());
            let age = age.map(Duration::from_secs);
            runtime::block_on(collected_offline(data, dry_run, age, settings))??
        }
        None => {
            let cleanup = json!({"kind": "CLEANUP", "dryRun": dry_run});
            let body = json!({"kind": "COLLECTION", "dryRun": dry_run, "untaggedAfter": untagged});
            let registry = &arguments.place.registry;
            let cleaned = job(registry, &cleanup, settings)?;
            (cleaned, job(registry, &body, settings)?)
        }
    };
    report["cleanup"] = cleanup;
    let text = || format!("{}{}", cleaned(&report["cleanup"]), collected(&report));
    output::report("gc", arguments.place.format.format, &report, text)
}

/// What a cleanup and then a collection of a data directory report.
async fn collected_offline(
    data: &Path,
    dry_run: bool,
    untagged_after: Option<Duration>,
    settings: &Settings,
) -> Result<(Value, Value), Failure> {
    let directory = server::open_existing(data)?;
    let (blobs, metadata) = (directory.blobs(), directory.metadata());
    let actor = Actor("operator".to_owned());
    let cleanup = CleanupOptions {
        repository: None,
        grace: GRACE,
        dry_run,
        actor: actor.clone(),
    };
    let cleaned = store::cleanup(metadata, &cleanup, settings.now).await;
    let cleaned = cleaned.map_err(|error| Failure::outside("cannot clean up", error))?;
    let options = CollectionOptions {
        grace: GRACE,
        upload_idle: GRACE,
        untagged_after,
        dry_run,
        actor,
    };
    let collected = store::collect(blobs, metadata, &options, settings.now).await;
    let collected = collected.map_err(|error| Failure::outside("cannot collect", error))?;
    Ok((
        reports::cleanup(&cleaned, dry_run),
        reports::collection(&collected, dry_run),
    ))
}

/// A line for each version, and one for all; nothing where no policy applies.
fn cleaned(report: &Value) -> String {
    let mut told = String::new();
    for (field, verb) in [("removed", "removed"), ("would_remove", "would remove")] {
        let part = &report[field];
        let count = number(part, "versions");
        if count == 0 {
            continue;
        }
        for version in part["listed"].as_array().into_iter().flatten() {
            let tags = version["tags"].as_array().into_iter().flatten();
            let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
            let line = format!(
                "{verb} {}@{} [{}] by {}",
                text(version, "package"),
                text(version, "digest"),
                tags.join(", "),
                text(version, "policy")
            );
            told.push_str(&format!("{}\n", inspect::visible(&line)));
        }
        let (bytes, tags) = (output::bytes(number(part, "bytes")), number(part, "tags"));
        told.push_str(&format!(
            "cleanup policies {verb} {count} versions ({bytes}) with {tags} tags\n"
        ));
    }
    told
}

fn collected(report: &Value) -> String {
    let verb = match report["dry_run"].as_bool() {
        Some(true) => "would free",
        _ => "freed",
    };
    let kinds = ["blobs", "orphans", "uploads"].map(|kind| {
        let freed = &report[kind];
        format!(
            "{} {kind} ({})",
            number(freed, "count"),
            output::bytes(number(freed, "bytes"))
        )
    });
    format!(
        "{verb} {}: {}; {} manifests, {} links, {} packages\n",
        output::bytes(number(report, "bytes_freed")),
        kinds.join(", "),
        number(report, "manifests"),
        number(report, "links"),
        number(report, "packages"),
    )
}

pub(crate) fn run_scrub(arguments: &ScrubArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let report = match &arguments.place.data {
        Some(data) => {
            let directory = server::open_existing(data)?;
            let options = ScrubOptions {
                bytes_per_second: arguments.rate.and_then(NonZeroU64::new),
                watch: None,
            };
            let scrub = store::scrub(directory.blobs(), directory.metadata(), &options);
            let scrubbed = runtime::block_on(scrub)?;
            reports::scrub(&scrubbed.map_err(|error| Failure::outside("cannot scrub", error))?)
        }
        None => {
            let body = json!({"kind": "SCRUB", "bytesPerSecond": arguments.rate});
            job(&arguments.place.registry, &body, settings)?
        }
    };
    output::report("scrub", arguments.place.format.format, &report, || {
        scrubbed(&report)
    })?;
    Ok(match findings(&report).next() {
        None => Outcome::Done,
        Some(_) => Outcome::NotSo,
    })
}

fn findings(report: &Value) -> impl Iterator<Item = &str> {
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter_map(Value::as_str)
}

/// A line for each finding, and one for all.
fn scrubbed(report: &Value) -> String {
    let mut text = String::new();
    for finding in findings(report) {
        text.push_str(&format!("{}\n", inspect::visible(finding)));
    }
    let (blobs, bytes) = (number(report, "blobs"), output::bytes(number(report, "bytes")));
    let found = findings(report).count() as u64 + number(report, "findings_left_out");
    let manifests = number(report, "manifests");
    text.push_str(&format!(
        "{blobs} blobs ({bytes}) and {manifests} manifests looked at: {found} findings\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cleanup_removes_and_would_remove_is_told_apart() {
        let version = |digest: &str| {
            json!({"package": "projects/p/locations/l/repositories/r/packages/a",
            "digest": digest, "tags": ["v1", "v2"], "bytes": 3, "policy": "aged"})
        };
        let report = json!({"dry_run": false, "repositories": 2,
            "removed": {"versions": 1, "tags": 2, "bytes": 3, "listed": [version("sha256:aa")]},
            "would_remove": {"versions": 9, "tags": 2, "bytes": 3, "listed": [version("sha256:bb")]}});
        let of = "projects/p/locations/l/repositories/r/packages/a";
        assert_eq!(
            cleaned(&report),
            format!(
                "removed {of}@sha256:aa [v1, v2] by aged\n\
                 cleanup policies removed 1 versions (3 B) with 2 tags\n\
                 would remove {of}@sha256:bb [v1, v2] by aged\n\
                 cleanup policies would remove 9 versions (3 B) with 2 tags\n"
            )
        );
        assert_eq!(cleaned(&json!({"removed": {"versions": 0}})), "");
    }
}
