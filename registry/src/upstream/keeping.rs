//! Keeping what came from another registry.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Digest, Manifest, Tag};
use store::{Actor, KeptFromOld, NewManifest, PackagePath, PutRefusal, StoredManifest, Upstream};

use crate::manifests::new_manifest;
use crate::registry::Registry;

/// A manifest that came, as it is answered and as it is stored.
pub(super) struct Kept {
    pub(super) manifest: Arc<StoredManifest>,
    new: NewManifest,
}

impl Kept {
    /// What it names may be missing, and naming gives no access.
    pub(super) fn new(manifest: Manifest, digest: Digest) -> Kept {
        let bytes = Bytes::copy_from_slice(manifest.bytes());
        let new = new_manifest(&manifest, digest, bytes, Vec::new(), true);
        let stored = StoredManifest {
            digest,
            bytes: new.bytes.clone(),
            media_type: new.media_type.clone(),
            artifact_type: new.artifact_type.clone(),
        };
        Kept {
            manifest: Arc::new(stored),
            new,
        }
    }
}

impl Registry {
    /// Stores a manifest. What cannot be kept was answered all the same: it will be asked for again.
    pub(super) async fn keep_manifest(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        (kept, tag): (Kept, Option<Tag>),
    ) {
        let (target, actor, now) = (package.clone(), Registry::upstream_actor(upstream), self.now());
        let new = kept.new;
        // Who owns the tags is decided in the transaction: another server may have changed that just now.
        let stored = self.change(package, async move |metadata| {
            let kept = metadata.keep_from_old(&target, &new, tag.as_ref(), &actor, now);
            Ok(match kept.await? {
                KeptFromOld::Refused(refusal) => Err(refusal),
                // What was deleted or pushed here counts.
                KeptFromOld::Kept | KeptFromOld::Deleted | KeptFromOld::TagNames(_) => Ok(()),
            })
        });
        match stored.await {
            // The repository was deleted meanwhile, or has no room.
            Ok(Ok(()) | Err(PutRefusal::RepositoryUnknown | PutRefusal::OverQuota { .. })) => {}
            Ok(Err(refusal)) => self.trouble("upstream", &refusal),
            Err(error) => self.trouble("upstream", &error),
        }
    }

    /// Who is said to have brought it.
    pub(crate) fn upstream_actor(upstream: &Upstream) -> Actor {
        Actor(format!("upstream:{}", upstream.host))
    }
}
