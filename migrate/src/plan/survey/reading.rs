//! Reading the manifests of what is to be copied, with what refers to them.

use std::collections::{BTreeMap, BTreeSet};

use client::MANIFESTS_MAX;
use futures_util::{StreamExt, stream};
use oci::Digest;

use super::{Depth, Looking, Survey, THINGS_AT_ONCE};
use crate::failure::PlaceError;
use crate::place::OriginRepository;
use crate::plan::{PlannedRepository, TagState};

/// An image with its tags, and what refers to it.
type ReadImage = (Digest, Vec<String>, Result<Vec<Digest>, PlaceError>);

impl Survey<'_> {
    /// Reads what is to be copied, or everything. What cannot be read is noted, and is not in the plan.
    pub(super) async fn read_manifests(&self, looking: &Looking<'_>, planned: &mut PlannedRepository) {
        let is_complete = self.options.depth == Depth::Complete;
        let mut roots: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (tag, planned) in &planned.tags {
            if is_complete || planned.state != TagState::Same {
                roots.entry(planned.digest).or_default().push(tag.clone());
            }
        }
        for digest in &planned.untagged {
            roots.entry(*digest).or_default();
        }
        let reads = stream::iter(roots)
            .map(|(digest, tags)| async move {
                let read = self.read_image(looking, &digest).await;
                (digest, tags, read)
            })
            .buffer_unordered(THINGS_AT_ONCE);
        let reads: Vec<ReadImage> = reads.collect().await;
        let mut referrers = BTreeSet::new();
        for (digest, tags, read) in reads {
            match read {
                Ok(found) => referrers.extend(found),
                Err(error) if tags.is_empty() => {
                    planned.untagged.remove(&digest);
                    self.failed(looking.name.as_str(), &digest.to_string(), Some(digest), &error);
                }
                Err(error) => {
                    for tag in &tags {
                        planned.tags.remove(tag);
                        self.failed(looking.name.as_str(), tag, Some(digest), &error);
                    }
                }
            }
        }
        referrers.retain(|digest| !self.is_there(looking, digest));
        planned.untagged.extend(referrers);
    }

    /// Reads an image's manifests; returns what refers to those below its root, and what refers to that, unless the
    /// listing named them.
    async fn read_image(&self, looking: &Looking<'_>, root: &Digest) -> Result<Vec<Digest>, PlaceError> {
        let origin = looking.origin;
        let below = self.closures.below(origin, root).await?;
        let mut found: Vec<Digest> = Vec::new();
        let mut open = if looking.is_told_whole {
            Vec::new()
        } else {
            below.clone()
        };
        let mut seen: BTreeSet<Digest> = below.iter().copied().collect();
        // Referrers of the root itself are known already, but not what refers to them.
        while let Some(digest) = open.pop() {
            // Who answers with ever new ones would else be asked for ever.
            if seen.len() > MANIFESTS_MAX {
                return Err(self.closures.too_large(root));
            }
            for referrer in self.sides.from_pace.call(|| origin.referrers(&digest)).await? {
                if seen.insert(referrer) {
                    let more = self.closures.below(origin, &referrer).await?;
                    open.extend(more.into_iter().filter(|digest| seen.insert(*digest)));
                    open.push(referrer);
                    found.push(referrer);
                }
            }
        }
        if self.options.depth == Depth::Complete {
            self.look_for_blobs(origin, &below).await?;
        }
        Ok(found)
    }

    /// Whether the source has every blob that it says it has.
    async fn look_for_blobs(
        &self,
        origin: &dyn OriginRepository,
        manifests: &[Digest],
    ) -> Result<(), PlaceError> {
        for digest in manifests {
            let entry = self.closures.entry(origin, digest).await?;
            let looks = stream::iter(&entry.blobs).map(|blob| self.closures.look_for(origin, blob));
            let looked: Vec<Result<(), PlaceError>> = looks.buffer_unordered(THINGS_AT_ONCE).collect().await;
            looked.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }
}
