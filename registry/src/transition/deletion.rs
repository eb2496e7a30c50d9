//! What is deleted while both sides count: what only the old one has leaves its tombstone here, else it would be fetched by the next who
//! asks; and while pushes go to both, what the old one owns goes from there too.

use std::time::Instant;

use access::Permission;
use hyper::{Method, StatusCode};
use oci::Tag;
use store::{Actor, OnlyThere, PackagePath, TransitionState};

use super::{Moving, Turn};
use crate::answer::{self, Answer};
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::{Operation, Reference};

/// Deletes what is not here, if the old side has it. The policies here have allowed the caller to.
///
/// # Errors
/// As `missing` says when it is nowhere, and when the old side does not say whether it has it.
pub(super) async fn delete_missing(
    turn: &Turn<'_>,
    missing: Result<Answer, Refusal>,
) -> Result<Answer, Refusal> {
    let (registry, moving) = (turn.registry, turn.moving);
    let package = &moving.package;
    let reference = match turn.operation {
        Operation::Manifest { reference, .. } => reference.to_string(),
        Operation::Blob { digest, .. } => digest.to_string(),
        _ => return missing,
    };
    if registry.metadata().is_entombed(package, &reference).await? {
        return missing;
    }
    let Some(what) = only_there(turn).await? else {
        return missing;
    };
    if !entomb(registry, package, what, &turn.call.caller.actor()).await? {
        return missing;
    }
    // It may have been fetched in between; from now on it is not.
    match turn.dispatch().await {
        Err(refusal) if refusal.is_absent() => Ok(answer::empty(StatusCode::ACCEPTED)),
        deleted => deleted,
    }
}

/// What the old side has of what the request names.
async fn only_there(turn: &Turn<'_>) -> Result<Option<OnlyThere>, Refusal> {
    let (registry, moving) = (turn.registry, turn.moving);
    let (old, package) = (&moving.transition.old, &moving.package);
    let begun = Instant::now();
    match turn.operation {
        Operation::Manifest {
            reference: Reference::Tag(tag),
            ..
        } => {
            let resolved = registry.resolve_upstream(old, package, tag).await;
            turn.count_own(&resolved, begun);
            let of = |digest| OnlyThere::Tag {
                tag: tag.clone(),
                digest,
            };
            Ok(resolved?.map(of))
        }
        Operation::Manifest {
            reference: Reference::Digest(digest),
            ..
        } => {
            let described = registry.describe_upstream_manifest(old, package, digest).await;
            turn.count_own(&described, begun);
            Ok(described?.map(|_| OnlyThere::Manifest(*digest)))
        }
        Operation::Blob { digest, .. } => {
            let described = registry.describe_upstream_blob(old, package, digest).await;
            turn.count_own(&described, begun);
            Ok(described?.map(|_| OnlyThere::Blob(*digest)))
        }
        _ => Ok(None),
    }
}

async fn entomb(
    registry: &Registry,
    package: &PackagePath,
    what: OnlyThere,
    actor: &Actor,
) -> Result<bool, Refusal> {
    let (target, actor, now) = (package.clone(), actor.clone(), registry.now());
    let entombed = registry.change(package, async move |metadata| {
        metadata.entomb(&target, &what, &actor, now).await
    });
    Ok(entombed.await??)
}

/// Deletes what the old side has of a package, after what is here of it went if `was_here`; false when that is nothing.
///
/// # Errors
/// When the old side does not say whether it has the package.
pub(crate) async fn delete_package_there(
    registry: &Registry,
    package: &PackagePath,
    (was_here, actor): (bool, &Actor),
) -> Result<bool, Refusal> {
    let Some(moving) = registry.moving_package(package).await? else {
        return Ok(false);
    };
    match moving.transition.state {
        TransitionState::EnabledAndCopying => {}
        // From here on nothing is fetched, but the tombstone says what was meant if it goes back.
        TransitionState::Enabled if was_here => {}
        _ => return Ok(false),
    }
    if !was_here && !is_there(registry, &moving).await? {
        return Ok(false);
    }
    entomb(registry, package, OnlyThere::Package, actor).await
}

async fn is_there(registry: &Registry, moving: &Moving) -> Result<bool, Refusal> {
    let (old, package) = (&moving.transition.old, &moving.package);
    let reference = OnlyThere::WHOLE_PACKAGE;
    if registry.metadata().is_entombed(package, reference).await? {
        return Ok(false);
    }
    Ok(registry.has_upstream_package(old, package).await?)
}

impl Turn<'_> {
    /// Whether something is to be deleted that is perhaps on both sides.
    pub(super) fn deletes(&self) -> bool {
        let is_content = matches!(
            self.operation,
            Operation::Manifest { .. } | Operation::Blob { .. }
        );
        *self.call.method == Method::DELETE && is_content
    }

    /// An immutable tag here that would go with what a reference names.
    async fn fixed_tag(&self, reference: &Reference) -> Result<Option<Tag>, Refusal> {
        let (metadata, package) = (self.registry.metadata(), &self.moving.package);
        let Some(repository) = metadata.repository(&package.repository).await? else {
            return Ok(None);
        };
        let tags = match reference {
            Reference::Tag(tag) => vec![tag.clone()],
            Reference::Digest(digest) => {
                let version = metadata.version(package, digest).await?;
                version.map(|version| version.tags).unwrap_or_default()
            }
        };
        let mut tags = tags.into_iter();
        Ok(tags.find(|tag| repository.immutable_tags.contains(tag.as_str())))
    }

    /// Deletes at the old side and then here. Who may not do so here does not do it there, nor does a tag go there that is immutable
    /// here: this side would keep what counts later. Nothing goes from here that the old side keeps, and what only one side has
    /// goes from that one.
    pub(super) async fn delete_on_both(&self) -> Result<Answer, Refusal> {
        let permission = match self.operation {
            Operation::Manifest { reference, .. } => reference.removal_permission(),
            _ => Permission::DeleteArtifacts,
        };
        let package = &self.moving.package;
        self.registry.authorise(self.call, permission, package).await?;
        if let Operation::Manifest { reference, .. } = self.operation
            && let Some(tag) = self.fixed_tag(reference).await?
        {
            return Err(Refusal::TagImmutable { tag });
        }
        let there = self.old(Arriving::none()).await?;
        if !there.status().is_success() && there.status() != StatusCode::NOT_FOUND {
            return Ok(there);
        }
        match self.here(Arriving::none()).await {
            Ok(here) if there.status() == StatusCode::NOT_FOUND => Ok(here),
            Ok(_) => Ok(there),
            Err(refusal) if refusal.is_absent() => Ok(there),
            // It is told although the old side has deleted it: asked again, the same is left to be done.
            Err(refusal) => Err(refusal),
        }
    }
}
