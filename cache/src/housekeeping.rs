//! How much the cache holds, and making it smaller.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::{CacheError, PARTIAL, Shelf};

/// How much a shelf holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfUsage {
    /// Which shelf.
    pub shelf: Shelf,
    /// How many files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// How many files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// Shelf, shard, file: nothing of ours is deeper.
const DEPTH_MAX: u32 = 4;

/// What becomes of temporary files that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftovers {
    Remove,
    Keep,
}

/// Locks the directory of temporary files for as long as the result lives, having emptied it if nobody else has.
pub(crate) fn enter(temporary: &Path, leftovers: Leftovers) -> io::Result<File> {
    let presence = File::open(temporary)?;
    match presence.try_lock() {
        Ok(()) if leftovers == Leftovers::Remove => remove_files(temporary),
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    presence.lock_shared()?;
    Ok(presence)
}

/// What cannot be removed takes room and does no other harm.
fn remove_files(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
}

pub(crate) fn usage(root: &Path) -> Result<Vec<ShelfUsage>, CacheError> {
    let mut all = Vec::new();
    for shelf in Shelf::ALL {
        let mut sum = Freed::default();
        walk(&root.join(shelf.name()), DEPTH_MAX, &mut |_, bytes| {
            sum.files += 1;
            sum.bytes += bytes;
            Ok(())
        })?;
        all.push(ShelfUsage {
            shelf,
            files: sum.files,
            bytes: sum.bytes,
        });
    }
    Ok(all)
}

pub(crate) fn clean(root: &Path, shelves: &[Shelf]) -> Result<Freed, CacheError> {
    let mut freed = Freed::default();
    for shelf in shelves {
        for directory in [root.join(shelf.name()), root.join(PARTIAL).join(shelf.name())] {
            walk(&directory, DEPTH_MAX, &mut |path, bytes| {
                match fs::remove_file(path) {
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    other => other?,
                }
                freed.files += 1;
                freed.bytes += bytes;
                Ok(())
            })?;
        }
    }
    Ok(freed)
}

/// Calls `visit` with every file below `directory` and its size; links are not followed.
fn walk(
    directory: &Path,
    depth: u32,
    visit: &mut dyn FnMut(&Path, u64) -> io::Result<()>,
) -> Result<(), CacheError> {
    let failed = |source| CacheError::io("read", directory, source);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let facts = match entry.metadata() {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let path = entry.path();
        if facts.is_dir() {
            if depth > 0 {
                walk(&path, depth - 1, visit)?;
            }
        } else {
            visit(&path, facts.len()).map_err(|source| CacheError::io("remove", &path, source))?;
        }
    }
    Ok(())
}
