//! Files from one place to another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use oci::{Algorithm, Digest, Hasher};

use super::BackupError;
use crate::StoreError;

/// What is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Where objects come from.
pub(super) struct Source<'s> {
    pub(super) root: &'s Path,
    /// Whether they may be linked.
    pub(super) link: bool,
}

/// Makes a directory, or takes one that is there and empty.
pub(super) fn make_place(path: &Path) -> Result<(), BackupError> {
    let failed = |source| StoreError::io("make the directory", source);
    fs::create_dir_all(path).map_err(failed)?;
    if fs::read_dir(path).map_err(failed)?.next().is_some() {
        let path = path.to_owned();
        return Err(BackupError::NotEmpty { path });
    }
    // Whoever else had found it empty at the same moment is told that it is not.
    let taken = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path.join(TAKEN_FILE));
    match taken {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BackupError::NotEmpty {
            path: path.to_owned(),
        }),
        Err(source) => Err(failed(source).into()),
    }
}

/// Ends what [`make_place`] began: whatever `finish` makes is there at once or not at all.
pub(super) fn finish_place(path: &Path) -> Result<(), StoreError> {
    let finished = fs::remove_file(path.join(TAKEN_FILE)).and_then(|()| {
        // The directory may have been made just now: its own name must last as well.
        for directory in std::path::absolute(path)?.ancestors().take(2) {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    });
    finished.map_err(|source| StoreError::io("finish the directory", source))
}

/// Copies an object and makes its bytes durable, or links it; says which. None where the source does not have it whole.
pub(super) fn copy_object(
    source: &Source<'_>,
    to: &Path,
    path: &Path,
    size: u64,
) -> Result<Option<bool>, BackupError> {
    let failed = |source| StoreError::io("copy an object", source);
    let (old, new): (PathBuf, PathBuf) = (source.root.join(path), to.join(path));
    match fs::symlink_metadata(&old) {
        Ok(found) if found.is_file() && found.len() == size => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source).into()),
    }
    if let Some(directory) = new.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    // Another file system, or one that knows no links: then it is copied.
    if source.link && fs::hard_link(&old, &new).is_ok() {
        return Ok(Some(true));
    }
    let copied = fs::copy(&old, &new).and_then(|copied| {
        File::open(&new)?.sync_all()?;
        Ok(copied)
    });
    if copied.map_err(failed)? != size {
        return Ok(None);
    }
    Ok(Some(false))
}

pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| StoreError::io("make names durable", source))
}

/// SHA-256 and length of a file, which is durable then.
pub(super) fn hash_of(path: &Path) -> Result<(Digest, u64), StoreError> {
    let failed = |source| StoreError::io("read the database", source);
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    let digest = digest_of(path, Algorithm::Sha256)?;
    let bytes = fs::metadata(path).map_err(failed)?.len();
    Ok((digest, bytes))
}

pub(super) fn digest_of(path: &Path, algorithm: Algorithm) -> Result<Digest, StoreError> {
    let failed = |source| StoreError::io("read a file", source);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Hasher::new(algorithm);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = file.read(&mut piece).map_err(failed)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(piece.get(..count).unwrap_or_default());
    }
}

const TAKEN_FILE: &str = "unfinished";
