//! Where the files of a layout are.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::RangeReader;
use crate::tar_index::TarIndex;

/// The files of a layout, for reading.
pub(crate) enum Storage {
    /// In a directory.
    Directory(PathBuf),
    /// In a tar archive.
    Archive(TarIndex),
}

/// A file of a layout.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Storage {
    /// The directory or archive.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory(dir) => dir,
            Self::Archive(archive) => archive.path(),
        }
    }

    /// Where a file is, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Opens a file; `None` when it is absent.
    ///
    /// In a directory a link to a regular file is followed, as Bazel's rules make layouts of links;
    /// nothing else but a regular file is opened, since a pipe would block.
    pub(crate) fn open(&self, name: &str) -> io::Result<Option<Opened>> {
        let dir = match self {
            Self::Archive(archive) => return archive.open_named(name.as_bytes()),
            Self::Directory(dir) => dir,
        };
        let path = dir.join(name);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
            }
            Ok(_) => {}
        }
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        Ok(Some(Opened {
            file,
            offset: 0,
            length,
        }))
    }
}

impl Opened {
    /// The whole content; `None` when it is longer than `limit_bytes`.
    pub(crate) fn read(self, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        if self.length > limit_bytes {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        RangeReader::new(self.file, self.offset, self.length).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}
