//! What a verification found.

use serde::Serialize;

use super::{Damage, Finding, Verification};

/// Most differences that are listed; how many there are is counted beyond.
pub const FINDINGS_MAX: usize = 10_000;

/// What a verification looked at, and what is different.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Repositories looked at.
    pub repositories: usize,
    /// Tags compared.
    pub tags: usize,
    /// Manifests read on the new side.
    pub manifests: usize,
    /// Blobs looked for on the new side, once in each repository.
    pub blobs: usize,
    /// Bytes of blobs that were read and hashed.
    pub hashed_bytes: u64,
    /// Who was tried.
    pub principals: Vec<String>,
    /// Pulls that were tried as a principal, on either side.
    pub pulls: usize,
    /// Those that gave something.
    pub reads: usize,
    /// What is different, of which [`FINDINGS_MAX`] are kept.
    pub differences: Vec<Finding>,
    /// How many differences there are.
    pub differences_total: usize,
    /// Images that are not whole on the old side either, of which [`FINDINGS_MAX`] are kept. They are no differences.
    pub damaged: Vec<Damage>,
    /// Tags that are only on the new side. They are no differences.
    pub only_new: usize,
}

impl Report {
    pub(super) fn of(verification: &Verification<'_>) -> Report {
        let names = verification
            .principals
            .iter()
            .map(|principal| principal.name.clone());
        Report {
            principals: names.collect(),
            ..Report::default()
        }
    }

    /// Whether nothing is different: what is on the old side is here, and the same people read it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differences_total == 0
    }

    pub(super) fn note_pull(&mut self, gave: bool) {
        self.pulls += 1;
        self.reads += usize::from(gave);
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.differences.len() < FINDINGS_MAX {
            self.differences.push(finding);
        }
        self.differences_total += 1;
    }

    /// Adds that something could not be looked at, from outside of the verification.
    pub fn note_unchecked(&mut self, what: impl Into<String>, error: impl Into<String>) {
        self.unchecked(what, error);
    }

    pub(super) fn unchecked(&mut self, what: impl Into<String>, error: impl Into<String>) {
        self.add(Finding::Unchecked {
            what: what.into(),
            error: error.into(),
        });
    }

    pub(super) fn damaged(&mut self, damage: Damage) {
        if self.damaged.len() < FINDINGS_MAX {
            self.damaged.push(damage);
        }
    }
}
