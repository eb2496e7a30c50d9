//! Cleanup policies: which versions of a repository go, and which stay whatever else says.
//!
//! Source: Artifact Registry's documentation, "Cleanup policies"; `CleanupPolicy` of its REST API, v1.

use std::time::Duration;

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
