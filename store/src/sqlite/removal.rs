//! Removing packages and repositories, however much is in them, in transactions of a bounded size.
//!
//! Between two of them others write, and any of them may be the last: then what is left is whole, and the removal is asked for
//! again. So manifests go from the top, an index before what it names, and links once no manifest names their blobs. What a
//! push stored meanwhile stays, with all that it needs, but where the whole repository goes.

use jiff::Timestamp;
use oci::{Digest, RepositoryName};
use rusqlite::{Connection, OptionalExtension, params};

use super::events::{self, Told};
use super::manifests::{self, Place};
use super::values::{forget_if_empty, package_id, parsed, repository_id, time};
use super::{SqliteMetadata, blobs, failed, policies, quota, tags};
use crate::{
    Actor, EventKind, PackagePath, PutRefusal, RepositoryPath, RepositoryRefusal, Resource, StoreError,
};

/// Manifests or links that one transaction looks at.
const LOOKED_AT: i64 = 256;

/// Rows that it removes, but for those of its last manifest.
const ROWS_MAX: i64 = 2048;

/// Indexes within indexes that are younger than what they name: each pass frees what the last one's held. What is held after
/// so many goes in any order.
const PASSES_MAX: usize = 16;

/// Walks over a repository that others push to meanwhile; what is then in it goes at once.
const WALKS_MAX: usize = 8;

/// Packages whose names are read at a time.
const PACKAGES: i64 = 256;

/// How manifests of a package go.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Refused where an immutable tag names one.
    respects_tags: bool,
    /// Only those that no other manifest names.
    from_the_top: bool,
}

/// Where a walk from young manifests to old ones is.
#[derive(Debug, Clone)]
struct At {
    created: i64,
    digest: String,
}

/// What a transaction did.
struct Step<C> {
    removed: bool,
    next: Option<C>,
}

type Refused<T> = Result<Result<T, PutRefusal>, StoreError>;

impl SqliteMetadata {
    pub(super) async fn remove_package(
        &self,
        package: &PackagePath,
        (actor, now): (&Actor, Timestamp),
    ) -> Refused<bool> {
        // Looked at by a reader, since there may be many; each is looked at again with what it names.
        let whole = package.clone();
        let begun = self.read(move |connection| {
            let Some(id) = package_id(connection, &whole)? else {
                return Ok(Ok(false));
            };
            let fixed = tags::fixed_of_package(connection, id)?;
            Ok(fixed.map_or(Ok(true), |tag| Err(PutRefusal::TagImmutable { tag })))
        });
        match begun.await? {
            Ok(true) => {}
            refused_or_absent => return Ok(refused_or_absent),
        }
        if let Err(refusal) = self.empty(package, true, (actor, now)).await? {
            return Ok(Err(refusal));
        }
        let told = self.write_in(package, (actor, now), (), |connection, place| {
            // A push that came meanwhile keeps it.
            match forget_if_empty(connection, place.id)? {
                0 => Ok(()),
                _ => place.tell(connection, &EventKind::PackageDeleted),
            }
        });
        told.await?;
        Ok(Ok(true))
    }

    pub(super) async fn remove_repository(
        &self,
        path: &RepositoryPath,
        (actor, now): (&Actor, Timestamp),
    ) -> Result<Result<(), RepositoryRefusal>, StoreError> {
        for walk in 1..=WALKS_MAX {
            let mut after = String::new();
            loop {
                let names = self.package_names_after(path, &after).await?;
                let Some(last) = names.last() else { break };
                after = last.to_string();
                for name in names {
                    let repository = path.clone();
                    let package = PackagePath { repository, name };
                    // Immutable tags keep packages, not repositories, so there is nothing to refuse.
                    let _ = self.empty(&package, false, (actor, now)).await?;
                    let forget = self.write_in(&package, (actor, now), 0, |connection, place| {
                        forget_if_empty(connection, place.id)
                    });
                    forget.await?;
                }
            }
            let (path, actor, at_once) = (path.clone(), actor.clone(), walk == WALKS_MAX);
            let removed = self.write(
                move |connection| match !at_once && has_packages(connection, &path)? {
                    true => Ok(None),
                    false => remove_row(connection, &path, (&actor, now)).map(Some),
                },
            );
            if let Some(removed) = removed.await? {
                return Ok(removed);
            }
        }
        let path = path.clone();
        Ok(Err(RepositoryRefusal::Unknown { path }))
    }

    /// Removes what is in a package.
    async fn empty(
        &self,
        package: &PackagePath,
        respects_tags: bool,
        by: (&Actor, Timestamp),
    ) -> Refused<()> {
        let begin = self.write_in(package, by, None, move |connection, place| {
            youngest(connection, place).map(Some)
        });
        let Some(begin) = begin.await? else {
            return Ok(Ok(()));
        };
        for pass in 1..=PASSES_MAX {
            let way = Way {
                respects_tags,
                from_the_top: pass < PASSES_MAX,
            };
            match self.pass(package, (begin.clone(), way), by).await? {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let mut next = Some(String::new());
        while let Some(after) = next {
            let nothing = Step {
                removed: false,
                next: None,
            };
            let step = self.write_in(package, by, nothing, move |connection, place| {
                unlink_some(connection, place, &after)
            });
            next = step.await?.next;
        }
        Ok(Ok(()))
    }

    /// One walk over the manifests of a package; says whether any went.
    async fn pass(
        &self,
        package: &PackagePath,
        (begin, way): (At, Way),
        by: (&Actor, Timestamp),
    ) -> Refused<bool> {
        let (mut next, mut removed) = (Some(begin), false);
        while let Some(at) = next {
            let nothing = Ok(Step {
                removed: false,
                next: None,
            });
            let step = self.write_in(package, by, nothing, move |connection, place| {
                remove_some(connection, place, &at, way)
            });
            match step.await? {
                Ok(step) => {
                    removed |= step.removed;
                    next = step.next;
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(removed))
    }

    async fn package_names_after(
        &self,
        path: &RepositoryPath,
        after: &str,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let (path, after) = (path.clone(), after.to_owned());
        self.read(move |connection| {
            let Some(id) = repository_id(connection, &path)? else {
                return Ok(Vec::new());
            };
            let names: Vec<String> = connection
                .prepare_cached(
                    "SELECT name FROM package WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map(params![id, after, PACKAGES], |row| row.get(0))?
                        .collect()
                })
                .map_err(failed("list packages"))?;
            let name = |name: &String| parsed("the name of a package", name);
            names.iter().map(name).collect()
        })
        .await
    }
}

/// Above everything that is there now, also where a clock was wrong.
fn youngest(connection: &Connection, place: &Place<'_>) -> Result<At, StoreError> {
    let created: Option<i64> = connection
        .prepare_cached("SELECT max(created) FROM manifest WHERE package = ?1")
        .and_then(|mut statement| statement.query_row([place.id], |row| row.get(0)))
        .map_err(failed("look up a manifest"))?;
    Ok(At {
        created: created.unwrap_or_default().max(time(place.now)),
        digest: AFTER_DIGESTS.to_owned(),
    })
}

/// Removes manifests below `at`, which are those that are older.
fn remove_some(connection: &Connection, place: &Place<'_>, at: &At, way: Way) -> Refused<Step<At>> {
    let found: Vec<(i64, String, i64)> = connection
        .prepare_cached(
            "SELECT id, digest, created FROM manifest WHERE package = ?1 AND (created, digest) < (?2, ?3)
             ORDER BY created DESC, digest DESC LIMIT ?4",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![place.id, at.created, at.digest, LOOKED_AT], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect()
        })
        .map_err(failed("walk over the manifests"))?;
    let (mut rows, mut next) = (0, None);
    for (row, digest, created) in found {
        if rows < ROWS_MAX {
            let parsed: Digest = parsed("a digest", &digest)?;
            if !way.from_the_top || !is_held(connection, place, &parsed)? {
                if way.respects_tags {
                    for tag in tags::of_manifest(connection, row)? {
                        if tags::is_fixed(connection, place, &tag, None)? {
                            return Ok(Err(PutRefusal::TagImmutable { tag }));
                        }
                    }
                }
                rows += rows_of(connection, row)?;
                manifests::remove_row(connection, place, (row, &parsed))?;
            }
            next = Some(At { created, digest });
        }
    }
    Ok(Ok(Step {
        removed: rows > 0,
        next,
    }))
}

/// Whether another manifest of the package names it as its child.
fn is_held(connection: &Connection, place: &Place<'_>, digest: &Digest) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM reference WHERE digest = ?2 AND package = ?1 AND kind = 'child'")
        .and_then(|mut statement| statement.exists(params![place.id, digest.to_string()]))
        .map_err(failed("look up what holds a manifest"))
}

/// How many rows go with a manifest.
fn rows_of(connection: &Connection, row: i64) -> Result<i64, StoreError> {
    connection
        .prepare_cached(
            "SELECT 1 + (SELECT count(*) FROM reference WHERE manifest = ?1)
                      + (SELECT count(*) FROM tag WHERE manifest = ?1)",
        )
        .and_then(|mut statement| statement.query_row([row], |row| row.get(0)))
        .map_err(failed("count what a manifest names"))
}

/// Removes links after a digest to blobs that no manifest of the package names any more.
fn unlink_some(connection: &Connection, place: &Place<'_>, after: &str) -> Result<Step<String>, StoreError> {
    let found: Vec<(String, bool)> = connection
        .prepare_cached(
            "SELECT digest, EXISTS (SELECT 1 FROM reference
                 WHERE reference.digest = link.digest AND reference.package = ?1
                   AND reference.kind IN ('blob', 'sparse-blob'))
             FROM link WHERE package = ?1 AND digest > ?2 ORDER BY digest LIMIT ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![place.id, after, LOOKED_AT], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
        .map_err(failed("walk over the links"))?;
    let mut removed = false;
    for (digest, is_needed) in &found {
        if !is_needed {
            removed |= blobs::unlink(connection, place.package, &parsed("a digest", digest)?)?;
        }
    }
    let next = found.into_iter().next_back().map(|(digest, _)| digest);
    Ok(Step { removed, next })
}

fn has_packages(connection: &Connection, path: &RepositoryPath) -> Result<bool, StoreError> {
    let Some(id) = repository_id(connection, path)? else {
        return Ok(false);
    };
    connection
        .prepare_cached("SELECT 1 FROM package WHERE repository = ?1")
        .and_then(|mut statement| statement.exists([id]))
        .map_err(failed("look for packages"))
}

/// Removes a repository with what little is left in it.
fn remove_row(
    connection: &Connection,
    path: &RepositoryPath,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<(), RepositoryRefusal>, StoreError> {
    let bytes: Option<i64> = connection
        .query_row(
            "DELETE FROM repository WHERE path = ?1 RETURNING linked_bytes",
            [path.to_string()],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed("delete a repository"))?;
    let Some(bytes) = bytes else {
        let path = path.clone();
        return Ok(Err(RepositoryRefusal::Unknown { path }));
    };
    quota::repository_deleted(connection, path.project(), bytes)?;
    // One of the same name begins with nobody's rights.
    policies::forget(connection, &Resource::Repository(path.clone()))?;
    let told = Told::of_repository(path, actor, now);
    events::tell(connection, &told, &EventKind::RepositoryDeleted)?;
    Ok(Ok(()))
}

/// Later in order than every digest.
const AFTER_DIGESTS: &str = "~";
