//! How much a plan is: bytes after deduplication, requests, time.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use oci::{Digest, RepositoryName};
use tokio::time::Instant;

use super::{Plan, PlannedRepository, Sides, TagState};
use crate::inventory::BlobEntry;

/// What a plan costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Images: tags and untagged manifests that are to be copied.
    pub images: usize,
    /// Manifests to put, children and referrers included.
    pub manifests: usize,
    /// Distinct blobs.
    pub blobs: usize,
    /// Their bytes: what goes over the wire, if nothing of it is at the destination under another name.
    pub bytes: u64,
    /// Bytes of the same blobs, counted in every repository that names them.
    pub bytes_without_deduplication: u64,
    /// Requests to the source.
    pub source_requests: u64,
    /// Requests to the destination.
    pub destination_requests: u64,
}

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: u64,
    /// In this time.
    pub window: Duration,
}

/// Why a text is no quota.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a quota: write REQUESTS/SECONDS, such as 60000/60")]
pub struct QuotaError {
    /// The text.
    pub text: String,
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let read = || {
            let (requests, seconds) = text.split_once('/')?;
            let (requests, seconds): (u64, u64) = (requests.parse().ok()?, seconds.parse().ok()?);
            (requests > 0 && seconds > 0).then_some(Self {
                requests,
                window: Duration::from_secs(seconds),
            })
        };
        read().ok_or_else(|| QuotaError {
            text: text.to_owned(),
        })
    }
}

impl Quota {
    /// How long so many requests take when no more are made than it allows.
    #[must_use]
    pub fn time_for(&self, requests: u64) -> Duration {
        let nanos = self.window.as_nanos().saturating_mul(u128::from(requests)) / u128::from(self.requests);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Plan {
    /// What it costs to do what is planned.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let mut estimate = Estimate::default();
        let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
        for repository in self.repositories.values() {
            let images = images_of(repository);
            let tags: usize = images.values().map(Vec::len).sum();
            estimate.images += images.values().map(|tags| tags.len().max(1)).sum::<usize>();
            let manifests = self.below(images.keys());
            estimate.manifests += manifests.len();
            let here: BTreeMap<Digest, u64> = manifests
                .iter()
                .filter_map(|digest| self.manifests.get(digest))
                .flat_map(|entry| entry.blobs.iter().map(|blob| (blob.digest, blob.size)))
                .collect();
            for (digest, size) in here {
                estimate.bytes_without_deduplication += size;
                // Opening and completing an upload, or a mount.
                let is_new = blobs.insert(digest, size).is_none();
                estimate.destination_requests += if is_new { 3 } else { 1 };
            }
            // A tag is looked at again just before it is set.
            estimate.source_requests += tags as u64;
            estimate.destination_requests += (manifests.len() + tags) as u64;
        }
        let manifests: BTreeSet<Digest> = self
            .repositories
            .values()
            .flat_map(|repository| self.below(images_of(repository).keys()))
            .collect();
        estimate.blobs = blobs.len();
        estimate.bytes = blobs.values().sum();
        estimate.source_requests += (blobs.len() + manifests.len()) as u64;
        estimate
    }

    /// All manifests below these, and these.
    fn below<'r>(&self, roots: impl Iterator<Item = &'r Digest>) -> BTreeSet<Digest> {
        let (mut seen, mut open) = (BTreeSet::new(), roots.copied().collect::<Vec<_>>());
        while let Some(digest) = open.pop() {
            if seen.insert(digest) {
                let entry = self.manifests.get(&digest);
                open.extend(
                    entry
                        .iter()
                        .flat_map(|entry| &entry.children)
                        .map(|child| child.digest),
                );
            }
        }
        seen
    }
}

/// What is to be copied, with the tags that it gets.
fn images_of(repository: &PlannedRepository) -> BTreeMap<Digest, Vec<&str>> {
    let mut images: BTreeMap<Digest, Vec<&str>> = BTreeMap::new();
    for (tag, planned) in &repository.tags {
        if planned.state != TagState::Same {
            images.entry(planned.digest).or_default().push(tag);
        }
    }
    for digest in &repository.untagged {
        images.entry(*digest).or_default();
    }
    images
}

/// How fast blobs come from the source just now, in bytes a second, by reading a part of the largest one that is to be
/// copied; nothing when there is none, or it does not come.
pub async fn observed_rate(sides: &Sides, plan: &Plan) -> Option<f64> {
    let mut largest: Option<(&RepositoryName, BlobEntry)> = None;
    for (name, repository) in &plan.repositories {
        for digest in plan.below(images_of(repository).keys()) {
            for blob in plan.manifests.get(&digest).iter().flat_map(|entry| &entry.blobs) {
                if largest.is_none_or(|(_, found)| found.size < blob.size) {
                    largest = Some((name, *blob));
                }
            }
        }
    }
    let (name, blob) = largest?;
    let origin = sides.origin.repository(name).ok()?;
    let begun = Instant::now();
    let mut pieces = sides.from_pace.call(|| origin.blob(&blob, 0)).await.ok()?;
    let mut bytes = 0_u64;
    while let Some(piece) = pieces.source.next().await.ok()? {
        bytes += piece.len() as u64;
        if bytes >= OBSERVED_BYTES || begun.elapsed() >= OBSERVED_FOR {
            break;
        }
    }
    Some(bytes as f64 / begun.elapsed().as_secs_f64().max(1e-6))
}

/// So much is read to see how fast it comes, in bytes, or so long.
const OBSERVED_BYTES: u64 = 16 << 20;
const OBSERVED_FOR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_says_how_long_requests_take() {
        let quota: Quota = "100/60".parse().unwrap();
        assert_eq!(quota.time_for(250), Duration::from_secs(150));
        assert_eq!(quota.time_for(0), Duration::ZERO);
        for text in ["", "100", "0/1", "1/0", "a/b", "-1/5"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }
}
