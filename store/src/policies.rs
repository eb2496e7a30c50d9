//! Who may do what, as it is kept.

use std::fmt;

use access::Policy;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Actor, ProjectId, RepositoryPath, StoreError};

/// On what a policy stands. Those above hold below too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyResource {
    /// The whole registry.
    Registry,
    /// One project.
    Project(ProjectId),
    /// One repository. It need not exist: what is bound first counts as soon as it is made.
    Repository(RepositoryPath),
}

impl fmt::Display for PolicyResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => formatter.write_str("registry"),
            Self::Project(project) => write!(formatter, "projects/{project}"),
            Self::Repository(path) => path.fmt(formatter),
        }
    }
}

/// A policy was not set, because it is not the one that the writer read before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy of {resource} was changed by somebody else meanwhile")]
pub struct PolicyConflict {
    /// Of what.
    pub resource: PolicyResource,
}

/// Policies by resource.
#[async_trait]
pub trait Policies: Send + Sync {
    /// The policy of a resource with its etag; an empty one (with an etag too) where none was set.
    async fn policy(&self, resource: &PolicyResource) -> Result<Policy, StoreError>;

    /// Sets the policy of a resource, with an event. Its etag, if it has one, must be that of the policy so far.
    /// Returns it with its new etag.
    async fn set_policy(
        &self,
        resource: &PolicyResource,
        policy: &Policy,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<Policy, PolicyConflict>, StoreError>;

    /// All policies that are not empty, in the order of their resources, after `after`, at most `limit`.
    async fn policies(
        &self,
        after: Option<&PolicyResource>,
        limit: usize,
    ) -> Result<Vec<(PolicyResource, Policy)>, StoreError>;

    /// A number that grows with every change of a policy or an account, by whichever server of the store: what was
    /// remembered of either under an older one counts no longer. One row by key.
    async fn access_generation(&self) -> Result<u64, StoreError>;
}
