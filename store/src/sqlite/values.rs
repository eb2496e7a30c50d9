//! Values as columns hold them, and back. What does not come back is damage: nobody else writes here.

use std::str::FromStr;

use jiff::Timestamp;
use oci::MediaType;
use rusqlite::{Connection, OptionalExtension, params};

use super::failed;
use crate::{ImmutableTags, PackagePath, RepositoryPath, StoreError};

pub(super) fn time(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn from_time(column: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(column).map_err(|_| damaged("a time", &column.to_string()))
}

/// Sizes are far below what a column holds; a larger one is kept as the largest.
pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn from_size(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| damaged("a size", &column.to_string()))
}

/// Anything that is parsed from text.
pub(super) fn parsed<T: FromStr>(what: &'static str, column: &str) -> Result<T, StoreError> {
    column.parse().map_err(|_| damaged(what, column))
}

pub(super) fn media_type(column: &str) -> Result<MediaType, StoreError> {
    parsed("a media type", column)
}

fn damaged(what: &str, column: &str) -> StoreError {
    let column: String = column.chars().take(80).collect();
    StoreError::Damaged {
        what: format!("the database has {column:?} for {what}"),
    }
}

pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn immutable_tags(tags: &ImmutableTags) -> String {
    match tags {
        ImmutableTags::None => "[]".to_owned(),
        ImmutableTags::All => "[\"*\"]".to_owned(),
        ImmutableTags::Matching(patterns) => serde_json::Value::from(patterns.clone()).to_string(),
    }
}

pub(super) fn from_immutable_tags(column: &str) -> Result<ImmutableTags, StoreError> {
    let patterns: Vec<String> =
        serde_json::from_str(column).map_err(|_| damaged("patterns of tags", column))?;
    Ok(match patterns.as_slice() {
        [] => ImmutableTags::None,
        [all] if all == "*" => ImmutableTags::All,
        _ => ImmutableTags::Matching(patterns),
    })
}

/// The row of a repository.
pub(super) fn repository_id(
    connection: &Connection,
    path: &RepositoryPath,
) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT id FROM repository WHERE path = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([path.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(failed("look up a repository"))
}

/// The row of a package.
pub(super) fn package_id(connection: &Connection, package: &PackagePath) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached(
            "SELECT package.id FROM package JOIN repository ON repository.id = package.repository
             WHERE repository.path = ?1 AND package.name = ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_row(
                    params![package.repository.to_string(), package.name.as_str()],
                    |row| row.get(0),
                )
                .optional()
        })
        .map_err(failed("look up a package"))
}

/// The row of a package, which is made if it is not there; none when its repository is not.
pub(super) fn package_id_or_new(
    connection: &Connection,
    package: &PackagePath,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if let Some(id) = package_id(connection, package)? {
        return Ok(Some(id));
    }
    let Some(repository) = repository_id(connection, &package.repository)? else {
        return Ok(None);
    };
    connection
        .prepare_cached(
            "INSERT INTO package (repository, name, created, updated) VALUES (?1, ?2, ?3, ?3) RETURNING id",
        )
        .and_then(|mut statement| {
            statement.query_row(params![repository, package.name.as_str(), time(now)], |row| {
                row.get(0).map(Some)
            })
        })
        .map_err(failed("make a package"))
}

/// Removes the row of a package if it holds nothing, and says how many that were, so that nobody sees a package where a push was refused.
pub(super) fn forget_if_empty(connection: &Connection, package: i64) -> Result<usize, StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM package WHERE id = ?1
               AND NOT EXISTS (SELECT 1 FROM link WHERE package = ?1)
               AND NOT EXISTS (SELECT 1 FROM manifest WHERE package = ?1)",
        )
        .and_then(|mut statement| statement.execute([package]))
        .map_err(failed("forget an empty package"))
}
