//! Files on their way into the cache.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{Cache, CacheError, Key, Shelf, TEMPORARY};

/// A file that becomes part of the cache when it is complete. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    cache: Cache,
    shelf: Shelf,
    file: NamedTempFile,
}

impl Writer {
    pub(crate) fn begin(cache: Cache, shelf: Shelf) -> Result<Writer, CacheError> {
        let directory = cache.root.join(TEMPORARY);
        let file = NamedTempFile::new_in(&directory)
            .map_err(|source| CacheError::io("create a file in", &directory, source))?;
        Ok(Writer { cache, shelf, file })
    }

    /// Gives the file its name, in place of what had it before.
    ///
    /// A cache need not survive a power loss, only never lie after one: whoever reads a file checks its digest.
    ///
    /// # Errors
    /// When it cannot be renamed; nothing has changed then.
    pub fn commit(self, key: &Key) -> Result<PathBuf, CacheError> {
        let path = self.cache.path(self.shelf, key);
        make_parent(&path)?;
        self.file
            .persist(&path)
            .map_err(|error| CacheError::io("write", &path, error.error))?;
        Ok(path)
    }

    /// The file so far.
    pub fn as_file(&self) -> &std::fs::File {
        self.file.as_file()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

pub(crate) fn make_parent(path: &Path) -> Result<(), CacheError> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(directory).map_err(|source| CacheError::io("create directory", directory, source))
}
