//! From a manifest to everything that it needs.

use std::collections::BTreeSet;

use client::SourceError;
use oci::{Descriptor, Digest, Manifest, Parsed};

use super::finding::Part;
use super::side::{Presence, Side, told};

/// Most manifests of one repository that are followed.
pub const MANIFESTS_MAX: usize = 1_000_000;

/// What was looked at in one repository of one side, so that nothing is twice.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) manifests: BTreeSet<Digest>,
    pub(super) blobs: BTreeSet<Digest>,
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) part: Part,
    pub(super) digest: Digest,
    pub(super) presence: Presence,
}

/// What a walk came by.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) faults: Vec<Fault>,
    /// Manifests that were read for the first time.
    pub(super) manifests: Vec<Digest>,
    /// Blobs that are there, looked for for the first time.
    pub(super) blobs: Vec<Descriptor>,
    /// The configuration, or else a blob, of the first image on the way.
    pub(super) first_blob: Option<Descriptor>,
}

/// Follows a manifest to its children and blobs, but for those that were seen.
pub(super) async fn walk(side: &Side, root: &Descriptor, seen: &mut Seen) -> Walked {
    let mut walked = Walked::default();
    let mut waiting = vec![root.clone()];
    while let Some(descriptor) = waiting.pop() {
        if !seen.manifests.insert(descriptor.digest) {
            continue;
        }
        if seen.manifests.len() > MANIFESTS_MAX {
            let problem = format!("there are more than {MANIFESTS_MAX} manifests");
            walked.faults.push(fault(
                Part::Manifest,
                descriptor.digest,
                Presence::Unknown(problem),
            ));
            return walked;
        }
        let manifest = match side.source.manifest(&descriptor).await {
            Ok(manifest) => manifest,
            Err(error) => {
                walked
                    .faults
                    .push(fault(Part::Manifest, descriptor.digest, of_manifest(&error)));
                continue;
            }
        };
        walked.manifests.push(descriptor.digest);
        let (children, blobs) = parts(&manifest);
        // The first child is looked at first.
        waiting.extend(children.into_iter().rev());
        if walked.first_blob.is_none() {
            walked.first_blob = blobs.first().cloned();
        }
        let new: Vec<Descriptor> = blobs
            .into_iter()
            .filter(|blob| seen.blobs.insert(blob.digest))
            .collect();
        let absent = side.absent(new.clone()).await;
        let is_there = |blob: &Descriptor| !absent.iter().any(|(other, _)| other.digest == blob.digest);
        walked.blobs.extend(new.into_iter().filter(|blob| is_there(blob)));
        let faults = absent
            .into_iter()
            .map(|(blob, presence)| fault(Part::Blob, blob.digest, presence));
        walked.faults.extend(faults);
    }
    walked
}

fn fault(part: Part, digest: Digest, presence: Presence) -> Fault {
    Fault {
        part,
        digest,
        presence,
    }
}

fn of_manifest(error: &SourceError) -> Presence {
    match error {
        SourceError::Missing { .. } | SourceError::NotFound { .. } => Presence::Missing,
        SourceError::Size { .. } | SourceError::Digest { .. } | SourceError::Manifest { .. } => {
            Presence::Damaged(told(error))
        }
        other => Presence::Unknown(told(other)),
    }
}

/// Children and blobs. Layers that are meant to be had elsewhere need not be here.
fn parts(manifest: &Manifest) -> (Vec<Descriptor>, Vec<Descriptor>) {
    match manifest.parsed() {
        Parsed::Index(index) => (index.manifests.clone(), Vec::new()),
        Parsed::Image(image) => (Vec::new(), image.distributable_blobs().cloned().collect()),
    }
}
