//! What happened: written in the transaction it tells of.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, Tag};

use crate::{PackagePath, Resource, StoreError};

/// Who does something, as audit logs and tag histories show it: `user:ann`, `allUsers`, `lightship`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub String);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of all events; grows, with gaps.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Where: the repository, or what stands above it.
    pub resource: Resource,
    /// In which package, if in one.
    pub package: Option<PackagePath>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A repository was made.
    RepositoryCreated,
    /// Its settings changed.
    RepositoryUpdated,
    /// It was removed with all that was in it.
    RepositoryDeleted,
    /// The quota of a project was set or taken away.
    ProjectUpdated,
    /// A package was removed with all that was in it.
    PackageDeleted,
    /// A manifest was stored for the first time.
    ManifestPut {
        /// Its digest.
        digest: Digest,
    },
    /// A manifest was removed, by a person or by a policy.
    ManifestDeleted {
        /// Its digest.
        digest: Digest,
    },
    /// A tag was set.
    TagSet {
        /// Which.
        tag: Tag,
        /// What it named before.
        from: Option<Digest>,
        /// What it names now.
        to: Digest,
    },
    /// A tag was removed.
    TagDeleted {
        /// Which.
        tag: Tag,
        /// What it named.
        from: Digest,
    },
    /// An account was made.
    AccountCreated {
        /// Its name.
        name: String,
    },
    /// An account was changed: its password, its groups, or whether it is disabled.
    AccountUpdated {
        /// Its name.
        name: String,
    },
    /// An account was removed with its keys.
    AccountDeleted {
        /// Its name.
        name: String,
    },
    /// What an account was bound to on the resource went with the account.
    BindingsRemoved {
        /// Its name.
        account: String,
    },
    /// From now on the registry asks everybody who they are, since there is an issuer.
    RegistryClosed,
    /// Everybody reads again: its operator removed all accounts.
    RegistryReopened,
    /// An account was given a key.
    KeyCreated {
        /// Whose.
        account: String,
        /// Which.
        id: String,
    },
    /// A key was removed.
    KeyDeleted {
        /// Whose.
        account: String,
        /// Which.
        id: String,
    },
    /// Who may do what on the resource was said anew.
    PolicySet,
    /// Who answers for the repository changed: this side or the old registry that it replaces.
    TransitionSet {
        /// The state, as people read it.
        state: String,
    },
    /// The repository has replaced the old registry for good.
    TransitionFinished,
}

/// Reads what happened. Nothing here writes: every other call does, in its own transaction.
#[async_trait]
pub trait Events: Send + Sync {
    /// Events after `after`, oldest first, at most `limit`.
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// What a tag named, newest first, at most `limit`.
    async fn tag_history(
        &self,
        package: &PackagePath,
        tag: &Tag,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;
}
