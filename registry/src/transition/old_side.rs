//! What this registry asks of the old side for itself: with its own credential, after its policies allowed the caller.

use std::sync::Arc;
use std::time::Instant;

use access::Permission;
use hyper::Method;
use oci::{Digest, Tag};
use store::{Actor, KeptFromOld, PackagePath, Remote, StoredManifest};

use super::counts::Side;
use super::{Moving, Turn};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::reading::Found;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::{Operation, Reference};
use crate::upstream::{End, Fetch, Incoming, Trouble};
use crate::{blobs, manifests};

/// Who keeps what was fetched, and steps back by itself.
pub(super) fn actor() -> Actor {
    Actor("lightship".to_owned())
}

/// A read of a manifest or blob here, while the old side says what tags name. What it cannot say now is as it was known.
pub(super) async fn read_by_old_tags(turn: &Turn<'_>) -> Result<Answer, Refusal> {
    let (registry, moving, call) = (turn.registry, turn.moving, turn.call);
    let Operation::Manifest {
        reference: reference @ Reference::Tag(tag),
        ..
    } = turn.operation
    else {
        let result = turn.dispatch().await;
        return match &result {
            Err(refusal) if refusal.is_absent() => read_missing(turn, result).await,
            _ => result,
        };
    };
    registry
        .authorise(call, Permission::DownloadArtifacts, &moving.package)
        .await?;
    let found = settled(turn, tag).await?.ok_or(Refusal::ManifestUnknown)?;
    manifests::told(registry, call, found_at(moving, found), reference)
}

/// What a tag names at the old side, and here too from now on.
async fn settled(turn: &Turn<'_>, tag: &Tag) -> Result<Option<Arc<StoredManifest>>, Refusal> {
    let (registry, moving) = (turn.registry, turn.moving);
    let (old, package) = (&moving.transition.old, &moving.package);
    let known = manifests::find(registry, package, &Reference::Tag(tag.clone())).await?;
    let begun = Instant::now();
    let resolved = registry.resolve_upstream(old, package, tag).await;
    turn.count_own(&resolved, begun);
    let digest = match resolved {
        Ok(Some(digest)) => digest,
        Ok(None) => return Ok(None),
        // What was last known is better than nothing.
        Err(trouble) => return known.map(Some).ok_or_else(|| trouble.into()),
    };
    if let Some(known) = known.filter(|known| known.digest == digest) {
        return Ok(Some(known));
    }
    let reference = Reference::Digest(digest);
    Ok(registry
        .fetch_manifest(old, package, (&reference, Some(tag)))
        .await?)
}

/// A read of what is not here: it is fetched from the old side and kept, unless it was deleted here.
pub(super) async fn read_missing(
    turn: &Turn<'_>,
    missing: Result<Answer, Refusal>,
) -> Result<Answer, Refusal> {
    let (registry, moving, call) = (turn.registry, turn.moving, turn.call);
    let (old, package) = (&moving.transition.old, &moving.package);
    let reference = match turn.operation {
        Operation::Manifest { reference, .. } => reference,
        Operation::Blob { digest, .. } if !is_deleted(registry, package, &digest.to_string()).await? => {
            let remote = Remote::new(old.clone());
            let begun = Instant::now();
            let pulled = blobs::pulled(registry, call, (&remote, package), digest).await;
            let is_said_there = match &pulled {
                Ok(_) => true,
                Err(refusal) => refusal.is_absent() || refusal.is_of_old_side(),
            };
            if is_said_there {
                turn.count(Side::Old, super::class(&pulled), begun.elapsed());
            }
            return match pulled {
                // Who pushes looks for a blob before it is sent; that the old side is down is no reason not to send it.
                Err(Refusal::Upstream(_)) if *call.method == Method::HEAD => missing,
                pulled => pulled,
            };
        }
        _ => return missing,
    };
    if is_deleted(registry, package, &reference.to_string()).await? {
        return missing;
    }
    let tag = match reference {
        Reference::Tag(tag) => Some(tag),
        Reference::Digest(_) => None,
    };
    let begun = Instant::now();
    let fetched = registry.fetch_manifest(old, package, (reference, tag)).await;
    turn.count_own(&fetched, begun);
    let Some(manifest) = fetched? else {
        return missing;
    };
    // The tag names something that was deleted here, perhaps by another name.
    if is_deleted(registry, package, &manifest.digest.to_string()).await? {
        return missing;
    }
    manifests::told(registry, call, found_at(moving, manifest), reference)
}

fn found_at(moving: &Moving, manifest: Arc<StoredManifest>) -> Found {
    Found {
        manifest,
        package: moving.package.clone(),
        warning: None,
    }
}

async fn is_deleted(registry: &Registry, package: &PackagePath, reference: &str) -> Result<bool, Refusal> {
    Ok(registry.metadata().is_entombed(package, reference).await?)
}

/// Makes a blob of the old side one of this; false when it is not there.
pub(super) async fn bring_blob(
    registry: &Registry,
    moving: &Moving,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let fetch = Fetch {
        upstream: &moving.transition.old,
        bytes_per_second_max: None,
    };
    let package = &moving.package;
    match registry.fetch_blob(fetch, package, digest).await? {
        Some(Incoming::Here) => {}
        None => return Ok(false),
        Some(Incoming::Coming { growth, .. }) => match growth.landed().await {
            End::Failed(trouble) => return Err(trouble.into()),
            End::Absent => return Ok(false),
            End::Right | End::Linked | End::Unkept | End::Abandoned => {}
        },
    }
    // Of those who waited for it, each has its own quota.
    match registry.metadata().blob(package, digest).await? {
        Some(_) => Ok(true),
        None => Err(Trouble::Unkept.into()),
    }
}

/// Makes a manifest of the old side one of this; false when it is not there, or was deleted here.
pub(super) async fn bring_manifest(
    registry: &Registry,
    moving: &Moving,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let (old, package) = (&moving.transition.old, &moving.package);
    let reference = Reference::Digest(*digest);
    let Some(found) = registry.fetch_manifest(old, package, (&reference, None)).await? else {
        return Ok(false);
    };
    // It was answered before it was kept.
    let manifest = manifests::parsed(&found).map_err(Refusal::Manifest)?;
    let new = manifests::new_manifest(&manifest, *digest, found.bytes.clone(), Vec::new(), true);
    let (target, now) = (package.clone(), registry.now());
    let kept = registry.change(package, async move |metadata| {
        metadata.keep_from_old(&target, &new, None, &actor(), now).await
    });
    match kept.await? {
        KeptFromOld::Kept | KeptFromOld::TagNames(_) => Ok(true),
        KeptFromOld::Deleted => Ok(false),
        KeptFromOld::Refused(refusal) => Err(refusal.into()),
    }
}

impl Turn<'_> {
    /// This side's answer to a read.
    pub(super) async fn dispatch(&self) -> Result<Answer, Refusal> {
        self.registry
            .dispatch(self.operation, self.call, Arriving::none())
            .await
    }
}
