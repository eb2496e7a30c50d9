//! A data directory: both embedded stores, and the lock that keeps other processes out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::{FileBlobStore, SqliteMetadata, StoreError, private};

/// The format of the directory as a whole. The database has one of its own.
const FORMAT: u32 = 1;

const FORMAT_BYTES_MAX: u64 = 64;

/// A data directory in use by this process, until it is dropped.
///
/// ```text
/// format           what the directory is, and its format
/// lock             held while a process uses it
/// metadata.sqlite  everything that is said of the blobs
/// uploads/         unfinished
/// objects/         whole and durable
/// ```
#[derive(Debug)]
pub struct DataDirectory {
    blobs: FileBlobStore,
    metadata: SqliteMetadata,
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Opens the directory, or makes a new one in an empty or missing place. Does not look at what is stored. The metadata hold
    /// the secrets that sign tokens: what is made is for its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it, [`StoreError::Newer`] when a newer release wrote it,
    /// [`StoreError::Foreign`] when it is a directory of something else.
    pub fn open(path: &Path) -> Result<DataDirectory, StoreError> {
        let failed = |source| StoreError::io("open the data directory", source);
        let is_new = !path.exists();
        private::make_directory(path).map_err(failed)?;
        let lock = take_lock(path)?;
        check_format(path)?;
        let metadata = path.join(METADATA_FILE);
        private::make_file(&metadata).map_err(failed)?;
        let stores = DataDirectory {
            blobs: FileBlobStore::open(path.to_owned())?,
            metadata: SqliteMetadata::open(&metadata)?,
            path: path.to_owned(),
            _lock: lock,
        };
        // What is in it must not vanish with its own name, if it was made just now.
        let absolute = std::path::absolute(path).map_err(failed)?;
        for directory in absolute.ancestors().take(if is_new { 2 } else { 1 }) {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(failed)?;
        }
        Ok(stores)
    }

    /// Where its bytes are.
    #[must_use]
    pub fn blobs(&self) -> &FileBlobStore {
        &self.blobs
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where everything else is.
    #[must_use]
    pub fn metadata(&self) -> &SqliteMetadata {
        &self.metadata
    }
}

fn take_lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::io("lock the data directory", source);
    let entries = fs::read_dir(path).map_err(failed)?.count();
    if entries > 0 && !path.join(FORMAT_FILE).exists() && !path.join(LOCK_FILE).exists() {
        return Err(StoreError::Foreign);
    }
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK_FILE))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Reads the format, or writes it where there is none yet.
fn check_format(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io("read the format of the data directory", source);
    let file = path.join(FORMAT_FILE);
    let mut text = String::new();
    match File::open(&file) {
        Ok(open) => open
            .take(FORMAT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return mark_as_data(path);
        }
        Err(source) => return Err(failed(source)),
    };
    let found = text
        .strip_prefix(FORMAT_NAME)
        .and_then(|number| number.trim().parse::<u32>().ok())
        .ok_or_else(|| StoreError::Damaged {
            what: file.display().to_string(),
        })?;
    if found > FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    Ok(())
}

/// Makes a data directory of a directory, at once.
pub(crate) fn mark_as_data(path: &Path) -> Result<(), StoreError> {
    let temporary = path.join("format.new");
    File::create(&temporary)
        .and_then(|mut new| {
            writeln!(new, "{FORMAT_NAME} {FORMAT}")?;
            new.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path.join(FORMAT_FILE)))
        .map_err(|source| StoreError::io("write the format of the data directory", source))
}

pub(crate) const METADATA_FILE: &str = "metadata.sqlite";
const FORMAT_FILE: &str = "format";
const FORMAT_NAME: &str = "lightship-data";
const LOCK_FILE: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let open = DataDirectory::open(&path).unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(StoreError::Locked)));
        drop(open);
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn only_its_owner_reads_a_directory_that_is_made() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("above");
        let new = above.join("data");
        let _open = DataDirectory::open(&new).unwrap();
        assert_eq!(mode(&new), 0o700);
        // Those above it are nobody's secret.
        assert_ne!(mode(&above) & 0o055, 0);
        // In one that somebody made for more people, they do not read the secrets either.
        let shared = place.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
        let _open = DataDirectory::open(&shared).unwrap();
        assert_eq!(mode(&shared), 0o755);
        for file in [METADATA_FILE, "metadata.sqlite-wal"] {
            assert_eq!(mode(&shared.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.tex"), "precious").unwrap();
        assert!(matches!(
            DataDirectory::open(directory.path()),
            Err(StoreError::Foreign)
        ));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(directory.path()).unwrap());
        fs::write(directory.path().join(FORMAT_FILE), "lightship-data 2\n").unwrap();
        assert!(matches!(
            DataDirectory::open(directory.path()),
            Err(StoreError::Newer { found: 2, known: 1 })
        ));
    }
}
