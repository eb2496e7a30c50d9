//! Whether a server would start: everything is looked at, and nothing is changed.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::path::Path;

use super::options::{ServerOptions, ServerSettings};
use super::{backup_directory, cannot_listen, upstream};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::settings::Settings;

/// Tells every fault that can be found, and fails with the first.
pub(crate) fn check(options: &ServerOptions, settings: &Settings) -> Result<Outcome, Failure> {
    let server = options.resolve(settings)?;
    let certificates = server
        .certificates
        .as_ref()
        .map_or(Ok(()), |files| files.open().map(drop));
    let faults = [
        certificates,
        directory(&server.data),
        server.backups.as_deref().map_or(Ok(()), backup_directory::check),
        audit(&server),
        upstream::registries(&server.upstream, settings).map(drop),
        address(&server),
    ];
    let mut faults = faults.into_iter().filter_map(Result::err);
    let Some(first) = faults.next() else {
        let scheme = if server.certificates.is_some() {
            "https"
        } else {
            "http"
        };
        output::talk(&format!(
            "nothing is wrong: {scheme}://{} would be served from {}",
            server.listen,
            server.data.display()
        ));
        return Ok(Outcome::Done);
    };
    for further in faults {
        further.report(settings);
    }
    Err(first)
}

/// Files of a data directory that a server opens to write, where they are there.
const WRITTEN: [&str; 2] = ["lock", "metadata.sqlite"];

/// A server may hold the directory, so it is not opened.
fn directory(path: &Path) -> Result<(), Failure> {
    let attempt = || format!("cannot use the data directory {}", path.display());
    // What is there: the directory, or where it would be made.
    let there = path
        .ancestors()
        .find(|part| part.exists())
        .unwrap_or(Path::new("."));
    let metadata = fs::metadata(there).map_err(|error| Failure::outside(attempt(), error))?;
    if !metadata.is_dir() {
        let stated = format!("{}: {} is not a directory", attempt(), there.display());
        return Err(Failure::stated(Kind::Usage, stated));
    }
    // Permissions alone do not say it: the file system may be read-only. The file is gone again at once.
    tempfile::tempfile_in(there).map(drop).map_err(|error| {
        Failure::outside(attempt(), error)
            .hint("the user that the server runs as has to be able to write there")
    })?;
    WRITTEN
        .iter()
        .try_for_each(|name| can_be_written(&path.join(name)))
}

/// As when somebody else, root for example, worked on the directory before.
fn can_be_written(file: &Path) -> Result<(), Failure> {
    match OpenOptions::new().read(true).write(true).open(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let attempt = format!("cannot write to {} in the data directory", file.display());
            Err(Failure::outside(attempt, error).hint(
                "all in it has to belong to the user that the server runs as: give it to that user with `chown -R`",
            ))
        }
        _ => Ok(()),
    }
}

fn audit(server: &ServerSettings) -> Result<(), Failure> {
    let Some(file) = &server.log.audit else {
        return Ok(());
    };
    let parent = file.path.parent().unwrap_or(Path::new("."));
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    tempfile::tempfile_in(parent)
        .map(drop)
        .map_err(|error| file.unusable(error))
}

fn address(server: &ServerSettings) -> Result<(), Failure> {
    let bound = TcpListener::bind(server.listen);
    bound
        .map(drop)
        .map_err(|error| cannot_listen(server.listen, error))
}
