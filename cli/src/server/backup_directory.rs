//! The directory that backups of the running registry go to.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use store::{BackupDirectory, BackupError};

use super::logging::{ServerLog, with_causes};
use crate::failure::{Failure, Kind};

/// Whether backups can be written there.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let attempt = || format!("cannot use the directory for backups {}", path.display());
    let hint = "make it, or mount its disk; the server does not";
    let found = fs::metadata(path).map_err(|error| Failure::outside(attempt(), error).hint(hint))?;
    if !found.is_dir() {
        return Err(Failure::stated(
            Kind::Usage,
            format!("{}: it is not a directory", attempt()),
        ));
    }
    // Permissions alone do not say it: the file system may be read-only. The file is gone again at once.
    tempfile::tempfile_in(path).map(drop).map_err(|error| {
        Failure::outside(attempt(), error)
            .hint("the user that the server runs as has to be able to write there")
    })
}

/// Backups go to another place than what they are of.
pub(crate) fn check_apart(backups: &Path, data: &Path) -> Result<(), Failure> {
    match is_within(backups, data) {
        true => Err(
            Failure::usage(format!("{} is in the data directory", backups.display()))
                .hint("a backup goes to another place, best of all to another disk"),
        ),
        false => Ok(()),
    }
}

/// Whether a path leads into a directory; neither need be there yet.
fn is_within(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| {
        let absolute = std::path::absolute(path).ok()?;
        let there = absolute.ancestors().find(|part| part.exists())?;
        let rest = absolute.strip_prefix(there).ok()?;
        Some(there.canonicalize().ok()?.join(rest))
    };
    match (real(path), real(directory)) {
        (Some(path), Some(directory)) => path.starts_with(directory),
        _ => false,
    }
}

/// Removes what is left of backups that ended with the server before.
pub(super) async fn clear(backups: BackupDirectory, log: Arc<ServerLog>) {
    match backups.clear().await {
        Ok(0) => {}
        Ok(cleared) => log.notice(&format!(
            "removed what was left of backups that were broken off: {cleared}"
        )),
        // Another registry makes one there.
        Err(BackupError::Busy) => {}
        Err(error) => log.failed(&format!("there can be no backups: {}", with_causes(&error))),
    }
}
