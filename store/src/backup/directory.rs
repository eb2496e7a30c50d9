//! The directory that a running registry's backups go to.
//!
//! ```text
//! lightship-20261126T074512Z             whole
//! lightship-20261126T081500Z.unfinished  being made, or broken off: the next one removes it
//! lightship.lock                         held while one is made
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::copying::sync_directory;
use super::document::Document;
use super::place::locked;
use super::{BackupError, BackupOptions, Backups, Copying, Made, MadeBackup};
use crate::files::run_blocking;
use crate::{DataDirectory, StoreError, Watch};

/// Backups of one second.
const OF_A_SECOND_MAX: u32 = 1000;

/// A directory for backups. It is never made here: where it is not there, its disk is not.
#[derive(Debug, Clone)]
pub struct BackupDirectory {
    data: Arc<DataDirectory>,
    path: PathBuf,
}

impl BackupDirectory {
    /// Backups of `data` in the directory `path`.
    #[must_use]
    pub fn new(data: Arc<DataDirectory>, path: PathBuf) -> BackupDirectory {
        BackupDirectory { data, path }
    }

    /// Removes what is left of backups that were broken off; says how many that were.
    ///
    /// # Errors
    /// When the directory is not there or cannot be written, and while a backup is made there.
    pub async fn clear(&self) -> Result<u64, BackupError> {
        let path = self.path.clone();
        run_blocking(move || Ok(lock(&path).and_then(|_lock| clear(&path)))).await?
    }
}

#[async_trait]
impl Backups for BackupDirectory {
    async fn make_backup(&self, watch: Watch, now: Timestamp) -> Result<MadeBackup, BackupError> {
        let directory = self.path.clone();
        let copying = Copying::of(&self.data);
        let made = copying
            .beside(move |copying| named(&directory, watch, now, &|options| copying.make(options, now)));
        made.await
    }
}

/// Makes a backup under a name of its own.
pub(super) fn named(
    directory: &Path,
    watch: Watch,
    now: Timestamp,
    make: &dyn Fn(&BackupOptions) -> Result<Made, BackupError>,
) -> Result<MadeBackup, BackupError> {
    let _lock = lock(directory)?;
    clear(directory)?;
    let name = free_name(directory, now)?;
    let unfinished = directory.join(format!("{name}{UNFINISHED}"));
    // It holds secrets.
    DirBuilder::new()
        .mode(0o700)
        .create(&unfinished)
        .map_err(failed)?;
    let options = BackupOptions {
        to: unfinished.clone(),
        earlier: newest(directory)?,
        link: true,
        watch: Some(watch),
    };
    let made = make(&options).and_then(|made| {
        fs::rename(&unfinished, directory.join(&name)).map_err(failed)?;
        sync_directory(directory)?;
        Ok(made)
    });
    match made {
        Ok(Made {
            copied,
            metadata_bytes,
        }) => Ok(MadeBackup {
            name,
            copied,
            metadata_bytes,
        }),
        Err(error) => {
            // What cannot be removed now is removed before the next one.
            let _ = fs::remove_dir_all(&unfinished);
            Err(error)
        }
    }
}

/// Nobody else makes backups in the directory, also no other registry, while this is open.
fn lock(directory: &Path) -> Result<File, BackupError> {
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE));
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BackupError::NoDirectory),
        opened => opened.map_err(failed)?,
    };
    locked(&file)?;
    Ok(file)
}

fn clear(directory: &Path) -> Result<u64, BackupError> {
    let mut cleared = 0;
    for name in ours(directory)? {
        if name.ends_with(UNFINISHED) {
            fs::remove_dir_all(directory.join(name)).map_err(failed)?;
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// The newest that is whole: what both have need not be copied where the file system has links.
fn newest(directory: &Path) -> Result<Option<PathBuf>, BackupError> {
    let mut names = ours(directory)?;
    names.sort_unstable();
    let paths = names.iter().rev().map(|name| directory.join(name));
    Ok(paths
        .filter(|path| Document::read(path).is_ok())
        .find(|path| !path.to_string_lossy().ends_with(UNFINISHED)))
}

/// Names of directories that are ours.
fn ours(directory: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Links are not followed.
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        let name = entry.file_name().into_string().unwrap_or_default();
        if is_directory && is_ours(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether it is a name as [`free_name`] gives: what else lies there is somebody's, and stays.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let (time, number) = rest.split_once('-').unwrap_or((rest, "2"));
    let form = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    time.bytes().map(form).eq(*b"00000000T000000Z") && number.parse::<u32>().is_ok()
}

fn free_name(directory: &Path, now: Timestamp) -> Result<String, BackupError> {
    let name = format!("{PREFIX}{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let further = (2..=OF_A_SECOND_MAX).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(further);
    names
        .find(|name| fs::symlink_metadata(directory.join(name)).is_err())
        .ok_or_else(|| BackupError::NotEmpty {
            path: PathBuf::from(name.clone()),
        })
}

fn failed(source: io::Error) -> StoreError {
    StoreError::io("use the directory for backups", source)
}

const PREFIX: &str = "lightship-";
const UNFINISHED: &str = ".unfinished";
const LOCK_FILE: &str = "lightship.lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_keeps_beside_backups_is_not_ours() {
        for name in [
            "lightship-20261126T081500Z",
            "lightship-20261126T081500Z-7.unfinished",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "lightship-old.unfinished",
            "lightship-20261126.unfinished",
            "lightship-20261126T081500Z-copy.unfinished",
            "20261126T081500Z.unfinished",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
