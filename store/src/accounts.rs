//! Accounts, their keys, and the secrets of the server itself.

use access::Member;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Actor, Resource, StoreError};

/// Somebody whom the registry knows by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// [`Member::User`] or [`Member::ServiceAccount`]; no two accounts have the same name, whatever their kind.
    pub member: Member,
    /// For people.
    pub description: String,
    /// The password's hash in PHC string format; none where only keys count.
    pub password_hash: Option<String>,
    /// [`Member::Group`]s that the account is in.
    pub groups: Vec<Member>,
    /// Whether no credential of it is taken any more.
    pub disabled: bool,
    /// Grows with every change of the account or its keys: a credential that was verified before counts no longer.
    pub generation: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// Without the hash.
impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Account");
        shown
            .field("member", &self.member)
            .field("disabled", &self.disabled);
        shown.finish_non_exhaustive()
    }
}

/// The public half of a key pair; the private half is its owner's alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKey {
    /// Its name: Google's `private_key_id`, or one of our own making. Unique among the keys of an account.
    pub id: String,
    /// The account's name.
    pub account: String,
    /// `SubjectPublicKeyInfo` in PEM.
    pub public_key: String,
    /// When it was made or imported.
    pub created: Timestamp,
    /// When it stops to count, if ever.
    pub expires: Option<Timestamp>,
    /// Whether it counts no more.
    pub disabled: bool,
}

/// What was asked of an account cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// There is one of that name.
    #[error("account {name} exists already")]
    Exists {
        /// Which.
        name: String,
    },
    /// There is none of that name.
    #[error("account {name} does not exist")]
    Unknown {
        /// Which.
        name: String,
    },
    /// Nobody with an account would administer the registry any more.
    #[error(
        "without account {name} as it is, nobody who can log in would administer the registry: make another administrator first, or \
         stop the server and make one with `lightship account create NAME --admin --data DIR`"
    )]
    LastAdministrator {
        /// Whose change it is.
        name: String,
    },
    /// It is not any more as it was when it was read.
    #[error("account {name} was changed meanwhile")]
    Changed {
        /// Which.
        name: String,
    },
    /// The account has a key of that name.
    #[error("account {name} has a key {id} already")]
    KeyExists {
        /// Whose.
        name: String,
        /// Which.
        id: String,
    },
    /// It has no key of that name.
    #[error("account {name} has no key {id}")]
    KeyUnknown {
        /// Whose.
        name: String,
        /// Which.
        id: String,
    },
}

/// Accounts by name (the part of their member after `user:` or `serviceAccount:`).
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account; its generation begins where the store says.
    async fn create_account(
        &self,
        account: &Account,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError>;

    /// One account.
    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// Accounts in the order of their names, after `after`, at most `limit`.
    async fn accounts(&self, after: Option<&str>, limit: usize) -> Result<Vec<Account>, StoreError>;

    /// Replaces description, password hash, groups and whether it is disabled; its generation grows. Only of an account
    /// that is still of the generation given: who changes one thing of it does not take back what somebody else changed.
    ///
    /// Neither this nor the removal of an account, a key or a binding leaves the registry without anybody who administers it
    /// and can log in with an account, if there was somebody before.
    async fn update_account(
        &self,
        account: &Account,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError>;

    /// Removes an account with its keys and with what policies bind to it, in one transaction: one that is made later under its
    /// name has none of its rights. Returns the resources whose policies changed.
    async fn delete_account(
        &self,
        name: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<Vec<Resource>, AccountRefusal>, StoreError>;

    /// Gives an account a key; its generation grows.
    async fn create_key(
        &self,
        key: &AccountKey,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError>;

    /// The keys of an account in the order of their names.
    async fn keys(&self, account: &str) -> Result<Vec<AccountKey>, StoreError>;

    /// Removes a key; the account's generation grows.
    async fn delete_key(
        &self,
        account: &str,
        id: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), AccountRefusal>, StoreError>;

    /// Whether the registry asks everybody who they are: it does since its first account, or since it was
    /// [closed](Self::close).
    async fn is_closed(&self) -> Result<bool, StoreError>;

    /// Makes the registry ask everybody who they are, until it is [reopened](Self::reopen).
    async fn close(&self, actor: &Actor, now: Timestamp) -> Result<(), StoreError>;

    /// Removes every account, with keys and bindings, and asks nobody any more who they are. Returns how many there were.
    async fn reopen(&self, actor: &Actor, now: Timestamp) -> Result<usize, StoreError>;

    /// The secret of this name, such as the key that signs access tokens. The first caller's `proposal` becomes it, for
    /// every server of the store and for good.
    async fn secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError>;
}
