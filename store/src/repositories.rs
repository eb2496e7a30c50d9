//! Repositories and their settings.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Actor, CleanupPolicy, Mode, ProjectId, RepositoryPath, SettingsError, StoreError};

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub path: RepositoryPath,
    /// What kind of artifacts it holds.
    pub format: Format,
    /// Where they come from. Its settings change, its kind does not.
    pub mode: Mode,
    /// For people.
    pub description: String,
    /// For programs.
    pub labels: BTreeMap<String, String>,
    /// Which tags may not be moved or removed once they are set.
    pub immutable_tags: ImmutableTags,
    /// Most bytes that it holds; none is no limit.
    pub quota_bytes: Option<u64>,
    /// What it holds now: distinct blobs that its packages link, and manifests. Only read, never set.
    pub size_bytes: u64,
    /// Which versions go by themselves.
    pub cleanup: Vec<CleanupPolicy>,
    /// Whether they are only counted.
    pub cleanup_dry_run: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When its settings last changed.
    pub updated: Timestamp,
}

impl Repository {
    /// A repository for container images with no settings at all.
    #[must_use]
    pub fn new(path: RepositoryPath, created: Timestamp) -> Repository {
        Repository {
            path,
            format: Format::Docker,
            mode: Mode::Standard,
            description: String::new(),
            labels: BTreeMap::new(),
            immutable_tags: ImmutableTags::None,
            quota_bytes: None,
            size_bytes: 0,
            cleanup: Vec::new(),
            cleanup_dry_run: false,
            created,
            updated: created,
        }
    }
}

/// What kind of artifacts a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Container images and OCI artifacts.
    Docker,
}

/// Which tags may not be moved or removed once they are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImmutableTags {
    /// None.
    None,
    /// All.
    All,
    /// Those that match one of these patterns, in which `*` stands for any characters.
    Matching(Vec<String>),
}

impl ImmutableTags {
    /// Whether a tag is among them.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Matching(patterns) => patterns
                .iter()
                .any(|pattern| matches(pattern.as_bytes(), tag.as_bytes())),
        }
    }
}

/// What was asked of a repository cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryRefusal {
    /// There is one of that name.
    #[error("{path} exists already")]
    Exists {
        /// Which.
        path: RepositoryPath,
    },
    /// There is none of that name.
    #[error("{path} does not exist")]
    Unknown {
        /// Which.
        path: RepositoryPath,
    },
    /// No repository can have these settings.
    #[error("{path} cannot have these settings: {error}")]
    Settings {
        /// Which.
        path: RepositoryPath,
        /// Why.
        error: SettingsError,
    },
}

/// Repositories.
#[async_trait]
pub trait Repositories: Send + Sync {
    /// Makes a repository.
    async fn create_repository(
        &self,
        repository: &Repository,
        actor: &Actor,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError>;

    /// One repository.
    async fn repository(&self, path: &RepositoryPath) -> Result<Option<Repository>, StoreError>;

    /// Repositories in the order of their names, after `after`, at most `limit`; of one project or of all.
    async fn repositories(
        &self,
        project: Option<&ProjectId>,
        after: Option<&RepositoryPath>,
        limit: usize,
    ) -> Result<Vec<Repository>, StoreError>;

    /// Replaces the settings of a repository: description, labels, immutable tags, quota, cleanup policies, those of its
    /// mode, time of the update.
    async fn update_repository(
        &self,
        repository: &Repository,
        actor: &Actor,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError>;

    /// Removes a repository with all that is in it, and its policy. Blobs lose their links and go with the next collection.
    ///
    /// It goes in parts, and others read and write between them. Where that ends half-way, as with the process, the repository
    /// is still there with its policy, what is left in it is whole, and goes when this is called again.
    async fn delete_repository(
        &self,
        path: &RepositoryPath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), RepositoryRefusal>, StoreError>;
}

/// `*` stands for any characters, everything else for itself. Linear in the product of the lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if text.get(from) == Some(byte) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                from = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immutable_tags_are_matched_by_pattern() {
        let tags = ImmutableTags::Matching(vec!["v*".to_owned(), "*-final".to_owned(), "a*b*c".to_owned()]);
        for tag in ["v", "v1.2", "x-final", "abc", "aXbXbc"] {
            assert!(tags.contains(tag), "{tag}");
        }
        for tag in ["latest", "final", "x-final2", "ab", "acb"] {
            assert!(!tags.contains(tag), "{tag}");
        }
        assert!(ImmutableTags::All.contains("x") && !ImmutableTags::None.contains("x"));
    }
}
