//! Blobs, and who links them.

use jiff::Timestamp;
use oci::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::values::{
    forget_if_empty, from_size, from_time, limit as column_limit, package_id, package_id_or_new, parsed,
    size, time,
};
use super::walk::Part;
use super::{failed, quota, transitions};
use crate::{Blob, Committed, PackagePath, Page, StoreError};

/// The blob `?3` as the package `?2` of the repository `?1` links it.
pub(super) const LINKED: &str = "SELECT blob.storage_key, blob.size, blob.last_seen
    FROM repository
    JOIN package ON package.repository = repository.id
    JOIN link ON link.package = package.id
    JOIN blob ON blob.digest = link.digest
    WHERE repository.path = ?1 AND package.name = ?2 AND link.digest = ?3";

pub(super) fn blob(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
) -> Result<Option<Blob>, StoreError> {
    let found: Option<(String, i64, i64)> = connection
        .prepare_cached(LINKED)
        .and_then(|mut statement| {
            let (repository, name) = (package.repository.to_string(), package.name.as_str());
            statement
                .query_row(params![repository, name, digest.to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
        })
        .map_err(failed("look up a blob"))?;
    let blob = |(key, bytes, last_seen): (String, i64, i64)| {
        Ok(Blob {
            digest: *digest,
            size: from_size(bytes)?,
            key: key.parse()?,
            last_seen: from_time(last_seen)?,
        })
    };
    found.map(blob).transpose()
}

/// A part of a walk over rows of: digest, key, size, last seen, whether it is asked for.
pub(super) fn page(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    part: &Part,
) -> Result<Page<Blob>, StoreError> {
    let rows: Vec<(String, String, i64, i64, bool)> = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_map(values, |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?
                .collect()
        })
        .map_err(failed("walk over the blobs"))?;
    let next = part.next(rows.len(), rows.last().map(|row| (0, row.0.as_str())));
    let items = rows
        .iter()
        .filter(|row| row.4)
        .map(|(digest, key, bytes, last_seen, _)| {
            Ok(Blob {
                digest: parsed("a digest", digest)?,
                size: from_size(*bytes)?,
                key: key.parse()?,
                last_seen: from_time(*last_seen)?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page { items, next })
}

pub(super) fn touch(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(false);
    };
    if !is_linked(connection, id, digest)? {
        return Ok(false);
    }
    see(connection, digest, now)?;
    Ok(true)
}

/// The row of a digest that is there stays as it is, so its object is never exchanged under a reader.
pub(super) fn commit(
    connection: &Connection,
    package: &PackagePath,
    blob: &Blob,
) -> Result<Committed, StoreError> {
    let Some(id) = package_id_or_new(connection, package, blob.last_seen)? else {
        return Ok(Committed::RepositoryUnknown);
    };
    if let Some(quota_bytes) = exceeded_quota(connection, id, &blob.digest, blob.size)? {
        forget_if_empty(connection, id)?;
        return Ok(Committed::OverQuota { quota_bytes });
    }
    let kept = connection
        .prepare_cached(
            "INSERT INTO blob (digest, storage_key, size, last_seen) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (digest) DO NOTHING",
        )
        .and_then(|mut statement| {
            let (digest, last_seen) = (blob.digest.to_string(), time(blob.last_seen));
            statement.execute(params![digest, blob.key.as_str(), size(blob.size), last_seen])
        })
        .map_err(failed("keep a blob"))?;
    link(connection, id, &blob.digest)?;
    if kept == 1 {
        return Ok(Committed::Kept);
    }
    see(connection, &blob.digest, blob.last_seen)?;
    Ok(Committed::Superseded)
}

pub(super) fn mount(
    connection: &Connection,
    (package, from): (&PackagePath, &PackagePath),
    digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(from) = package_id(connection, from)? else {
        return Ok(false);
    };
    if !is_linked(connection, from, digest)? {
        return Ok(false);
    }
    let Some(id) = package_id_or_new(connection, package, now)? else {
        return Ok(false);
    };
    let bytes: i64 = connection
        .prepare_cached("SELECT size FROM blob WHERE digest = ?1")
        .and_then(|mut statement| statement.query_row([digest.to_string()], |row| row.get(0)))
        .map_err(failed("look up a blob"))?;
    // The client then uploads the blob, and is told there why that cannot be.
    if exceeded_quota(connection, id, digest, from_size(bytes)?)?.is_some() {
        forget_if_empty(connection, id)?;
        return Ok(false);
    }
    link(connection, id, digest)?;
    see(connection, digest, now)?;
    Ok(true)
}

pub(super) fn packages_with(
    connection: &Connection,
    digest: &Digest,
    after: Option<&PackagePath>,
    limit: usize,
) -> Result<Vec<PackagePath>, StoreError> {
    let after = after.map(|package| (package.repository.to_string(), package.name.to_string()));
    let (repository, name) = after.unwrap_or_default();
    let rows: Vec<(String, String)> = connection
        .prepare_cached(
            "SELECT repository.path, package.name
             FROM link
             JOIN package ON package.id = link.package
             JOIN repository ON repository.id = package.repository
             WHERE link.digest = ?1 AND (repository.path, package.name) > (?2, ?3)
             ORDER BY repository.path, package.name LIMIT ?4",
        )
        .and_then(|mut statement| {
            statement
                .query_map(
                    params![digest.to_string(), repository, name, column_limit(limit)],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?
                .collect()
        })
        .map_err(failed("look for a blob"))?;
    let package = |(repository, name): &(String, String)| {
        Ok(PackagePath {
            repository: parsed("a repository", repository)?,
            name: parsed("the name of a package", name)?,
        })
    };
    rows.iter().map(package).collect()
}

pub(super) fn unlink(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
) -> Result<bool, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(false);
    };
    let removed = connection
        .prepare_cached("DELETE FROM link WHERE package = ?1 AND digest = ?2")
        .and_then(|mut statement| statement.execute(params![id, digest.to_string()]))
        .map_err(failed("unlink a blob"))?;
    if removed == 1 && !linked_in_repository(connection, id, digest)? {
        count(connection, id, digest, -1)?;
    }
    Ok(removed == 1)
}

pub(super) fn is_linked(connection: &Connection, package: i64, digest: &Digest) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM link WHERE package = ?1 AND digest = ?2")
        .and_then(|mut statement| statement.exists(params![package, digest.to_string()]))
        .map_err(failed("look up a link"))
}

fn link(connection: &Connection, package: i64, digest: &Digest) -> Result<(), StoreError> {
    let was_there = linked_in_repository(connection, package, digest)?;
    connection
        .prepare_cached("INSERT INTO link (package, digest) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        .and_then(|mut statement| statement.execute(params![package, digest.to_string()]))
        .map_err(failed("link a blob"))?;
    transitions::unbury(connection, package, &digest.to_string())?;
    if was_there {
        Ok(())
    } else {
        count(connection, package, digest, 1)
    }
}

fn see(connection: &Connection, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE blob SET last_seen = max(last_seen, ?2) WHERE digest = ?1")
        .and_then(|mut statement| statement.execute(params![digest.to_string(), time(now)]))
        .map(drop)
        .map_err(failed("note that a blob was seen"))
}

/// The quota that one more blob of that size would exceed. One that the repository has already costs nothing.
fn exceeded_quota(
    connection: &Connection,
    package: i64,
    digest: &Digest,
    bytes: u64,
) -> Result<Option<u64>, StoreError> {
    match quota::exceeded(connection, package, bytes)? {
        Some(quota) if !linked_in_repository(connection, package, digest)? => Ok(Some(quota)),
        _ => Ok(None),
    }
}

/// Whether any package of the package's repository links a blob.
fn linked_in_repository(connection: &Connection, package: i64, digest: &Digest) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT 1 FROM link JOIN package ON package.id = link.package
             WHERE link.digest = ?2 AND package.repository = (SELECT repository FROM package WHERE id = ?1)",
        )
        .and_then(|mut statement| statement.exists(params![package, digest.to_string()]))
        .map_err(failed("look up a link"))
}

/// Adds a blob's size to what its repository holds, or takes it away.
fn count(connection: &Connection, package: i64, digest: &Digest, sign: i64) -> Result<(), StoreError> {
    let bytes: i64 = connection
        .prepare_cached("SELECT size FROM blob WHERE digest = ?1")
        .and_then(|mut statement| statement.query_row([digest.to_string()], |row| row.get(0)))
        .map_err(failed("look up a blob"))?;
    quota::add(connection, package, sign.saturating_mul(bytes))
}
