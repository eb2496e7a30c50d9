//! Manifests with everything below them, each read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use client::{INDEX_DEPTH_MAX, MANIFESTS_BYTES_MAX, MANIFESTS_MAX};
use futures_util::{StreamExt, stream};
use oci::{Digest, Manifest};
use tokio::sync::OnceCell;

use crate::failure::{Failed, PlaceError};
use crate::filter::Filter;
use crate::inventory::{BlobEntry, ManifestEntry};
use crate::manifests::ManifestStore;
use crate::pace::Pace;
use crate::place::OriginRepository;

/// Children of one index that are read at once.
const CHILDREN_AT_ONCE: usize = 8;

/// Reads manifests from a source, and remembers what they need.
pub(crate) struct Closures<'c> {
    pace: &'c Pace,
    store: &'c ManifestStore,
    filter: &'c Filter,
    limits: ImageLimits,
    known: Mutex<HashMap<Digest, Slot>>,
    /// Blobs that were looked for at the source.
    blobs: Mutex<HashMap<Digest, Looked>>,
}

/// How much one image may lead to.
#[derive(Debug, Clone, Copy)]
struct ImageLimits {
    manifests_max: usize,
    bytes_max: u64,
}

/// What became of a look for a blob.
type Looked = Arc<OnceCell<Result<(), Failed>>>;

type Slot = Arc<OnceCell<Result<Arc<ManifestEntry>, Failed>>>;

impl<'c> Closures<'c> {
    pub(crate) fn new(
        pace: &'c Pace,
        store: &'c ManifestStore,
        filter: &'c Filter,
        known: &BTreeMap<Digest, ManifestEntry>,
    ) -> Self {
        let known = known.iter().map(|(digest, entry)| {
            let slot = OnceCell::new_with(Some(Ok(Arc::new(entry.clone()))));
            (*digest, Arc::new(slot))
        });
        Self {
            pace,
            store,
            filter,
            limits: ImageLimits {
                manifests_max: MANIFESTS_MAX,
                bytes_max: MANIFESTS_BYTES_MAX as u64,
            },
            known: Mutex::new(known.collect()),
            blobs: Mutex::default(),
        }
    }

    /// What a manifest needs.
    pub(crate) async fn entry(
        &self,
        origin: &dyn OriginRepository,
        digest: &Digest,
    ) -> Result<Arc<ManifestEntry>, PlaceError> {
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(*digest).or_default())
        };
        let entry = slot.get_or_init(|| async {
            let manifest = self.manifest(origin, digest).await;
            manifest
                .map(|manifest| Arc::new(ManifestEntry::of(&manifest)))
                .map_err(|error| error.told())
        });
        entry.await.clone().map_err(PlaceError::Known)
    }

    /// A manifest's bytes: from the store, else from the source.
    pub(crate) async fn manifest(
        &self,
        origin: &dyn OriginRepository,
        digest: &Digest,
    ) -> Result<Manifest, PlaceError> {
        if let Some(manifest) = self.store.find(digest)? {
            return Ok(manifest);
        }
        let manifest = self.pace.call(|| origin.manifest(digest)).await?;
        self.store.keep(digest, &manifest)?;
        Ok(manifest)
    }

    /// A manifest and all below it, each once, children before parents.
    ///
    /// At most [`MANIFESTS_MAX`] manifests, of at most [`MANIFESTS_BYTES_MAX`] bytes together, are followed.
    ///
    /// # Errors
    /// When one of them cannot be had, or there are too many, or they lie too deep.
    pub(crate) async fn below(
        &self,
        origin: &dyn OriginRepository,
        root: &Digest,
    ) -> Result<Vec<Digest>, PlaceError> {
        let (mut levels, mut level) = (Vec::new(), vec![*root]);
        let (mut all, mut bytes) = (BTreeSet::new(), 0_u64);
        while !level.is_empty() {
            if levels.len() > INDEX_DEPTH_MAX {
                return Err(PlaceError::TooDeep {
                    digest: *root,
                    depth_max: INDEX_DEPTH_MAX,
                });
            }
            let mut entries = stream::iter(&level)
                .map(|digest| async move { (*digest, self.entry(origin, digest).await) })
                .buffered(CHILDREN_AT_ONCE);
            // Once on each level, however often it is named there: a few small indexes that name one another many times
            // would else make more of them than there is memory.
            let (mut next, mut named) = (Vec::new(), BTreeSet::new());
            while let Some((digest, entry)) = entries.next().await {
                let entry = entry?;
                if all.insert(digest) {
                    bytes = bytes.saturating_add(entry.size);
                }
                next.extend(
                    entry
                        .wanted_children(self.filter)
                        .filter(|child| named.insert(*child)),
                );
                if all.len().max(next.len()) > self.limits.manifests_max || bytes > self.limits.bytes_max {
                    return Err(self.too_large(root));
                }
            }
            drop(entries);
            levels.push(std::mem::replace(&mut level, next));
        }
        // What is named on two levels belongs to the deeper one.
        let deepest_first = levels.into_iter().rev().flatten();
        Ok(deepest_first.filter(|digest| all.remove(digest)).collect())
    }

    /// Why an image is not followed further.
    pub(crate) fn too_large(&self, root: &Digest) -> PlaceError {
        PlaceError::TooLarge {
            digest: *root,
            manifests_max: self.limits.manifests_max,
            bytes_max: self.limits.bytes_max,
        }
    }

    /// Looks whether the source has a blob, once for all images that name it.
    pub(crate) async fn look_for(
        &self,
        origin: &dyn OriginRepository,
        blob: &BlobEntry,
    ) -> Result<(), PlaceError> {
        let slot = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blobs.entry(blob.digest).or_default())
        };
        let looked = slot.get_or_init(|| async {
            let looked = self.pace.call(|| origin.find_blob(blob)).await;
            looked.map_err(|error| error.told())
        });
        looked.await.clone().map_err(PlaceError::Known)
    }

    /// What is known, for a plan.
    pub(crate) fn into_known(self) -> BTreeMap<Digest, ManifestEntry> {
        let known = self.known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let entries = known.into_iter().filter_map(|(digest, slot)| {
            let entry = slot.get()?.as_ref().ok()?;
            Some((digest, (**entry).clone()))
        });
        entries.collect()
    }

    /// Forgets failures, so that what failed is asked for again.
    pub(crate) fn forget_failures(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, slot| slot.get().is_none_or(Result::is_ok));
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use client::registry::TagListing;
    use oci::{Descriptor, ImageIndex, ImageManifest, MediaType};

    use super::*;
    use crate::pace::PaceOptions;
    use crate::place::Pieces;

    /// Manifests, and nothing else.
    #[derive(Default)]
    struct Manifests(HashMap<Digest, Manifest>);

    #[async_trait]
    impl OriginRepository for Manifests {
        async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
            Ok(None)
        }

        async fn digest_of(&self, _: &str) -> Result<Option<Digest>, PlaceError> {
            Ok(None)
        }

        async fn manifest(&self, digest: &Digest) -> Result<Manifest, PlaceError> {
            self.0.get(digest).cloned().ok_or(PlaceError::Missing {
                what: "manifest",
                digest: *digest,
            })
        }

        async fn find_blob(&self, _: &BlobEntry) -> Result<(), PlaceError> {
            Ok(())
        }

        async fn blob(&self, blob: &BlobEntry, _: u64) -> Result<Pieces, PlaceError> {
            Err(PlaceError::Missing {
                what: "blob",
                digest: blob.digest,
            })
        }

        async fn referrers(&self, _: &Digest) -> Result<Vec<Digest>, PlaceError> {
            Ok(Vec::new())
        }
    }

    impl Manifests {
        fn keep(&mut self, manifest: Manifest) -> Descriptor {
            let descriptor = manifest.descriptor();
            self.0.insert(descriptor.digest, manifest);
            descriptor
        }

        fn image(&mut self, number: u8) -> Descriptor {
            let config = Descriptor::of(MediaType::OCI_CONFIG, &[number]);
            self.keep(Manifest::from_image(&ImageManifest::new(config, Vec::new())))
        }

        fn index(&mut self, children: Vec<Descriptor>) -> Descriptor {
            self.keep(Manifest::from_index(&ImageIndex::new(children)))
        }

        async fn below(
            &self,
            root: &Descriptor,
            limits: Option<ImageLimits>,
        ) -> Result<Vec<Digest>, PlaceError> {
            let (pace, filter) = (Pace::new(PaceOptions::default()), Filter::default());
            let store = ManifestStore::temporary().unwrap();
            let mut closures = Closures::new(&pace, &store, &filter, &BTreeMap::new());
            closures.limits = limits.unwrap_or(closures.limits);
            closures.below(self, &root.digest).await
        }
    }

    #[tokio::test]
    async fn indexes_that_name_one_another_many_times_are_each_followed_once() {
        let mut manifests = Manifests::default();
        let mut last = manifests.image(0);
        let mut expected = vec![last.digest];
        for _ in 0..7 {
            last = manifests.index(vec![last; 20]);
            expected.push(last.digest);
        }
        assert_eq!(manifests.below(&last, None).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn what_is_named_on_two_levels_comes_before_both_that_name_it() {
        let mut manifests = Manifests::default();
        let (first, second) = (manifests.image(1), manifests.image(2));
        let inner = manifests.index(vec![first.clone(), second.clone()]);
        let outer = manifests.index(vec![first.clone(), inner.clone(), first.clone()]);
        let below = manifests.below(&outer, None).await.unwrap();
        let expected = [&first, &second, &inner, &outer];
        assert_eq!(below, expected.map(|descriptor| descriptor.digest));
    }

    #[tokio::test]
    async fn an_image_with_as_much_as_is_allowed_is_followed_and_one_with_more_is_not() {
        let mut manifests = Manifests::default();
        let images: Vec<Descriptor> = (0..9).map(|number| manifests.image(number)).collect();
        let root = manifests.index(images.clone());
        let bytes = root.size + images.iter().map(|image| image.size).sum::<u64>();
        let exactly = ImageLimits {
            manifests_max: 10,
            bytes_max: bytes,
        };
        assert_eq!(manifests.below(&root, Some(exactly)).await.unwrap().len(), 10);
        let fewer = ImageLimits {
            manifests_max: 9,
            ..exactly
        };
        let shorter = ImageLimits {
            bytes_max: bytes - 1,
            ..exactly
        };
        for limits in [fewer, shorter] {
            let refused = manifests.below(&root, Some(limits)).await.unwrap_err();
            assert!(matches!(refused, PlaceError::TooLarge { .. }), "{refused}");
        }
    }
}
