//! Manifests in memory, by digest and by tag, in front of the metadata.
//!
//! Every write of a package through this process forgets what is kept of it. A read that began before such a write and
//! ends after it does not bring the old state back: it keeps what it found only if nothing was forgotten meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use store::{PackagePath, StoredManifest};

/// What of one package is kept, by digest and by tag as text.
type Kept = HashMap<String, Arc<StoredManifest>>;

/// Costs of an entry beside the bytes of the manifest.
const ENTRY_BYTES: usize = 512;

#[derive(Debug)]
pub(crate) struct ManifestCache {
    state: RwLock<State>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    packages: HashMap<PackagePath, Kept>,
    bytes: usize,
    /// How often something was forgotten.
    forgotten: u64,
}

impl ManifestCache {
    pub(crate) fn new(bytes_max: usize) -> ManifestCache {
        ManifestCache {
            state: RwLock::default(),
            bytes_max,
        }
    }

    /// What is kept; or else what [`keep`](Self::keep) has to be told.
    pub(crate) fn get(&self, package: &PackagePath, reference: &str) -> Result<Arc<StoredManifest>, u64> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let kept = state.packages.get(package).and_then(|kept| kept.get(reference));
        kept.cloned().ok_or(state.forgotten)
    }

    /// Keeps what was read after [`get`](Self::get) had told `forgotten`.
    pub(crate) fn keep(
        &self,
        package: &PackagePath,
        reference: &str,
        manifest: &Arc<StoredManifest>,
        forgotten: u64,
    ) {
        let cost = manifest.bytes.len() + ENTRY_BYTES;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.forgotten != forgotten || cost > self.bytes_max {
            return;
        }
        if state.bytes + cost > self.bytes_max {
            state.packages.clear();
            state.bytes = 0;
        }
        state.bytes += cost;
        let kept = state.packages.entry(package.clone()).or_default();
        if let Some(before) = kept.insert(reference.to_owned(), Arc::clone(manifest)) {
            state.bytes -= before.bytes.len() + ENTRY_BYTES;
        }
    }

    /// Forgets what is kept of a package. To be called after a write and before it is answered.
    pub(crate) fn forget(&self, package: &PackagePath) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.forgotten += 1;
        if let Some(kept) = state.packages.remove(package) {
            state.bytes -= kept
                .values()
                .map(|manifest| manifest.bytes.len() + ENTRY_BYTES)
                .sum::<usize>();
        }
    }

    /// Forgets everything: something was removed, and it is not known what.
    pub(crate) fn forget_all(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.forgotten += 1;
        state.packages.clear();
        state.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use oci::{Digest, MediaType};

    use super::*;

    fn package(name: &str) -> PackagePath {
        PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    fn manifest(size: usize) -> Arc<StoredManifest> {
        Arc::new(StoredManifest {
            digest: Digest::sha256_of(b""),
            bytes: vec![0; size].into(),
            media_type: MediaType::OCI_MANIFEST,
            artifact_type: None,
        })
    }

    #[test]
    fn what_was_read_before_a_write_is_not_kept_after_it() {
        let cache = ManifestCache::new(1 << 20);
        let a = package("a");
        let before = cache.get(&a, "latest").unwrap_err();
        cache.forget(&a);
        cache.keep(&a, "latest", &manifest(1), before);
        let now = cache.get(&a, "latest").unwrap_err();
        cache.keep(&a, "latest", &manifest(1), now);
        assert!(cache.get(&a, "latest").is_ok());
        cache.forget(&package("b"));
        assert!(cache.get(&a, "latest").is_ok());
        cache.forget(&a);
        let now = cache.get(&a, "latest").unwrap_err();
        assert_eq!(cache.state.read().unwrap().bytes, 0);
        cache.forget_all();
        cache.keep(&a, "latest", &manifest(1), now);
        let now = cache.get(&a, "latest").unwrap_err();
        cache.keep(&a, "latest", &manifest(1), now);
        cache.forget_all();
        assert!(cache.get(&a, "latest").is_err());
        assert_eq!(cache.state.read().unwrap().bytes, 0);
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let cache = ManifestCache::new(10_000);
        let a = package("a");
        for number in 0..100 {
            let forgotten = cache.get(&a, &number.to_string()).unwrap_err();
            cache.keep(&a, &number.to_string(), &manifest(1000), forgotten);
            assert!(cache.state.read().unwrap().bytes <= 10_000);
        }
        let forgotten = cache.get(&a, "large").unwrap_err();
        cache.keep(&a, "large", &manifest(10_000), forgotten);
        assert!(cache.get(&a, "large").is_err());
    }
}
