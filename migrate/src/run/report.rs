//! What a run did.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use oci::{Digest, RepositoryName};
use serde::Serialize;

use super::Engine;
use crate::failure::Failure;
use crate::plan::{Plan, Sides, TagState};

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Tags that named the same on both sides before.
    pub tags_same: usize,
    /// Tags that were set.
    pub tags_set: usize,
    /// Images that the destination keeps as they are there, pushed or deleted, since it replaces the source.
    pub kept_there: usize,
    /// Manifests that were put.
    pub manifests_put: usize,
    /// Blobs that were sent.
    pub blobs_sent: usize,
    /// Blobs that were mounted from another repository.
    pub blobs_mounted: usize,
    /// Blobs that were there, though nobody knew.
    pub blobs_found: usize,
    /// Bytes of the blobs that were sent.
    pub bytes_sent: u64,
    /// Requests to the source.
    pub source_requests: u64,
    /// Requests to the destination.
    pub destination_requests: u64,
    /// Tags that were moved at the source while it ran.
    pub moved: Vec<Moved>,
    /// What was not copied.
    pub failures: Vec<Failure>,
}

/// A tag that was moved while it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The repository at the source.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: String,
    /// What it named before.
    pub before: Digest,
    /// What it names now, and what was copied; nothing when it is gone, and was not set.
    pub now: Option<Digest>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) tags: usize,
    pub(super) kept: usize,
    pub(super) manifests: usize,
    pub(super) sent: usize,
    pub(super) mounted: usize,
    pub(super) found: usize,
    pub(super) bytes: u64,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        sides: &Sides,
        (counts, moved, failures): (Counts, Vec<Moved>, Vec<Failure>),
    ) -> Self {
        Self {
            tags_same: plan.tags_in(|state| *state == TagState::Same),
            tags_set: counts.tags,
            kept_there: counts.kept,
            manifests_put: counts.manifests,
            blobs_sent: counts.sent,
            blobs_mounted: counts.mounted,
            blobs_found: counts.found,
            bytes_sent: counts.bytes,
            source_requests: sides.from_pace.requests(),
            destination_requests: sides.to_pace.requests(),
            moved,
            failures,
        }
    }
}

impl Engine<'_> {
    pub(super) fn note(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Tells how many bytes were moved since it was told last.
    pub(super) fn tell(&self) {
        let moved = self.bytes.load(Ordering::Relaxed);
        let told = self.told.swap(moved, Ordering::Relaxed);
        if moved > told {
            self.task.advance(moved - told);
        }
    }
}
