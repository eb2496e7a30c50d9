//! What a verification found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Damage, Finding, FindingKind, Verification};

/// Most differences of each kind that are listed; how many there are is counted beyond.
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
    /// What is different, of which [`FINDINGS_MAX`] of each kind are kept.
    pub differences: Vec<Finding>,
    /// How many differences there are.
    pub differences_total: usize,
    /// Images that are not whole on the old side either, of which [`FINDINGS_MAX`] are kept. They are no differences.
    pub damaged: Vec<Damage>,
    /// Tags that are only on the new side. They are no differences.
    pub only_new: usize,
    /// How many differences of each kind there are.
    #[serde(skip)]
    kinds: BTreeMap<FindingKind, usize>,
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
        let count = self.kinds.entry(finding.kind()).or_default();
        *count += 1;
        // Of each kind by itself: many of one must not hide the only one of another.
        if *count <= FINDINGS_MAX {
            self.differences.push(finding);
        }
        self.differences_total += 1;
    }

    /// Kinds of which not all differences are listed.
    pub fn left_out(&self) -> impl Iterator<Item = FindingKind> {
        let many = self.kinds.iter().filter(|(_, count)| **count > FINDINGS_MAX);
        many.map(|(kind, _)| *kind)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_differences_of_one_kind_hide_none_of_another() {
        let mut report = Report::default();
        for number in 0..=FINDINGS_MAX {
            report.add(Finding::TagMissing {
                repository: "r".to_owned(),
                tag: number.to_string(),
                digest: oci::Digest::sha256_of(b""),
            });
        }
        report.unchecked("a", "b");
        assert_eq!(report.differences.len(), FINDINGS_MAX + 1);
        assert_eq!(report.differences_total, FINDINGS_MAX + 2);
        assert_eq!(report.left_out().collect::<Vec<_>>(), [FindingKind::TagMissing]);
    }
}
