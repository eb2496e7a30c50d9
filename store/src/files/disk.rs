//! What the file store needs of a disk, so that a test can put a worse one under it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::statvfs::statvfs;

use crate::{BlobContent, ByteRange};

/// A disk. All paths are relative to its root and made of our own names.
pub(crate) trait Disk: Send + Sync {
    /// Makes an empty file that was not there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>>;
    /// Opens a file to write at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Growing>>;
    /// Opens a file to read.
    fn read(&self, path: &Path) -> io::Result<Readable>;
    /// Length of a file; none when there is none.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Time since a file was last written; none when there is none.
    fn idle(&self, path: &Path) -> io::Result<Option<Duration>>;
    /// Makes a file count as written just now.
    fn renew(&self, path: &Path) -> io::Result<()>;
    /// Makes the bytes of a file durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory; one that is there is no error.
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; says whether there was one.
    fn remove(&self, path: &Path) -> io::Result<bool>;
    /// Names in a directory, in bytewise order; names that are not text are none of ours.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// How many bytes there is room for; none where that is not known.
    fn room(&self) -> io::Result<Option<u64>>;
}

/// A file that grows.
pub(crate) trait Growing: Send {
    /// Writes all of `bytes` at the end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Its length.
    fn length(&self) -> io::Result<u64>;
}

/// An open file.
pub(crate) enum Readable {
    /// A file.
    File(File),
    /// All its bytes.
    #[cfg(test)]
    Memory(Vec<u8>),
}

impl Readable {
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            #[cfg(test)]
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    pub(crate) fn content(self, range: ByteRange) -> BlobContent {
        match self {
            Self::File(file) => BlobContent::File { file, range },
            #[cfg(test)]
            Self::Memory(mut bytes) => {
                bytes.truncate(range.end as usize);
                let asked = bytes.split_off(range.start as usize);
                BlobContent::Stream(Box::pin(io::Cursor::new(asked)))
            }
        }
    }
}

/// The disk of this machine.
pub(crate) struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    pub(crate) fn new(root: PathBuf) -> RealDisk {
        RealDisk { root }
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(self.at(path))?;
        Ok(Box::new(file))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        Ok(Box::new(OpenOptions::new().append(true).open(self.at(path))?))
    }

    fn read(&self, path: &Path) -> io::Result<Readable> {
        Ok(Readable::File(File::open(self.at(path))?))
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(found(fs::symlink_metadata(self.at(path)))?.map(|metadata| metadata.len()))
    }

    fn idle(&self, path: &Path) -> io::Result<Option<Duration>> {
        let Some(metadata) = found(fs::symlink_metadata(self.at(path)))? else {
            return Ok(None);
        };
        // A clock that was set back makes a file young, never old.
        Ok(Some(metadata.modified()?.elapsed().unwrap_or_default()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a file's age is told by the disk's own clock, and so is when it begins"
    )]
    fn renew(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.at(path))?;
        file.set_modified(SystemTime::now())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(self.at(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        Ok(found(fs::remove_file(self.at(path)))?.is_some())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let Some(entries) = found(fs::read_dir(self.at(path)))? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn room(&self) -> io::Result<Option<u64>> {
        let told = statvfs(&self.root)?;
        // Some file systems of user space and networks say that they have nothing at all, and take what they get.
        if told.blocks() == 0 {
            return Ok(None);
        }
        let (blocks, block_bytes) = (told.blocks_available(), told.fragment_size());
        Ok(Some(blocks.saturating_mul(block_bytes)))
    }
}

impl Growing for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// None for what is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
