//! What packages hold, in pages.

use async_trait::async_trait;
use oci::{Digest, RepositoryName, Tag};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::values::{
    from_size, from_time, limit as column_limit, media_type, package_id, parsed, repository_id,
};
use super::{SqliteMetadata, failed, tags};
use crate::{
    Cursor, Image, Listing, Package, PackagePath, Page, RepositoryPath, StoreError, TagEntry, Version,
    VersionOrder, VersionQuery, Walk,
};

#[async_trait]
impl Listing for SqliteMetadata {
    async fn packages(
        &self,
        repository: &RepositoryPath,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<Package>, StoreError> {
        let repository = repository.clone();
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(move |connection| {
            let Some(id) = repository_id(connection, &repository)? else {
                return Ok(Vec::new());
            };
            let rows = connection
                .prepare_cached(&format!(
                    "SELECT name, created, updated FROM package WHERE repository = ?1 AND name > ?2 AND {SHOWN}
                     ORDER BY name LIMIT ?3"
                ))
                .and_then(|mut statement| {
                    statement
                        .query_map(params![id, after, column_limit(limit)], package_columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("list packages"))?;
            rows.into_iter().map(from_package_columns).collect()
        })
        .await
    }

    async fn package(&self, package: &PackagePath) -> Result<Option<Package>, StoreError> {
        let package = package.clone();
        self.read(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(None);
            };
            let found = connection
                .prepare_cached(&format!(
                    "SELECT name, created, updated FROM package WHERE id = ?1 AND {SHOWN}"
                ))
                .and_then(|mut statement| statement.query_row([id], package_columns).optional())
                .map_err(failed("look up a package"))?;
            found.map(from_package_columns).transpose()
        })
        .await
    }

    async fn versions(
        &self,
        package: &PackagePath,
        query: &VersionQuery<'_>,
    ) -> Result<Page<Version>, StoreError> {
        let (package, from) = (package.clone(), query.from.cloned());
        let (order, descending, limit) = (query.order, query.descending, query.limit);
        self.read(move |connection| {
            let query = VersionQuery {
                order,
                descending,
                from: from.as_ref(),
                limit,
            };
            versions(connection, &package, &query)
        })
        .await
    }

    async fn version(&self, package: &PackagePath, digest: &Digest) -> Result<Option<Version>, StoreError> {
        let (package, digest) = (package.clone(), *digest);
        self.read(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(None);
            };
            let sql = format!("SELECT {VERSION} FROM manifest WHERE package = ?1 AND digest = ?2");
            let found = version_rows(connection, &sql, params![id, digest.to_string()])?;
            found
                .into_iter()
                .next()
                .map(|row| row.version(connection))
                .transpose()
        })
        .await
    }

    async fn images(&self, repository: &RepositoryPath, walk: Walk<'_>) -> Result<Page<Image>, StoreError> {
        let (repository, from, limit) = (repository.clone(), walk.from.cloned(), walk.limit.max(1));
        self.read(move |connection| images(connection, &repository, from.as_ref(), limit))
            .await
    }

    async fn tag_entries(
        &self,
        package: &PackagePath,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<TagEntry>, StoreError> {
        let (package, after) = (
            package.clone(),
            after.map(ToString::to_string).unwrap_or_default(),
        );
        self.read(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(Vec::new());
            };
            let sql =
                format!("{TAG_ENTRIES} WHERE tag.package = ?1 AND tag.name > ?2 ORDER BY tag.name LIMIT ?3");
            tag_entries(connection, &sql, params![id, after, column_limit(limit)])
        })
        .await
    }

    async fn tag_entry(&self, package: &PackagePath, tag: &Tag) -> Result<Option<TagEntry>, StoreError> {
        let (package, tag) = (package.clone(), tag.clone());
        self.read(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(None);
            };
            let sql = format!("{TAG_ENTRIES} WHERE tag.package = ?1 AND tag.name = ?2");
            Ok(tag_entries(connection, &sql, params![id, tag.as_str()])?.pop())
        })
        .await
    }
}

/// A package is shown once it has a manifest.
const SHOWN: &str = "EXISTS (SELECT 1 FROM manifest WHERE manifest.package = package.id)";

/// Names of packages of a repository, those below a name or all.
pub(super) fn package_names(
    connection: &Connection,
    repository: i64,
    below: Option<&str>,
    (after, limit): (&str, usize),
) -> Result<Vec<RepositoryName>, StoreError> {
    // `0` follows `/`, so that everything below a name lies between the two.
    let (from, to) = match below {
        Some(below) => (format!("{below}/"), format!("{below}0")),
        None => (String::new(), "~".to_owned()),
    };
    let rows: Vec<String> = connection
        .prepare_cached(&format!(
            "SELECT name FROM package WHERE repository = ?1 AND name > ?2 AND name >= ?3 AND name < ?4 AND {SHOWN}
             ORDER BY name LIMIT ?5"
        ))
        .and_then(|mut statement| {
            statement
                .query_map(params![repository, after, from, to, column_limit(limit)], |row| {
                    row.get(0)
                })?
                .collect()
        })
        .map_err(failed("list packages"))?;
    rows.iter()
        .map(|name| parsed("the name of a package", name))
        .collect()
}

fn package_columns(row: &Row<'_>) -> rusqlite::Result<(String, i64, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn from_package_columns((name, created, updated): (String, i64, i64)) -> Result<Package, StoreError> {
    Ok(Package {
        name: parsed("the name of a package", &name)?,
        created: from_time(created)?,
        updated: from_time(updated)?,
    })
}

/// Pages go on after the last row's place, `NUMBER DIGEST`; the number is its time, or 0 in the order of digests.
fn versions(
    connection: &Connection,
    package: &PackagePath,
    query: &VersionQuery<'_>,
) -> Result<Page<Version>, StoreError> {
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    let Some(id) = package_id(connection, package)? else {
        return Ok(none);
    };
    let column = match query.order {
        VersionOrder::Digest => "0",
        VersionOrder::Created => "created",
        VersionOrder::Updated => "updated",
    };
    let (sign, direction) = if query.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let place: Option<(i64, &str)> = query.from.map(|cursor| place(cursor)).transpose()?;
    let beyond = match (place, query.order) {
        (None, _) => "?2 IS NULL AND ?3 IS NULL".to_owned(),
        (_, VersionOrder::Digest) => format!("?2 = 0 AND digest {sign} ?3"),
        _ => format!("({column}, digest) {sign} (?2, ?3)"),
    };
    let sorted = match query.order {
        VersionOrder::Digest => format!("digest {direction}"),
        _ => format!("{column} {direction}, digest {direction}"),
    };
    let sql =
        format!("SELECT {VERSION} FROM manifest WHERE package = ?1 AND {beyond} ORDER BY {sorted} LIMIT ?4");
    let limit = column_limit(query.limit.max(1));
    let (number, digest) = place.unzip();
    let rows = version_rows(connection, &sql, params![id, number, digest, limit])?;
    let last = rows.last().filter(|_| column_limit(rows.len()) == limit);
    let next = last.map(|row| {
        let number = match query.order {
            VersionOrder::Digest => 0,
            VersionOrder::Created => row.created,
            VersionOrder::Updated => row.updated,
        };
        Cursor(format!("{number} {}", row.digest))
    });
    let items = rows.into_iter().map(|row| row.version(connection));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    Ok(Page { items, next })
}

fn place(cursor: &Cursor) -> Result<(i64, &str), StoreError> {
    let (number, digest) = cursor
        .0
        .split_once(' ')
        .ok_or_else(|| StoreError::cursor(cursor))?;
    let number = number.parse().map_err(|_| StoreError::cursor(cursor))?;
    digest.parse::<Digest>().map_err(|_| StoreError::cursor(cursor))?;
    Ok((number, digest))
}

fn images(
    connection: &Connection,
    repository: &RepositoryPath,
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Image>, StoreError> {
    let id = repository_id(connection, repository)?.unwrap_or(-1);
    let (rows, next) = rows_of_repository(connection, id, from, limit)?;
    let image = |(name, row): (String, VersionRow)| {
        Ok(Image {
            package: parsed("the name of a package", &name)?,
            version: row.version(connection)?,
        })
    };
    let items = rows
        .into_iter()
        .map(image)
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page { items, next })
}

type NamedRows = Vec<(String, VersionRow)>;

/// Manifests of a repository with the names of their packages. Pages go on after the last row's place, `DIGEST PACKAGE`.
pub(super) fn rows_of_repository(
    connection: &Connection,
    repository: i64,
    from: Option<&Cursor>,
    limit: usize,
) -> Result<(NamedRows, Option<Cursor>), StoreError> {
    let (digest, name) = match from {
        Some(cursor) => cursor
            .0
            .split_once(' ')
            .ok_or_else(|| StoreError::cursor(cursor))?,
        None => ("", ""),
    };
    let sql = format!(
        "SELECT {VERSION} FROM package JOIN manifest ON manifest.package = package.id
         WHERE package.repository = ?1 AND package.name >= ?2 AND (package.name > ?2 OR manifest.digest > ?3)
         ORDER BY package.name, manifest.digest LIMIT ?4"
    );
    let rows = version_rows(
        connection,
        &sql,
        params![repository, name, digest, column_limit(limit)],
    )?;
    let is_full = rows.len() == limit;
    let mut named = Vec::new();
    for row in rows {
        let package: String = connection
            .prepare_cached("SELECT name FROM package WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([row.package], |row| row.get(0)))
            .map_err(failed("look up a package"))?;
        named.push((package, row));
    }
    let last = named.last().filter(|_| is_full);
    let next = last.map(|(name, row)| Cursor(format!("{} {name}", row.digest)));
    Ok((named, next))
}

/// Columns of a [`VersionRow`].
pub(super) const VERSION: &str = "manifest.id, manifest.package, manifest.digest, manifest.media_type,
    manifest.artifact_type, manifest.subject, manifest.size_bytes, length(manifest.bytes), manifest.created,
    manifest.updated";

pub(super) struct VersionRow {
    pub(super) id: i64,
    pub(super) package: i64,
    digest: String,
    media_type: String,
    artifact_type: Option<String>,
    subject: Option<String>,
    /// Of what it names, as whoever made it says.
    named_bytes: i64,
    own_bytes: i64,
    pub(super) created: i64,
    updated: i64,
}

impl VersionRow {
    pub(super) fn version(self, connection: &Connection) -> Result<Version, StoreError> {
        let subject = self.subject.as_deref();
        Ok(Version {
            digest: parsed("a digest", &self.digest)?,
            media_type: media_type(&self.media_type)?,
            artifact_type: self.artifact_type,
            subject: subject.map(|digest| parsed("a digest", digest)).transpose()?,
            // Here and not in SQL, where a sum beyond the largest number becomes a fraction.
            size_bytes: from_size(self.named_bytes.saturating_add(self.own_bytes))?,
            created: from_time(self.created)?,
            updated: from_time(self.updated)?,
            tags: tags::of_manifest(connection, self.id)?,
        })
    }
}

pub(super) fn version_rows(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<VersionRow>, StoreError> {
    let row = |row: &Row<'_>| {
        Ok(VersionRow {
            id: row.get(0)?,
            package: row.get(1)?,
            digest: row.get(2)?,
            media_type: row.get(3)?,
            artifact_type: row.get(4)?,
            subject: row.get(5)?,
            named_bytes: row.get(6)?,
            own_bytes: row.get(7)?,
            created: row.get(8)?,
            updated: row.get(9)?,
        })
    };
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(values, row)?.collect())
        .map_err(failed("list versions"))
}

const TAG_ENTRIES: &str = "SELECT tag.name, manifest.digest, tag.updated
    FROM tag JOIN manifest ON manifest.id = tag.manifest";

fn tag_entries(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<TagEntry>, StoreError> {
    let rows: Vec<(String, String, i64)> = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
        .map_err(failed("list tags"))?;
    let entry = |(tag, digest, updated): &(String, String, i64)| {
        Ok(TagEntry {
            tag: parsed("a tag", tag)?,
            digest: parsed("a digest", digest)?,
            updated: from_time(*updated)?,
        })
    };
    rows.iter().map(entry).collect()
}
