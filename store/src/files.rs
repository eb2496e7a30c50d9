//! Blobs as plain files of a directory.
//!
//! `uploads/KEY` grows; `objects/ALGORITHM/ab/HEX.RANDOM` is whole and durable. An object comes to be in this order: the
//! file's bytes are synced, it is renamed, the directory is synced. Names come from parsed keys alone.

mod append;
#[cfg(test)]
mod crash_tests;
mod disk;
#[cfg(test)]
mod simulated;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::{Append, BlobContent, BlobStore, ByteRange, ObjectAge, StorageKey, StoreError, UploadKey};
use append::{FileAppend, Turn};
pub(crate) use disk::{Disk, RealDisk};
#[cfg(test)]
pub(crate) use simulated::{Fault, SimulatedDisk};

/// Keeps blobs in a directory that no other process writes to.
#[derive(Clone)]
pub struct FileBlobStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    disk: Box<dyn Disk>,
    /// Uploads that somebody appends to.
    growing: Mutex<HashSet<UploadKey>>,
    /// Directories whose names this process has made durable. One that is merely there may have been made by a process
    /// that was killed before it synced.
    durable: Mutex<HashSet<PathBuf>>,
    kept: Mutex<Kept>,
}

/// Objects that are to be removed once nobody keeps them.
#[derive(Default)]
struct Kept {
    by: usize,
    waiting: Vec<PathBuf>,
}

/// Until it is dropped no object is removed: what is to be removed meanwhile goes then. A process that dies before leaves
/// objects without rows, which the next collection takes.
pub(crate) struct KeptObjects {
    shared: Arc<Shared>,
}

impl Drop for KeptObjects {
    fn drop(&mut self) {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by -= 1;
        if kept.by > 0 {
            return;
        }
        let waiting = std::mem::take(&mut kept.waiting);
        drop(kept);
        for path in waiting {
            let _ = self.shared.disk.remove(&path);
        }
    }
}

/// Objects that may wait for their removal; one more is refused, and a later collection finds it.
const WAITING_MAX: usize = 100_000;

impl FileBlobStore {
    /// The store in a directory that is there; its subdirectories are made.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn open(root: PathBuf) -> Result<FileBlobStore, StoreError> {
        FileBlobStore::on(Box::new(RealDisk::new(root)))
    }

    pub(crate) fn on(disk: Box<dyn Disk>) -> Result<FileBlobStore, StoreError> {
        for directory in [UPLOADS, OBJECTS] {
            disk.make_directory(Path::new(directory))
                .and_then(|()| disk.sync_directory(Path::new("")))
                .map_err(|source| StoreError::io("make the directories of the store", source))?;
        }
        Ok(FileBlobStore {
            shared: Arc::new(Shared {
                disk,
                growing: Mutex::default(),
                durable: Mutex::default(),
                kept: Mutex::default(),
            }),
        })
    }

    /// Keeps every object that is there until what is returned is dropped.
    pub(crate) fn keep_objects(&self) -> KeptObjects {
        let shared = Arc::clone(&self.shared);
        shared.kept.lock().unwrap_or_else(PoisonError::into_inner).by += 1;
        KeptObjects { shared }
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        run_blocking(move || work(&shared)).await
    }
}

pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(StoreError::io("finish the work", io::Error::other(error))))
}

impl fmt::Debug for FileBlobStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileBlobStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobStore for FileBlobStore {
    async fn begin(&self, upload: &UploadKey) -> Result<(), StoreError> {
        let path = upload_path(upload);
        self.blocking(move |shared| {
            let made = shared.disk.create(&path);
            made.map(drop)
                .map_err(|source| StoreError::io("begin an upload", source))
        })
        .await
    }

    async fn upload_length(&self, upload: &UploadKey) -> Result<Option<u64>, StoreError> {
        let path = upload_path(upload);
        self.blocking(move |shared| {
            let length = shared.disk.length(&path);
            length.map_err(|source| StoreError::io("look at an upload", source))
        })
        .await
    }

    async fn append(&self, upload: &UploadKey, offset: u64) -> Result<Box<dyn Append>, StoreError> {
        let (upload, store) = (upload.clone(), Arc::clone(&self.shared));
        self.blocking(move |_| {
            let append = FileAppend::open(store, upload, offset)?;
            Ok(Box::new(append) as Box<dyn Append>)
        })
        .await
    }

    async fn read_upload(&self, upload: &UploadKey) -> Result<BlobContent, StoreError> {
        let path = upload_path(upload);
        self.blocking(move |shared| {
            // It may grow meanwhile; what is there when it is opened is read.
            let failed = |source| StoreError::io("read an upload", source);
            let readable = match shared.disk.read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing("the upload")),
                opened => opened.map_err(failed)?,
            };
            let length = readable.length().map_err(failed)?;
            Ok(readable.content(ByteRange::all(length)))
        })
        .await
    }

    async fn seal(&self, upload: &UploadKey, key: &StorageKey, size: u64) -> Result<(), StoreError> {
        let (upload, to, store) = (upload.clone(), object_path(key)?, Arc::clone(&self.shared));
        self.blocking(move |shared| {
            let from = upload_path(&upload);
            let _turn = Turn::take(store, upload)?;
            shared.seal(&from, &to, size)
        })
        .await
    }

    async fn abort(&self, upload: &UploadKey) -> Result<bool, StoreError> {
        let (upload, store) = (upload.clone(), Arc::clone(&self.shared));
        self.blocking(move |shared| {
            let path = upload_path(&upload);
            let _turn = Turn::take(store, upload)?;
            let removed = shared.disk.remove(&path);
            removed.map_err(|source| StoreError::io("remove an upload", source))
        })
        .await
    }

    async fn read(&self, key: &StorageKey, size: u64, range: ByteRange) -> Result<BlobContent, StoreError> {
        let path = object_path(key)?;
        self.blocking(move |shared| shared.open(&path, size, range)).await
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StoreError> {
        let path = object_path(key)?;
        self.blocking(move |shared| {
            let mut kept = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.by == 0 {
                drop(kept);
                let removed = shared.disk.remove(&path);
                return removed
                    .map(drop)
                    .map_err(|source| StoreError::io("remove an object", source));
            }
            if kept.waiting.len() >= WAITING_MAX {
                return Err(StoreError::Busy);
            }
            kept.waiting.push(path);
            Ok(())
        })
        .await
    }

    async fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError> {
        let after = after.cloned();
        self.blocking(move |shared| shared.objects(after.as_ref(), limit))
            .await
    }

    async fn idle_uploads(
        &self,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<ObjectAge<UploadKey>>, StoreError> {
        self.blocking(move |shared| shared.idle_uploads(idle, limit))
            .await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.blocking(|shared| {
            let room = shared.disk.room();
            room.map_err(|source| StoreError::io("look how much room there is", source))
        })
        .await
    }
}

impl Shared {
    fn open(&self, path: &Path, size: u64, range: ByteRange) -> Result<BlobContent, StoreError> {
        const ACTION: &str = "read an object";
        let readable = match self.disk.read(path) {
            Ok(readable) => readable,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing("the object")),
            Err(source) => return Err(StoreError::io(ACTION, source)),
        };
        let length = readable
            .length()
            .map_err(|source| StoreError::io(ACTION, source))?;
        if length != size || range.end > size {
            return Err(StoreError::Damaged {
                what: format!("{} has {length} bytes and not {size}", path.display()),
            });
        }
        Ok(readable.content(range))
    }

    /// Durability order: bytes, then name, then the row that the caller writes. A failed sync is final: the kernel may
    /// have dropped the pages, and a second sync would say that all is well.
    fn seal(&self, from: &Path, to: &Path, size: u64) -> Result<(), StoreError> {
        const ACTION: &str = "make an object durable";
        let failed = |source| StoreError::io(ACTION, source);
        let actual = self
            .disk
            .length(from)
            .map_err(failed)?
            .ok_or_else(|| missing("the upload"))?;
        // Whoever appended between the hash and this turn must not get its bytes under that digest.
        if actual != size {
            return Err(StoreError::Offset {
                expected: size,
                actual,
            });
        }
        // The grace time of an object begins here, however long ago its last byte came.
        if let Err(error) = self.disk.renew(from).and_then(|()| self.disk.sync(from)) {
            if error.kind() == io::ErrorKind::NotFound {
                return Err(missing("the upload"));
            }
            let _ = self.disk.remove(from);
            return Err(failed(error));
        }
        let directory = to.parent().unwrap_or(Path::new(OBJECTS));
        let of_algorithm = directory.parent().unwrap_or(directory);
        self.make_durable(of_algorithm, Path::new(OBJECTS))
            .map_err(failed)?;
        self.make_durable(directory, of_algorithm).map_err(failed)?;
        self.disk.rename(from, to).map_err(failed)?;
        self.disk.sync_directory(directory).map_err(failed)
    }

    /// Makes a directory whose name survives a loss of power.
    fn make_durable(&self, directory: &Path, parent: &Path) -> io::Result<()> {
        let durable = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable().contains(directory) {
            return Ok(());
        }
        self.disk.make_directory(directory)?;
        self.disk.sync_directory(parent)?;
        durable().insert(directory.to_owned());
        Ok(())
    }

    fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError> {
        let failed = |source| StoreError::io("list objects", source);
        let after_path = after.map(object_path).transpose()?;
        let mut found = Vec::new();
        for algorithm in self.disk.list(Path::new(OBJECTS)).map_err(failed)? {
            let of_algorithm = Path::new(OBJECTS).join(&algorithm);
            for prefix in self.disk.list(&of_algorithm).map_err(failed)? {
                let directory = of_algorithm.join(prefix);
                if after_path
                    .as_deref()
                    .and_then(Path::parent)
                    .is_some_and(|after| *directory < *after)
                {
                    continue;
                }
                for name in self.disk.list(&directory).map_err(failed)? {
                    let path = directory.join(&name);
                    if after_path.as_ref().is_some_and(|after| path <= *after) {
                        continue;
                    }
                    // What we did not put there is not ours to judge.
                    let Ok(key) = format!("{algorithm}:{name}").parse() else {
                        continue;
                    };
                    // Removed since it was listed.
                    let Some(age) = self.age(&path, key).map_err(failed)? else {
                        continue;
                    };
                    found.push(age);
                    if found.len() == limit {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }

    fn idle_uploads(&self, idle: Duration, limit: usize) -> Result<Vec<ObjectAge<UploadKey>>, StoreError> {
        let failed = |source| StoreError::io("list uploads", source);
        let mut found = Vec::new();
        for name in self.disk.list(Path::new(UPLOADS)).map_err(failed)? {
            let Ok(key) = name.parse::<UploadKey>() else {
                continue;
            };
            let growing = self
                .growing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&key);
            let Some(age) = self.age(&Path::new(UPLOADS).join(&name), key).map_err(failed)? else {
                continue;
            };
            if !growing && age.idle >= idle && found.len() < limit {
                found.push(age);
            }
        }
        Ok(found)
    }

    fn age<K>(&self, path: &Path, key: K) -> io::Result<Option<ObjectAge<K>>> {
        let Some(size) = self.disk.length(path)? else {
            return Ok(None);
        };
        let Some(idle) = self.disk.idle(path)? else {
            return Ok(None);
        };
        Ok(Some(ObjectAge { key, size, idle }))
    }
}

fn missing(what: &str) -> StoreError {
    StoreError::Missing {
        what: what.to_owned(),
    }
}

fn upload_path(upload: &UploadKey) -> PathBuf {
    Path::new(UPLOADS).join(upload.as_str())
}

/// `objects/sha256/ab/HEX.RANDOM`.
pub(crate) fn object_path(key: &StorageKey) -> Result<PathBuf, StoreError> {
    let digest = key.digest()?;
    let (_, name) = key.as_str().split_once(':').unwrap_or_default();
    let fan_out = name.get(..2).unwrap_or_default();
    Ok([OBJECTS, digest.algorithm().as_str(), fan_out, name]
        .iter()
        .collect())
}

const UPLOADS: &str = "uploads";
const OBJECTS: &str = "objects";

#[cfg(test)]
mod tests;
