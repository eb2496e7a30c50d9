//! Manifests that came and are not stored yet: who was answered already may ask for them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci::Digest;
use store::{PackagePath, StoredManifest};

type Key = (PackagePath, Digest);

/// By package and digest. There are no more of them than fetches under way.
#[derive(Default)]
pub(super) struct Arrived(Mutex<HashMap<Key, (Arc<StoredManifest>, usize)>>);

impl Arrived {
    pub(super) fn get(&self, package: &PackagePath, digest: &Digest) -> Option<Arc<StoredManifest>> {
        let arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (manifest, _) = arrived.get(&(package.clone(), *digest))?;
        Some(Arc::clone(manifest))
    }

    /// Those of a package.
    pub(super) fn of(&self, package: &PackagePath) -> Vec<Arc<StoredManifest>> {
        let arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_package = arrived.iter().filter(|((of, _), _)| of == package);
        of_package
            .map(|(_, (manifest, _))| Arc::clone(manifest))
            .collect()
    }

    /// Has it until it is removed as often.
    pub(super) fn add(&self, package: &PackagePath, manifest: &Arc<StoredManifest>) {
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = arrived
            .entry((package.clone(), manifest.digest))
            .or_insert_with(|| (Arc::clone(manifest), 0));
        entry.1 += 1;
    }

    pub(super) fn remove(&self, package: &PackagePath, digest: &Digest) {
        let key = (package.clone(), *digest);
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = arrived.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                arrived.remove(&key);
            }
        }
    }
}
