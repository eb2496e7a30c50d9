//! Manifests that are pushed while a repository is in transition: what they name may still be at the old side, and the old side
//! may have to have them too.

use oci::{Descriptor, Digest};
use store::{KeptFromOld, NewManifest, Pushes, PutRefusal};

use super::{Moving, copy_back, is_copy, old_side, rollback};
use crate::call::Call;
use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Blobs and children of one manifest that are fetched from the old side before it is stored.
const FETCHED_MAX: usize = 1024;

/// Debts that are repaid after a push that got through.
const REPAID_AT_ONCE: usize = 64;

/// Stores a manifest that was pushed here, and at the old side too where pushes go to both: then it is answered when both have
/// it.
///
/// The side that owns the tags sets them last, so that nobody sees a tag that the other side may still refuse; what this side
/// owns and has stored before is remembered until the old side has it.
pub(crate) async fn push(
    registry: &Registry,
    call: &Call<'_>,
    moving: &Moving,
    new: NewManifest,
) -> Result<(), Refusal> {
    if is_copy(call) {
        return keep_copy(registry, call, moving, new).await;
    }
    if moving.transition.pushes == Pushes::One {
        return keep(registry, call, moving, new).await;
    }
    if moving.transition.state.owns_tags() {
        let references = references(&new);
        for reference in &references {
            let (package, now) = (&moving.package, registry.now());
            registry.metadata().owe(package, reference, now).await?;
        }
        keep(registry, call, moving, new.clone()).await?;
        write_there(registry, moving, &new).await?;
        for reference in &references {
            registry.metadata().repaid(&moving.package, reference).await?;
        }
        repay(registry, moving);
        return Ok(());
    }
    let untagged = NewManifest {
        tags: Vec::new(),
        ..new.clone()
    };
    keep(registry, call, moving, untagged).await?;
    write_there(registry, moving, &new).await?;
    match new.tags.is_empty() {
        true => Ok(()),
        false => keep(registry, call, moving, new).await,
    }
}

/// Stores what is copied from the old side. While this side owns the tags, what was pushed or deleted here counts.
async fn keep_copy(
    registry: &Registry,
    call: &Call<'_>,
    moving: &Moving,
    new: NewManifest,
) -> Result<(), Refusal> {
    let package = &moving.package;
    if !moving.transition.state.owns_tags() {
        return manifests::keep(registry, call, package, new).await;
    }
    let tags: Vec<Option<oci::Tag>> = match new.tags.is_empty() {
        true => vec![None],
        false => new.tags.iter().cloned().map(Some).collect(),
    };
    let mut counts_here = false;
    for tag in tags {
        let (target, new, actor, now) = (package.clone(), new.clone(), call.caller.actor(), registry.now());
        let kept = registry.change(package, async move |metadata| {
            metadata
                .keep_from_old(&target, &new, tag.as_ref(), &actor, now)
                .await
        });
        match kept.await? {
            KeptFromOld::Kept => {}
            KeptFromOld::Deleted | KeptFromOld::TagNames(_) => counts_here = true,
            KeptFromOld::Refused(refusal) => return Err(refusal.into()),
        }
    }
    match counts_here {
        true => Err(Refusal::ThisSideCounts),
        false => Ok(()),
    }
}

/// By what a pushed manifest is asked for.
fn references(new: &NewManifest) -> Vec<String> {
    match new.tags.is_empty() {
        true => vec![new.digest.to_string()],
        false => new.tags.iter().map(ToString::to_string).collect(),
    }
}

/// Stores it here. What it names and is only at the old side is fetched first: who pushes was told that it is there.
async fn keep(
    registry: &Registry,
    call: &Call<'_>,
    moving: &Moving,
    new: NewManifest,
) -> Result<(), Refusal> {
    for _ in 0..FETCHED_MAX {
        let missing: Digest = match manifests::keep(registry, call, &moving.package, new.clone()).await {
            Err(refusal) => match &refusal {
                Refusal::ManifestBlob { digest } if moving.fetches() => {
                    if !old_side::bring_blob(registry, moving, digest).await? {
                        return Err(refusal);
                    }
                    continue;
                }
                Refusal::ManifestChild { digest } if moving.fetches() => *digest,
                _ => return Err(refusal),
            },
            Ok(()) => return Ok(()),
        };
        if !old_side::bring_manifest(registry, moving, &missing).await? {
            return Err(PutRefusal::ManifestUnknown { digest: missing }.into());
        }
    }
    Err(Refusal::OldSide)
}

async fn write_there(registry: &Registry, moving: &Moving, new: &NewManifest) -> Result<(), Refusal> {
    let descriptor = Descriptor::new(new.media_type.clone(), new.digest, new.bytes.len() as u64);
    let names = match new.tags.as_slice() {
        [] => vec![None],
        tags => tags.iter().map(|tag| Some(tag.as_str())).collect(),
    };
    for name in names {
        let copied = copy_back::copy_back(registry, moving, &descriptor, name).await;
        if let Err(error) = copied {
            registry.trouble("old registry", &error);
            return Err(Refusal::OldSideLacks {
                reason: rollback::whole(&error),
            });
        }
    }
    Ok(())
}

/// Writes to the old side what it was owed, now that it takes something again.
fn repay(registry: &Registry, moving: &Moving) {
    let (registry, moving) = (registry.clone(), moving.clone());
    tokio::spawn(async move {
        if let Err(error) = repay_some(&registry, &moving).await {
            registry.trouble("old registry", &error);
        }
    });
}

async fn repay_some(registry: &Registry, moving: &Moving) -> Result<(), Refusal> {
    let repository = &moving.package.repository;
    let debts = registry
        .metadata()
        .debts(repository, None, REPAID_AT_ONCE)
        .await?;
    for debt in debts {
        let package = store::PackagePath {
            repository: repository.clone(),
            name: debt.package.clone(),
        };
        let Some(owed) = registry.moving_package(&package).await? else {
            return Ok(());
        };
        let found = match (
            debt.reference.parse::<Digest>(),
            debt.reference.parse::<oci::Tag>(),
        ) {
            (Ok(digest), _) => registry.metadata().manifest(&package, &digest).await?,
            (_, Ok(tag)) => registry.metadata().tagged(&package, &tag).await?,
            _ => None,
        };
        // What went meanwhile is owed no more.
        if let Some(stored) = found {
            let descriptor = manifests::descriptor(&stored);
            let tag = debt
                .reference
                .parse::<oci::Tag>()
                .is_ok()
                .then_some(debt.reference.as_str());
            let copied = copy_back::copy_back(registry, &owed, &descriptor, tag).await;
            if let Err(error) = copied {
                return Err(Refusal::OldSideLacks {
                    reason: rollback::whole(&error),
                });
            }
        }
        registry.metadata().repaid(&package, &debt.reference).await?;
    }
    Ok(())
}
