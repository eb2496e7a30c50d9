//! Manifests with everything below them, each read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use client::INDEX_DEPTH_MAX;
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
    known: Mutex<HashMap<Digest, Slot>>,
    /// Blobs that were looked for at the source.
    blobs: Mutex<HashMap<Digest, Arc<OnceCell<Result<(), Failed>>>>>,
}

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

    /// A manifest and all below it, children before parents.
    pub(crate) async fn below(
        &self,
        origin: &dyn OriginRepository,
        root: &Digest,
    ) -> Result<Vec<Digest>, PlaceError> {
        let (mut levels, mut level) = (Vec::new(), vec![*root]);
        let mut seen = BTreeSet::new();
        while !level.is_empty() {
            if levels.len() > INDEX_DEPTH_MAX {
                return Err(PlaceError::TooDeep {
                    digest: *root,
                    depth_max: INDEX_DEPTH_MAX,
                });
            }
            let entries = stream::iter(level.iter())
                .map(|digest| self.entry(origin, digest))
                .buffered(CHILDREN_AT_ONCE);
            let entries: Vec<_> = entries.collect().await;
            let mut next = Vec::new();
            for entry in entries {
                next.extend(entry?.wanted_children(self.filter));
            }
            levels.push(std::mem::replace(&mut level, next));
        }
        // What is named on two levels belongs to the deeper one.
        let deepest_first = levels.into_iter().rev().flatten();
        Ok(deepest_first.filter(|digest| seen.insert(*digest)).collect())
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
