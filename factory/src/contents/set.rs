//! The packages and archives of a run, shared by its images.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use cache::{Cache, Key, Shelf};

use super::{
    ContentsError, PackageContents, PackageToRead, Spool,
    package_reader::{hex, read_archive, read_package},
    stored,
};
use crate::{cache_key::cache_key, tree::ArchiveContents};

/// An archive that a specification names by address and digest, as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveToRead {
    /// The address, for messages.
    pub url: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Where the file lies.
    pub path: PathBuf,
}

/// Reads every package of a run at most once, and keeps its uncompressed files as long as an image
/// that is yet to come needs them.
///
/// Any number of threads may ask at once; when two want one package, one reads and the other waits.
pub struct PackageSet<'s> {
    cache: &'s Cache,
    packages: Slots<PackageContents>,
    archives: Slots<ArchiveContents>,
}

struct Loaded<T> {
    contents: Option<Arc<T>>,
    spool: Option<Arc<Spool>>,
    /// Images that are yet to be finished.
    users: usize,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self {
            contents: None,
            spool: None,
            users: 0,
        }
    }
}

impl<'s> PackageSet<'s> {
    /// A set that remembers entry lists in `cache`.
    pub fn new(cache: &'s Cache) -> Self {
        Self {
            cache,
            packages: Mutex::default(),
            archives: Mutex::default(),
        }
    }

    /// What is in the package: from this run, from the cache, or by reading it.
    ///
    /// # Errors
    /// When the package is damaged or not the one that the lock says, or the cache does not work.
    pub fn contents(&self, package: &PackageToRead) -> Result<Arc<PackageContents>, ContentsError> {
        let slot = slot(&self.packages, package.sha256);
        let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = &loaded.contents {
            return Ok(contents.clone());
        }
        if let Some(contents) = self.remembered(package)? {
            let contents = Arc::new(contents);
            loaded.contents = Some(contents.clone());
            return Ok(contents);
        }
        let (contents, spool) = self.read(package)?;
        let contents = Arc::new(contents);
        loaded.contents = Some(contents.clone());
        loaded.spool = Some(Arc::new(spool));
        Ok(contents)
    }

    /// The package's uncompressed files: from this run, or by reading it.
    ///
    /// # Errors
    /// As [`PackageSet::contents`].
    pub fn spool(&self, package: &PackageToRead) -> Result<Arc<Spool>, ContentsError> {
        let slot = slot(&self.packages, package.sha256);
        let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spool) = &loaded.spool {
            return Ok(spool.clone());
        }
        let (contents, spool) = self.read(package)?;
        if loaded.contents.as_ref().is_some_and(|known| **known != contents) {
            // Offsets into another spool have been handed out. The list in the cache is right by now.
            return Err(ContentsError::Stale {
                name: package.name.clone(),
            });
        }
        let spool = Arc::new(spool);
        loaded.contents = Some(Arc::new(contents));
        loaded.spool = Some(spool.clone());
        Ok(spool)
    }

    /// The entries of an archive of the user.
    ///
    /// # Errors
    /// When it is damaged, not the one that the specification says, or no archive that can be read.
    pub fn archive_entries(&self, archive: &ArchiveToRead) -> Result<Arc<ArchiveContents>, ContentsError> {
        self.archive(archive).map(|(entries, _)| entries)
    }

    /// The uncompressed files of an archive of the user.
    ///
    /// # Errors
    /// As [`PackageSet::archive_entries`].
    pub fn archive_spool(&self, archive: &ArchiveToRead) -> Result<Arc<Spool>, ContentsError> {
        self.archive(archive).map(|(_, spool)| spool)
    }

    /// Says that one more image will need these packages and archives.
    pub fn retain(&self, packages: &[PackageToRead], archives: &[ArchiveToRead]) {
        for package in packages {
            slot(&self.packages, package.sha256)
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .users += 1;
        }
        for archive in archives {
            slot(&self.archives, archive.sha256)
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .users += 1;
        }
    }

    /// Says that one image less needs them; the uncompressed files of those that none needs are dropped.
    pub fn release(&self, packages: &[PackageToRead], archives: &[ArchiveToRead]) {
        for package in packages {
            release(&self.packages, package.sha256);
        }
        for archive in archives {
            release(&self.archives, archive.sha256);
        }
    }

    fn archive(&self, archive: &ArchiveToRead) -> Result<(Arc<ArchiveContents>, Arc<Spool>), ContentsError> {
        let slot = slot(&self.archives, archive.sha256);
        let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(entries), Some(spool)) = (&loaded.contents, &loaded.spool) {
            return Ok((entries.clone(), spool.clone()));
        }
        let (entries, spool) = read_archive(&archive.url, &archive.path, &archive.sha256, self.cache)
            .map_err(|error| self.discard(&archive.url, &archive.sha256, &archive.path, error))?;
        let (entries, spool) = (Arc::new(ArchiveContents { entries }), Arc::new(spool));
        loaded.contents = Some(entries.clone());
        loaded.spool = Some(spool.clone());
        Ok((entries, spool))
    }

    fn remembered(&self, package: &PackageToRead) -> Result<Option<PackageContents>, ContentsError> {
        let bytes = self
            .cache
            .read(Shelf::Entries, &entries_key(package)?, stored::STORED_BYTES_MAX)?;
        let contents = bytes.and_then(|bytes| stored::decode(&bytes));
        // What the lock says of the package was compared when it was read; another lock may say otherwise.
        Ok(contents.filter(|contents| {
            (
                &contents.name,
                &contents.version,
                &contents.architecture,
                &contents.sha256,
            ) == (
                &package.name,
                &package.version,
                &package.architecture,
                &package.sha256,
            )
        }))
    }

    fn read(&self, package: &PackageToRead) -> Result<(PackageContents, Spool), ContentsError> {
        let (contents, spool) = read_package(package, self.cache)
            .map_err(|error| self.discard(&package.name, &package.sha256, &package.path, error))?;
        self.cache
            .insert(Shelf::Entries, &entries_key(package)?, &stored::encode(&contents))?;
        Ok((contents, spool))
    }
}

impl PackageSet<'_> {
    /// Takes a file that is not what it should be out of the cache, so that it is fetched again; leaves
    /// one that lies elsewhere.
    fn discard(&self, name: &str, sha256: &[u8; 32], path: &Path, error: ContentsError) -> ContentsError {
        let Ok(key) = cache_key(hex(sha256)) else {
            return error;
        };
        if self.cache.path(Shelf::Packages, &key) != path {
            return error;
        }
        let name = name.to_owned();
        match error {
            ContentsError::Damaged { .. } => match self.cache.remove(Shelf::Packages, &key) {
                Ok(()) => ContentsError::Dropped { name },
                Err(unremovable) => unremovable.into(),
            },
            // Another image has just found it damaged, or somebody cleans the cache meanwhile.
            ContentsError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ContentsError::Dropped { name }
            }
            other => other,
        }
    }
}

fn entries_key(package: &PackageToRead) -> Result<Key, ContentsError> {
    Ok(cache_key(format!("{}.{}", hex(&package.sha256), stored::FORMAT))?)
}

/// By SHA-256 of the file. The inner lock is held while the file is read.
type Slots<T> = Mutex<HashMap<[u8; 32], Slot<T>>>;
type Slot<T> = Arc<Mutex<Loaded<T>>>;

fn slot<T>(slots: &Slots<T>, key: [u8; 32]) -> Slot<T> {
    slots
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default()
        .clone()
}

fn release<T>(slots: &Slots<T>, key: [u8; 32]) {
    let slot = slot(slots, key);
    let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.users = loaded.users.saturating_sub(1);
    if loaded.users == 0 {
        loaded.spool = None;
    }
}
