//! Which versions the policies of a repository remove.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use oci::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::listing::{VERSION, VersionRow, rows_of_repository, version_rows};
use super::manifests::{self, Place};
use super::values::{from_immutable_tags, from_time, limit as column_limit, package_id, parsed, time};
use super::{SqliteMetadata, cleanup, failed};
use crate::cleanup::{Candidate, deleted_by};
use crate::{
    Actor, Cleaning, CleanupPolicy, Expired, Expiry, ImmutableTags, InPackage, PackagePath, Page,
    RepositoryPath, StoreError, Version, Walk,
};

/// Indexes within indexes that are followed upwards.
const DEPTH_MAX: usize = 16;

/// Holders of one version that are looked at. One that has more stays in a dry run, until some have gone.
const HOLDERS_MAX: usize = 100;

#[async_trait]
impl Cleaning for SqliteMetadata {
    async fn expired(
        &self,
        repository: &RepositoryPath,
        expiry: Expiry,
        with_held: bool,
        walk: Walk<'_>,
    ) -> Result<Page<Expired>, StoreError> {
        let (repository, from, limit) = (repository.clone(), walk.from.cloned(), walk.limit.max(1));
        self.read(move |connection| {
            let mut items = Vec::new();
            let Some(mut rules) = Rules::of(connection, &repository, expiry)? else {
                return Ok(Page { items, next: None });
            };
            rules.with_held = with_held;
            let (rows, next) = rows_of_repository(connection, rules.repository, from.as_ref(), limit)?;
            for (name, row) in rows {
                items.extend(rules.expired(connection, &name, row)?);
            }
            Ok(Page { items, next })
        })
        .await
    }

    async fn remove_expired(
        &self,
        versions: &[InPackage],
        expiry: Expiry,
        actor: &Actor,
    ) -> Result<Vec<Expired>, StoreError> {
        let (versions, actor) = (versions.to_vec(), actor.clone());
        self.write(move |connection| {
            let mut removed = Vec::new();
            let mut rules: HashMap<RepositoryPath, Option<Rules>> = HashMap::new();
            for InPackage { package, digest } in &versions {
                let path = &package.repository;
                if !rules.contains_key(path) {
                    rules.insert(path.clone(), Rules::of(connection, path, expiry)?);
                }
                let Some(Some(rules)) = rules.get_mut(path) else {
                    continue;
                };
                removed.extend(remove(connection, rules, (package, digest), &actor)?);
            }
            Ok(removed)
        })
        .await
    }
}

fn remove(
    connection: &Connection,
    rules: &mut Rules,
    (package, digest): (&PackagePath, &Digest),
    actor: &Actor,
) -> Result<Option<Expired>, StoreError> {
    let Some(id) = package_id(connection, package)?.filter(|_| !rules.only_count) else {
        return Ok(None);
    };
    let sql = format!("SELECT {VERSION} FROM manifest WHERE package = ?1 AND digest = ?2");
    let row = version_rows(connection, &sql, params![id, digest.to_string()])?.pop();
    let Some(row) = row else {
        return Ok(None);
    };
    let Some(expired) = rules.expired(connection, package.name.as_str(), row)? else {
        return Ok(None);
    };
    let now = rules.expiry.now;
    let place = Place {
        id,
        package,
        actor,
        now,
    };
    // Refused only where an immutable tag came in between, and nothing comes in between here.
    let removed = manifests::delete(connection, &place, digest)?;
    Ok((removed == Ok(true)).then_some(expired))
}

/// What decides about the versions of one repository, in one transaction.
struct Rules {
    path: RepositoryPath,
    repository: i64,
    policies: Vec<CleanupPolicy>,
    only_count: bool,
    immutable: ImmutableTags,
    expiry: Expiry,
    with_held: bool,
    /// When the oldest of so many newest versions of a package was stored, and its row; none where there are fewer. What
    /// goes is older, and so is what it held, so this stays true while versions go.
    oldest_recent: HashMap<(i64, u32), Option<(i64, i64)>>,
}

impl Rules {
    fn of(
        connection: &Connection,
        path: &RepositoryPath,
        expiry: Expiry,
    ) -> Result<Option<Rules>, StoreError> {
        let found: Option<(i64, String, bool, String)> = connection
            .prepare_cached(
                "SELECT id, cleanup, cleanup_dry_run, immutable_tags FROM repository WHERE path = ?1",
            )
            .and_then(|mut statement| {
                statement
                    .query_row([path.to_string()], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })
                    .optional()
            })
            .map_err(failed("look up cleanup policies"))?;
        let Some((repository, policies, only_count, immutable)) = found else {
            return Ok(None);
        };
        Ok(Some(Rules {
            path: path.clone(),
            repository,
            policies: cleanup::from_column(&policies)?,
            only_count,
            immutable: from_immutable_tags(&immutable)?,
            expiry,
            with_held: false,
            oldest_recent: HashMap::new(),
        }))
    }

    fn expired(
        &mut self,
        connection: &Connection,
        name: &str,
        row: VersionRow,
    ) -> Result<Option<Expired>, StoreError> {
        let (id, package) = (row.id, row.package);
        let version = row.version(connection)?;
        let Some(policy) = self.judge(connection, name, (id, package, &version))? else {
            return Ok(None);
        };
        if !self.holders_go(connection, name, id, 0)? {
            return Ok(None);
        }
        let package = PackagePath {
            repository: self.path.clone(),
            name: parsed("the name of a package", name)?,
        };
        Ok(Some(Expired {
            version: InPackage {
                package,
                digest: version.digest,
            },
            tags: version.tags,
            size_bytes: version.size_bytes,
            policy,
        }))
    }

    /// The name of the policy by which a version goes, if nothing holds it.
    fn judge(
        &mut self,
        connection: &Connection,
        name: &str,
        (id, package, version): (i64, i64, &Version),
    ) -> Result<Option<String>, StoreError> {
        let immutable = |tag: &oci::Tag| self.immutable.contains(tag.as_str());
        if version.updated >= self.expiry.changed_before || version.tags.iter().any(immutable) {
            return Ok(None);
        }
        let digest = version.digest.to_string();
        let candidate = Candidate {
            package: name,
            digest: &digest,
            tags: &version.tags,
            created: version.created,
            used: last_used(connection, id)?
                .max(Some(version.updated))
                .unwrap_or(version.updated),
        };
        let oldest_recent = &mut self.oldest_recent;
        let policy = deleted_by(&self.policies, &candidate, self.expiry.now, |count| {
            if version.subject.is_some() {
                return Ok(false);
            }
            let oldest = match oldest_recent.get(&(package, count)) {
                Some(oldest) => *oldest,
                None => {
                    let oldest = oldest_of_newest(connection, package, count)?;
                    oldest_recent.insert((package, count), oldest);
                    oldest
                }
            };
            Ok::<bool, StoreError>(
                oldest.is_none_or(|(created, row)| (time(version.created), id) >= (created, row)),
            )
        })?;
        Ok(policy.map(|policy| policy.id.clone()))
    }

    /// Whether nothing holds a manifest, or, where that is asked for, everything that does goes as well.
    fn holders_go(
        &mut self,
        connection: &Connection,
        name: &str,
        held: i64,
        depth: usize,
    ) -> Result<bool, StoreError> {
        let most = if self.with_held { HOLDERS_MAX } else { 1 };
        let holders = holders(connection, held, most)?;
        if holders.is_empty() {
            return Ok(true);
        }
        if !self.with_held || depth >= DEPTH_MAX || holders.len() >= HOLDERS_MAX {
            return Ok(false);
        }
        for row in holders {
            let (id, package) = (row.id, row.package);
            let version = row.version(connection)?;
            let goes = self.judge(connection, name, (id, package, &version))?.is_some()
                && self.holders_go(connection, name, id, depth + 1)?;
            if !goes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// When a manifest was last pulled or pushed, as far as that was counted.
fn last_used(connection: &Connection, manifest: i64) -> Result<Option<Timestamp>, StoreError> {
    let found: Option<Option<i64>> = connection
        .prepare_cached(
            "SELECT max(ifnull(last_pull, last_push), ifnull(last_push, last_pull)) FROM usage WHERE manifest = ?1",
        )
        .and_then(|mut statement| statement.query_row([manifest], |row| row.get(0)).optional())
        .map_err(failed("look up when a version was used"))?;
    found.flatten().map(from_time).transpose()
}

/// What holds a manifest: indexes of its package that name it, and what it refers to.
fn holders(connection: &Connection, held: i64, most: usize) -> Result<Vec<VersionRow>, StoreError> {
    let sql = format!(
        "SELECT {VERSION} FROM manifest WHERE id IN (
             SELECT reference.manifest FROM manifest AS held
             JOIN reference ON reference.digest = held.digest AND reference.package = held.package
                 AND reference.kind = 'child'
             WHERE held.id = ?1
             UNION ALL SELECT subject.id FROM manifest AS held
             JOIN manifest AS subject ON subject.package = held.package AND subject.digest = held.subject
             WHERE held.id = ?1) LIMIT ?2"
    );
    version_rows(connection, &sql, params![held, column_limit(most)])
}

/// The last of so many newest versions of a package that neither are held by an index nor refer to anything. Of two of
/// the same time the one that was stored later is newer: what an index names was stored before it.
fn oldest_of_newest(
    connection: &Connection,
    package: i64,
    count: u32,
) -> Result<Option<(i64, i64)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT created, id FROM manifest
             WHERE package = ?1 AND subject IS NULL
               AND NOT EXISTS (SELECT 1 FROM reference AS holder WHERE holder.digest = manifest.digest
                               AND holder.package = manifest.package AND holder.kind = 'child')
             ORDER BY created DESC, id DESC LIMIT 1 OFFSET ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![package, count.saturating_sub(1)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })
        .map_err(failed("look up the newest versions"))
}
