//! Which of the manifests that were put a layout has to list.

use std::collections::{BTreeMap, BTreeSet};

use oci::{Descriptor, Digest, Manifest, Parsed};

use super::IndexFile;

/// The manifests put so far. Those that another one names need no entry in `index.json`; all others
/// do, with a name or without, or nobody would find them. Referrers are among these.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    manifests: BTreeMap<Digest, Descriptor>,
    children: BTreeSet<Digest>,
    names: BTreeMap<String, Digest>,
}

impl Roots {
    /// Notes a manifest. A name that was noted before moves.
    pub(crate) fn note(&mut self, manifest: &Manifest, name: Option<&str>) {
        let descriptor = manifest.descriptor();
        if let Some(name) = name {
            self.names.insert(name.to_owned(), descriptor.digest);
        }
        if let Parsed::Index(index) = manifest.parsed() {
            self.children
                .extend(index.manifests.iter().map(|child| child.digest));
        }
        self.manifests.insert(descriptor.digest, descriptor);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// Lists them in `index`, in an order that does not depend on that of the calls, and says whether
    /// that changed anything.
    pub(crate) fn list_in(&self, index: &mut IndexFile) -> Result<bool, serde_json::Error> {
        let mut changed = false;
        for (name, digest) in &self.names {
            if let Some(descriptor) = self.manifests.get(digest) {
                changed |= index.put(Some(name), descriptor)?;
            }
        }
        let named: BTreeSet<&Digest> = self.names.values().collect();
        for (digest, descriptor) in &self.manifests {
            if !self.children.contains(digest) && !named.contains(digest) {
                changed |= index.put(None, descriptor)?;
            }
        }
        Ok(changed)
    }
}
