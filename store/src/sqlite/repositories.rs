//! Repositories and their settings.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::events::{self, Told};
use super::values::{
    from_immutable_tags, from_size, from_time, immutable_tags, limit as column_limit, parsed, repository_id,
    size, time,
};
use super::{SqliteMetadata, cleanup, failed, modes, quota};
use crate::settings;
use crate::{
    Actor, EventKind, Format, ProjectId, Repositories, Repository, RepositoryPath, RepositoryRefusal,
    SettingsError, StoreError,
};

const COLUMNS: &str =
    "path, format, mode, description, labels, immutable_tags, quota_bytes, created, updated,
    linked_bytes, cleanup, cleanup_dry_run, origin";

#[async_trait]
impl Repositories for SqliteMetadata {
    async fn create_repository(
        &self,
        repository: &Repository,
        actor: &Actor,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError> {
        let (repository, actor) = (repository.clone(), actor.clone());
        self.write(move |connection| create(connection, &repository, &actor))
            .await
    }

    async fn repository(&self, path: &RepositoryPath) -> Result<Option<Repository>, StoreError> {
        let path = path.clone();
        self.read(move |connection| {
            let found = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM repository WHERE path = ?1"))
                .and_then(|mut statement| statement.query_row([path.to_string()], columns).optional())
                .map_err(failed("look up a repository"))?;
            found.map(from_columns).transpose()
        })
        .await
    }

    async fn repositories(
        &self,
        project: Option<&ProjectId>,
        after: Option<&RepositoryPath>,
        limit: usize,
    ) -> Result<Vec<Repository>, StoreError> {
        let project = project.map(ToString::to_string);
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(move |connection| {
            let sql = match project {
                Some(_) => {
                    format!("SELECT {COLUMNS} FROM repository WHERE path > ?1 AND project = ?3 ORDER BY path LIMIT ?2")
                }
                None => format!("SELECT {COLUMNS} FROM repository WHERE path > ?1 AND ?3 IS NULL ORDER BY path LIMIT ?2"),
            };
            let rows = connection
                .prepare_cached(&sql)
                .and_then(|mut statement| {
                    statement
                        .query_map(params![after, column_limit(limit), project], columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("list repositories"))?;
            rows.into_iter().map(from_columns).collect()
        })
        .await
    }

    async fn update_repository(
        &self,
        repository: &Repository,
        actor: &Actor,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError> {
        let (repository, actor) = (repository.clone(), actor.clone());
        self.write(move |connection| update(connection, &repository, &actor))
            .await
    }

    async fn delete_repository(
        &self,
        path: &RepositoryPath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError> {
        self.remove_repository(path, (actor, now)).await
    }
}

fn create(
    connection: &Connection,
    repository: &Repository,
    actor: &Actor,
) -> Result<Result<(), RepositoryRefusal>, StoreError> {
    let path = &repository.path;
    if repository_id(connection, path)?.is_some() {
        return Ok(Err(RepositoryRefusal::Exists { path: path.clone() }));
    }
    if let Some(refusal) = unfit(connection, repository)? {
        return Ok(Err(refusal));
    }
    let (mode, origin) = modes::columns(&repository.mode);
    quota::repository_created(connection, path.project())?;
    connection
        .execute(
            "INSERT INTO repository
             (path, project, format, mode, description, labels, immutable_tags, quota_bytes, cleanup, cleanup_dry_run,
              created, updated, origin)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                path.to_string(),
                path.project().as_str(),
                format_name(repository.format),
                mode,
                repository.description,
                labels(&repository.labels),
                immutable_tags(&repository.immutable_tags),
                repository.quota_bytes.map(size),
                cleanup::column(&repository.cleanup),
                repository.cleanup_dry_run,
                time(repository.created),
                time(repository.updated),
                origin,
            ],
        )
        .map_err(failed("make a repository"))?;
    let told = Told::of_repository(path, actor, repository.created);
    events::tell(connection, &told, &EventKind::RepositoryCreated)?;
    Ok(Ok(()))
}

fn update(
    connection: &Connection,
    repository: &Repository,
    actor: &Actor,
) -> Result<Result<(), RepositoryRefusal>, StoreError> {
    let path = &repository.path;
    if let Some(refusal) = unfit(connection, repository)? {
        return Ok(Err(refusal));
    }
    let (mode, origin) = modes::columns(&repository.mode);
    let before: Option<String> = connection
        .prepare_cached("SELECT mode FROM repository WHERE path = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([path.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(failed("look up a repository"))?;
    if before.is_some_and(|before| before != mode) {
        return Ok(Err(unfit_for(path, SettingsError::KindChanged)));
    }
    let changed = connection
        .execute(
            "UPDATE repository SET description = ?2, labels = ?3, immutable_tags = ?4, quota_bytes = ?5, updated = ?6,
               cleanup = ?7, cleanup_dry_run = ?8, origin = ?9
             WHERE path = ?1",
            params![
                path.to_string(),
                repository.description,
                labels(&repository.labels),
                immutable_tags(&repository.immutable_tags),
                repository.quota_bytes.map(size),
                time(repository.updated),
                cleanup::column(&repository.cleanup),
                repository.cleanup_dry_run,
                origin,
            ],
        )
        .map_err(failed("update a repository"))?;
    if changed == 0 {
        return Ok(Err(RepositoryRefusal::Unknown { path: path.clone() }));
    }
    let told = Told::of_repository(path, actor, repository.updated);
    events::tell(connection, &told, &EventKind::RepositoryUpdated)?;
    Ok(Ok(()))
}

/// A row of [`COLUMNS`].
struct Columns {
    path: String,
    format: String,
    mode: String,
    description: String,
    labels: String,
    immutable_tags: String,
    quota_bytes: Option<i64>,
    created: i64,
    updated: i64,
    linked_bytes: i64,
    cleanup: String,
    cleanup_dry_run: bool,
    origin: String,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        path: row.get(0)?,
        format: row.get(1)?,
        mode: row.get(2)?,
        description: row.get(3)?,
        labels: row.get(4)?,
        immutable_tags: row.get(5)?,
        quota_bytes: row.get(6)?,
        created: row.get(7)?,
        updated: row.get(8)?,
        linked_bytes: row.get(9)?,
        cleanup: row.get(10)?,
        cleanup_dry_run: row.get(11)?,
        origin: row.get(12)?,
    })
}

fn from_columns(columns: Columns) -> Result<Repository, StoreError> {
    let damaged = |what: &str| StoreError::Damaged {
        what: format!("{what} of {}", columns.path),
    };
    Ok(Repository {
        path: parsed("a repository", &columns.path)?,
        format: match columns.format.as_str() {
            "docker" => Format::Docker,
            _ => return Err(damaged("the format")),
        },
        mode: modes::from_columns(&columns.mode, &columns.origin).ok_or_else(|| damaged("the mode"))?,
        labels: serde_json::from_str(&columns.labels).map_err(|_| damaged("the labels"))?,
        immutable_tags: from_immutable_tags(&columns.immutable_tags)?,
        quota_bytes: columns.quota_bytes.map(from_size).transpose()?,
        created: from_time(columns.created)?,
        updated: from_time(columns.updated)?,
        size_bytes: from_size(columns.linked_bytes)?,
        cleanup: cleanup::from_column(&columns.cleanup)?,
        cleanup_dry_run: columns.cleanup_dry_run,
        description: columns.description,
    })
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Docker => "docker",
    }
}

/// Why a repository cannot have its settings.
fn unfit(connection: &Connection, repository: &Repository) -> Result<Option<RepositoryRefusal>, StoreError> {
    let checked = match settings::check(repository) {
        Ok(()) => modes::check(connection, repository)?,
        Err(error) => Err(error),
    };
    Ok(checked.err().map(|error| unfit_for(&repository.path, error)))
}

fn unfit_for(path: &RepositoryPath, error: SettingsError) -> RepositoryRefusal {
    let path = path.clone();
    RepositoryRefusal::Settings { path, error }
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let object = labels
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()));
    serde_json::Value::Object(object.collect()).to_string()
}
