//! Walks over whole tables, part by part.

use super::values::limit;
use crate::{Cursor, StoreError, Walk};

/// A part: rows after a row's number and a digest, as far as the table's order has them.
pub(super) struct Part {
    pub(super) row: i64,
    pub(super) digest: String,
    pub(super) limit: i64,
}

/// The part that is asked for.
pub(super) fn part(walk: Walk<'_>) -> Result<Part, StoreError> {
    let limit = limit(walk.limit.max(1));
    let Some(cursor) = walk.from else {
        let (row, digest) = (-1, String::new());
        return Ok(Part { row, digest, limit });
    };
    let (row, digest) = cursor
        .0
        .split_once(' ')
        .ok_or_else(|| StoreError::cursor(cursor))?;
    Ok(Part {
        row: row.parse().map_err(|_| StoreError::cursor(cursor))?,
        digest: digest.to_owned(),
        limit,
    })
}

impl Part {
    /// Where the next part begins, if this one has as many rows as it may have.
    pub(super) fn next(&self, rows: usize, last: Option<(i64, &str)>) -> Option<Cursor> {
        let (row, digest) = last?;
        (limit(rows) >= self.limit).then(|| Cursor(format!("{row} {digest}")))
    }
}
