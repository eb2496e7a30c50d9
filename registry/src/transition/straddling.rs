//! Pushes that a step overtakes. One back: their blobs came here, and their manifest goes to the old side.

use access::Permission;
use hyper::Method;
use jiff::SignedDuration;
use oci::{MANIFEST_BYTES_MAX, Manifest};

use super::{Turn, copy_back};
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::routes::Operation;

/// How long after a step a push that was begun before it may still go on.
pub(super) const STRADDLES_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Before a pushed manifest is passed on: what of its blobs came here is written to the old side, if the policies here let the
/// caller write. What cannot be written the old side misses, and says so to the caller.
pub(super) async fn bring_along(turn: &Turn<'_>, mut body: Arriving) -> Result<Arriving, Refusal> {
    let (registry, moving) = (turn.registry, turn.moving);
    let is_manifest =
        matches!(turn.operation, Operation::Manifest { .. }) && *turn.call.method == Method::PUT;
    if !is_manifest || registry.now().duration_since(moving.transition.since) > STRADDLES_MAX {
        return Ok(body);
    }
    let may = registry.may(turn.call, Permission::UploadArtifacts, &moving.package);
    if !may.await? {
        return Ok(body);
    }
    let bytes = body.whole(MANIFEST_BYTES_MAX).await?;
    // What is none the old side refuses.
    if let Ok(manifest) = Manifest::parse(bytes.to_vec(), None)
        && let Err(error) = copy_back::copy_blobs_back(registry, moving, &manifest).await
    {
        registry.trouble("old registry", &error);
    }
    Ok(Arriving::of(bytes))
}
