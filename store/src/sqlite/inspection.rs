//! Walks over everything, for a scrub.

use async_trait::async_trait;
use bytes::Bytes;
use oci::Digest;
use rusqlite::{Connection, params};

use super::values::{from_size, parsed};
use super::walk::{Part, part};
use super::{SqliteMetadata, blobs, failed};
use crate::{Blob, Extent, Inspection, ManifestState, PackagePath, Page, StoreError, Walk};

/// Lines of an integrity check that are read.
const MESSAGES_MAX: usize = 100;

#[async_trait]
impl Inspection for SqliteMetadata {
    async fn all_blobs(&self, walk: Walk<'_>) -> Result<Page<Blob>, StoreError> {
        let part = part(walk)?;
        self.read(move |connection| all_blobs(connection, &part)).await
    }

    async fn all_manifests(&self, walk: Walk<'_>) -> Result<Page<ManifestState>, StoreError> {
        let part = part(walk)?;
        self.read(move |connection| {
            let rows: Vec<ManifestColumns> = connection
                .prepare_cached(
                    "SELECT manifest.id, package.id, repository.path, package.name, manifest.digest, manifest.bytes
                     FROM manifest
                     JOIN package ON package.id = manifest.package
                     JOIN repository ON repository.id = package.repository
                     WHERE manifest.id > ?1 ORDER BY manifest.id LIMIT ?2",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map(params![part.row, part.limit], |row| {
                            Ok(ManifestColumns {
                                id: row.get(0)?,
                                package_id: row.get(1)?,
                                repository: row.get(2)?,
                                package: row.get(3)?,
                                digest: row.get(4)?,
                                bytes: row.get(5)?,
                            })
                        })?
                        .collect()
                })
                .map_err(failed("walk over the manifests"))?;
            let next = part.next(rows.len(), rows.last().map(|row| (row.id, "")));
            let states = rows.into_iter().map(|row| row.state(connection));
            let items = states.collect::<Result<Vec<_>, StoreError>>()?;
            Ok(Page { items, next })
        })
        .await
    }

    async fn extent(&self) -> Result<Extent, StoreError> {
        self.read(extent).await
    }

    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut messages: Vec<String> = connection
                .prepare("PRAGMA integrity_check")
                .and_then(|mut statement| {
                    statement
                        .query_map([], |row| row.get(0))?
                        .take(MESSAGES_MAX)
                        .collect()
                })
                .map_err(failed("check the database"))?;
            messages.retain(|message| message != "ok");
            Ok(messages)
        })
        .await
    }
}

pub(super) fn extent(connection: &Connection) -> Result<Extent, StoreError> {
    let (objects, bytes): (i64, i64) = connection
        .query_row("SELECT count(*), ifnull(sum(size), 0) FROM blob", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed("count the blobs"))?;
    Ok(Extent {
        objects: from_size(objects)?,
        bytes: from_size(bytes)?,
    })
}

pub(super) fn all_blobs(connection: &Connection, part: &Part) -> Result<Page<Blob>, StoreError> {
    let sql =
        "SELECT digest, storage_key, size, last_seen, 1 FROM blob WHERE digest > ?1 ORDER BY digest LIMIT ?2";
    blobs::page(connection, sql, params![part.digest, part.limit], part)
}

struct ManifestColumns {
    id: i64,
    package_id: i64,
    repository: String,
    package: String,
    digest: String,
    bytes: Vec<u8>,
}

impl ManifestColumns {
    fn state(self, connection: &Connection) -> Result<ManifestState, StoreError> {
        Ok(ManifestState {
            package: PackagePath {
                repository: parsed("a repository", &self.repository)?,
                name: parsed("the name of a package", &self.package)?,
            },
            digest: parsed("a digest", &self.digest)?,
            unlinked: self.missing(
                connection,
                "SELECT digest FROM reference WHERE manifest = ?1 AND kind = 'blob' AND NOT EXISTS
                 (SELECT 1 FROM link WHERE link.package = ?2 AND link.digest = reference.digest)",
            )?,
            missing_children: self.missing(
                connection,
                "SELECT digest FROM reference WHERE manifest = ?1 AND kind = 'child' AND NOT EXISTS
                 (SELECT 1 FROM manifest WHERE manifest.package = ?2 AND manifest.digest = reference.digest)",
            )?,
            bytes: Bytes::from(self.bytes),
        })
    }

    fn missing(&self, connection: &Connection, sql: &str) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<String> = connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_map([self.id, self.package_id], |row| row.get(0))?
                    .collect()
            })
            .map_err(failed("look up what a manifest names"))?;
        digests.iter().map(|digest| parsed("a digest", digest)).collect()
    }
}
