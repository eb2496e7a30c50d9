//! Cleanup policies: which versions of a repository go, and which stay whatever else says.
//!
//! A version goes when a policy deletes it, no policy keeps it, no immutable tag names it, and nothing that stays holds
//! it: an index holds what it names, a version what refers to it. What is held follows what holds it, and neither is
//! kept for being new nor counted among what is: five images for five platforms each are five versions to keep, not
//! thirty.
//!
//! Source: Artifact Registry's documentation, "Cleanup policies"; `CleanupPolicy` of its REST API, v1. What it leaves
//! open is what becomes of held versions; it refuses to remove them when a client asks.

mod run;

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use oci::Tag;

use crate::{Actor, InPackage, Page, RepositoryPath, StoreError, Walk};
pub use run::{CLEANED_LISTED_MAX, Cleaned, CleanupOptions, CleanupReport, cleanup};

/// Most policies of a repository, as Artifact Registry has it.
pub const CLEANUP_POLICIES_MAX: usize = 10;

/// One rule. What any rule keeps is not deleted by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Its name in the repository.
    pub id: String,
    /// Whether what matches goes or stays.
    pub action: CleanupAction,
    /// What matches.
    pub matches: CleanupMatch,
}

/// What becomes of versions that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupAction {
    /// They are removed.
    Delete,
    /// They stay.
    Keep,
}

/// Which versions match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanupMatch {
    /// Those that meet every part of it.
    Condition(CleanupCondition),
    /// The newest of each package; for keeping alone.
    MostRecent {
        /// Packages by the beginning of their names; none is all.
        package_prefixes: Vec<String>,
        /// How many of each package.
        keep_count: u32,
    },
}

/// Parts that all have to be met; what is empty is met by everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanupCondition {
    /// With a tag, without, or either.
    pub tag_state: TagState,
    /// One of the version's tags begins with one of these.
    pub tag_prefixes: Vec<String>,
    /// Its digest begins with one of these.
    pub version_prefixes: Vec<String>,
    /// Its package's name begins with one of these.
    pub package_prefixes: Vec<String>,
    /// It was uploaded longer ago than this.
    pub older_than: Option<Duration>,
    /// It was uploaded less long ago than this.
    pub newer_than: Option<Duration>,
    /// It was neither pulled, pushed nor tagged for longer than this.
    pub unused_for: Option<Duration>,
}

/// Whether a version has tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TagState {
    /// It has.
    Tagged,
    /// It has none.
    Untagged,
    /// Either.
    #[default]
    Any,
}

/// A version that goes, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Which.
    pub version: InPackage,
    /// Its tags, which go with it.
    pub tags: Vec<Tag>,
    /// Sizes of the manifest, its configuration and layers, added up; others may share them.
    pub size_bytes: u64,
    /// The name of the policy that deletes it.
    pub policy: String,
}

/// As of when versions are judged.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// Ages count up to here.
    pub now: Timestamp,
    /// What was stored or lost a tag since then stays: a push may be under way that needs it.
    pub changed_before: Timestamp,
}

/// Finds and removes versions by the policies of their repositories.
#[async_trait]
pub trait Cleaning: Send + Sync {
    /// Versions of a repository that its policies remove, in the order of package and digest. Those that are held by
    /// others that go are among them if `with_held`; they go only once the others have gone.
    async fn expired(
        &self,
        repository: &RepositoryPath,
        expiry: Expiry,
        with_held: bool,
        walk: Walk<'_>,
    ) -> Result<Page<Expired>, StoreError>;

    /// Removes those of these versions that [`expired`](Cleaning::expired) would still list without those that are held,
    /// with their tags and an event for each; returns them. Nothing where the repository only counts.
    async fn remove_expired(
        &self,
        versions: &[InPackage],
        expiry: Expiry,
        actor: &Actor,
    ) -> Result<Vec<Expired>, StoreError>;
}

/// What a policy asks of a version.
pub(crate) struct Candidate<'c> {
    pub(crate) package: &'c str,
    pub(crate) digest: &'c str,
    pub(crate) tags: &'c [Tag],
    pub(crate) created: Timestamp,
    /// When it was last pulled, pushed or tagged.
    pub(crate) used: Timestamp,
}

/// The policy that deletes a version, unless one keeps it. `is_recent` tells whether it is among so many newest ones.
pub(crate) fn deleted_by<'p, E>(
    policies: &'p [CleanupPolicy],
    candidate: &Candidate<'_>,
    now: Timestamp,
    mut is_recent: impl FnMut(u32) -> Result<bool, E>,
) -> Result<Option<&'p CleanupPolicy>, E> {
    let is_met = |policy: &CleanupPolicy| match &policy.matches {
        CleanupMatch::Condition(condition) => condition.is_met(candidate, now),
        CleanupMatch::MostRecent { .. } => false,
    };
    let deleting = policies
        .iter()
        .find(|policy| policy.action == CleanupAction::Delete && is_met(policy));
    if deleting.is_none() {
        return Ok(None);
    }
    for policy in policies
        .iter()
        .filter(|policy| policy.action == CleanupAction::Keep)
    {
        let kept = match &policy.matches {
            CleanupMatch::Condition(_) => is_met(policy),
            CleanupMatch::MostRecent {
                package_prefixes,
                keep_count,
            } => begins(candidate.package, package_prefixes) && is_recent(*keep_count)?,
        };
        if kept {
            return Ok(None);
        }
    }
    Ok(deleting)
}

impl CleanupCondition {
    fn is_met(&self, candidate: &Candidate<'_>, now: Timestamp) -> bool {
        let state = match self.tag_state {
            TagState::Tagged => !candidate.tags.is_empty(),
            TagState::Untagged => candidate.tags.is_empty(),
            TagState::Any => true,
        };
        let mut tags = candidate.tags.iter();
        let tagged = self.tag_prefixes.is_empty() || tags.any(|tag| begins(tag.as_str(), &self.tag_prefixes));
        let age = now.duration_since(candidate.created);
        let unused = now.duration_since(candidate.used);
        // One that is longer than any age is met by none, or by all.
        let than = |limit: Duration| SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
        state
            && tagged
            && begins(candidate.digest, &self.version_prefixes)
            && begins(candidate.package, &self.package_prefixes)
            && self.older_than.is_none_or(|limit| age > than(limit))
            && self.newer_than.is_none_or(|limit| age < than(limit))
            && self.unused_for.is_none_or(|limit| unused > than(limit))
    }
}

/// Whether a text begins with one of these; with none of them given, it does.
fn begins(text: &str, prefixes: &[String]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
