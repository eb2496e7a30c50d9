//! Who may do what, as it is kept.

use access::Policy;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Actor, Resource, StoreError};

/// Why a policy was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// It is not the one that the writer read before.
    #[error("the policy of {resource} was changed by somebody else meanwhile")]
    Changed {
        /// Of what.
        resource: Resource,
    },
    /// Nobody with an account would administer the registry any more.
    #[error(
        "nobody who can log in would administer the registry with this policy: leave in an administrator, or stop the server and \
         make one with `lightship account create NAME --admin --data DIR`"
    )]
    LastAdministrator,
}

/// Policies by resource.
#[async_trait]
pub trait Policies: Send + Sync {
    /// The policy of a resource with its etag; an empty one (with an etag too) where none was set.
    async fn policy(&self, resource: &Resource) -> Result<Policy, StoreError>;

    /// Sets the policy of a resource, with an event; the resource need not exist, and one that is made later has it. Its etag, if it has one, must be that of the policy so far.
    /// Returns it with its new etag.
    async fn set_policy(
        &self,
        resource: &Resource,
        policy: &Policy,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<Policy, PolicyRefusal>, StoreError>;

    /// All policies that are not empty, in the order of their resources, after `after`, at most `limit`.
    async fn policies(
        &self,
        after: Option<&Resource>,
        limit: usize,
    ) -> Result<Vec<(Resource, Policy)>, StoreError>;

    /// A number that grows with every change of a policy or an account, by whichever server of the store: what was
    /// remembered of either under an older one counts no longer. One row by key.
    async fn access_generation(&self) -> Result<u64, StoreError>;
}
