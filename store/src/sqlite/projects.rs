//! Projects and their quotas.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::events::{self, Told};
use super::values::{from_size, limit as column_limit, parsed, size};
use super::{SqliteMetadata, failed, quota};
use crate::{Actor, EventKind, Project, ProjectId, Projects, Resource, StoreError};

#[async_trait]
impl Projects for SqliteMetadata {
    async fn project(&self, id: &ProjectId) -> Result<Project, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let found = connection
                .prepare_cached("SELECT name, quota_bytes, linked_bytes FROM project WHERE name = ?1")
                .and_then(|mut statement| statement.query_row([id.as_str()], columns).optional())
                .map_err(failed("look up a project"))?;
            let empty = Project {
                id,
                quota_bytes: None,
                size_bytes: 0,
            };
            found.map_or(Ok(empty), from_columns)
        })
        .await
    }

    async fn projects(&self, after: Option<&ProjectId>, limit: usize) -> Result<Vec<Project>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(move |connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT name, quota_bytes, linked_bytes FROM project WHERE name > ?1 ORDER BY name LIMIT ?2",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map(params![after, column_limit(limit)], columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("list projects"))?;
            rows.into_iter().map(from_columns).collect()
        })
        .await
    }

    async fn set_project_quota(
        &self,
        id: &ProjectId,
        quota_bytes: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, actor) = (id.clone(), actor.clone());
        self.write(move |connection| {
            connection
                .execute(
                    "INSERT INTO project (name, quota_bytes) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET quota_bytes = excluded.quota_bytes",
                    params![id.as_str(), quota_bytes.map(size)],
                )
                .map_err(failed("set the quota of a project"))?;
            quota::forget_if_empty(connection, &id)?;
            let told = Told::of(&Resource::Project(id), &actor, now);
            events::tell(connection, &told, &EventKind::ProjectUpdated)
        })
        .await
    }
}

type Columns = (String, Option<i64>, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn from_columns((name, quota, held): Columns) -> Result<Project, StoreError> {
    Ok(Project {
        id: parsed("a project", &name)?,
        quota_bytes: quota.map(from_size).transpose()?,
        size_bytes: from_size(held)?,
    })
}
