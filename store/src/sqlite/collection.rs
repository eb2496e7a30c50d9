//! What nobody needs: found by readers part by part, removed by the writer under the same conditions.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::manifests::{self, Place};
use super::values::{forget_if_empty, from_size, from_time, package_id, parsed, time};
use super::walk::{Part, part};
use super::{SqliteMetadata, blobs, failed};
use crate::{Actor, Blob, Collection, InPackage, PackagePath, Page, StorageKey, StoreError, Walk};

/// A manifest that the policy for untagged ones may remove; `?1` is the time before which it was left.
const UNTAGGED: &str = "manifest.updated < ?1
    AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.manifest = manifest.id)
    AND NOT EXISTS (SELECT 1 FROM reference AS holder WHERE holder.digest = manifest.digest
                    AND holder.package = manifest.package AND holder.kind = 'child')
    AND NOT EXISTS (SELECT 1 FROM manifest AS subject WHERE subject.package = manifest.package
                    AND subject.digest = manifest.subject)";

/// A link that nothing needs.
const IDLE_LINK: &str = "(SELECT last_seen FROM blob WHERE blob.digest = link.digest) < ?1
    AND NOT EXISTS (SELECT 1 FROM reference WHERE reference.digest = link.digest
                    AND reference.package = link.package AND reference.kind IN ('blob', 'sparse-blob'))";

/// A blob that nothing needs.
const IDLE_BLOB: &str = "blob.last_seen < ?1
    AND NOT EXISTS (SELECT 1 FROM link WHERE link.digest = blob.digest)";

/// Empty packages that one transaction forgets.
const EMPTY_PACKAGES_MAX: usize = 1000;

#[async_trait]
impl Collection for SqliteMetadata {
    async fn untagged_manifests(
        &self,
        before: Timestamp,
        walk: Walk<'_>,
    ) -> Result<Page<InPackage>, StoreError> {
        let part = part(walk)?;
        self.read(move |connection| {
            let sql = format!(
                "SELECT manifest.id, manifest.digest, repository.path, package.name, {UNTAGGED}
                 FROM manifest
                 JOIN package ON package.id = manifest.package
                 JOIN repository ON repository.id = package.repository
                 WHERE manifest.id > ?2 ORDER BY manifest.id LIMIT ?3"
            );
            let values = params![time(before), part.row, part.limit];
            in_packages(connection, &sql, values, &part)
        })
        .await
    }

    async fn remove_untagged(
        &self,
        manifests: &[InPackage],
        before: Timestamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (manifests, actor) = (manifests.to_vec(), actor.clone());
        self.write(move |connection| {
            let mut removed = 0;
            for InPackage { package, digest } in &manifests {
                let Some(id) = package_id(connection, package)? else {
                    continue;
                };
                let place = Place {
                    id,
                    package,
                    actor: &actor,
                    now,
                };
                removed += usize::from(remove_if_untagged(connection, &place, digest, before)?);
            }
            Ok(removed)
        })
        .await
    }

    async fn idle_links(&self, before: Timestamp, walk: Walk<'_>) -> Result<Page<InPackage>, StoreError> {
        let part = part(walk)?;
        self.read(move |connection| {
            let sql = format!(
                "SELECT link.package, link.digest, repository.path, package.name, {IDLE_LINK}
                 FROM link
                 JOIN package ON package.id = link.package
                 JOIN repository ON repository.id = package.repository
                 WHERE (link.package, link.digest) > (?2, ?4) ORDER BY link.package, link.digest LIMIT ?3"
            );
            let values = params![time(before), part.row, part.limit, part.digest];
            in_packages(connection, &sql, values, &part)
        })
        .await
    }

    async fn remove_idle_links(&self, links: &[InPackage], before: Timestamp) -> Result<usize, StoreError> {
        let links = links.to_vec();
        self.write(move |connection| {
            let mut removed = 0;
            for InPackage { package, digest } in &links {
                removed += usize::from(unlink_if_idle(connection, package, digest, before)?);
            }
            Ok(removed)
        })
        .await
    }

    async fn idle_blobs(&self, before: Timestamp, walk: Walk<'_>) -> Result<Page<Blob>, StoreError> {
        let part = part(walk)?;
        self.read(move |connection| {
            let sql = format!(
                "SELECT digest, storage_key, size, last_seen, {IDLE_BLOB}
                 FROM blob WHERE digest > ?2 ORDER BY digest LIMIT ?3"
            );
            let values = params![time(before), part.digest, part.limit];
            blobs::page(connection, &sql, values, &part)
        })
        .await
    }

    async fn take_idle_blobs(&self, digests: &[Digest], before: Timestamp) -> Result<Vec<Blob>, StoreError> {
        let digests = digests.to_vec();
        self.write(move |connection| {
            let sql = format!(
                "DELETE FROM blob WHERE digest = ?2 AND {IDLE_BLOB} RETURNING storage_key, size, last_seen"
            );
            let mut taken = Vec::new();
            for digest in digests {
                let row: Option<(String, i64, i64)> = connection
                    .prepare_cached(&sql)
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![time(before), digest.to_string()], |row| {
                                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                            })
                            .optional()
                    })
                    .map_err(failed("take a blob"))?;
                if let Some((key, size, last_seen)) = row {
                    taken.push(Blob {
                        digest,
                        size: from_size(size)?,
                        key: key.parse()?,
                        last_seen: from_time(last_seen)?,
                    });
                }
            }
            Ok(taken)
        })
        .await
    }

    async fn named_keys(&self, keys: &[StorageKey]) -> Result<Vec<StorageKey>, StoreError> {
        let mut keys = keys.to_vec();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT 1 FROM blob WHERE storage_key = ?1")
                .map_err(failed("look up a key"))?;
            let mut error = None;
            keys.retain(|key| {
                statement.exists([key.as_str()]).unwrap_or_else(|failure| {
                    error = Some(failure);
                    true
                })
            });
            error.map_or(Ok(keys), |error| Err(failed("look up a key")(error)))
        })
        .await
    }

    async fn forget_empty_packages(&self) -> Result<usize, StoreError> {
        let ids: Vec<i64> = self
            .read(|connection| {
                connection
                    .prepare_cached(
                        "SELECT id FROM package
                         WHERE NOT EXISTS (SELECT 1 FROM link WHERE package = package.id)
                           AND NOT EXISTS (SELECT 1 FROM manifest WHERE package = package.id)",
                    )
                    .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
                    .map_err(failed("look for empty packages"))
            })
            .await?;
        let mut forgotten = 0;
        for part in ids.chunks(EMPTY_PACKAGES_MAX) {
            let part = part.to_vec();
            forgotten += self
                .write(move |connection| {
                    let mut forgotten = 0;
                    for id in part {
                        forgotten += forget_if_empty(connection, id)?;
                    }
                    Ok(forgotten)
                })
                .await?;
        }
        Ok(forgotten)
    }
}

/// A part of a walk over rows of: place in the walk (row and digest), repository, package, whether it is a candidate.
fn in_packages(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    part: &Part,
) -> Result<Page<InPackage>, StoreError> {
    let rows: Vec<(i64, String, String, String, bool)> = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_map(values, |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?
                .collect()
        })
        .map_err(failed("look for what nobody needs"))?;
    let next = part.next(
        rows.len(),
        rows.last().map(|(row, digest, ..)| (*row, digest.as_str())),
    );
    let items = rows
        .iter()
        .filter(|row| row.4)
        .map(|(_, digest, repository, name, _)| {
            Ok(InPackage {
                package: PackagePath {
                    repository: parsed("a repository", repository)?,
                    name: parsed("the name of a package", name)?,
                },
                digest: parsed("a digest", digest)?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page { items, next })
}

fn remove_if_untagged(
    connection: &Connection,
    place: &Place<'_>,
    digest: &Digest,
    before: Timestamp,
) -> Result<bool, StoreError> {
    let sql = format!("SELECT id FROM manifest WHERE package = ?2 AND digest = ?3 AND {UNTAGGED}");
    let row: Option<i64> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row(params![time(before), place.id, digest.to_string()], |row| {
                    row.get(0)
                })
                .optional()
        })
        .map_err(failed("look up a manifest"))?;
    let Some(row) = row else {
        return Ok(false);
    };
    manifests::remove_row(connection, place, (row, digest))?;
    Ok(true)
}

fn unlink_if_idle(
    connection: &Connection,
    package: &PackagePath,
    digest: &Digest,
    before: Timestamp,
) -> Result<bool, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(false);
    };
    let idle = connection
        .prepare_cached(&format!(
            "SELECT 1 FROM link WHERE package = ?2 AND digest = ?3 AND {IDLE_LINK}"
        ))
        .and_then(|mut statement| statement.exists(params![time(before), id, digest.to_string()]))
        .map_err(failed("look up a link"))?;
    Ok(idle && blobs::unlink(connection, package, digest)?)
}
