//! Metadata in one SQLite file.
//!
//! One writer thread with group commit ([`writer`]), and read-only connections beside it, which see the last committed
//! state and wait for nobody (write-ahead log).

mod accounts;
mod administrators;
mod blobs;
mod cleanup;
mod collection;
mod connection;
mod content;
mod events;
mod expiry;
mod inspection;
mod listing;
mod manifests;
mod modes;
mod policies;
mod projects;
mod quota;
mod removal;
mod repositories;
mod schema;
mod statistics;
mod tags;
mod transitions;
mod values;
mod walk;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::backup::Breaking;
use crate::{Blob, Extent, Page, StoreError, Walk};
use connection::Readers;
use writer::Writer;

/// Keeps metadata in a file that no other process writes to.
#[derive(Clone)]
pub struct SqliteMetadata {
    /// None where the file is only read.
    writer: Option<Arc<Writer>>,
    readers: Arc<Readers>,
}

impl SqliteMetadata {
    /// Opens or makes the file. A format of an older release is brought up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer release wrote it; when it cannot be opened or is no such file.
    pub fn open(path: &Path) -> Result<SqliteMetadata, StoreError> {
        let mut connection = connection::open_writing(path)?;
        schema::bring_up_to_date(&mut connection)?;
        Ok(SqliteMetadata {
            writer: Some(Arc::new(Writer::start(connection)?)),
            readers: Arc::new(Readers::of(path)),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        crate::files::run_blocking(move || readers.with(work)).await
    }

    /// For look-ups of one row by an index: they take some ten microseconds, and the way to another thread and back takes
    /// longer. They wait for no lock: readers have the last committed state to themselves.
    fn look_up<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.readers.with(work)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.writer {
            Some(writer) => writer.run(work).await,
            None => Err(StoreError::Database {
                action: "write",
                reason: "the file is only read".to_owned(),
            }),
        }
    }

    /// A file of the current or an older format that nobody writes to, to look at its blobs.
    pub(crate) fn open_to_read(path: &Path) -> Result<SqliteMetadata, StoreError> {
        let readers = Readers::of(path);
        readers.with(schema::check_format)?;
        Ok(SqliteMetadata {
            writer: None,
            readers: Arc::new(readers),
        })
    }

    /// Copies everything as of one moment into a new file. Waits for nobody, and nobody waits for it.
    pub(crate) fn copy_to(&self, path: &Path, breaking: &Breaking) -> Result<(), StoreError> {
        let path = path.to_str().ok_or_else(|| StoreError::Database {
            action: "copy the database",
            reason: "the path is not text".to_owned(),
        })?;
        self.readers.with(|connection| {
            let interrupt = connection.get_interrupt_handle();
            let copied = breaking.ended_by(Box::new(move || interrupt.interrupt()), || {
                connection.execute("VACUUM INTO ?1", [path])
            });
            copied.map(drop).map_err(failed("copy the database"))
        })
    }

    /// How many blobs there are, where blocking is no harm.
    pub(crate) fn extent_of_blobs(&self) -> Result<Extent, StoreError> {
        self.readers.with(inspection::extent)
    }

    /// A part of all blobs, where blocking is no harm.
    pub(crate) fn blobs_of(&self, walk: Walk<'_>) -> Result<Page<Blob>, StoreError> {
        let part = walk::part(walk)?;
        self.readers
            .with(|connection| inspection::all_blobs(connection, &part))
    }
}

impl fmt::Debug for SqliteMetadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqliteMetadata").finish_non_exhaustive()
    }
}

/// What the database said, in our words.
fn failed(action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full {
            action,
            source: std::io::ErrorKind::StorageFull.into(),
        },
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Damaged {
                what: format!("the database: {error}"),
            }
        }
        _ => StoreError::Database {
            action,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
