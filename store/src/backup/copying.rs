//! Files from one place to another.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use oci::{Algorithm, Digest, Hasher};

use super::BackupError;
use crate::StoreError;

/// What is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What is copied between two questions whether to go on.
const COPIED_BYTES: u64 = 32 << 20;

/// Is asked before each piece; its error ends the work.
pub(super) type GoOn<'g> = &'g dyn Fn() -> io::Result<()>;

/// Where objects come from.
pub(super) struct Source<'s> {
    pub(super) root: &'s Path,
    /// Whether they may be linked.
    pub(super) link: bool,
}

/// Copies an object and makes its bytes durable, or links it; says which. None where the source does not have it whole.
pub(super) fn copy_object(
    source: &Source<'_>,
    to: &Path,
    path: &Path,
    size: u64,
    go_on: GoOn<'_>,
) -> Result<Option<bool>, BackupError> {
    let failed = |source| StoreError::io("copy an object", source);
    let (old, new): (PathBuf, PathBuf) = (source.root.join(path), to.join(path));
    match fs::symlink_metadata(&old) {
        Ok(found) if found.is_file() && found.len() == size => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source).into()),
    }
    if let Some(directory) = path.parent() {
        make_directories(to, directory).map_err(failed)?;
    }
    // Another file system, or one that knows no links: then it is copied.
    if source.link && fs::hard_link(&old, &new).is_ok() {
        go_on().map_err(failed)?;
        return Ok(Some(true));
    }
    if copy_bytes(&old, &new, go_on).map_err(failed)? != size {
        return Ok(None);
    }
    Ok(Some(false))
}

/// Makes the directories of `path` in `root`, never `root` itself: when the disk that it was on is gone, what follows would
/// land on another one.
fn make_directories(root: &Path, path: &Path) -> io::Result<()> {
    let mut directory = root.to_owned();
    for part in path {
        directory.push(part);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies in pieces, so that the end of the program need not wait for a file that is large.
fn copy_bytes(old: &Path, new: &Path, go_on: GoOn<'_>) -> io::Result<u64> {
    let mut from = File::open(old)?;
    let mut into = File::create(new)?;
    let mut copied = 0;
    loop {
        go_on()?;
        let piece = io::copy(&mut from.by_ref().take(COPIED_BYTES), &mut into)?;
        copied += piece;
        if piece < COPIED_BYTES {
            into.sync_all()?;
            return Ok(copied);
        }
    }
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
