//! The files of a package, one after another, and only if they are harmless.

use std::collections::HashMap;
use std::io::{self, Read};

use archive::tar::{Entry, EntryKind};
use archive::{EntryPath, tar};

use super::Limits;
use super::error::{DebError, archive_error, content_error};

/// Streams the entries of `data.tar` that may be installed: files, directories, symbolic links and
/// hard links to files that came before. No path comes twice, lies outside the root or below
/// something that is not a directory.
///
/// A symbolic link's text is kept as it is: it may be absolute or lead out of the root, and whoever
/// follows it has to mind that.
pub struct DataReader<'r> {
    member: String,
    archive: tar::Reader<Box<dyn Read + Send + 'r>>,
    entries: u64,
    seen: HashMap<EntryPath, Seen>,
    paths_bytes: u64,
    paths_bytes_max: u64,
}

/// Why an entry of a package is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeEntry {
    /// A device node or a named pipe.
    #[error("{path} is a {kind}, which a package may not have")]
    Kind {
        /// The entry.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// Something other than a directory as the root.
    #[error("the root is a {kind} instead of a directory")]
    Root {
        /// What it is.
        kind: &'static str,
    },
    /// A path that came before.
    #[error("{path} comes twice")]
    Duplicate {
        /// The entry.
        path: EntryPath,
    },
    /// A path below a file or a link.
    #[error("{path} lies below {parent}, which is not a directory")]
    BelowNonDirectory {
        /// The entry.
        path: EntryPath,
        /// What it lies below.
        parent: EntryPath,
    },
    /// A file or link that other entries lie below.
    #[error("{path} is a {kind}, and entries before it lie below it")]
    AboveEntries {
        /// The entry.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// A hard link to something that did not come before, or is not a file.
    #[error("hard link {path} has the target {target}, which is not a file that came before it")]
    HardlinkTarget {
        /// The entry.
        path: EntryPath,
        /// Its target.
        target: EntryPath,
    },
    /// Too many or too long paths.
    #[error("its path makes more than {bytes_max} bytes of paths")]
    TooManyPaths {
        /// The limit.
        bytes_max: u64,
    },
}

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Only that something lies below it.
    ImpliedDirectory,
    Directory,
    /// A file, or a hard link to one.
    File,
    Symlink,
}

impl<'r> DataReader<'r> {
    pub(super) fn new(member: String, stream: Box<dyn Read + Send + 'r>, limits: &Limits) -> Self {
        let tar_limits = tar::Limits {
            entries_max: limits.entries_max,
            content_bytes_max: limits.data_bytes_max,
            ..tar::Limits::default()
        };
        Self {
            member,
            archive: tar::Reader::new(stream, tar_limits),
            entries: 0,
            seen: HashMap::new(),
            paths_bytes: 0,
            paths_bytes_max: limits.paths_bytes_max,
        }
    }

    /// The next entry, past what is left of the current one's content; `None` at the end of the
    /// package, which by then has been read whole.
    ///
    /// # Errors
    /// For a damaged package, an entry that no package may have, and limits exceeded.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, DebError> {
        let next = self
            .archive
            .next_entry()
            .map_err(|error| archive_error(&self.member, error))?;
        let Some(entry) = next else {
            return Ok(None);
        };
        self.entries += 1;
        self.check(&entry).map_err(|problem| DebError::Unsafe {
            member: self.member.clone(),
            entry: self.entries,
            problem,
        })?;
        Ok(Some(entry))
    }

    /// The content of the current entry; empty unless it is a file. Errors are as of any reader;
    /// [`DataReader::content_error`] tells what one means.
    pub fn content(&mut self) -> impl Read {
        self.archive.content()
    }

    /// What an error from [`DataReader::content`] means, with the member it came from.
    #[must_use]
    pub fn content_error(&self, error: io::Error) -> DebError {
        content_error(&self.member, error)
    }

    /// Bytes of the decompressed `data.tar` consumed: before any content is read, the offset of the
    /// current entry's content.
    pub fn position(&self) -> u64 {
        self.archive.position()
    }

    /// Name of the member, such as `data.tar.xz`.
    pub fn member(&self) -> &str {
        &self.member
    }

    fn check(&mut self, entry: &Entry) -> Result<(), UnsafeEntry> {
        let (path, kind) = (&entry.path, entry.kind.name());
        let seen = match &entry.kind {
            EntryKind::Directory => Seen::Directory,
            EntryKind::File => Seen::File,
            EntryKind::Symlink { .. } => Seen::Symlink,
            EntryKind::Hardlink { target } if self.seen.get(target) == Some(&Seen::File) => Seen::File,
            EntryKind::Hardlink { target } => {
                return Err(UnsafeEntry::HardlinkTarget {
                    path: path.clone(),
                    target: target.clone(),
                });
            }
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => {
                return Err(UnsafeEntry::Kind {
                    path: path.clone(),
                    kind,
                });
            }
        };
        if path.is_root() && seen != Seen::Directory {
            return Err(UnsafeEntry::Root { kind });
        }
        self.check_parents(path)?;
        match (self.seen.get(path), seen) {
            (None, _) => self.remember(path.clone(), seen),
            (Some(Seen::ImpliedDirectory), Seen::Directory) => {
                self.seen.insert(path.clone(), seen);
                Ok(())
            }
            (Some(Seen::ImpliedDirectory), _) => Err(UnsafeEntry::AboveEntries {
                path: path.clone(),
                kind,
            }),
            (Some(_), _) => Err(UnsafeEntry::Duplicate { path: path.clone() }),
        }
    }

    /// Every directory above `path` is one, as far as it is known; from now on it is known.
    fn check_parents(&mut self, path: &EntryPath) -> Result<(), UnsafeEntry> {
        let mut above = path.parent();
        while let Some(parent) = above {
            match self.seen.get(&parent) {
                // Whatever is above a known directory is known too.
                Some(Seen::Directory | Seen::ImpliedDirectory) => return Ok(()),
                Some(Seen::File | Seen::Symlink) => {
                    return Err(UnsafeEntry::BelowNonDirectory {
                        path: path.clone(),
                        parent,
                    });
                }
                None => {
                    above = parent.parent();
                    self.remember(parent, Seen::ImpliedDirectory)?;
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, path: EntryPath, seen: Seen) -> Result<(), UnsafeEntry> {
        self.paths_bytes += path.as_bytes().len() as u64;
        if self.paths_bytes > self.paths_bytes_max {
            return Err(UnsafeEntry::TooManyPaths {
                bytes_max: self.paths_bytes_max,
            });
        }
        self.seen.insert(path, seen);
        Ok(())
    }
}

impl std::fmt::Debug for DataReader<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("DataReader");
        debug
            .field("member", &self.member)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}
