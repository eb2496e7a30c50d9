//! What is to be done: the difference of both sides.

mod closure;
mod estimate;
mod file;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::inventory::ManifestEntry;

pub(crate) use closure::Closures;
pub use estimate::{Estimate, Quota, QuotaError, observed_rate};
pub use file::PlanFileError;
pub use survey::{Depth, Sides, SurveyError, SurveyOptions, survey};

/// A plan: every repository with what is to be done in it, and the manifests that are needed for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where from, as it was named.
    pub from: String,
    /// Where to.
    pub to: String,
    /// What was chosen, in words.
    pub filter: Vec<String>,
    /// When it was made, for people.
    pub made: String,
    /// The repositories, by their names at the source.
    pub repositories: BTreeMap<RepositoryName, PlannedRepository>,
    /// What is known of manifests: those that are to be copied, or all of them.
    pub manifests: BTreeMap<Digest, ManifestEntry>,
    /// What cannot be copied, since the source has it not as it should be.
    pub failures: Vec<Failure>,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRepository {
    /// Its name at the destination.
    pub to: RepositoryName,
    /// Whether the destination has something under that name.
    pub exists: bool,
    /// The tags that are wanted.
    pub tags: BTreeMap<String, PlannedTag>,
    /// Manifests without a tag that are to be copied: referrers, and what has lost its tag.
    pub untagged: BTreeSet<Digest>,
    /// Tags that only the destination has.
    pub only_there: Vec<String>,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTag {
    /// What it names at the source.
    pub digest: Digest,
    /// What is the case at the destination.
    #[serde(flatten)]
    pub state: TagState,
    /// When it was uploaded, in milliseconds since 1970, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_ms: Option<i64>,
}

/// What is the case at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum TagState {
    /// It names the same.
    Same,
    /// It is not there.
    Missing,
    /// It names something else.
    Differs {
        /// What it names there.
        there: Digest,
    },
}

impl Plan {
    /// The names of both sides, as a dry run shows them.
    pub fn mapping(&self) -> impl Iterator<Item = (&RepositoryName, &RepositoryName)> {
        self.repositories
            .iter()
            .map(|(from, repository)| (from, &repository.to))
    }

    /// How many tags are in this state.
    #[must_use]
    pub fn tags_in(&self, fits: impl Fn(&TagState) -> bool) -> usize {
        let tags = self
            .repositories
            .values()
            .flat_map(|repository| repository.tags.values());
        tags.filter(|tag| fits(&tag.state)).count()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.tags_in(|state| *state != TagState::Same) == 0
            && self
                .repositories
                .values()
                .all(|repository| repository.untagged.is_empty())
    }
}
