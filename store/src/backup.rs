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

mod copying;
mod document;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{METADATA_FILE, mark_as_data};
use crate::files::{object_path, run_blocking};
use crate::{Blob, Cursor, DataDirectory, SqliteMetadata, StoreError, Walk};
use copying::{Source, copy_object, finish_place, hash_of, make_place, sync_directory};
use document::Document;

/// Rows that are read at a time.
const PAGE: usize = 1000;

/// Is told how far a backup or restore has come, after each object.
pub type CopyProgress = Arc<dyn Fn(Copied) + Send + Sync>;

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
    pub progress: Option<CopyProgress>,
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

#[async_trait]
impl Backup for DataDirectory {
    async fn back_up(&self, options: &BackupOptions, now: Timestamp) -> Result<Copied, BackupError> {
        let (options, metadata, root) = (options.clone(), self.metadata().clone(), self.path().to_owned());
        let kept = self.blobs().keep_objects();
        let copied = run_blocking(move || {
            let made = make(&metadata, &root, &options, now);
            drop(kept);
            Ok(made)
        });
        copied.await?
    }
}

fn make(
    metadata: &SqliteMetadata,
    root: &Path,
    options: &BackupOptions,
    now: Timestamp,
) -> Result<Copied, BackupError> {
    let to = &options.to;
    make_place(to)?;
    let database = to.join(METADATA_FILE);
    metadata.copy_to(&database)?;
    let (metadata_digest, metadata_bytes) = hash_of(&database)?;
    let mut sources = Vec::new();
    if let Some(earlier) = &options.earlier {
        Document::read(earlier)?;
        sources.push(Source {
            root: earlier,
            link: true,
        });
    }
    let link = options.link;
    sources.push(Source { root, link });
    let rows = SqliteMetadata::open_to_read(&database)?;
    let copied = copy_all(&rows, to, options.progress.as_ref(), &mut |blob| {
        let path = object_path(&blob.key)?;
        for source in &sources {
            if let Some(linked) = copy_object(source, to, &path, blob.size)? {
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
    Ok(copied)
}

/// Makes a data directory of a backup. Every byte is compared with its digest on the way; the format file, without which
/// nothing opens the directory, is written last. `progress` is told after each object.
///
/// # Errors
/// When `to` is a directory with something in it, when the backup is not whole, and when something in it is damaged.
/// What is in the directory then is no data directory, and nothing opens it as one.
pub fn restore(from: &Path, to: &Path, progress: Option<&CopyProgress>) -> Result<Copied, BackupError> {
    let document = Document::read(from)?;
    make_place(to)?;
    let database = to.join(METADATA_FILE);
    let failed = |source| StoreError::io("copy the database", source);
    fs::copy(from.join(METADATA_FILE), &database).map_err(failed)?;
    if hash_of(&database)? != (document.metadata_digest, document.metadata_bytes) {
        let what = format!("{METADATA_FILE} is not what was written");
        return Err(BackupError::Damaged { what });
    }
    let rows = SqliteMetadata::open_to_read(&database)?;
    let source = Source {
        root: from,
        link: false,
    };
    let copied = copy_all(&rows, to, progress, &mut |blob| {
        let path = object_path(&blob.key)?;
        let what = |what: &str| BackupError::Damaged {
            what: format!("object {} {what}", blob.key.as_str()),
        };
        copy_object(&source, to, &path, blob.size)?.ok_or_else(|| what("is not there"))?;
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
    finish_place(to)?;
    Ok(copied)
}

/// Copies the object of every row, and makes all names durable. `copy` says whether it only linked.
fn copy_all(
    rows: &SqliteMetadata,
    to: &Path,
    progress: Option<&CopyProgress>,
    copy: &mut dyn FnMut(&Blob) -> Result<bool, BackupError>,
) -> Result<Copied, BackupError> {
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
            if let Some(progress) = progress {
                progress(copied);
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
mod tests;
