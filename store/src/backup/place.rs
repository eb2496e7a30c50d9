//! A directory that is being filled, and how what was broken off is told from what is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::BackupError;
use crate::directory::METADATA_FILE;
use crate::{StoreError, private};

/// A directory that nobody else fills, until it is dropped.
pub(super) struct Place {
    path: PathBuf,
    /// Held as long as it is filled, so that a second one does not take it for broken off.
    _lock: File,
}

impl Place {
    /// Makes a directory, or takes one that is empty, or that a backup or restore before was broken off in: what that left is
    /// removed, which is what we put there and nothing else.
    pub(super) fn make(path: &Path) -> Result<Place, BackupError> {
        private::make_directory(path).map_err(failed)?;
        let not_empty = || BackupError::NotEmpty {
            path: path.to_owned(),
        };
        let mark = path.join(MARK_FILE);
        // Whoever else had found it empty at the same moment is told that it is not.
        let lock = match OpenOptions::new().write(true).create_new(true).open(&mark) {
            Ok(mut new) => {
                let lock = locked(&new);
                let others = fs::read_dir(path).map_err(failed)?.count() > 1;
                if others {
                    fs::remove_file(&mark).map_err(failed)?;
                    return Err(not_empty());
                }
                lock?;
                new.write_all(MARK.as_bytes())
                    .and_then(|()| new.sync_all())
                    .map_err(failed)?;
                new
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let lock = left_behind(&mark)?.ok_or_else(not_empty)?;
                clear(path)?;
                lock
            }
            Err(source) => return Err(failed(source).into()),
        };
        Ok(Place {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Says that it is whole, which it is at once or not at all.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let finished = fs::remove_file(self.path.join(MARK_FILE)).and_then(|()| {
            // The directory may have been made just now: its own name must last as well.
            for directory in std::path::absolute(&self.path)?.ancestors().take(2) {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        });
        finished.map_err(|source| StoreError::io("finish the directory", source))
    }
}

/// Takes a lock, for the time that the file is open.
pub(super) fn locked(file: &File) -> Result<(), BackupError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy),
        Err(TryLockError::Error(source)) => Err(failed(source).into()),
    }
}

/// The mark, when it is ours and nobody holds it.
fn left_behind(mark: &Path) -> Result<Option<File>, BackupError> {
    let file = OpenOptions::new().read(true).write(true).open(mark);
    let file = file.map_err(failed)?;
    locked(&file)?;
    let mut text = String::new();
    let read = (&file).take(MARK_BYTES_MAX).read_to_string(&mut text);
    // One whose program died before it wrote it is empty, and alone.
    Ok(match read {
        Ok(_) if MARK.starts_with(&text) => Some(file),
        _ => None,
    })
}

/// Removes what a broken-off backup or restore left but its mark. Where there is anything else, nothing is touched.
fn clear(path: &Path) -> Result<(), BackupError> {
    let mut left = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let ours = name.to_str().filter(|name| OURS.contains(name));
        let Some(name) = ours else {
            return Err(BackupError::NotEmpty {
                path: path.to_owned(),
            });
        };
        left.push(name.to_owned());
    }
    for name in left.iter().filter(|name| *name != MARK_FILE) {
        let entry = path.join(name);
        let removed = match fs::symlink_metadata(&entry) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&entry),
            Ok(_) => fs::remove_file(&entry),
            Err(error) => Err(error),
        };
        removed.map_err(failed)?;
    }
    Ok(())
}

fn failed(source: io::Error) -> StoreError {
    StoreError::io("make the directory", source)
}

/// There while the directory is filled.
const MARK_FILE: &str = "unfinished";

const MARK: &str = "lightship: a backup or restore was broken off here, or goes on\n";

const MARK_BYTES_MAX: u64 = 1024;

/// What can be in a directory that is not whole. The files that make it whole are not among it.
const OURS: [&str; 8] = [
    MARK_FILE,
    METADATA_FILE,
    "metadata.sqlite-journal",
    "metadata.sqlite-wal",
    "metadata.sqlite-shm",
    "objects",
    "backup.json.new",
    "format.new",
];
