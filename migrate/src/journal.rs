//! What is done at the destination, on disk: every interruption is gone on with, and nothing is done twice.
//!
//! A directory holds the journal, the manifests that were read ([`ManifestStore`]), and a lock. The journal is a file of
//! lines, each a checksum and a JSON document. It is written before and after each step and made durable in groups: a
//! killed process loses nothing of it, a loss of power the last second, and what is not in it is looked for at the
//! destination. A line that is cut off or does not have its checksum ends it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use crate::manifests::ManifestStore;
use crate::own_file;

/// The form of the journal.
const SCHEMA: &str = "lightship/migrate-journal/v1";

/// Longest line, in bytes: an upload's address is the longest thing in one.
const LINE_BYTES_MAX: u64 = 32 << 10;

/// Hexadecimal digits of a line's checksum.
const CHECKSUM_DIGITS: usize = 16;

/// A journal that is open in this process, and in no other.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    manifests: ManifestStore,
    state: Mutex<State>,
    was_begun: bool,
    /// Held as long as the journal is open.
    _lock: File,
}

#[derive(Debug)]
struct State {
    file: File,
    dirty: bool,
    repositories: HashMap<RepositoryName, Done>,
    /// Uploads that were opened and not completed.
    open: HashMap<Digest, OpenUpload>,
}

/// What is done in one repository of the destination.
#[derive(Debug, Default)]
struct Done {
    blobs: HashSet<Digest>,
    manifests: HashSet<Digest>,
    tags: HashMap<String, Digest>,
}

/// An upload that was opened, and of which nobody knows how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    /// Where.
    pub repository: RepositoryName,
    /// The address of the upload.
    pub address: String,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file of it cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses it.
    #[error("{} is in use by another run", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// It is about something else.
    #[error("{} is the journal of a move from {from} to {to}: use another directory for this one", path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// From where that move is.
        from: String,
        /// To where.
        to: String,
    },
    /// The first line is none of a journal.
    #[error("{} is not a journal of this program", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    schema: String,
    from: String,
    to: String,
}

/// One step.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "s", rename_all = "snake_case")]
enum Step {
    /// An upload is open.
    Upload {
        r: RepositoryName,
        d: Digest,
        at: String,
    },
    /// A blob is there.
    Blob { r: RepositoryName, d: Digest },
    /// A manifest is there, with everything below it.
    Manifest { r: RepositoryName, d: Digest },
    /// A tag is set.
    Tag { r: RepositoryName, t: String, d: Digest },
    /// The destination has lost what it had of a repository.
    Lost { r: RepositoryName },
}

impl Journal {
    /// Opens the journal of a move, in a directory of its own; begins it where there is none.
    ///
    /// No file is changed before it is known to be of this journal, and none that is a symbolic link is used.
    ///
    /// # Errors
    /// When it is in use, is about another move, or cannot be read or written.
    pub fn open(dir: &Path, from: &str, to: &str) -> Result<Self, JournalError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        fs::create_dir_all(dir).map_err(io(dir))?;
        let lock_path = dir.join("lock");
        let lock = own_file::open(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Busy { path: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::Io {
                    path: lock_path,
                    source,
                });
            }
        }
        let path = dir.join("journal");
        let file = own_file::open(&path).map_err(io(&path))?;
        let header = Header {
            schema: SCHEMA.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let (state, was_begun) = State::read(file, (&path, dir), &header)?;
        // After the journal has said that this is its directory: what is cut off at the end of this file is lost.
        let store = dir.join("manifests");
        let manifests = ManifestStore::open(&store).map_err(|error| JournalError::Io {
            path: store,
            source: io::Error::other(error.told()),
        })?;
        Ok(Self {
            path,
            manifests,
            state: Mutex::new(state),
            was_begun,
            _lock: lock,
        })
    }

    /// The manifests that were read.
    #[must_use]
    pub fn manifests(&self) -> &ManifestStore {
        &self.manifests
    }

    /// Whether there was something in it when it was opened: then what it does not tell may be done all the same.
    #[must_use]
    pub fn was_begun(&self) -> bool {
        self.was_begun
    }

    /// Whether a blob is known to be in a repository.
    #[must_use]
    pub fn has_blob(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        let state = self.state();
        state
            .repositories
            .get(repository)
            .is_some_and(|done| done.blobs.contains(digest))
    }

    /// Whether a manifest is known to be in a repository, with everything below it.
    #[must_use]
    pub fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        let state = self.state();
        state
            .repositories
            .get(repository)
            .is_some_and(|done| done.manifests.contains(digest))
    }

    /// What a tag was set to.
    #[must_use]
    pub fn tag(&self, repository: &RepositoryName, tag: &str) -> Option<Digest> {
        let state = self.state();
        state.repositories.get(repository)?.tags.get(tag).copied()
    }

    /// Whether a tag was set in a repository.
    #[must_use]
    pub fn has_tags(&self, repository: &RepositoryName) -> bool {
        let state = self.state();
        state
            .repositories
            .get(repository)
            .is_some_and(|done| !done.tags.is_empty())
    }

    /// Some repository that is known to have a blob.
    #[must_use]
    pub fn repository_with(&self, digest: &Digest) -> Option<RepositoryName> {
        let state = self.state();
        let mut having = state
            .repositories
            .iter()
            .filter(|(_, done)| done.blobs.contains(digest));
        having.next().map(|(name, _)| name.clone())
    }

    /// An upload of a blob that was opened by an earlier process.
    #[must_use]
    pub fn open_upload(&self, digest: &Digest) -> Option<OpenUpload> {
        self.state().open.get(digest).cloned()
    }

    /// Notes that an upload is open, before its first byte is sent.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn upload_opened(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        address: &str,
    ) -> Result<(), JournalError> {
        self.note(Step::Upload {
            r: repository.clone(),
            d: *digest,
            at: address.to_owned(),
        })
    }

    /// Notes that a blob is there.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn blob_done(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), JournalError> {
        self.note(Step::Blob {
            r: repository.clone(),
            d: *digest,
        })
    }

    /// Notes that a manifest is there.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn manifest_done(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), JournalError> {
        self.note(Step::Manifest {
            r: repository.clone(),
            d: *digest,
        })
    }

    /// Notes that a tag is set.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn tag_done(
        &self,
        repository: &RepositoryName,
        tag: &str,
        digest: &Digest,
    ) -> Result<(), JournalError> {
        self.note(Step::Tag {
            r: repository.clone(),
            t: tag.to_owned(),
            d: *digest,
        })
    }

    /// Notes that the destination has not what the journal says of a repository: all of it is looked for again.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn lost(&self, repository: &RepositoryName) -> Result<(), JournalError> {
        self.note(Step::Lost {
            r: repository.clone(),
        })
    }

    /// Makes durable what was noted until now.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn sync(&self) -> Result<(), JournalError> {
        let file = {
            let mut state = self.state();
            if !std::mem::take(&mut state.dirty) {
                return Ok(());
            }
            state.file.try_clone()
        };
        // Without the lock: whoever notes something does not wait for the disk.
        file.and_then(|file| file.sync_data())
            .map_err(|source| self.failed(source))
    }

    fn note(&self, step: Step) -> Result<(), JournalError> {
        let line = line_of(&step).map_err(|source| self.failed(source))?;
        let mut state = self.state();
        state
            .file
            .write_all(&line)
            .map_err(|source| self.failed(source))?;
        state.dirty = true;
        state.take(step);
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl State {
    fn read(file: File, (path, dir): (&Path, &Path), header: &Header) -> Result<(Self, bool), JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut state = Self {
            file,
            dirty: false,
            repositories: HashMap::new(),
            open: HashMap::new(),
        };
        let mut reader = BufReader::new(state.file.try_clone().map_err(io)?);
        let (mut end, mut line) = (0, Vec::new());
        let mut lines = 0_u64;
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let length = read.map_err(io)? as u64;
            let Some(document) = checked(&line) else {
                // A first line that was cut off when it was written is a part of what it was to be.
                let begins_as_ours = || Ok(line_of(header).map_err(io)?.starts_with(&line));
                if lines == 0 && length > 0 && !begins_as_ours()? {
                    return Err(JournalError::NotAJournal {
                        path: path.to_owned(),
                    });
                }
                break;
            };
            if lines == 0 {
                belongs(document, header, (path, dir))?;
            } else {
                let Ok(step) = serde_json::from_slice(document) else {
                    break;
                };
                state.take(step);
            }
            (end, lines) = (end + length, lines + 1);
        }
        drop(reader);
        state.file.set_len(end).map_err(io)?;
        state.file.seek(SeekFrom::Start(end)).map_err(io)?;
        if lines == 0 {
            let line = line_of(header).map_err(io)?;
            state.file.write_all(&line).map_err(io)?;
            state.dirty = true;
        }
        Ok((state, lines > 1))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Upload { r, d, at } => {
                let upload = OpenUpload {
                    repository: r,
                    address: at,
                };
                self.open.insert(d, upload);
            }
            Step::Blob { r, d } => {
                if self.open.get(&d).is_some_and(|open| open.repository == r) {
                    self.open.remove(&d);
                }
                self.repositories.entry(r).or_default().blobs.insert(d);
            }
            Step::Manifest { r, d } => {
                self.repositories.entry(r).or_default().manifests.insert(d);
            }
            Step::Tag { r, t, d } => {
                self.repositories.entry(r).or_default().tags.insert(t, d);
            }
            Step::Lost { r } => {
                self.repositories.remove(&r);
            }
        }
    }
}

fn belongs(document: &[u8], wanted: &Header, (path, dir): (&Path, &Path)) -> Result<(), JournalError> {
    match serde_json::from_slice::<Header>(document) {
        Ok(found) if found.schema != SCHEMA => Err(JournalError::NotAJournal {
            path: path.to_owned(),
        }),
        Ok(found) if found.from == wanted.from && found.to == wanted.to => Ok(()),
        Ok(found) => Err(JournalError::Other {
            path: dir.to_owned(),
            from: found.from,
            to: found.to,
        }),
        Err(_) => Err(JournalError::NotAJournal {
            path: path.to_owned(),
        }),
    }
}

fn line_of(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(document).map_err(io::Error::other)?;
    let mut line = checksum(&json).into_bytes();
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

/// The document of a whole line.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, rest) = line.split_at_checked(CHECKSUM_DIGITS)?;
    let document = rest.strip_prefix(b" ")?;
    (checksum(document).as_bytes() == sum).then_some(document)
}

fn checksum(document: &[u8]) -> String {
    let mut hex = Digest::sha256_of(document).hex();
    hex.truncate(CHECKSUM_DIGITS);
    hex
}

#[cfg(test)]
mod tests;
