//! Connections to the file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failed;
use crate::StoreError;

/// Prepared statements kept by each connection: more than there are different ones.
const STATEMENTS_MAX: usize = 64;

/// How long a connection waits for a lock; only a check-point can hold one against it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle read connections that are kept.
const IDLE_READERS_MAX: usize = 16;

/// The one connection that writes.
pub(super) fn open_writing(path: &Path) -> Result<Connection, StoreError> {
    let error = failed("open the database");
    let connection = Connection::open(path).map_err(&error)?;
    set_up(&connection)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(&error)?;
    // FULL: a commit is answered only when the log is synced, so that it survives a loss of power.
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(&error)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(&error)?;
    // What a savepoint would undo is kept in memory: else each page that a call changes is written to a temporary file too.
    connection
        .pragma_update(None, "temp_store", "MEMORY")
        .map_err(&error)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), StoreError> {
    let error = failed("open the database");
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A statement that comes from the cache again would else be compiled again, since other values might change the plan:
    // https://www.sqlite.org/queryplanner-ng.html#qpstab.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(&error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&error)
}

/// Connections that read. Each is used by one call at a time; as many are made as there are calls at once, which
/// the runtime's threads for blocking work bound.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Readers {
        Readers {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = work(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        result
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(failed("open the database"))?;
        set_up(&connection)?;
        Ok(connection)
    }
}
