//! Manifests that are pushed while a repository is in transition: what they name may still be at the old side, and the old side
//! may have to have them too.

use std::sync::Arc;

use oci::{Descriptor, Digest};
use store::{InTransition, KeptFromOld, NewManifest, PackagePath, Pushes, PutRefusal, RepositoryPath};

use super::{Moving, copy_back, is_copy, old_side, rollback, settling};
use crate::call::Call;
use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Blobs and children of one manifest that are fetched from the old side before it is stored.
const FETCHED_MAX: usize = 1024;

/// Debts that are repaid after a push that got through.
const REPAID_AT_ONCE: usize = 64;

/// Debts in a row that cannot be repaid before it is left for another time.
const UNPAYABLE_MAX: usize = 8;

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
        return keep_copy(registry, call, &moving.package, new).await;
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
        for reference in &references {
            pay(registry, moving, reference).await?;
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
    package: &PackagePath,
    new: NewManifest,
) -> Result<(), Refusal> {
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
    if counts_here {
        return Err(Refusal::ThisSideCounts);
    }
    registry.usage().pushed(package, &new.digest, registry.now());
    Ok(())
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

/// Writes to the old side what a reference names here, until that is what it names: of two who push a tag at once, the older one
/// must not come last there.
async fn pay(registry: &Registry, moving: &Moving, reference: &str) -> Result<(), Refusal> {
    let (metadata, package) = (registry.metadata(), &moving.package);
    if let Err(reason) = written(registry, moving, reference).await? {
        // Another push of it may have repaid what it owed meanwhile.
        metadata.owe(package, reference, registry.now()).await?;
        let refusal = Refusal::OldSideLacks { reason };
        registry.trouble("old registry", &refusal);
        return Err(refusal);
    }
    metadata.repaid(package, reference).await?;
    Ok(())
}

/// What went meanwhile need not be written, and what was only copied from there must not be: that side may have moved it since.
async fn written(
    registry: &Registry,
    moving: &Moving,
    reference: &str,
) -> Result<Result<(), String>, Refusal> {
    if let Ok(tag) = reference.parse() {
        if settling::unsettled(registry, moving, &tag).await?.is_some() {
            return Ok(Ok(()));
        }
        let copied = rollback::copy_tag_back(registry, moving, &tag).await;
        return Ok(copied.map(drop));
    }
    let Ok(digest) = reference.parse::<Digest>() else {
        return Ok(Ok(()));
    };
    let stored = registry.metadata().manifest(&moving.package, &digest).await?;
    let Some(stored) = stored else {
        return Ok(Ok(()));
    };
    let descriptor = manifests::descriptor(&stored);
    let copied = copy_back::copy_back(registry, moving, &descriptor, None).await;
    Ok(copied.map(drop).map_err(|error| rollback::whole(&error)))
}

/// Writes to the old side what it was owed, now that it takes something again. One does so at a time, and begins where the last
/// one ended: what it never takes does not stand before the rest.
fn repay(registry: &Registry, moving: &Moving) {
    let repository = &moving.package.repository;
    let Some(after) = registry.transition_memory().begin_repaying(repository) else {
        return;
    };
    let repaying = Repaying {
        registry: registry.clone(),
        repository: repository.clone(),
        after,
    };
    tokio::spawn(async move {
        let mut repaying = repaying;
        if let Err(refusal) = repay_some(&mut repaying).await {
            repaying.registry.trouble("old registry", &refusal);
        }
    });
}

/// A run through debts. However it ends, another may begin.
struct Repaying {
    registry: Registry,
    repository: RepositoryPath,
    /// The last debt that was looked at; none is to begin with the first.
    after: Option<InTransition>,
}

impl Drop for Repaying {
    fn drop(&mut self) {
        let memory = self.registry.transition_memory();
        memory.end_repaying(&self.repository, self.after.take());
    }
}

async fn repay_some(repaying: &mut Repaying) -> Result<(), Refusal> {
    let registry = repaying.registry.clone();
    let debts = registry
        .metadata()
        .debts(&repaying.repository, repaying.after.as_ref(), REPAID_AT_ONCE)
        .await?;
    let is_last = debts.len() < REPAID_AT_ONCE;
    let mut failed = 0;
    for debt in debts {
        let package = PackagePath {
            repository: repaying.repository.clone(),
            name: debt.package.clone(),
        };
        // As the store has it: another server may have given the tags back just now.
        let found = registry.transition(&repaying.repository).await?;
        let found = found.filter(|now| now.state.owns_tags() && now.pushes == Pushes::Both);
        let name = package.name.to_string();
        let Some(owed) = found.and_then(|now| Moving::of(&Arc::new(now), package, &name)) else {
            return Ok(());
        };
        match pay(&registry, &owed, &debt.reference).await {
            Ok(()) => failed = 0,
            Err(_) => failed += 1,
        }
        repaying.after = Some(debt);
        if failed == UNPAYABLE_MAX {
            return Ok(());
        }
    }
    if is_last {
        repaying.after = None;
    }
    Ok(())
}
