//! Projects: what stands above repositories. One is there as soon as it has a repository or a quota.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Actor, ProjectId, StoreError};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub id: ProjectId,
    /// Most bytes that its repositories hold together, each counted by itself; none is no limit.
    pub quota_bytes: Option<u64>,
    /// What they hold now.
    pub size_bytes: u64,
}

/// Projects and their quotas.
#[async_trait]
pub trait Projects: Send + Sync {
    /// One project; an empty one without a quota where there is none.
    async fn project(&self, id: &ProjectId) -> Result<Project, StoreError>;

    /// Projects in the order of their names, after `after`, at most `limit`.
    async fn projects(&self, after: Option<&ProjectId>, limit: usize) -> Result<Vec<Project>, StoreError>;

    /// Sets the quota of a project, or takes it away. One below what is there already refuses what would add to it, and
    /// removes nothing.
    async fn set_project_quota(
        &self,
        id: &ProjectId,
        quota_bytes: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
