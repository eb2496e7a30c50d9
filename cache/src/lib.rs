//! Content-addressed files under the user's cache directory, shared safely by several processes.
//!
//! A file is written under a temporary name on the same file system and gets its own name when it is complete, so a
//! reader never sees a part of one. Nothing in a cache is precious: whoever reads checks what matters to him, and
//! removes what does not hold.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cache::{Cache, Key, Shelf};
//!
//! # let directory = tempfile::tempdir()?;
//! let cache = Cache::open(directory.path().join("lightship"))?;
//! let key = Key::new("c0ffee")?;
//! cache.insert(Shelf::Layers, &key, b"bytes")?;
//! assert_eq!(cache.read(Shelf::Layers, &key, 100)?.as_deref(), Some(b"bytes".as_slice()));
//! # Ok(())
//! # }
//! ```

mod error;
mod guard;
mod housekeeping;
mod key;
mod tag;
mod writer;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::CacheError;
pub use guard::Guard;
pub use housekeeping::{Freed, ShelfUsage};

use housekeeping::Leftovers;
pub use key::{Key, KeyError};
pub use writer::Writer;

/// A part of the cache, with one kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shelf {
    /// Package files, by their SHA-256.
    Packages,
    /// Uncompressed package indexes, by their SHA-256.
    Indexes,
    /// Signed releases, and which was the newest seen.
    Releases,
    /// Entry lists of packages.
    Entries,
    /// Files that were generated from others.
    Generated,
    /// Compressed layers.
    Layers,
    /// Whole images.
    Images,
    /// Locks of catalogue images.
    Locks,
}

impl Shelf {
    /// Every shelf.
    pub const ALL: [Shelf; 8] = [
        Shelf::Packages,
        Shelf::Indexes,
        Shelf::Releases,
        Shelf::Entries,
        Shelf::Generated,
        Shelf::Layers,
        Shelf::Images,
        Shelf::Locks,
    ];

    /// The name of the shelf, which is also its directory's.
    pub fn name(self) -> &'static str {
        match self {
            Shelf::Packages => "packages",
            Shelf::Indexes => "indexes",
            Shelf::Releases => "releases",
            Shelf::Entries => "entries",
            Shelf::Generated => "generated",
            Shelf::Layers => "layers",
            Shelf::Images => "images",
            Shelf::Locks => "locks",
        }
    }
}

/// The cache of one user. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// The directory of temporary files, locked as long as this process may have some there. The kernel unlocks it when
    /// the process is killed.
    _presence: Arc<File>,
}

/// Where files are before they have a name.
const TEMPORARY: &str = "tmp";
/// Where locks between processes are.
const LOCKS: &str = "flock";
/// Where downloads wait to be resumed.
const PARTIAL: &str = "partial";

impl Cache {
    /// Opens the cache at `root`, made if it is not there. Unless another process uses it, temporary files that killed
    /// processes left are removed; in a directory that is not marked as a cache nothing is.
    ///
    /// # Errors
    /// When the directory cannot be made or locked.
    pub fn open(root: PathBuf) -> Result<Cache, CacheError> {
        let ours = tag::may_be_ours(&root);
        let temporary = root.join(TEMPORARY);
        fs::create_dir_all(&temporary)
            .map_err(|source| CacheError::io("create directory", &temporary, source))?;
        if ours {
            tag::write(&root)?;
        }
        let leftovers = if tag::is_marked(&root) {
            Leftovers::Remove
        } else {
            Leftovers::Keep
        };
        let presence = housekeeping::enter(&temporary, leftovers)
            .map_err(|source| CacheError::io("lock", &temporary, source))?;
        Ok(Cache {
            root,
            _presence: Arc::new(presence),
        })
    }

    /// The cache at `root` if there is one; nothing is made.
    ///
    /// # Errors
    /// When something is there that no cache made: it must not be cleaned.
    pub fn find(root: PathBuf) -> Result<Option<Cache>, CacheError> {
        match tag::look(&root)? {
            tag::Found::Nothing => Ok(None),
            tag::Found::Cache => Cache::open(root).map(Some),
            tag::Found::SomethingElse => Err(CacheError::NotACache {
                path: root,
                tag: tag::NAME,
            }),
        }
    }

    /// The directory of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of `key` is, whether it is there or not.
    pub fn path(&self, shelf: Shelf, key: &Key) -> PathBuf {
        self.root.join(shelf.name()).join(key.shard()).join(key.as_str())
    }

    /// Opens the file of `key`; none when there is none.
    ///
    /// # Errors
    /// Whatever the file system says, but for "not found".
    pub fn open_file(&self, shelf: Shelf, key: &Key) -> io::Result<Option<File>> {
        match File::open(self.path(shelf, key)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the file of `key`, of at most `limit_bytes`; none when there is none.
    ///
    /// # Errors
    /// When the file is larger, or cannot be read.
    pub fn read(&self, shelf: Shelf, key: &Key, limit_bytes: u64) -> Result<Option<Vec<u8>>, CacheError> {
        let failed = |source| CacheError::io("read", &self.path(shelf, key), source);
        let Some(file) = self.open_file(shelf, key).map_err(failed)? else {
            return Ok(None);
        };
        // Room for the whole file at once: package indexes have 57 MB.
        let expected_bytes = file.metadata().map_err(failed)?.len().min(limit_bytes);
        let mut bytes = Vec::with_capacity(usize::try_from(expected_bytes).unwrap_or_default() + 1);
        file.take(limit_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(CacheError::TooLarge {
                path: self.path(shelf, key),
                limit_bytes,
            });
        }
        Ok(Some(bytes))
    }

    /// Begins a file of `shelf` that has no name yet.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn writer(&self, shelf: Shelf) -> Result<Writer, CacheError> {
        Writer::begin(self.clone(), shelf)
    }

    /// Stores `bytes` under `key`, in place of what was there.
    ///
    /// # Errors
    /// When they cannot be written; nothing has changed then.
    pub fn insert(&self, shelf: Shelf, key: &Key, bytes: &[u8]) -> Result<PathBuf, CacheError> {
        let mut writer = self.writer(shelf)?;
        writer
            .write_all(bytes)
            .map_err(|source| CacheError::io("write", &self.path(shelf, key), source))?;
        writer.commit(key)
    }

    /// Removes the file of `key`, if there is one, and a partial download of it.
    ///
    /// # Errors
    /// Whatever the file system says, but for "not found".
    pub fn remove(&self, shelf: Shelf, key: &Key) -> Result<(), CacheError> {
        let path = self.path(shelf, key);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(CacheError::io("remove", &path, source))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no other process (or thread) holds the lock of `key`, and takes it. For work that only one should
    /// do, such as fetching a file; look again afterwards whether another has done it meanwhile.
    ///
    /// # Errors
    /// When the lock file cannot be made or locked.
    pub fn lock(&self, shelf: Shelf, key: &Key) -> Result<Guard, CacheError> {
        Guard::take(&self.root.join(LOCKS).join(shelf.name()), key)
    }

    /// Where a partial download of `key` is kept between runs. Only the holder of the lock may touch it.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn partial(&self, shelf: Shelf, key: &Key, _guard: &Guard) -> Result<PathBuf, CacheError> {
        let directory = self.root.join(PARTIAL).join(shelf.name());
        fs::create_dir_all(&directory)
            .map_err(|source| CacheError::io("create directory", &directory, source))?;
        Ok(directory.join(key.as_str()))
    }

    /// Gives the file at `path`, on the cache's file system, the name of `key`. The file is made durable first.
    ///
    /// # Errors
    /// When it cannot be synced or renamed.
    pub fn adopt(&self, shelf: Shelf, key: &Key, path: &Path) -> Result<PathBuf, CacheError> {
        let failed = |source| CacheError::io("keep", path, source);
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(failed)?;
        let target = self.path(shelf, key);
        writer::make_parent(&target)?;
        fs::rename(path, &target).map_err(failed)?;
        Ok(target)
    }

    /// An unnamed file on the cache's file system; it is gone when closed.
    ///
    /// # Errors
    /// When none can be made.
    pub fn scratch(&self) -> Result<File, CacheError> {
        let directory = self.root.join(TEMPORARY);
        tempfile::tempfile_in(&directory)
            .map_err(|source| CacheError::io("create a file in", &directory, source))
    }

    /// How much each shelf holds.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn usage(&self) -> Result<Vec<ShelfUsage>, CacheError> {
        housekeeping::usage(&self.root)
    }

    /// Removes everything from `shelves`, and partial downloads of theirs.
    ///
    /// # Errors
    /// When something cannot be removed; what came before it is gone.
    pub fn clean(&self, shelves: &[Shelf]) -> Result<Freed, CacheError> {
        housekeeping::clean(&self.root, shelves)
    }
}

#[cfg(test)]
mod tests;
