//! Whether the new side has everything that the old one has, for everybody who had it.
//!
//! [`verify`] compares the digest of every tag, follows every manifest on the new side to its last blob, looks for what
//! refers to each, and lets every [`Principal`] pull from both sides, on the new one through every route. What it finds is
//! a [`Report`]: either it [holds](Report::holds), or it lists what is different.
//!
//! Nothing is written on either side. What cannot be looked at is a difference too: a proof with holes is none.

mod finding;
mod report;

mod side;
mod walk;

mod hashing;
mod images;
mod principals;

pub use finding::{Damage, Finding, FindingKind, Part};
pub use report::{FINDINGS_MAX, Report};
pub use side::REQUESTS_AT_ONCE;
pub use walk::MANIFESTS_MAX;

use std::collections::BTreeSet;

use client::Location;
use client::registry::Registries;
use progress::{Progress, Task, Work};

use self::hashing::Hashed;

/// A repository on both sides.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Where it is, without a tag.
    pub old: Location,
    /// Where it is to be, without a tag.
    pub new: Location,
    /// By which other names clients reach the new one, without tags.
    pub routes: Vec<Location>,
    /// Which tags are looked at; all of the old side when nothing is said.
    pub tags: Option<BTreeSet<String>>,
}

/// Somebody who pulls, with what they show to each side. Both may speak to a host of one name at different addresses.
#[derive(Debug, Clone)]
pub struct Principal {
    /// What they are called in the report.
    pub name: String,
    /// The old side, with their credentials alone.
    pub old: Registries,
    /// The new side, with their credentials alone.
    pub new: Registries,
}

/// Whether the bytes of blobs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only who may read is looked at, with one image of each repository.
    Access,
    /// A blob is there when the registry says so.
    Presence,
    /// Every blob of the new side is read, and its digest compared.
    Bytes,
}

/// Who looks, and how.
pub struct Verification<'v> {
    /// Who may read everything on both sides.
    pub operator: Principal,
    /// Who is tried; somebody without credentials is one of them, if that is wanted.
    pub principals: Vec<Principal>,
    /// How deep.
    pub depth: Depth,
    /// Is told how far it is.
    pub progress: &'v dyn Progress,
}

/// Compares both sides of every pair.
///
/// Failures do not end it: what could not be looked at is among the differences of the report.
pub async fn verify(pairs: &[Pair], with: &Verification<'_>) -> Report {
    let mut report = Report::of(with);
    let mut hashed = Hashed::default();
    for pair in pairs {
        let title = format!("verify {}", pair.new);
        let task = Task::start(with.progress, Work::Survey, &title, None);
        report.repositories += 1;
        let sample = match with.depth {
            Depth::Access => images::sample(pair, with, &mut report).await,
            Depth::Presence | Depth::Bytes => images::compare(pair, with, &mut hashed, &mut report).await,
        };
        if let Some(sample) = sample {
            principals::compare(pair, &sample, &with.principals, &mut report).await;
        }
        drop(task);
    }
    if report.tags == 0 && report.holds() {
        report.unchecked("whether anything came along", "there is no tag on the old side");
    }
    report
}

impl std::fmt::Debug for Verification<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verification")
            .field("operator", &self.operator)
            .field("principals", &self.principals)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
