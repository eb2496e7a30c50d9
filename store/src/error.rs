//! Why a store failed.

use std::io;

/// The store itself failed; what was asked may well be right. What a caller did wrong is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room left. What is there can still be read.
    #[error("no room left to {action}")]
    Full {
        /// What was attempted, as `write an upload`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("cannot {action}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The database failed.
    #[error("cannot {action}: the database said: {reason}")]
    Database {
        /// What was attempted.
        action: &'static str,
        /// What it said.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("stored data is damaged: {what}")]
    Damaged {
        /// What, and where.
        what: String,
    },
    /// The directory holds something else than a data directory.
    #[error("it is not empty and not a data directory of lightship")]
    Foreign,
    /// An upload or object is not there.
    #[error("{what} is not there")]
    Missing {
        /// What.
        what: String,
    },
    /// An upload does not have the length that the caller believes.
    #[error("the upload has {actual} bytes, not {expected}")]
    Offset {
        /// What the caller believed.
        expected: u64,
        /// Its length.
        actual: u64,
    },
    /// A place in a listing that the store has not given.
    #[error("{text:?} is no place in this listing")]
    Cursor {
        /// The text, cut if it is long.
        text: String,
    },
    /// More work waits than the store takes; ask again later.
    #[error("the store is busy")]
    Busy,
    /// Another process has the data directory.
    #[error("the data directory is in use by another process")]
    Locked,
    /// The data directory was written by a newer release.
    #[error("the data directory has format {found}, this program knows up to {known}")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
}

impl StoreError {
    /// A cursor that does not belong where it was brought.
    pub(crate) fn cursor(cursor: &crate::Cursor) -> StoreError {
        const SHOWN_CHARACTERS_MAX: usize = 80;
        StoreError::Cursor {
            text: cursor.0.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        }
    }

    /// An error of the system while doing `action`; a full disk or an exhausted quota is told apart.
    #[must_use]
    pub fn io(action: &'static str, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { action, source },
            _ => StoreError::Io { action, source },
        }
    }
}
