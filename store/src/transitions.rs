//! Repositories that replace an old registry, step by step.
//!
//! While a repository is in transition, what is deleted in it leaves a *tombstone*, so that it is not fetched from the old
//! side again, and what could not be written to both sides is *owed* to the old one.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, RepositoryName, Tag};

use crate::{Actor, NewManifest, PackagePath, PutRefusal, RepositoryPath, StoreError, Upstream};

/// How far a repository has replaced an old registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Where the old side has the repository's packages.
    pub old: Upstream,
    /// Who answers.
    pub state: TransitionState,
    /// Where pushes go.
    pub pushes: Pushes,
    /// From how many failures of this side in a hundred requests on it steps back by itself; none is never.
    pub error_limit_percent: Option<u8>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Since when this side has owned the tags without a break, if it does: a tag that was set before has to be compared with
    /// the old side's once more.
    pub owned_since: Option<Timestamp>,
    /// Grows with every change.
    pub generation: u64,
}

/// Which side answers what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionState {
    /// The old side answers everything.
    Disabled,
    /// This side answers that many reads in a hundred; the old side owns the tags and takes pushes.
    PartialAndCopying {
        /// From 0 to 100.
        reads_percent: u8,
    },
    /// This side answers, owns the tags, and fetches what it lacks from the old one.
    EnabledAndCopying,
    /// This side answers from what it has.
    Enabled,
}

/// Where pushes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushes {
    /// To the side that owns the tags.
    One,
    /// To both; a push is answered only when both have it.
    Both,
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of disabled, partial-and-copying, enabled-and-copying and enabled")]
pub struct TransitionStateError {
    /// The text, cut if it is long.
    pub text: String,
}

impl TransitionState {
    /// Whether this side owns tags: what is pushed and deleted here is not undone by the old side.
    #[must_use]
    pub fn owns_tags(self) -> bool {
        matches!(self, Self::EnabledAndCopying | Self::Enabled)
    }

    /// Its name without the percentage, as commands and documents have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::PartialAndCopying { .. } => "partial-and-copying",
            Self::EnabledAndCopying => "enabled-and-copying",
            Self::Enabled => "enabled",
        }
    }

    /// The share of reads that this side answers.
    #[must_use]
    pub fn reads_percent(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::PartialAndCopying { reads_percent } => reads_percent,
            Self::EnabledAndCopying | Self::Enabled => 100,
        }
    }
}

impl FromStr for TransitionState {
    type Err = TransitionStateError;

    /// A canary of no reads, until its percentage is said.
    fn from_str(text: &str) -> Result<TransitionState, TransitionStateError> {
        Ok(match text {
            "disabled" => Self::Disabled,
            "partial-and-copying" => Self::PartialAndCopying { reads_percent: 0 },
            "enabled-and-copying" => Self::EnabledAndCopying,
            "enabled" => Self::Enabled,
            other => {
                return Err(TransitionStateError {
                    text: other.chars().take(40).collect(),
                });
            }
        })
    }
}

impl fmt::Display for TransitionState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialAndCopying { reads_percent } => {
                write!(formatter, "{} {reads_percent} %", self.name())
            }
            other => formatter.write_str(other.name()),
        }
    }
}

/// What a tombstone or a debt is about: a tag or a digest of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InTransition {
    /// The package.
    pub package: RepositoryName,
    /// The tag or digest, as text.
    pub reference: String,
}

/// Why a transition was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionRefusal {
    /// There is no such repository.
    #[error("{path} does not exist")]
    RepositoryUnknown {
        /// Which.
        path: RepositoryPath,
    },
    /// Somebody else changed it meanwhile.
    #[error("the transition of {path} was changed meanwhile; look at it and ask again")]
    Changed {
        /// Which.
        path: RepositoryPath,
    },
}

/// What became of a manifest of the old side that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptFromOld {
    /// It is here now, or was.
    Kept,
    /// It, or the tag it was asked by, was deleted here.
    Deleted,
    /// The tag names something else here meanwhile: that counts.
    TagNames(Digest),
    /// It cannot be stored.
    Refused(PutRefusal),
}

/// What is deleted here although only the old side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnlyThere {
    /// A tag, and what it names there.
    Tag {
        /// The tag.
        tag: Tag,
        /// What it names.
        digest: Digest,
    },
    /// A manifest.
    Manifest(Digest),
    /// A blob.
    Blob(Digest),
    /// All that the old side has of a package. What is pushed here is not meant.
    Package,
}

impl OnlyThere {
    /// The reference of a tombstone for all that the old side has of a package. No tag is called so.
    pub const WHOLE_PACKAGE: &str = "*";

    /// As tombstones have it.
    #[must_use]
    pub fn reference(&self) -> String {
        match self {
            Self::Tag { tag, .. } => tag.to_string(),
            Self::Manifest(digest) | Self::Blob(digest) => digest.to_string(),
            Self::Package => Self::WHOLE_PACKAGE.to_owned(),
        }
    }
}

/// Transitions, tombstones and debts.
#[async_trait]
pub trait Transitions: Send + Sync {
    /// Every transition, by repository.
    async fn transitions(&self) -> Result<Vec<(RepositoryPath, Transition)>, StoreError>;

    /// Begins or changes the transition of a repository, if its generation is still `transition.generation` (0 where there is
    /// none); the new one has the next. Where it gives the tags to the old side, tombstones and debts go: what that side has counts.
    async fn set_transition(
        &self,
        path: &RepositoryPath,
        transition: &Transition,
        actor: &Actor,
    ) -> Result<Result<(), TransitionRefusal>, StoreError>;

    /// Ends the transition of a repository for good: its tombstones and debts go. False when there is none.
    async fn finish_transition(
        &self,
        path: &RepositoryPath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Leaves a tombstone of what is deleted here although only the old side has it; false when this side does not own the tags
    /// of the repository.
    ///
    /// # Errors
    /// [`PutRefusal::TagImmutable`] for a tag that could not be deleted if it were here.
    async fn entomb(
        &self,
        package: &PackagePath,
        what: &OnlyThere,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError>;

    /// Whether a tag or digest of a package, or all of the package, was deleted here since this side owns the tags.
    async fn is_entombed(&self, package: &PackagePath, reference: &str) -> Result<bool, StoreError>;

    /// Tombstones of a repository after `after`, in order, at most `limit`.
    async fn tombstones(
        &self,
        path: &RepositoryPath,
        after: Option<&InTransition>,
        limit: usize,
    ) -> Result<Vec<InTransition>, StoreError>;

    /// Stores a manifest that was fetched from another registry, with `tag` if it was asked by one. While this side owns the tags
    /// of a repository in transition, as that is in the transaction that stores it, it is refused where either was deleted here,
    /// and a tag that is set here stays as it is; else the other side's word counts.
    async fn keep_from_old(
        &self,
        package: &PackagePath,
        manifest: &NewManifest,
        tag: Option<&Tag>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<KeptFromOld, StoreError>;

    /// Moves a tag that still names `from` to `to`, a manifest that is here; false when it names something else by now.
    async fn settle_tag(
        &self,
        package: &PackagePath,
        tag: &Tag,
        (from, to): (Digest, Digest),
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes that the old side lacks something that is here, while this side owns the tags.
    async fn owe(&self, package: &PackagePath, reference: &str, now: Timestamp) -> Result<(), StoreError>;

    /// The old side has it now.
    async fn repaid(&self, package: &PackagePath, reference: &str) -> Result<(), StoreError>;

    /// What the old side lacks, after `after`, in order, at most `limit`.
    async fn debts(
        &self,
        path: &RepositoryPath,
        after: Option<&InTransition>,
        limit: usize,
    ) -> Result<Vec<InTransition>, StoreError>;
}
