//! `lightship backup` and `lightship restore`: a data directory as a copy that is checked byte by byte.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use store::{Backup as _, BackupError, BackupOptions, Copied};

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Kind, Outcome};
use crate::settings::Settings;
use crate::{output, runtime, server};

/// Copy a data directory that no server uses into a backup
///
/// Everything is in it: images, accounts, policies, tags and their history, and the secrets that sign tokens. Keep it as the
/// directory itself.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the backup goes: an empty or a new directory
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// The data directory [default: $XDG_DATA_HOME/lightship or ~/.local/share/lightship]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// An earlier backup on the same disk: what it has already is linked from there, and takes no room
    #[arg(long, value_name = "DIR")]
    earlier: Option<PathBuf>,
    #[command(flatten)]
    format: FormatOption,
}

/// Make a data directory of a backup, and check every byte on the way
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The backup
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The data directory to make: empty or new [default: $XDG_DATA_HOME/lightship or ~/.local/share/lightship]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    directory: String,
    objects: u64,
    bytes: u64,
    linked: u64,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let data = settings.data_directory(arguments.data.as_deref())?;
    let directory = server::open_existing(&data)?;
    if is_within(&arguments.to, &data) {
        return Err(
            Failure::usage(format!("{} is in the data directory", arguments.to.display()))
                .hint("a backup goes to another place, best of all to another disk"),
        );
    }
    let options = BackupOptions {
        to: arguments.to.clone(),
        earlier: arguments.earlier.clone(),
        link: false,
        progress: None,
    };
    let copied = runtime::block_on(directory.back_up(&options, settings.now))?;
    let copied = copied.map_err(|error| failed(format!("cannot back up {}", data.display()), error))?;
    told(
        "lightship/backup/v1",
        (&arguments.to, copied),
        arguments.format.format,
    )
}

pub(crate) fn run_restore(arguments: &RestoreArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let data = settings.data_directory(arguments.data.as_deref())?;
    let restored = store::restore(&arguments.from, &data, None);
    let copied =
        restored.map_err(|error| failed(format!("cannot restore {}", arguments.from.display()), error))?;
    told("lightship/restore/v1", (&data, copied), arguments.format.format)
}

/// Whether a path that need not be there yet leads into a directory that is.
fn is_within(path: &Path, directory: &Path) -> bool {
    let (Ok(absolute), Ok(directory)) = (std::path::absolute(path), directory.canonicalize()) else {
        return false;
    };
    let there = absolute.ancestors().find_map(|part| part.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(directory))
}

fn failed(attempt: String, error: BackupError) -> Failure {
    let kind = match &error {
        BackupError::Store(_) | BackupError::Damaged { .. } => Kind::Outside,
        _ => Kind::Usage,
    };
    Failure::new(kind, attempt, error)
}

fn told(
    schema: &'static str,
    (directory, copied): (&Path, Copied),
    format: Format,
) -> Result<Outcome, Failure> {
    let report = Report {
        schema,
        directory: directory.display().to_string(),
        objects: copied.objects,
        bytes: copied.bytes,
        linked: copied.linked,
    };
    match format {
        Format::Json => output::json(&report)?,
        Format::Text => {
            let bytes = output::bytes(report.bytes);
            let line = format!(
                "{}: {} objects ({bytes}), {} of them linked\n",
                report.directory, report.objects, report.linked
            );
            output::data(line.as_bytes())?;
        }
    }
    Ok(Outcome::Done)
}
