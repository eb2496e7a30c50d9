//! What happened, written beside what it tells of.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{RepositoryName, Tag};
use rusqlite::{Connection, Row, params};

use super::values::{from_time, limit as column_limit, parsed, time};
use super::{SqliteMetadata, failed};
use crate::{Actor, Event, EventKind, Events, PackagePath, RepositoryPath, StoreError};

/// Where and when something happens, and who does it.
pub(super) struct Told<'t> {
    repository: &'t RepositoryPath,
    package: Option<&'t RepositoryName>,
    actor: &'t Actor,
    now: Timestamp,
}

impl<'t> Told<'t> {
    pub(super) fn of_repository(
        repository: &'t RepositoryPath,
        actor: &'t Actor,
        now: Timestamp,
    ) -> Told<'t> {
        Told {
            repository,
            package: None,
            actor,
            now,
        }
    }

    pub(super) fn of_package(package: &'t PackagePath, actor: &'t Actor, now: Timestamp) -> Told<'t> {
        Told {
            repository: &package.repository,
            package: Some(&package.name),
            actor,
            now,
        }
    }
}

/// Writes an event, in the transaction of what it tells of.
pub(super) fn tell(connection: &Connection, told: &Told<'_>, kind: &EventKind) -> Result<(), StoreError> {
    let (name, tag, from, to) = match kind {
        EventKind::RepositoryCreated => ("repository-created", None, None, None),
        EventKind::RepositoryUpdated => ("repository-updated", None, None, None),
        EventKind::RepositoryDeleted => ("repository-deleted", None, None, None),
        EventKind::ManifestPut { digest } => ("manifest-put", None, None, Some(digest)),
        EventKind::ManifestDeleted { digest } => ("manifest-deleted", None, Some(digest), None),
        EventKind::TagSet { tag, from, to } => ("tag-set", Some(tag), from.as_ref(), Some(to)),
        EventKind::TagDeleted { tag, from } => ("tag-deleted", Some(tag), Some(from), None),
    };
    connection
        .prepare_cached(
            "INSERT INTO event (time, actor, kind, repository, package, tag, from_digest, to_digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                time(told.now),
                told.actor.0,
                name,
                told.repository.to_string(),
                told.package.map(RepositoryName::as_str),
                tag.map(Tag::as_str),
                from.map(ToString::to_string),
                to.map(ToString::to_string),
            ])
        })
        .map(drop)
        .map_err(failed("note an event"))
}

const COLUMNS: &str = "sequence, time, actor, kind, repository, package, tag, from_digest, to_digest";

#[async_trait]
impl Events for SqliteMetadata {
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let rows = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
                ))
                .and_then(|mut statement| {
                    statement
                        .query_map(params![after, column_limit(limit)], columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("read events"))?;
            rows.into_iter().map(from_columns).collect()
        })
        .await
    }

    async fn tag_history(
        &self,
        package: &PackagePath,
        tag: &Tag,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let (package, tag) = (package.clone(), tag.clone());
        self.read(move |connection| {
            let rows = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM event WHERE repository = ?1 AND package = ?2 AND tag = ?3
                     ORDER BY sequence DESC LIMIT ?4"
                ))
                .and_then(|mut statement| {
                    let (repository, name) = (package.repository.to_string(), package.name.as_str());
                    statement
                        .query_map(
                            params![repository, name, tag.as_str(), column_limit(limit)],
                            columns,
                        )?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("read the history of a tag"))?;
            rows.into_iter().map(from_columns).collect()
        })
        .await
    }
}

/// A row of [`COLUMNS`].
struct Columns {
    sequence: i64,
    time: i64,
    actor: String,
    kind: String,
    repository: String,
    package: Option<String>,
    tag: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        sequence: row.get(0)?,
        time: row.get(1)?,
        actor: row.get(2)?,
        kind: row.get(3)?,
        repository: row.get(4)?,
        package: row.get(5)?,
        tag: row.get(6)?,
        from: row.get(7)?,
        to: row.get(8)?,
    })
}

fn from_columns(columns: Columns) -> Result<Event, StoreError> {
    let repository: RepositoryPath = parsed("a repository", &columns.repository)?;
    let package = match &columns.package {
        Some(name) => Some(PackagePath {
            repository: repository.clone(),
            name: parsed("the name of a package", name)?,
        }),
        None => None,
    };
    let tag = columns
        .tag
        .as_deref()
        .map(|tag| parsed("a tag", tag))
        .transpose()?;
    let from = columns
        .from
        .as_deref()
        .map(|digest| parsed("a digest", digest))
        .transpose()?;
    let to = columns
        .to
        .as_deref()
        .map(|digest| parsed("a digest", digest))
        .transpose()?;
    let kind = match (columns.kind.as_str(), tag, from, to) {
        ("repository-created", ..) => EventKind::RepositoryCreated,
        ("repository-updated", ..) => EventKind::RepositoryUpdated,
        ("repository-deleted", ..) => EventKind::RepositoryDeleted,
        ("manifest-put", _, _, Some(digest)) => EventKind::ManifestPut { digest },
        ("manifest-deleted", _, Some(digest), _) => EventKind::ManifestDeleted { digest },
        ("tag-set", Some(tag), from, Some(to)) => EventKind::TagSet { tag, from, to },
        ("tag-deleted", Some(tag), Some(from), _) => EventKind::TagDeleted { tag, from },
        (other, ..) => {
            let what = format!("event {} of kind {other:?}", columns.sequence);
            return Err(StoreError::Damaged { what });
        }
    };
    Ok(Event {
        sequence: u64::try_from(columns.sequence).unwrap_or_default(),
        time: from_time(columns.time)?,
        actor: Actor(columns.actor),
        repository,
        package,
        kind,
    })
}
