//! `lightship cache`: what the user's cache holds, and making it smaller.

use std::path::{Path, PathBuf};

use cache::{Cache, CacheError, Freed, Shelf};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::settings::Settings;

/// Show or clean the cache of packages, indexes, layers and images
///
/// Everything in the cache can be fetched or made again; removing it never changes what a build yields.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show where the cache is and how much each part holds
    Show {
        #[command(flatten)]
        directory: Directory,
        #[command(flatten)]
        format: FormatOption,
    },
    /// Remove parts of the cache; all of it when no part is named
    Clean {
        /// Package files and what was read from them
        #[arg(long)]
        packages: bool,
        /// Layers and whole images
        #[arg(long)]
        layers: bool,
        /// Package indexes and signed releases
        ///
        /// The dates of the releases already seen go too; until they are seen again, an older one is not recognised.
        #[arg(long)]
        indexes: bool,
        #[command(flatten)]
        directory: Directory,
        #[command(flatten)]
        format: FormatOption,
    },
}

#[derive(Debug, Args)]
struct Directory {
    /// The cache's directory [default: $XDG_CACHE_HOME/lightship or ~/.cache/lightship]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    directory: String,
    shelves: Vec<ShelfReport>,
    files: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ShelfReport {
    name: &'static str,
    files: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Cleaned {
    schema: &'static str,
    directory: String,
    files_removed: u64,
    bytes_freed: u64,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    match &arguments.action {
        Action::Show { directory, format } => show(directory, format.format, settings),
        Action::Clean {
            packages,
            layers,
            indexes,
            directory,
            format,
        } => {
            let shelves = shelves(*packages, *layers, *indexes);
            clean(directory, &shelves, format.format, settings)
        }
    }
}

fn show(directory: &Directory, format: Format, settings: &Settings) -> Result<Outcome, Failure> {
    let path = settings.cache_directory(directory.cache.as_deref())?;
    let attempt = || format!("cannot read the cache {}", path.display());
    let usage = match find(&path, attempt)? {
        Some(cache) => cache
            .usage()
            .map_err(|error| Failure::outside(attempt(), error))?,
        None => Vec::new(),
    };
    let shelves: Vec<ShelfReport> = Shelf::ALL
        .iter()
        .map(|shelf| {
            let used = usage.iter().find(|used| used.shelf == *shelf);
            ShelfReport {
                name: shelf.name(),
                files: used.map_or(0, |used| used.files),
                bytes: used.map_or(0, |used| used.bytes),
            }
        })
        .collect();
    let report = Report {
        schema: "lightship/cache/v1",
        directory: path.display().to_string(),
        files: shelves.iter().map(|shelf| shelf.files).sum(),
        bytes: shelves.iter().map(|shelf| shelf.bytes).sum(),
        shelves,
    };
    match format {
        Format::Json => output::json(&report)?,
        Format::Text => {
            let mut text = format!("{}\n", report.directory);
            for shelf in &report.shelves {
                text.push_str(&format!(
                    "{:<10} {:>9}  {}\n",
                    shelf.name,
                    output::bytes(shelf.bytes),
                    files(shelf.files)
                ));
            }
            text.push_str(&format!(
                "{:<10} {:>9}  {}\n",
                "total",
                output::bytes(report.bytes),
                files(report.files)
            ));
            output::data(text.as_bytes())?;
        }
    }
    Ok(Outcome::Done)
}

fn clean(
    directory: &Directory,
    shelves: &[Shelf],
    format: Format,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let path = settings.cache_directory(directory.cache.as_deref())?;
    let attempt = || format!("cannot clean the cache {}", path.display());
    let freed = match find(&path, attempt)? {
        Some(cache) => cache
            .clean(shelves)
            .map_err(|error| Failure::outside(attempt(), error))?,
        None => Freed::default(),
    };
    match format {
        Format::Json => output::json(&Cleaned {
            schema: "lightship/cache/v1",
            directory: path.display().to_string(),
            files_removed: freed.files,
            bytes_freed: freed.bytes,
        })?,
        Format::Text => {
            output::data(
                format!("removed {}, {}\n", files(freed.files), output::bytes(freed.bytes)).as_bytes(),
            )?;
        }
    }
    Ok(Outcome::Done)
}

/// The cache at `path`; none where nothing is. Looking makes no directory, and nobody else's is touched.
fn find(path: &Path, attempt: impl Fn() -> String) -> Result<Option<Cache>, Failure> {
    Cache::find(path.to_path_buf()).map_err(|error| match error {
        CacheError::NotACache { .. } => Failure::new(Kind::Usage, attempt(), error)
            .hint("`lightship cache show` without --cache shows the one that is used by default"),
        error => Failure::outside(attempt(), error),
    })
}

/// The shelves of the parts that were named; all when none was.
fn shelves(packages: bool, layers: bool, indexes: bool) -> Vec<Shelf> {
    if !(packages || layers || indexes) {
        return Shelf::ALL.to_vec();
    }
    let parts = [
        (packages, [Shelf::Packages, Shelf::Entries].as_slice()),
        (
            layers,
            [Shelf::Layers, Shelf::Images, Shelf::Generated].as_slice(),
        ),
        (indexes, [Shelf::Indexes, Shelf::Releases].as_slice()),
    ];
    parts
        .iter()
        .filter(|(wanted, _)| *wanted)
        .flat_map(|(_, shelves)| shelves.iter().copied())
        .collect()
}

fn files(count: u64) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}
