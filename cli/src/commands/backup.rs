//! `lightship backup` and `lightship restore`: a registry as a copy that is checked byte by byte.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use store::{Backup as _, BackupError, BackupOptions, Copied};

use crate::administration::{RegistryOption, job, number, text};
use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Kind, Outcome};
use crate::server::backup_directory;
use crate::settings::Settings;
use crate::{output, runtime, server};

/// Back up a running registry, or a data directory that no server uses
///
/// A running registry is backed up with --registry, while it serves, into the directory that its configuration names
/// (server.backup_directory), where the backup has a name of its own, which is told. A data directory is backed up into DIR. Everything is in it: images, accounts, policies,
/// tags and their history, and the secrets that sign tokens. Keep it as the directory itself. `lightship restore` makes a data
/// directory of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the backup of a data directory goes: an empty or a new directory
    #[arg(value_name = "DIR", conflicts_with = "registry")]
    to: Option<PathBuf>,
    /// The data directory [default: $XDG_DATA_HOME/lightship or ~/.local/share/lightship]
    #[arg(long, value_name = "DIR", conflicts_with = "registry")]
    data: Option<PathBuf>,
    /// An earlier backup on the same disk: what it has already is linked from there, and takes no room
    #[arg(long, value_name = "DIR", conflicts_with = "registry")]
    earlier: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: FormatOption,
}

/// Make a data directory of a backup, and check every byte on the way
///
/// What a restore left that was broken off is removed, and it begins again.
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

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    match &arguments.to {
        Some(to) => offline(to, arguments, settings),
        None if arguments.registry.registry.is_some() => running(arguments, settings),
        None => Err(
            Failure::usage("neither a running registry nor a directory to back up into was named").hint(
                "back up a running registry with --registry HOST, or a data directory into DIR with --data",
            ),
        ),
    }
}

/// Has a running registry make one.
fn running(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let report = job(&arguments.registry, &json!({"kind": "BACKUP"}), settings)?;
    output::report("backup", arguments.format.format, &report, || {
        format!(
            "{}: {} objects ({}), {} of them linked; metadata {}\n",
            inspect::visible(text(&report, "name")),
            number(&report, "objects"),
            output::bytes(number(&report, "bytes")),
            number(&report, "linked"),
            output::bytes(number(&report, "metadata_bytes")),
        )
    })
}

fn offline(to: &Path, arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let data = settings.data_directory(arguments.data.as_deref())?;
    let directory = server::open_existing(&data)?;
    backup_directory::check_apart(to, &data)?;
    let options = BackupOptions {
        to: to.to_owned(),
        earlier: arguments.earlier.clone(),
        link: false,
        watch: None,
    };
    let copied = runtime::block_on(directory.back_up(&options, settings.now))?;
    let copied = copied.map_err(|error| failed(format!("cannot back up {}", data.display()), error))?;
    told("backup", (to, copied), arguments.format.format)
}

pub(crate) fn run_restore(arguments: &RestoreArguments, settings: &Settings) -> Result<Outcome, Failure> {
    let data = settings.data_directory(arguments.data.as_deref())?;
    let restored = store::restore(&arguments.from, &data, None);
    let copied =
        restored.map_err(|error| failed(format!("cannot restore {}", arguments.from.display()), error))?;
    told("restore", (&data, copied), arguments.format.format)
}

fn failed(attempt: String, error: BackupError) -> Failure {
    let kind = match &error {
        BackupError::Store(_) | BackupError::Damaged { .. } => Kind::Outside,
        _ => Kind::Usage,
    };
    let hint = match &error {
        BackupError::NotEmpty { .. } => Some("name a directory that is empty or not there yet"),
        BackupError::NotABackup { .. } => {
            Some("name a directory that `lightship backup` has made: one with backup.json in it")
        }
        _ => None,
    };
    let failure = Failure::new(kind, attempt, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Reports what was copied into a directory.
fn told(command: &str, (directory, copied): (&Path, Copied), format: Format) -> Result<Outcome, Failure> {
    let directory = directory.display().to_string();
    let report = json!({
        "directory": directory,
        "objects": copied.objects,
        "bytes": copied.bytes,
        "linked": copied.linked,
    });
    output::report(command, format, &report, || {
        format!(
            "{directory}: {} objects ({}), {} of them linked\n",
            copied.objects,
            output::bytes(copied.bytes),
            copied.linked
        )
    })
}
