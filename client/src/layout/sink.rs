//! Writing a layout, or adding to one, also from several processes at once.
//!
//! Blobs are written to temporary files, made durable in batches and only then renamed to their
//! digest; `index.json` is replaced last, under a lock. So at every moment what is there is whole.
//!
//! Two locks, both released by the kernel when a process ends: a shared one on the directory while a
//! sink is open, so that leftovers of killed processes are known as such; and an exclusive one on the
//! file `oci-layout` while `index.json` is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use oci::{Descriptor, Digest, Manifest};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

use super::{INDEX, INDEX_BYTES_MAX, IndexFile, MARKER, MARKER_JSON, Roots, Storage, blob_name};
use crate::sink::{copy_verified, in_blocking, temporary_in};
use crate::{BlobRead, OpenError, Sink, SinkError};

/// Files that wait to be made durable together: their number bounds open files.
const BATCH_FILES_MAX: usize = 64;

/// Bytes of them.
const BATCH_BYTES_MAX: u64 = 256 << 20;

/// Threads that wait for the disk.
const SYNC_THREADS: usize = 8;

/// A layout in a directory, for writing.
pub(crate) struct LayoutSink(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    /// Holds the shared lock on the directory.
    _presence: File,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Written and verified, without their name yet.
    waiting: BTreeMap<Digest, NamedTempFile>,
    waiting_bytes: u64,
    /// Directories with names that may not be durable.
    unsynced: BTreeSet<PathBuf>,
    roots: Roots,
}

impl LayoutSink {
    /// Opens a layout; creates it, empty, where there is nothing or an empty directory.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(io)?;
        let presence = File::open(dir).map_err(io)?;
        if !dir.join(MARKER).exists() {
            // Nobody has the shared lock of a directory that is no layout: whoever holds this one is
            // about to make it one.
            presence.lock().map_err(io)?;
            if !dir.join(MARKER).exists() {
                create(dir)?;
            }
        }
        match presence.try_lock() {
            Ok(()) => remove_leftovers(dir).map_err(io)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        presence.lock_shared().map_err(io)?;
        Ok(Self(Arc::new(Shared {
            dir: dir.to_owned(),
            _presence: presence,
            state: Mutex::default(),
        })))
    }
}

#[async_trait]
impl Sink for LayoutSink {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError> {
        self.0.has_blob(descriptor)
    }

    async fn put_blob(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError> {
        if self.0.has_blob(descriptor)? {
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        let descriptor = descriptor.clone();
        let runtime = Handle::current();
        in_blocking(&self.0.dir, move || {
            shared.write_blob(&descriptor, content, &runtime)
        })
        .await
    }

    async fn put_manifest(&self, manifest: &Manifest, name: Option<&str>) -> Result<(), SinkError> {
        let descriptor = manifest.descriptor();
        self.put_blob(&descriptor, BlobRead::Bytes(manifest.bytes().to_vec()))
            .await?;
        self.0.state().roots.note(manifest, name);
        Ok(())
    }

    async fn finish(&self) -> Result<(), SinkError> {
        let shared = Arc::clone(&self.0);
        in_blocking(&self.0.dir, move || shared.finish()).await
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By a look at the file alone: a blob never gets its name before it is verified and durable. One
    /// of another length, or a link, is none.
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError> {
        if self.state().waiting.contains_key(&descriptor.digest) {
            return Ok(true);
        }
        let path = self.dir.join(blob_name(&descriptor.digest));
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == descriptor.size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(SinkError::Io { path, source }),
        }
    }

    fn write_blob(
        &self,
        descriptor: &Descriptor,
        content: BlobRead,
        runtime: &Handle,
    ) -> Result<(), SinkError> {
        let mut file = temporary_in(&self.dir).map_err(|source| self.io(&self.dir, source))?;
        copy_verified(descriptor, content, runtime, |piece| {
            // Not through the temporary file's wrapper, which adds a name that says nothing to people.
            let written = file.as_file_mut().write_all(piece);
            written.map_err(|source| self.io(&self.dir, source))
        })?;
        let batch = {
            let mut state = self.state();
            state.waiting.insert(descriptor.digest, file);
            state.waiting_bytes += descriptor.size;
            let is_full = state.waiting.len() >= BATCH_FILES_MAX || state.waiting_bytes >= BATCH_BYTES_MAX;
            is_full.then(|| state.take_batch())
        };
        batch.map_or(Ok(()), |batch| self.settle(batch))
    }

    /// Makes files durable, then gives them their names.
    fn settle(&self, batch: Vec<(Digest, NamedTempFile)>) -> Result<(), SinkError> {
        let share = batch.len().div_ceil(SYNC_THREADS).max(1);
        // The file system commits what several threads wait for at once.
        thread::scope(|scope| {
            let sync = |files: &[(Digest, NamedTempFile)]| {
                let mut files = files.iter();
                files.try_for_each(|(_, file)| {
                    file.as_file()
                        .sync_all()
                        .map_err(|source| self.io(file.path(), source))
                })
            };
            let threads: Vec<_> = batch
                .chunks(share)
                .map(|files| scope.spawn(move || sync(files)))
                .collect();
            let mut results = threads.into_iter().map(|thread| {
                let crashed = |_| Err(self.io(&self.dir, io::Error::other("thread failed")));
                thread.join().unwrap_or_else(crashed)
            });
            results.try_for_each(|result| result)
        })?;
        for (digest, file) in batch {
            let path = self.dir.join(blob_name(&digest));
            let parent = path.parent().unwrap_or(&self.dir).to_owned();
            if !parent.is_dir() {
                fs::create_dir_all(&parent).map_err(|source| self.io(&parent, source))?;
                self.state().unsynced.insert(self.dir.join("blobs"));
            }
            file.persist(&path).map_err(|error| self.io(&path, error.error))?;
            self.state().unsynced.insert(parent);
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), SinkError> {
        let batch = self.state().take_batch();
        self.settle(batch)?;
        let marker = self.dir.join(MARKER);
        let lock = File::open(&marker).map_err(|source| self.io(&marker, source))?;
        lock.lock().map_err(|source| self.io(&marker, source))?;
        let mut index = self.read_index()?;
        let changed = self.state().roots.list_in(&mut index);
        let changed = changed.map_err(|source| self.not_an_index(source))?;
        let mut unsynced = std::mem::take(&mut self.state().unsynced);
        if changed {
            // Blobs that another process has just named must be durable before this index counts on them.
            unsynced.insert(self.dir.join("blobs/sha256"));
        }
        for dir in unsynced {
            sync_directory(&dir).map_err(|source| self.io(&dir, source))?;
        }
        if changed { self.write_index(&index) } else { Ok(()) }
    }

    fn read_index(&self) -> Result<IndexFile, SinkError> {
        let path = self.dir.join(INDEX);
        let storage = Storage::Directory(self.dir.clone());
        let opened = storage.open(INDEX).map_err(|source| self.io(&path, source))?;
        let Some(opened) = opened else {
            return Ok(IndexFile::empty());
        };
        let bytes = opened
            .read(INDEX_BYTES_MAX)
            .map_err(|source| self.io(&path, source))?;
        let bytes = bytes.ok_or_else(|| self.index_too_large())?;
        IndexFile::parse(&bytes).map_err(|source| self.not_an_index(source))
    }

    fn write_index(&self, index: &IndexFile) -> Result<(), SinkError> {
        let bytes = index.to_json().map_err(|source| self.not_an_index(source))?;
        if bytes.len() as u64 > INDEX_BYTES_MAX {
            return Err(self.index_too_large());
        }
        replace(&self.dir, INDEX, &bytes).map_err(|source| self.io(&self.dir.join(INDEX), source))
    }

    fn io(&self, path: &Path, source: io::Error) -> SinkError {
        SinkError::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn not_an_index(&self, source: serde_json::Error) -> SinkError {
        SinkError::IndexFile {
            path: self.dir.join(INDEX),
            source,
        }
    }

    fn index_too_large(&self) -> SinkError {
        SinkError::IndexTooLarge {
            path: self.dir.join(INDEX),
            limit_bytes: INDEX_BYTES_MAX,
        }
    }
}

impl State {
    fn take_batch(&mut self) -> Vec<(Digest, NamedTempFile)> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting).into_iter().collect()
    }
}

/// Makes an empty directory a layout of nothing. The marker comes last: without it, it is none.
fn create(dir: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        path: dir.to_owned(),
        source,
    };
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        // What a process left that was killed right here.
        if name != "blobs" && name != INDEX && !is_temporary(&name) {
            return Err(OpenError::NotThat {
                path: dir.to_owned(),
                expected: "an OCI layout",
                problem: "it has other files and no file oci-layout",
            });
        }
    }
    let write = || -> io::Result<()> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        sync_directory(&dir.join("blobs"))?;
        if !dir.join(INDEX).exists() {
            replace(dir, INDEX, &IndexFile::empty().to_json()?)?;
        }
        replace(dir, MARKER, MARKER_JSON)
    };
    write().map_err(io)
}

/// Replaces a file of `dir`, durably and at once.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(dir.join(name))?;
    sync_directory(dir)
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if is_temporary(&entry.file_name()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes()
        .starts_with(crate::sink::TEMPORARY_PREFIX.as_bytes())
}
