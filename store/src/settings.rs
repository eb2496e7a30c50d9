//! What settings of a repository may be: every number and text in them has a limit.

use std::collections::BTreeSet;

use crate::{
    CLEANUP_POLICIES_MAX, CleanupAction, CleanupMatch, CleanupPolicy, ImmutableTags, Mode, Repository,
    RepositoryPath, Virtual,
};

/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;

/// Most labels of a repository, as Artifact Registry has it.
pub const LABELS_MAX: usize = 64;

/// Longest name or value of a label, in bytes: 63 characters of at most four bytes.
pub const LABEL_BYTES_MAX: usize = 252;

/// Most patterns of immutable tags. Each is tried on each tag that is moved or removed.
pub const TAG_PATTERNS_MAX: usize = 100;

/// Longest pattern of immutable tags: no tag is longer than this.
pub const TAG_PATTERN_BYTES_MAX: usize = 128;

/// Longest name of a cleanup policy, in bytes.
pub const CLEANUP_ID_BYTES_MAX: usize = 128;

/// Most prefixes of one kind in a cleanup policy.
pub const CLEANUP_PREFIXES_MAX: usize = 100;

/// Longest prefix in a cleanup policy, in bytes: no name or digest is longer than this.
pub const CLEANUP_PREFIX_BYTES_MAX: usize = 255;

/// Most versions of a package that a cleanup policy keeps for being the newest: they are counted while it works.
pub const KEEP_COUNT_MAX: u32 = 10_000;

/// Most members of a virtual repository.
pub const MEMBERS_MAX: usize = 100;

/// Longest name of a member within a virtual repository, in bytes.
pub const MEMBER_ID_BYTES_MAX: usize = 128;

/// Most patterns of packages that are a member's own.
pub const OWNED_PACKAGES_MAX: usize = 100;

/// Virtual repositories within virtual repositories, the first one counted: each read may look through all of them.
pub const VIRTUAL_DEPTH_MAX: usize = 4;

/// Settings that no repository can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is more of something than may be.
    #[error("{what}: {actual} are more than {limit}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        actual: usize,
        /// How many may be.
        limit: usize,
    },
    /// A text is longer than it may be.
    #[error("{what}: {actual} bytes are more than {limit}")]
    TooLong {
        /// What.
        what: &'static str,
        /// How long.
        actual: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A pattern or prefix is the empty text.
    #[error("{what}: an empty text")]
    Empty {
        /// What.
        what: &'static str,
    },
    /// Two cleanup policies have one name.
    #[error("two cleanup policies are named {id:?}")]
    SameCleanup {
        /// The name.
        id: String,
    },
    /// What is newest can be kept but not deleted.
    #[error("cleanup policy {id:?}: the most recent versions can only be kept")]
    RecentDeleted {
        /// The policy's name.
        id: String,
    },
    /// A condition that nothing can meet: versions without a tag by the beginning of their tags.
    #[error("cleanup policy {id:?}: versions without a tag have no tag that begins with anything")]
    UntaggedByPrefix {
        /// The policy's name.
        id: String,
    },
    /// Tags that cannot be moved, where others move them.
    #[error("tags follow those of others here, so they cannot be immutable")]
    ImmutableElsewhere,
    /// A repository of one kind was to become one of another.
    #[error("a repository stays standard, remote or virtual as it was made")]
    KindChanged,
    /// Two members have one name.
    #[error("two members are named {id:?}")]
    SameMember {
        /// The name.
        id: String,
    },
    /// A member is not there.
    #[error("member {id:?}: there is no {repository}")]
    MemberUnknown {
        /// The name of the member.
        id: String,
        /// The repository.
        repository: RepositoryPath,
    },
    /// A virtual repository would stand for itself.
    #[error("by its members it would stand for itself, through {repository}")]
    Circle {
        /// A virtual repository on the way.
        repository: RepositoryPath,
    },
    /// Virtual repositories would stand for others in too many steps.
    #[error("virtual repositories within each other are at most {VIRTUAL_DEPTH_MAX}")]
    TooDeep,
    /// A number of versions to keep that is none, or more than are counted.
    #[error("cleanup policy {id:?}: keeps between 1 and {limit} versions, not {actual}")]
    KeepCount {
        /// The policy's name.
        id: String,
        /// How many.
        actual: u32,
        /// How many may be.
        limit: u32,
    },
}

/// Whether a repository may have these settings. Every store asks before it keeps them.
///
/// # Errors
/// Says what is wrong.
pub(crate) fn check(repository: &Repository) -> Result<(), SettingsError> {
    length("description", &repository.description, DESCRIPTION_BYTES_MAX)?;
    number("labels", repository.labels.len(), LABELS_MAX)?;
    for (name, value) in &repository.labels {
        length("the name of a label", name, LABEL_BYTES_MAX)?;
        length("the value of a label", value, LABEL_BYTES_MAX)?;
    }
    if let ImmutableTags::Matching(patterns) = &repository.immutable_tags {
        const WHAT: &str = "patterns of immutable tags";
        texts(WHAT, patterns, (TAG_PATTERNS_MAX, TAG_PATTERN_BYTES_MAX))?;
    }
    match &repository.mode {
        Mode::Standard => {}
        _ if repository.immutable_tags != ImmutableTags::None => {
            return Err(SettingsError::ImmutableElsewhere);
        }
        Mode::Remote(_) => {}
        Mode::Virtual(settings) => check_members(settings)?,
    }
    number("cleanup policies", repository.cleanup.len(), CLEANUP_POLICIES_MAX)?;
    let mut names = BTreeSet::new();
    for policy in &repository.cleanup {
        length("the name of a cleanup policy", &policy.id, CLEANUP_ID_BYTES_MAX)?;
        if !names.insert(&policy.id) {
            let id = policy.id.clone();
            return Err(SettingsError::SameCleanup { id });
        }
        check_cleanup(policy)?;
    }
    Ok(())
}

fn check_members(settings: &Virtual) -> Result<(), SettingsError> {
    number("members", settings.members.len(), MEMBERS_MAX)?;
    let mut names = BTreeSet::new();
    for member in &settings.members {
        length("the name of a member", &member.id, MEMBER_ID_BYTES_MAX)?;
        if member.id.is_empty() {
            return Err(SettingsError::Empty {
                what: "the name of a member",
            });
        }
        if !names.insert(&member.id) {
            let id = member.id.clone();
            return Err(SettingsError::SameMember { id });
        }
        const WHAT: &str = "patterns of packages of a member";
        texts(
            WHAT,
            &member.owned_packages,
            (OWNED_PACKAGES_MAX, oci::NAME_BYTES_MAX),
        )?;
    }
    Ok(())
}

fn check_cleanup(policy: &CleanupPolicy) -> Result<(), SettingsError> {
    const LIMITS: (usize, usize) = (CLEANUP_PREFIXES_MAX, CLEANUP_PREFIX_BYTES_MAX);
    let id = || policy.id.clone();
    match &policy.matches {
        CleanupMatch::Condition(condition) => {
            texts("prefixes of tags", &condition.tag_prefixes, LIMITS)?;
            texts("prefixes of versions", &condition.version_prefixes, LIMITS)?;
            texts("prefixes of packages", &condition.package_prefixes, LIMITS)?;
            if condition.tag_state == crate::TagState::Untagged && !condition.tag_prefixes.is_empty() {
                return Err(SettingsError::UntaggedByPrefix { id: id() });
            }
        }
        CleanupMatch::MostRecent {
            package_prefixes,
            keep_count,
        } => {
            texts("prefixes of packages", package_prefixes, LIMITS)?;
            if policy.action == CleanupAction::Delete {
                return Err(SettingsError::RecentDeleted { id: id() });
            }
            if !(1..=KEEP_COUNT_MAX).contains(keep_count) {
                let (actual, limit) = (*keep_count, KEEP_COUNT_MAX);
                return Err(SettingsError::KeepCount {
                    id: id(),
                    actual,
                    limit,
                });
            }
        }
    }
    Ok(())
}

fn texts(what: &'static str, texts: &[String], (most, bytes): (usize, usize)) -> Result<(), SettingsError> {
    number(what, texts.len(), most)?;
    for text in texts {
        length(what, text, bytes)?;
        if text.is_empty() {
            return Err(SettingsError::Empty { what });
        }
    }
    Ok(())
}

fn number(what: &'static str, actual: usize, limit: usize) -> Result<(), SettingsError> {
    if actual > limit {
        return Err(SettingsError::TooMany { what, actual, limit });
    }
    Ok(())
}

fn length(what: &'static str, text: &str, limit: usize) -> Result<(), SettingsError> {
    let actual = text.len();
    if actual > limit {
        return Err(SettingsError::TooLong { what, actual, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
