//! What repositories and projects hold, and whether they may hold more.
//!
//! The numbers are kept with every change, in its transaction: no push waits for a sum.

use rusqlite::{Connection, params};

use super::failed;
use super::values::{from_size, size};
use crate::{ProjectId, StoreError};

/// The quota of the package's repository or project that `bytes` more would exceed.
pub(super) fn exceeded(connection: &Connection, package: i64, bytes: u64) -> Result<Option<u64>, StoreError> {
    type Columns = (Option<i64>, i64, Option<i64>, i64);
    let (repository, held, project, together): Columns = connection
        .prepare_cached(
            "SELECT repository.quota_bytes, repository.linked_bytes, project.quota_bytes, project.linked_bytes
             FROM package
             JOIN repository ON repository.id = package.repository
             JOIN project ON project.name = repository.project
             WHERE package.id = ?1",
        )
        .and_then(|mut statement| {
            statement.query_row([package], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
        })
        .map_err(failed("look up a quota"))?;
    let bytes = size(bytes);
    for (quota, used) in [(repository, held), (project, together)] {
        if let Some(quota) = quota
            && used.saturating_add(bytes) > quota
        {
            return from_size(quota).map(Some);
        }
    }
    Ok(None)
}

/// Counts bytes that a package's repository has more, or less.
pub(super) fn add(connection: &Connection, package: i64, bytes: i64) -> Result<(), StoreError> {
    for sql in [
        "UPDATE repository SET linked_bytes = linked_bytes + ?2
         WHERE id = (SELECT repository FROM package WHERE id = ?1)",
        "UPDATE project SET linked_bytes = linked_bytes + ?2
         WHERE name = (SELECT project FROM repository
                       WHERE id = (SELECT repository FROM package WHERE id = ?1))",
    ] {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![package, bytes]))
            .map_err(failed("count bytes"))?;
    }
    Ok(())
}

pub(super) fn repository_created(connection: &Connection, project: &ProjectId) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT INTO project (name) VALUES (?1) ON CONFLICT DO NOTHING",
            [project.as_str()],
        )
        .map(drop)
        .map_err(failed("make a project"))
}

/// The project is forgotten with its last repository, unless it has a quota.
pub(super) fn repository_deleted(
    connection: &Connection,
    project: &ProjectId,
    bytes: i64,
) -> Result<(), StoreError> {
    connection
        .execute(
            "UPDATE project SET linked_bytes = linked_bytes - ?2 WHERE name = ?1",
            params![project.as_str(), bytes],
        )
        .map_err(failed("count bytes"))?;
    forget_if_empty(connection, project)
}

pub(super) fn forget_if_empty(connection: &Connection, project: &ProjectId) -> Result<(), StoreError> {
    connection
        .execute(
            "DELETE FROM project WHERE name = ?1 AND quota_bytes IS NULL
               AND NOT EXISTS (SELECT 1 FROM repository WHERE project = ?1)",
            [project.as_str()],
        )
        .map(drop)
        .map_err(failed("forget a project"))
}
