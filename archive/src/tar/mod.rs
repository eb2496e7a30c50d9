//! Tar archives: a bounded reader of every common dialect, and a deterministic writer of one.

mod header;
mod pax;
mod reader;
mod writer;

pub use header::HeaderError;
pub use pax::PaxError;
pub use reader::{EndOfArchive, ReadError, ReadProblem, Reader};
pub use writer::{WriteError, Writer};

use crate::EntryPath;

/// One entry of an archive, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, set-uid, set-gid and sticky: at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Modification time, in seconds since 1970-01-01 UTC; fractions are rounded down.
    pub mtime: i64,
    /// Bytes of content; 0 for everything but files.
    pub size: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, whose content follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its text, verbatim: it may be absolute or lead anywhere.
        target: Box<[u8]>,
    },
    /// A further name of a file that came before.
    Hardlink {
        /// That file's path.
        target: EntryPath,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl EntryKind {
    /// What it is, in a few words, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink { .. } => "symbolic link",
            Self::Hardlink { .. } => "hard link",
            Self::CharDevice { .. } => "character device",
            Self::BlockDevice { .. } => "block device",
            Self::Fifo => "named pipe",
        }
    }
}

impl Entry {
    /// A regular file of root's, with time 0.
    #[must_use]
    pub fn file(path: EntryPath, mode: u32, size: u64) -> Self {
        Self {
            path,
            kind: EntryKind::File,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            size,
        }
    }

    /// A directory of root's, with time 0.
    #[must_use]
    pub fn directory(path: EntryPath, mode: u32) -> Self {
        Self {
            path,
            kind: EntryKind::Directory,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
        }
    }
}

/// What a [`Reader`] accepts at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive.
    pub entries_max: u64,
    /// Bytes of a symbolic link's text. Paths have [`crate::PATH_BYTES_MAX`].
    pub link_bytes_max: usize,
    /// Bytes of content of all files together.
    pub content_bytes_max: u64,
    /// Bytes of one extension header: a PAX header, or a GNU long name.
    pub extension_bytes_max: usize,
    /// Extension headers before one entry.
    pub extensions_max: u32,
    /// Bytes behind the end-of-archive marker; they are read and ignored.
    pub trailing_bytes_max: u64,
}

impl Default for Limits {
    /// Room for the largest Debian packages and for layers of a million files.
    fn default() -> Self {
        Self {
            entries_max: 2_000_000,
            link_bytes_max: crate::PATH_BYTES_MAX,
            content_bytes_max: 64 << 30,
            extension_bytes_max: 1 << 20,
            extensions_max: 8,
            trailing_bytes_max: 16 << 20,
        }
    }
}

/// Everything in a tar archive is a multiple of this, in bytes.
const BLOCK_BYTES: usize = 512;

type Block = [u8; BLOCK_BYTES];

/// Bytes of zeros behind content of `size` bytes.
fn padding_bytes(size: u64) -> u64 {
    (BLOCK_BYTES as u64 - size % BLOCK_BYTES as u64) % BLOCK_BYTES as u64
}
