//! `lightship lock`: exact packages for images.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use archive::Encoder;
use clap::Args;
use factory::lock::{Difference, Lock, PackageChange};
use factory::release::Architecture;
use factory::specification::Plan;
use serde::Serialize;

use crate::archive_options::ArchiveOptions;
use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Kind, Outcome};
use crate::progress_display::ProgressDisplay;
use crate::selection::{self, Architectures, LOCK_NAME, LockPlace, MissingLock};
use crate::settings::Settings;
use crate::workshop::Workshop;
use crate::{locks, output, resolution, runtime};

/// Resolve images to exact packages and write lightship.lock
///
/// The lock stands beside the FILE, for catalogue NAMEs in the current directory. A lock that fits is kept as it is:
/// only --update moves versions. Without a NAME or FILE, the catalogue images that the lock in the current directory
/// holds are meant. Every variant of an image is locked.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Catalogue names and specification files
    #[arg(value_name = "NAME|FILE")]
    images: Vec<String>,
    /// Architectures to lock: `host`, `all`, or a list such as amd64,arm64 [default: those in the lock, else all]
    #[arg(long, value_name = "A,B")]
    arch: Option<String>,
    /// Compare with the archive, write nothing; exit 1 and say what would change
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Take the newest versions
    #[arg(long)]
    update: bool,
    /// Leave out architectures whose indexes cannot be had; the exit status still tells
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    archive: ArchiveOptions,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    lock: String,
    /// Whether the lock was written.
    written: bool,
    /// Whether the archive has something else (`--check`), or the lock was changed.
    changed: bool,
    images_added: Vec<String>,
    images_removed: Vec<String>,
    packages: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    package: String,
    old: Option<String>,
    new: Option<String>,
    architectures: Vec<&'static str>,
    images: Vec<String>,
}

/// What is to be locked, where, and what is there.
struct Task {
    place: LockPlace,
    plans: Vec<Plan>,
    architectures: Vec<Architecture>,
    existing: Option<Lock>,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let progress = Arc::new(ProgressDisplay::new(settings));
    let workshop = Workshop::open(&arguments.archive, settings, progress)?;
    let task = Task::resolve(&arguments, &workshop)?;
    if arguments.check && task.existing.is_none() {
        return Err(Failure::usage(format!(
            "there is no lock at {} to check",
            task.place.describe(&workshop)
        ))
        .hint("`lightship lock` makes one"));
    }
    let fits = task
        .existing
        .as_ref()
        .is_some_and(|lock| lock.satisfies(&task.plans, &task.architectures).is_ok());
    if fits && !arguments.check && !arguments.update {
        return report(&arguments, &task, &workshop, &Done::default());
    }
    let wanted = resolution::Wanted {
        plans: &task.plans,
        architectures: &task.architectures,
        keep_going: arguments.keep_going,
        encoder: task.encoder(&arguments, &workshop)?,
    };
    let resolved = runtime::block_on(resolution::resolve(&wanted, &workshop))??;
    let newer = match &task.existing {
        Some(existing) => existing.updated(&resolved.lock),
        None => resolved.lock.clone(),
    };
    let difference = task.difference(arguments.check, &resolved.lock, &newer);
    if !arguments.check {
        locks::write(&task.place, &newer, &workshop)?;
    }
    let done = Done {
        difference,
        written: !arguments.check,
    };
    let outcome = report(&arguments, &task, &workshop, &done)?;
    if resolved.incomplete {
        return Err(Failure::stated(
            Kind::Outside,
            "some architectures were left out, as said above",
        ));
    }
    Ok(outcome)
}

/// What was done; by default nothing.
#[derive(Default)]
struct Done {
    difference: Difference,
    written: bool,
}

impl Task {
    fn resolve(arguments: &Arguments, workshop: &Workshop) -> Result<Task, Failure> {
        let (place, images) = match arguments.images.is_empty() {
            false => (None, arguments.images.clone()),
            true => {
                let here = LockPlace::File(PathBuf::from(LOCK_NAME));
                let lock = locks::read(&here, workshop)?.ok_or_else(|| {
                    Failure::usage(format!("no image is named, and there is no {LOCK_NAME} here"))
                        .hint("name images: `lightship lock cc-debian13` or `lightship lock ./image.yaml`")
                })?;
                let names: BTreeSet<String> = lock.images.iter().map(|image| image.name.clone()).collect();
                (Some(here), names.into_iter().collect())
            }
        };
        let selected = selection::read(&images)?;
        let place = place.map_or_else(|| LockPlace::of(&selected, MissingLock::MakeFile), Ok)?;
        let plans = selection::plans(&selected, "all")?;
        let existing = locks::read(&place, workshop)?;
        let architectures = architectures(arguments, &plans, existing.as_ref())?;
        Ok(Task {
            place,
            plans,
            architectures,
            existing,
        })
    }

    /// What a check would change, or what the written lock changes.
    fn difference(&self, check: bool, resolved: &Lock, newer: &Lock) -> Difference {
        match &self.existing {
            Some(existing) if check => {
                factory::locking::check(existing, resolved, &self.plans, &self.architectures)
            }
            Some(existing) => existing.difference(newer),
            None => Difference::default(),
        }
    }

    /// The compressor of the lock that is there; an update brings a lock of another release to this one's ids.
    fn encoder(&self, arguments: &Arguments, workshop: &Workshop) -> Result<Encoder, Failure> {
        match &self.existing {
            Some(lock) if !arguments.update => locks::check_ids(lock, &self.place, workshop),
            Some(lock) => Ok(lock.check_ids().unwrap_or(Encoder::Gzip)),
            None => Ok(Encoder::Gzip),
        }
    }
}

/// Those that were asked for, else those that the lock has for these images, else all that they are made for.
fn architectures(
    arguments: &Arguments,
    plans: &[Plan],
    existing: Option<&Lock>,
) -> Result<Vec<Architecture>, Failure> {
    let made_for = || {
        plans
            .iter()
            .flat_map(|plan| plan.architectures.iter().copied())
            .collect::<BTreeSet<_>>()
    };
    let architectures = match arguments.arch.as_deref().map(Architectures::parse).transpose()? {
        Some(Architectures::Some(asked)) => {
            for plan in plans {
                Architectures::Some(asked.clone()).of(plan)?;
            }
            asked.into_iter().collect()
        }
        Some(Architectures::All) => made_for(),
        None => {
            let locked = plans
                .iter()
                .filter_map(|plan| existing?.image(&plan.name, &plan.variant));
            let locked: BTreeSet<Architecture> =
                locked.flat_map(|image| image.platforms.keys().copied()).collect();
            if locked.is_empty() { made_for() } else { locked }
        }
    };
    Ok(architectures.into_iter().collect())
}

fn report(arguments: &Arguments, task: &Task, workshop: &Workshop, done: &Done) -> Result<Outcome, Failure> {
    let changed = !done.difference.is_empty();
    let place = task.place.describe(workshop);
    match arguments.format.format {
        Format::Json => output::json(&Report {
            schema: "lightship/lock/v1",
            lock: place,
            written: done.written,
            changed: changed || (done.written && task.existing.is_none()),
            images_added: done.difference.images_added.clone(),
            images_removed: done.difference.images_removed.clone(),
            packages: done.difference.packages.iter().map(change).collect(),
        })?,
        Format::Text => {
            let text = done.difference.render();
            let first = match (arguments.check, done.written, changed) {
                (true, _, true) => "the archive has something else than the lock:\n".to_owned(),
                (true, _, false) => format!("{place} is what the archive has\n"),
                (false, true, true) => format!("{place} was written:\n"),
                (false, true, false) => format!("{place} was written\n"),
                (false, false, _) => {
                    format!("{place} fits and stays as it is; --update takes newer versions\n")
                }
            };
            output::data(format!("{first}{}", if changed { text } else { String::new() }).as_bytes())?;
        }
    }
    Ok(if arguments.check && changed {
        Outcome::NotSo
    } else {
        Outcome::Done
    })
}

fn change(change: &PackageChange) -> Change {
    Change {
        package: change.package.clone(),
        old: change.old.clone(),
        new: change.new.clone(),
        architectures: change
            .architectures
            .iter()
            .map(|architecture| architecture.name())
            .collect(),
        images: change.images.iter().cloned().collect(),
    }
}
