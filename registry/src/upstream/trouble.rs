//! Why something cannot be had from another registry.

use std::time::Duration;

use client::OpenError;
use client::registry::RegistryError;
use store::StoreError;

/// Why something cannot be had from another registry. What is not there is none of these.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    /// It does not answer, or not in time, or has trouble itself.
    #[error("the registry {host} behind this repository cannot be reached now")]
    Unreachable { host: String },
    /// It wants to be left alone.
    #[error("the registry {host} behind this repository takes no more requests now")]
    Busy { host: String, after: Duration },
    /// It does not let us.
    #[error(
        "the registry {host} behind this repository refuses what this registry shows it, or has no such repository"
    )]
    Denied { host: String },
    /// What it gives is not what was asked for.
    #[error("the registry {host} behind this repository gives something else than was asked for: {problem}")]
    Wrong { host: String, problem: String },
    /// It cannot be asked at all, by how this server is set up.
    #[error("the registry {host} behind this repository cannot be asked: {problem}")]
    NotSetUp { host: String, problem: String },
    /// It is what a member of a virtual repository is moved from, which does not own what it has yet.
    #[error(
        "{member}, which this repository stands for, is moved from an old registry, and does not have all of it yet: pull from \
         that repository itself until it owns what it has"
    )]
    MemberMoves { member: String },
    /// It has more than we take.
    #[error("a blob has at most {limit_bytes} bytes here")]
    TooLarge { limit_bytes: u64 },
    /// Nobody says how much it is, and nothing is left of a quota.
    #[error(
        "the quota of the repository or its project leaves no room for a blob whose length the registry behind it does not say"
    )]
    NoQuota,
    /// It came, and is not here all the same.
    #[error(
        "a blob came from the registry behind this repository and was not kept: the quota of the repository or its project leaves \
         no room for it, or the repository was deleted meanwhile"
    )]
    Unkept,
    /// As many as may are fetched already.
    #[error("too much is fetched at this moment; try again in a moment")]
    TooMany,
    /// Our own disk has no room.
    #[error("the registry has no room left; what is stored can still be pulled")]
    Full,
    /// Our own store failed; the operator has been told.
    #[error("the registry failed; its operator finds the reason in its log")]
    Store,
}

/// What a registry that says nothing of it is left alone for.
const WAIT: Duration = Duration::from_secs(5);

/// The longest that a registry is left alone for, whatever it says: a mistake there must not last here.
const WAIT_MAX: Duration = Duration::from_secs(300);

impl Trouble {
    pub(crate) fn unreachable(host: &str) -> Trouble {
        let host = host.to_owned();
        Trouble::Unreachable { host }
    }

    /// Whether the other registry is why, and not this one.
    pub(crate) fn is_of_upstream(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Busy { .. }
            | Self::Denied { .. }
            | Self::Wrong { .. }
            | Self::MemberMoves { .. } => true,
            Self::NotSetUp { .. }
            | Self::NoQuota
            | Self::Unkept
            | Self::TooLarge { .. }
            | Self::TooMany
            | Self::Full
            | Self::Store => false,
        }
    }

    pub(crate) fn wrong(host: &str, problem: impl Into<String>) -> Trouble {
        Trouble::Wrong {
            host: host.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn of_opening(host: &str, error: &OpenError) -> Trouble {
        Trouble::NotSetUp {
            host: host.to_owned(),
            problem: error.to_string(),
        }
    }

    pub(crate) fn of_store(error: &StoreError) -> Trouble {
        match error {
            StoreError::Full { .. } => Trouble::Full,
            _ => Trouble::Store,
        }
    }

    pub(crate) fn of_registry(host: &str, error: &RegistryError) -> Trouble {
        let host = host.to_owned();
        let wait = |after: Option<Duration>| after.unwrap_or(WAIT).clamp(Duration::from_secs(1), WAIT_MAX);
        match error {
            RegistryError::Refused {
                status: 429, after, ..
            }
            | RegistryError::Refused {
                status: 503,
                after: after @ Some(_),
                ..
            } => Trouble::Busy {
                host,
                after: wait(*after),
            },
            RegistryError::LoginNeeded { .. }
            | RegistryError::LoginRefused { .. }
            | RegistryError::Refused { status: 403, .. } => Trouble::Denied { host },
            RegistryError::Protocol { problem, .. } => Trouble::Wrong {
                host,
                problem: format!("it {problem}"),
            },
            RegistryError::Credentials { .. } => Trouble::NotSetUp {
                host,
                problem: error.to_string(),
            },
            _ => Trouble::Unreachable { host },
        }
    }
}
