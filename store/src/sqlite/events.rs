//! What happened, written beside what it tells of.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, RepositoryName, Tag};
use rusqlite::{Connection, Row, params};

use super::values::{from_time, limit as column_limit, parsed, time};
use super::{SqliteMetadata, failed};
use crate::{Actor, Event, EventKind, Events, PackagePath, RepositoryPath, Resource, StoreError};

/// Where and when something happens, and who does it.
pub(super) struct Told<'t> {
    resource: String,
    package: Option<&'t RepositoryName>,
    actor: &'t Actor,
    now: Timestamp,
}

impl<'t> Told<'t> {
    pub(super) fn of(resource: &Resource, actor: &'t Actor, now: Timestamp) -> Told<'t> {
        Told {
            resource: resource.to_string(),
            package: None,
            actor,
            now,
        }
    }

    pub(super) fn of_repository(repository: &RepositoryPath, actor: &'t Actor, now: Timestamp) -> Told<'t> {
        Told::of(&Resource::Repository(repository.clone()), actor, now)
    }

    pub(super) fn of_package(package: &'t PackagePath, actor: &'t Actor, now: Timestamp) -> Told<'t> {
        Told {
            package: Some(&package.name),
            ..Told::of_repository(&package.repository, actor, now)
        }
    }
}

/// What an event of a kind has in its columns.
#[derive(Default)]
struct Details<'d> {
    tag: Option<&'d Tag>,
    from: Option<&'d Digest>,
    to: Option<&'d Digest>,
    account: Option<&'d str>,
    key: Option<&'d str>,
    detail: Option<&'d str>,
}

/// The name of a kind, and its details. The other way: [`kind_of`].
fn details(kind: &EventKind) -> (&'static str, Details<'_>) {
    let none = Details::default();
    let of = |account, key| Details {
        account,
        key,
        ..Details::default()
    };
    match kind {
        EventKind::RepositoryCreated => ("repository-created", none),
        EventKind::RepositoryUpdated => ("repository-updated", none),
        EventKind::RepositoryDeleted => ("repository-deleted", none),
        EventKind::ProjectUpdated => ("project-updated", none),
        EventKind::PackageDeleted => ("package-deleted", none),
        EventKind::ManifestPut { digest } => (
            "manifest-put",
            Details {
                to: Some(digest),
                ..none
            },
        ),
        EventKind::ManifestDeleted { digest } => (
            "manifest-deleted",
            Details {
                from: Some(digest),
                ..none
            },
        ),
        EventKind::TagSet { tag, from, to } => {
            let (tag, from, to) = (Some(tag), from.as_ref(), Some(to));
            (
                "tag-set",
                Details {
                    tag,
                    from,
                    to,
                    ..none
                },
            )
        }
        EventKind::TagDeleted { tag, from } => {
            let (tag, from) = (Some(tag), Some(from));
            ("tag-deleted", Details { tag, from, ..none })
        }
        EventKind::AccountCreated { name } => ("account-created", of(Some(name), None)),
        EventKind::AccountUpdated { name } => ("account-updated", of(Some(name), None)),
        EventKind::AccountDeleted { name } => ("account-deleted", of(Some(name), None)),
        EventKind::BindingsRemoved { account } => ("bindings-removed", of(Some(account), None)),
        EventKind::RegistryClosed => ("registry-closed", none),
        EventKind::RegistryReopened => ("registry-reopened", none),
        EventKind::KeyCreated { account, id } => ("key-created", of(Some(account), Some(id))),
        EventKind::KeyDeleted { account, id } => ("key-deleted", of(Some(account), Some(id))),
        EventKind::PolicySet => ("policy-set", none),
        EventKind::TransitionSet { state } => {
            let detail = Some(state.as_str());
            ("transition-set", Details { detail, ..none })
        }
        EventKind::TransitionFinished => ("transition-finished", none),
    }
}

/// Writes an event, in the transaction of what it tells of.
pub(super) fn tell(connection: &Connection, told: &Told<'_>, kind: &EventKind) -> Result<(), StoreError> {
    let (name, details) = details(kind);
    connection
        .prepare_cached(
            "INSERT INTO event (time, actor, kind, repository, package, tag, from_digest, to_digest, account, key, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                time(told.now),
                told.actor.0,
                name,
                told.resource,
                told.package.map(RepositoryName::as_str),
                details.tag.map(Tag::as_str),
                details.from.map(ToString::to_string),
                details.to.map(ToString::to_string),
                details.account,
                details.key,
                details.detail,
            ])
        })
        .map(drop)
        .map_err(failed("note an event"))
}

const COLUMNS: &str =
    "sequence, time, actor, kind, repository, package, tag, from_digest, to_digest, account, key, detail";

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
    resource: String,
    package: Option<String>,
    tag: Option<String>,
    from: Option<String>,
    to: Option<String>,
    account: Option<String>,
    key: Option<String>,
    detail: Option<String>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        sequence: row.get(0)?,
        time: row.get(1)?,
        actor: row.get(2)?,
        kind: row.get(3)?,
        resource: row.get(4)?,
        package: row.get(5)?,
        tag: row.get(6)?,
        from: row.get(7)?,
        to: row.get(8)?,
        account: row.get(9)?,
        key: row.get(10)?,
        detail: row.get(11)?,
    })
}

fn from_columns(columns: Columns) -> Result<Event, StoreError> {
    let resource: Resource = parsed("a resource", &columns.resource)?;
    let package = match (&columns.package, &resource) {
        (Some(name), Resource::Repository(repository)) => Some(PackagePath {
            repository: repository.clone(),
            name: parsed("the name of a package", name)?,
        }),
        _ => None,
    };
    Ok(Event {
        sequence: u64::try_from(columns.sequence).unwrap_or_default(),
        time: from_time(columns.time)?,
        actor: Actor(columns.actor.clone()),
        resource,
        package,
        kind: kind_of(columns)?,
    })
}

fn kind_of(columns: Columns) -> Result<EventKind, StoreError> {
    let digest = |column: &Option<String>| {
        let digest = column.as_deref().map(|text| parsed("a digest", text));
        digest.transpose()
    };
    let tag = columns
        .tag
        .as_deref()
        .map(|tag| parsed("a tag", tag))
        .transpose()?;
    let (from, to) = (digest(&columns.from)?, digest(&columns.to)?);
    Ok(
        match (columns.kind.as_str(), tag, from, to, columns.account, columns.key) {
            ("repository-created", ..) => EventKind::RepositoryCreated,
            ("repository-updated", ..) => EventKind::RepositoryUpdated,
            ("repository-deleted", ..) => EventKind::RepositoryDeleted,
            ("project-updated", ..) => EventKind::ProjectUpdated,
            ("package-deleted", ..) => EventKind::PackageDeleted,
            ("manifest-put", _, _, Some(digest), ..) => EventKind::ManifestPut { digest },
            ("manifest-deleted", _, Some(digest), ..) => EventKind::ManifestDeleted { digest },
            ("tag-set", Some(tag), from, Some(to), ..) => EventKind::TagSet { tag, from, to },
            ("tag-deleted", Some(tag), Some(from), ..) => EventKind::TagDeleted { tag, from },
            ("account-created", .., Some(name), _) => EventKind::AccountCreated { name },
            ("account-updated", .., Some(name), _) => EventKind::AccountUpdated { name },
            ("account-deleted", .., Some(name), _) => EventKind::AccountDeleted { name },
            ("bindings-removed", .., Some(account), _) => EventKind::BindingsRemoved { account },
            ("registry-closed", ..) => EventKind::RegistryClosed,
            ("registry-reopened", ..) => EventKind::RegistryReopened,
            ("key-created", .., Some(account), Some(id)) => EventKind::KeyCreated { account, id },
            ("key-deleted", .., Some(account), Some(id)) => EventKind::KeyDeleted { account, id },
            ("policy-set", ..) => EventKind::PolicySet,
            ("transition-set", ..) => EventKind::TransitionSet {
                state: columns.detail.unwrap_or_default(),
            },
            ("transition-finished", ..) => EventKind::TransitionFinished,
            (other, ..) => {
                let what = format!("event {} of kind {other:?}", columns.sequence);
                return Err(StoreError::Damaged { what });
            }
        },
    )
}
