//! A copy of a store that is in use, and a store made of such a copy.
//!
//! A backup of a data directory is a directory:
//!
//! ```text
//! backup.json      what it is and what it holds; written last, so that a part of a backup is none
//! metadata.sqlite  as of one moment
//! objects/         every object that a row of it names
//! ```
//!
//! The metadata are copied first, as of one moment, then the objects that they name. Until all are copied none is removed
//! ([`FileBlobStore::keep_objects`](crate::FileBlobStore)); rows go before their objects, so one that is in the copy has
//! its object still. Pushes and pulls go on meanwhile. Unfinished uploads are not in it.

mod breaking;
mod copying;
mod directory;
mod document;
mod place;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{METADATA_FILE, mark_as_data};
use crate::files::{object_path, run_blocking};
use crate::{
    Advance, Blob, Cursor, DataDirectory, Extent, FileBlobStore, SqliteMetadata, StoreError, Walk, Watch,
    private,
};
use breaking::BreakOff;
pub(crate) use breaking::Breaking;
use copying::{GoOn, Source, copy_object, hash_of, sync_directory};
pub use directory::BackupDirectory;
use document::Document;
use place::Place;

/// Rows that are read at a time.
const PAGE: usize = 1000;

/// How a backup is made.
#[derive(Clone)]
pub struct BackupOptions {
    /// Where to: a directory that is empty or not there.
    pub to: PathBuf,
    /// An earlier backup on the same file system: objects that it has are linked from there and need no room.
    pub earlier: Option<PathBuf>,
    /// Links objects of the store itself where the file system allows it, which takes no time and no room, and is no
    /// help against a broken disk.
    pub link: bool,
    /// Is told after each object.
    pub watch: Option<Watch>,
}

impl fmt::Debug for BackupOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BackupOptions")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of the objects that were linked and not copied.
    pub linked: u64,
}

/// Why there is no backup, or no store of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// It is no backup, or a part of one.
    #[error("{} is not a whole backup of lightship", path.display())]
    NotABackup {
        /// What was looked at.
        path: PathBuf,
    },
    /// A newer release made the backup.
    #[error("the backup has format {found}, this program knows up to {known}")]
    Newer {
        /// Its format.
        found: u64,
        /// The newest known.
        known: u64,
    },
    /// What the backup holds is not what was put into it.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// What, and where.
        what: String,
    },
    /// Something else makes a backup there, or restores one.
    #[error("a backup or a restore is going on there")]
    Busy,
    /// The directory that backups go to is not there: its disk may not be mounted.
    #[error("the directory for backups is not there")]
    NoDirectory,
    /// The disk or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that can be copied while it is used.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Makes a backup.
    ///
    /// # Errors
    /// Nothing counts as a backup then. What is in the directory is for the caller to remove.
    async fn back_up(&self, options: &BackupOptions, now: Timestamp) -> Result<Copied, BackupError>;
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBackup {
    /// What it is called where backups are kept.
    pub name: String,
    /// The objects in it.
    pub copied: Copied,
    /// The size of everything else.
    pub metadata_bytes: u64,
}

/// Backups of a store in use, kept where whoever runs it has chosen.
#[async_trait]
pub trait Backups: Send + Sync {
    /// Makes a backup of everything that was written when this was called. Pushes, deletes and collections go on meanwhile.
    /// It is there once it is whole, and not before.
    ///
    /// # Errors
    /// Nothing is left of it then, and nothing when this is given up before it is answered.
    async fn make_backup(&self, watch: Watch, now: Timestamp) -> Result<MadeBackup, BackupError>;
}

#[async_trait]
impl Backup for DataDirectory {
    async fn back_up(&self, options: &BackupOptions, now: Timestamp) -> Result<Copied, BackupError> {
        let (options, copying) = (options.clone(), Copying::of(self));
        let copied = copying.beside(move |copying| {
            let made = copying.make(&options, now)?;
            Ok(made.copied)
        });
        copied.await
    }
}

/// What a backup is made of.
struct Copying {
    blobs: FileBlobStore,
    metadata: SqliteMetadata,
    root: PathBuf,
    breaking: Arc<Breaking>,
}

/// A backup before it has a name.
struct Made {
    copied: Copied,
    metadata_bytes: u64,
}

impl Copying {
    fn of(data: &DataDirectory) -> Copying {
        Copying {
            blobs: data.blobs().clone(),
            metadata: data.metadata().clone(),
            root: data.path().to_owned(),
            breaking: Arc::default(),
        }
    }

    /// Works where blocking is no harm, and breaks off when nobody waits for the answer any more: the end of the program would
    /// else wait for the end of the backup.
    async fn beside<T: Send + 'static>(
        self,
        work: impl FnOnce(&Copying) -> Result<T, BackupError> + Send + 'static,
    ) -> Result<T, BackupError> {
        let _end = BreakOff(Arc::clone(&self.breaking));
        run_blocking(move || Ok(work(&self))).await?
    }

    fn make(&self, options: &BackupOptions, now: Timestamp) -> Result<Made, BackupError> {
        self.make_while(options, now, &|| self.breaking.go_on())
    }

    fn make_while(
        &self,
        options: &BackupOptions,
        now: Timestamp,
        go_on: GoOn<'_>,
    ) -> Result<Made, BackupError> {
        let to = &options.to;
        let place = Place::make(to)?;
        let _kept = self.blobs.keep_objects();
        let database = to.join(METADATA_FILE);
        private::make_file(&database)
            .map_err(|source| StoreError::io("make the copy of the database", source))?;
        self.metadata.copy_to(&database, &self.breaking)?;
        let (metadata_digest, metadata_bytes) = hash_of(&database)?;
        let mut sources = Vec::new();
        if let Some(earlier) = &options.earlier {
            Document::read(earlier)?;
            sources.push(Source {
                root: earlier,
                link: true,
            });
        }
        sources.push(Source {
            root: &self.root,
            link: options.link,
        });
        let rows = SqliteMetadata::open_to_read(&database)?;
        let copied = copy_all(&rows, to, options.watch.as_ref(), &mut |blob| {
            let path = object_path(&blob.key)?;
            for source in &sources {
                if let Some(linked) = copy_object(source, to, &path, blob.size, go_on)? {
                    return Ok(linked);
                }
            }
            let what = format!("object {} is not there", blob.key.as_str());
            Err(StoreError::Damaged { what }.into())
        })?;
        drop(rows);
        Document {
            created: now,
            metadata_digest,
            metadata_bytes,
            objects: copied.objects,
            object_bytes: copied.bytes,
        }
        .write(to)?;
        place.finish()?;
        Ok(Made {
            copied,
            metadata_bytes,
        })
    }
}

/// Makes a data directory of a backup. Every byte is compared with its digest on the way; the format file, without which
/// nothing opens the directory, is written last. `watch` is told after each object.
///
/// # Errors
/// When `to` is a directory with something in it, when the backup is not whole, and when something in it is damaged.
/// What is in the directory then is no data directory, and nothing opens it as one. Another restore into the directory removes
/// it and begins again.
pub fn restore(from: &Path, to: &Path, watch: Option<&Watch>) -> Result<Copied, BackupError> {
    let document = Document::read(from)?;
    let place = Place::make(to)?;
    let database = to.join(METADATA_FILE);
    let failed = |source| StoreError::io("copy the database", source);
    private::make_file(&database)
        .and_then(|()| {
            io::copy(
                &mut File::open(from.join(METADATA_FILE))?,
                &mut File::create(&database)?,
            )
        })
        .map_err(failed)?;
    if hash_of(&database)? != (document.metadata_digest, document.metadata_bytes) {
        let what = format!("{METADATA_FILE} is not what was written");
        return Err(BackupError::Damaged { what });
    }
    let rows = SqliteMetadata::open_to_read(&database)?;
    let source = Source {
        root: from,
        link: false,
    };
    let copied = copy_all(&rows, to, watch, &mut |blob| {
        let path = object_path(&blob.key)?;
        let what = |what: &str| BackupError::Damaged {
            what: format!("object {} {what}", blob.key.as_str()),
        };
        copy_object(&source, to, &path, blob.size, &|| Ok(()))?.ok_or_else(|| what("is not there"))?;
        if copying::digest_of(&to.join(&path), blob.digest.algorithm())? != blob.digest {
            return Err(what("has other bytes"));
        }
        Ok(false)
    })?;
    drop(rows);
    if (copied.objects, copied.bytes) != (document.objects, document.object_bytes) {
        let what = "it holds another number of objects than it says".to_owned();
        return Err(BackupError::Damaged { what });
    }
    mark_as_data(to)?;
    place.finish()?;
    Ok(copied)
}

/// Copies the object of every row, and makes all names durable. `copy` says whether it only linked.
fn copy_all(
    rows: &SqliteMetadata,
    to: &Path,
    watch: Option<&Watch>,
    copy: &mut dyn FnMut(&Blob) -> Result<bool, BackupError>,
) -> Result<Copied, BackupError> {
    let total = rows.extent_of_blobs()?;
    let mut copied = Copied::default();
    let mut directories: BTreeSet<PathBuf> = [to.to_owned()].into();
    let mut from: Option<Cursor> = None;
    loop {
        let walk = Walk {
            from: from.as_ref(),
            limit: PAGE,
        };
        let page = rows.blobs_of(walk)?;
        for blob in &page.items {
            let linked = copy(blob)?;
            let path = to.join(object_path(&blob.key)?);
            let inside = path.ancestors().skip(1).take_while(|directory| *directory != to);
            directories.extend(inside.map(Path::to_owned));
            copied.objects += 1;
            copied.bytes = copied.bytes.saturating_add(blob.size);
            copied.linked += u64::from(linked);
            if let Some(watch) = watch {
                let done = Extent {
                    objects: copied.objects,
                    bytes: copied.bytes,
                };
                watch(Advance { done, total });
            }
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    for directory in &directories {
        sync_directory(directory)?;
    }
    Ok(copied)
}

#[cfg(test)]
mod running_tests;
#[cfg(test)]
mod stress_tests;
#[cfg(test)]
mod tests;
