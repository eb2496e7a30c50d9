//! Packages as a whole.

use rusqlite::{Connection, params};

use super::manifests::Place;
use super::{failed, quota, tags};
use crate::{EventKind, PutRefusal, StoreError};

/// Removes a package with its manifests, tags and links.
pub(super) fn delete(
    connection: &Connection,
    place: &Place<'_>,
) -> Result<Result<bool, PutRefusal>, StoreError> {
    if let Some(tag) = tags::fixed_of_package(connection, place.id)? {
        return Ok(Err(PutRefusal::TagImmutable { tag }));
    }
    quota::add(connection, place.id, -held_alone(connection, place.id)?)?;
    connection
        .execute("DELETE FROM package WHERE id = ?1", [place.id])
        .map_err(failed("delete a package"))?;
    place.tell(connection, &EventKind::PackageDeleted)?;
    Ok(Ok(true))
}

/// What its repository no longer holds once a package is gone.
fn held_alone(connection: &Connection, package: i64) -> Result<i64, StoreError> {
    let blobs = "SELECT ifnull(sum(blob.size), 0) FROM link JOIN blob ON blob.digest = link.digest
         WHERE link.package = ?1 AND NOT EXISTS (
             SELECT 1 FROM link AS other JOIN package ON package.id = other.package
             WHERE other.digest = link.digest AND other.package <> ?1
               AND package.repository = (SELECT repository FROM package WHERE id = ?1))";
    let manifests = "SELECT ifnull(sum(length(bytes)), 0) FROM manifest WHERE package = ?1";
    let mut bytes: i64 = 0;
    for sql in [blobs, manifests] {
        let part: i64 = connection
            .query_row(sql, params![package], |row| row.get(0))
            .map_err(failed("add up what a package holds"))?;
        bytes = bytes.saturating_add(part);
    }
    Ok(bytes)
}
