//! Manifests and what they name.

use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, Tag};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::events::{self, Told};
use super::values::{
    forget_if_empty, limit as column_limit, media_type, package_id, package_id_or_new, parsed, size, time,
};
use super::{blobs, failed, quota};
use super::{tags, transitions};
use crate::{
    Actor, EventKind, NewManifest, PackagePath, PutRefusal, Reference, ReferrerQuery, Removal, StoreError,
    StoredManifest,
};

/// The package that a write is about, and its row.
pub(super) struct Place<'p> {
    pub(super) id: i64,
    pub(super) package: &'p PackagePath,
    pub(super) actor: &'p Actor,
    pub(super) now: Timestamp,
}

impl Place<'_> {
    pub(super) fn tell(&self, connection: &Connection, kind: &EventKind) -> Result<(), StoreError> {
        transitions::note(connection, self, kind)?;
        events::tell(
            connection,
            &Told::of_package(self.package, self.actor, self.now),
            kind,
        )
    }

    /// Notes that the package has changed, and one manifest of it.
    pub(super) fn renew(&self, connection: &Connection, manifest: Option<i64>) -> Result<(), StoreError> {
        let update = |sql, row: i64| {
            connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute(params![row, time(self.now)]))
                .map(drop)
                .map_err(failed("note a change"))
        };
        if let Some(row) = manifest {
            update(
                "UPDATE manifest SET updated = max(updated, ?2) WHERE id = ?1",
                row,
            )?;
        }
        update(
            "UPDATE package SET updated = max(updated, ?2) WHERE id = ?1",
            self.id,
        )
    }
}

/// Everything is looked at before anything is written.
pub(super) fn put(
    connection: &Connection,
    package: &PackagePath,
    manifest: &NewManifest,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<(), PutRefusal>, StoreError> {
    let Some(id) = package_id_or_new(connection, package, now)? else {
        return Ok(Err(PutRefusal::RepositoryUnknown));
    };
    let place = Place {
        id,
        package,
        actor,
        now,
    };
    if let Some(refusal) = refusal(connection, &place, manifest)? {
        forget_if_empty(connection, id)?;
        return Ok(Err(refusal));
    }
    let row = match row_of(connection, id, &manifest.digest)? {
        Some(row) => row,
        None => insert(connection, &place, manifest)?,
    };
    place.renew(connection, Some(row))?;
    for tag in &manifest.tags {
        tags::set(connection, &place, tag, (row, &manifest.digest))?;
    }
    Ok(Ok(()))
}

fn refusal(
    connection: &Connection,
    place: &Place<'_>,
    manifest: &NewManifest,
) -> Result<Option<PutRefusal>, StoreError> {
    let package = place.id;
    for reference in &manifest.references {
        let digest = reference.digest;
        let refusal = match reference.kind {
            Reference::Blob if !blobs::is_linked(connection, package, &digest)? => {
                PutRefusal::BlobUnknown { digest }
            }
            Reference::Child if row_of(connection, package, &digest)?.is_none() => {
                PutRefusal::ManifestUnknown { digest }
            }
            _ => continue,
        };
        return Ok(Some(refusal));
    }
    for tag in &manifest.tags {
        if tags::is_fixed(connection, place, tag, Some(&manifest.digest))? {
            return Ok(Some(PutRefusal::TagImmutable { tag: tag.clone() }));
        }
    }
    if row_of(connection, package, &manifest.digest)?.is_some() {
        return Ok(None);
    }
    let over = quota::exceeded(connection, package, manifest.bytes.len() as u64)?;
    Ok(over.map(|quota_bytes| PutRefusal::OverQuota { quota_bytes }))
}

fn insert(connection: &Connection, place: &Place<'_>, manifest: &NewManifest) -> Result<i64, StoreError> {
    let row: i64 = connection
        .prepare_cached(
            "INSERT INTO manifest
             (package, digest, media_type, artifact_type, subject, size_bytes, created, updated, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8) RETURNING id",
        )
        .and_then(|mut statement| {
            let values = params![
                place.id,
                manifest.digest.to_string(),
                manifest.media_type.as_str(),
                manifest.artifact_type,
                manifest.subject.map(|subject| subject.to_string()),
                size(manifest.size_bytes),
                time(place.now),
                &*manifest.bytes,
            ];
            statement.query_row(values, |row| row.get(0))
        })
        .map_err(failed("store a manifest"))?;
    for reference in &manifest.references {
        let kind = match reference.kind {
            Reference::Blob => "blob",
            Reference::SparseBlob => "sparse-blob",
            Reference::Child | Reference::SparseChild => "child",
        };
        connection
            .prepare_cached(
                "INSERT INTO reference (manifest, digest, kind, package) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
            )
            .and_then(|mut statement| {
                statement.execute(params![row, reference.digest.to_string(), kind, place.id])
            })
            .map_err(failed("store what a manifest names"))?;
    }
    quota::add(connection, place.id, size(manifest.bytes.len() as u64))?;
    let digest = manifest.digest;
    place.tell(connection, &EventKind::ManifestPut { digest })?;
    Ok(row)
}

pub(super) fn row_of(
    connection: &Connection,
    package: i64,
    digest: &Digest,
) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT id FROM manifest WHERE package = ?1 AND digest = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![package, digest.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(failed("look up a manifest"))
}

/// Removes a manifest and its tags.
pub(super) fn delete(
    connection: &Connection,
    place: &Place<'_>,
    digest: &Digest,
) -> Result<Result<bool, PutRefusal>, StoreError> {
    let Some(row) = row_of(connection, place.id, digest)? else {
        return Ok(Ok(false));
    };
    let named = tags::of_manifest(connection, row)?;
    for tag in &named {
        if tags::is_fixed(connection, place, tag, None)? {
            return Ok(Err(PutRefusal::TagImmutable { tag: tag.clone() }));
        }
    }
    for tag in named {
        place.tell(connection, &EventKind::TagDeleted { tag, from: *digest })?;
    }
    remove_row(connection, place, (row, digest))?;
    Ok(Ok(true))
}

/// Removes a manifest that nothing holds.
pub(super) fn delete_unheld(
    connection: &Connection,
    place: &Place<'_>,
    digest: &Digest,
) -> Result<Removal, StoreError> {
    let Some(row) = row_of(connection, place.id, digest)? else {
        return Ok(Removal::Unknown);
    };
    if let Some(tag) = tags::of_manifest(connection, row)?.into_iter().next() {
        return Ok(Removal::Tagged(tag));
    }
    let holder: Option<(String, bool)> = connection
        .prepare_cached(
            "SELECT manifest.digest, 0 FROM reference JOIN manifest ON manifest.id = reference.manifest
             WHERE reference.digest = ?2 AND reference.package = ?1 AND reference.kind = 'child'
             UNION ALL SELECT digest, 1 FROM manifest WHERE package = ?1 AND subject = ?2
             ORDER BY 2, 1 LIMIT 1",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![place.id, digest.to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })
        .map_err(failed("look up what holds a manifest"))?;
    match holder {
        Some((referrer, true)) => Ok(Removal::SubjectOf(parsed("a digest", &referrer)?)),
        Some((index, false)) => Ok(Removal::ChildOf(parsed("a digest", &index)?)),
        None => {
            remove_row(connection, place, (row, digest))?;
            Ok(Removal::Removed)
        }
    }
}

/// References and tags go with it.
pub(super) fn remove_row(
    connection: &Connection,
    place: &Place<'_>,
    (row, digest): (i64, &Digest),
) -> Result<(), StoreError> {
    transitions::bury_tags(connection, row)?;
    let bytes: i64 = connection
        .prepare_cached("SELECT length(bytes) FROM manifest WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([row], |row| row.get(0)))
        .map_err(failed("look up a manifest"))?;
    connection
        .prepare_cached("DELETE FROM manifest WHERE id = ?1")
        .and_then(|mut statement| statement.execute([row]))
        .map_err(failed("delete a manifest"))?;
    quota::add(connection, place.id, -bytes)?;
    place.renew(connection, None)?;
    place.tell(connection, &EventKind::ManifestDeleted { digest: *digest })
}

const STORED: &str = "manifest.digest, manifest.media_type, manifest.artifact_type, manifest.bytes";

pub(super) fn by_digest(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
) -> Result<Option<StoredManifest>, StoreError> {
    let sql = format!(
        "SELECT {STORED} FROM repository
         JOIN package ON package.repository = repository.id
         JOIN manifest ON manifest.package = package.id
         WHERE repository.path = ?1 AND package.name = ?2 AND manifest.digest = ?3"
    );
    one_stored(connection, &sql, package, &digest.to_string())
}

pub(super) fn by_tag(
    connection: &Connection,
    package: &PackagePath,
    tag: &Tag,
) -> Result<Option<StoredManifest>, StoreError> {
    let sql = format!(
        "SELECT {STORED} FROM repository
         JOIN package ON package.repository = repository.id
         JOIN tag ON tag.package = package.id
         JOIN manifest ON manifest.id = tag.manifest
         WHERE repository.path = ?1 AND package.name = ?2 AND tag.name = ?3"
    );
    one_stored(connection, &sql, package, tag.as_str())
}

fn one_stored(
    connection: &Connection,
    sql: &str,
    package: &PackagePath,
    name: &str,
) -> Result<Option<StoredManifest>, StoreError> {
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            let place = params![package.repository.to_string(), package.name.as_str(), name];
            statement.query_row(place, stored_columns).optional()
        })
        .map_err(failed("look up a manifest"))?;
    found.map(from_stored_columns).transpose()
}

pub(super) fn referrers(
    connection: &Connection,
    package: &PackagePath,
    query: &ReferrerQuery<'_>,
) -> Result<Vec<StoredManifest>, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(Vec::new());
    };
    let rows = connection
        .prepare_cached(&format!(
            "SELECT {STORED} FROM manifest
             WHERE package = ?1 AND subject = ?2 AND digest > ?3 AND (?4 IS NULL OR artifact_type = ?4)
             ORDER BY digest LIMIT ?5"
        ))
        .and_then(|mut statement| {
            let after = query.after.map(ToString::to_string).unwrap_or_default();
            let values = params![
                id,
                query.subject.to_string(),
                after,
                query.artifact_type,
                column_limit(query.limit)
            ];
            statement
                .query_map(values, stored_columns)?
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(failed("list referrers"))?;
    rows.into_iter().map(from_stored_columns).collect()
}

pub(super) fn parents(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
    limit: usize,
) -> Result<Vec<Digest>, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(Vec::new());
    };
    let rows: Vec<String> = connection
        .prepare_cached(
            "SELECT manifest.digest FROM reference JOIN manifest ON manifest.id = reference.manifest
             WHERE reference.digest = ?2 AND reference.package = ?1 AND reference.kind = 'child'
             UNION SELECT digest FROM manifest WHERE package = ?1 AND subject = ?2
             ORDER BY 1 LIMIT ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![id, digest.to_string(), column_limit(limit)], |row| {
                    row.get(0)
                })?
                .collect()
        })
        .map_err(failed("look up what holds a manifest"))?;
    rows.iter().map(|digest| parsed("a digest", digest)).collect()
}

pub(super) fn with_blob(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
    limit: usize,
) -> Result<Vec<StoredManifest>, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(Vec::new());
    };
    let rows = connection
        .prepare_cached(&format!(
            "SELECT {STORED} FROM reference JOIN manifest ON manifest.id = reference.manifest
             WHERE reference.digest = ?2 AND reference.package = ?1 AND reference.kind IN ('blob', 'sparse-blob')
             LIMIT ?3"
        ))
        .and_then(|mut statement| {
            statement
                .query_map(params![id, digest.to_string(), column_limit(limit)], stored_columns)?
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(failed("look up what names a blob"))?;
    rows.into_iter().map(from_stored_columns).collect()
}

type StoredColumns = (String, String, Option<String>, Vec<u8>);

fn stored_columns(row: &Row<'_>) -> rusqlite::Result<StoredColumns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn from_stored_columns(
    (digest, kind, artifact_type, bytes): StoredColumns,
) -> Result<StoredManifest, StoreError> {
    Ok(StoredManifest {
        digest: parsed("a digest", &digest)?,
        bytes: Bytes::from(bytes),
        media_type: media_type(&kind)?,
        artifact_type,
    })
}
