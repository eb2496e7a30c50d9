//! Tags that were set here before this side owned the tags: they may have moved at the old side since, and what that side said
//! last counts, not the copy that was made of it.

use std::collections::HashSet;
use std::time::Instant;

use access::Permission;
use jiff::{SignedDuration, Timestamp};
use oci::{Digest, Tag};
use store::{Image, RepositoryPath, StoreError, TagEntry, Transition, Version};

use super::each_image::each_image;
use super::old_side::{actor, bring_blob, bring_manifest};
use super::wholeness::{Missing, missing};
use super::{Moving, Turn};
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::upstream::Trouble;

/// How long pushes to the old side may still end after this side owns the tags.
const HANDED_OVER: SignedDuration = SignedDuration::from_secs(60);

/// Blobs and manifests of one image that are brought before the old side is let go.
const BROUGHT_MAX: usize = 10_000;

/// How deep indexes are in one another that are brought.
const ROUNDS_MAX: usize = 32;

/// How often all images are gone through, as long as something of them was missing.
const PASSES_MAX: usize = 4;

/// Tags that could not be compared, and images that could not be completed.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    pub(super) count: usize,
    /// One of them, and why.
    pub(super) first: Option<String>,
    /// Whether something of images was missing here and was brought.
    has_brought: bool,
}

/// A tag that was set here before this side owned the tags, and since when that is; nothing for one that was pushed or moved
/// here since, and while this side does not own them.
pub(super) async fn unsettled(
    registry: &Registry,
    moving: &Moving,
    tag: &Tag,
) -> Result<Option<(TagEntry, Timestamp)>, StoreError> {
    let Some(owned_since) = moving.transition.owned_since else {
        return Ok(None);
    };
    let entry = registry.metadata().tag_entry(&moving.package, tag).await?;
    let entry = entry.filter(|entry| entry.updated < owned_since);
    Ok(entry.map(|entry| (entry, owned_since)))
}

/// Before a tag is read here for the first time since this side owns the tags: what it named at the old side when that owned them
/// is what it names here too. Somebody's push of here counts.
///
/// # Errors
/// When the caller may not read it, and when the store fails. A tag that cannot be compared now stays as it was known, and is
/// compared when it is read again.
pub(super) async fn settle_once(turn: &Turn<'_>, tag: &Tag) -> Result<(), Refusal> {
    let (registry, moving) = (turn.registry, turn.moving);
    let package = &moving.package;
    let Some(owned_since) = moving.transition.owned_since else {
        return Ok(());
    };
    if registry.transition_memory().is_settled(package, tag, owned_since) {
        return Ok(());
    }
    let Some((entry, _)) = unsettled(registry, moving, tag).await? else {
        return Ok(());
    };
    registry
        .authorise(turn.call, Permission::DownloadArtifacts, package)
        .await?;
    let begun = Instant::now();
    let resolved = registry
        .resolve_upstream(&moving.transition.old, package, tag)
        .await;
    turn.count_own(&resolved, begun);
    // What cannot be asked stays as it was known; what is not there any more was perhaps never there.
    let Ok(Some(digest)) = resolved else {
        return Ok(());
    };
    // The tag is here, and what it was known to name is better than nothing.
    if let Err(refusal) = adopt(registry, moving, (entry, owned_since), digest).await {
        registry.trouble("old registry", &refusal);
    }
    Ok(())
}

/// Makes a tag name what it names at the old side. What that side does not have any more, or was deleted here, it does not name.
async fn adopt(
    registry: &Registry,
    moving: &Moving,
    (entry, owned_since): (TagEntry, Timestamp),
    digest: Digest,
) -> Result<(), Refusal> {
    let package = &moving.package;
    let tag = entry.tag;
    if digest != entry.digest {
        if !bring_manifest(registry, moving, &digest).await? {
            return Ok(());
        }
        let (target, tag, now) = (package.clone(), tag.clone(), registry.now());
        let settled = registry.change(package, async move |metadata| {
            let to = (entry.digest, digest);
            metadata.settle_tag(&target, &tag, to, &actor(), now).await
        });
        settled.await?;
    }
    // A push that the old side was taking when the tags changed hands may end a little later.
    if registry.now().duration_since(owned_since) > HANDED_OVER {
        registry.transition_memory().settled(package, &tag, owned_since);
    }
    Ok(())
}

/// Whether this side may write a tag to the old one, which has it and says something else of it: not if it was only copied from
/// there before. Then it is the copy that is old, and it is made what that side has.
pub(super) async fn is_ours(
    registry: &Registry,
    moving: &Moving,
    tag: &Tag,
    there: Digest,
) -> Result<bool, StoreError> {
    let Some(entry) = unsettled(registry, moving, tag).await? else {
        return Ok(true);
    };
    // What cannot be adopted is right there all the same.
    if let Err(refusal) = adopt(registry, moving, entry, there).await {
        registry.trouble("old registry", &refusal);
    }
    Ok(false)
}

/// Compares every tag that was set here before this side owned the tags, and brings what images of here lack, since nobody is asked
/// any more once this side answers alone. Tags that were compared are remembered: what is asked for again goes on.
pub(super) async fn settle_all(
    registry: &Registry,
    path: &RepositoryPath,
    transition: &Transition,
) -> Result<Unsettled, StoreError> {
    let work = |registry: Registry, moving: Moving, image: Image| async move {
        settle_image(&registry, &moving, &image.version).await
    };
    let mut unsettled = Unsettled::default();
    for _ in 0..PASSES_MAX {
        unsettled = Unsettled::default();
        each_image(registry, (path, transition), work, |done| {
            unsettled.add(done.unwrap_or_else(|error| Unsettled::of(error.to_string())));
        })
        .await?;
        // What is pulled while images are gone through may be behind that.
        if unsettled.count > 0 || !unsettled.has_brought {
            break;
        }
    }
    Ok(unsettled)
}

async fn settle_image(registry: &Registry, moving: &Moving, version: &Version) -> Unsettled {
    let mut left = Unsettled::default();
    let name = &moving.old_name;
    let mut images = vec![version.digest];
    for tag in &version.tags {
        match settle(registry, moving, tag).await {
            // The walk may be past it.
            Ok(adopted) => images.extend(adopted),
            Err(refusal) => left.add(Unsettled::of(format!("{name}:{tag}: {refusal}"))),
        }
    }
    for image in images {
        match make_whole(registry, moving, &image).await {
            Ok(has_brought) => left.has_brought |= has_brought,
            Err(refusal) => left.add(Unsettled::of(format!("{name}@{image}: {refusal}"))),
        }
    }
    left
}

/// What the tag names from now on, if that is another than before.
async fn settle(registry: &Registry, moving: &Moving, tag: &Tag) -> Result<Option<Digest>, Refusal> {
    let package = &moving.package;
    let Some((entry, owned_since)) = unsettled(registry, moving, tag).await? else {
        return Ok(None);
    };
    if registry.transition_memory().is_settled(package, tag, owned_since) {
        return Ok(None);
    }
    let old = &moving.transition.old;
    let Some(digest) = registry.resolve_upstream(old, package, tag).await? else {
        return Ok(None);
    };
    let adopted = Some(digest).filter(|digest| *digest != entry.digest);
    adopt(registry, moving, (entry, owned_since), digest).await?;
    Ok(adopted)
}

/// Brings what an image lacks here; whether there was anything. What the old side lacks as well is left: nobody can pull it there.
async fn make_whole(registry: &Registry, moving: &Moving, image: &Digest) -> Result<bool, Refusal> {
    let package = &moving.package;
    let too_much = || {
        let problem =
            format!("{image}, which leads to more than {BROUGHT_MAX} blobs and manifests that are not here");
        Refusal::from(Trouble::wrong(&moving.transition.old.host, problem))
    };
    let (mut tried, mut has_brought) = (HashSet::new(), false);
    // Each round goes one index deeper.
    for _ in 0..ROUNDS_MAX {
        let missing = missing(registry, package, image, BROUGHT_MAX + 1).await?;
        let missing: Vec<Missing> = missing.into_iter().filter(|one| tried.insert(*one)).collect();
        if missing.is_empty() {
            return Ok(has_brought);
        }
        if tried.len() > BROUGHT_MAX {
            return Err(too_much());
        }
        for one in missing {
            has_brought |= match one {
                // It was deleted meanwhile.
                Missing::Manifest(digest) if digest == *image => continue,
                Missing::Manifest(digest) => bring_manifest(registry, moving, &digest).await?,
                Missing::Blob(digest) => bring_blob(registry, moving, &digest).await?,
                Missing::Unseen => return Err(too_much()),
            };
        }
    }
    Err(too_much())
}

impl Unsettled {
    fn of(first: String) -> Unsettled {
        Unsettled {
            count: 1,
            first: Some(first),
            has_brought: false,
        }
    }

    fn add(&mut self, more: Unsettled) {
        self.count += more.count;
        self.has_brought |= more.has_brought;
        self.first = self.first.take().or(more.first);
    }
}
