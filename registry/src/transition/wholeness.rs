//! What a copy is told of what is here: only what is whole.
//!
//! A manifest that was fetched for a pull is kept before its blobs are, and perhaps they never come. Whoever copies would take it
//! for copied, and the old side would be switched off over it.

use std::collections::{HashMap, HashSet};

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use oci::{Digest, Parsed};
use serde_json::Value;
use store::PackagePath;

use super::Turn;
use crate::answer::{self, Answer};
use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::{Operation, Reference};

/// Manifests of one image that are looked at.
const MANIFESTS_MAX: usize = 10_000;

/// Refuses a manifest that is not whole, and leaves such out of lists.
pub(super) async fn only_whole(turn: &Turn<'_>, answer: Answer) -> Result<Answer, Refusal> {
    let (registry, package) = (turn.registry, &turn.moving.package);
    match turn.operation {
        Operation::Manifest { reference, .. } => {
            let found = manifests::find(registry, package, reference).await?;
            let digest = found.ok_or(Refusal::ManifestUnknown)?.digest;
            match is_whole(registry, package, &digest).await? {
                true => Ok(answer),
                false => Err(Refusal::ManifestUnknown),
            }
        }
        Operation::Tags { .. } if answer.status() == StatusCode::OK => listed(turn, answer).await,
        _ => Ok(answer),
    }
}

/// Whether all that an image names is here.
async fn is_whole(registry: &Registry, package: &PackagePath, root: &Digest) -> Result<bool, Refusal> {
    Ok(missing(registry, package, root, 1).await?.is_empty())
}

/// Something of an image that is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Missing {
    /// A manifest, or one that cannot be read.
    Manifest(Digest),
    Blob(Digest),
    /// It names more manifests than are looked at, so nobody knows.
    Unseen,
}

/// What of an image is not here, as far as what is here tells; no more than `limit` of it.
pub(super) async fn missing(
    registry: &Registry,
    package: &PackagePath,
    root: &Digest,
    limit: usize,
) -> Result<Vec<Missing>, Refusal> {
    let metadata = registry.metadata();
    let mut missing = Vec::new();
    let mut waiting = vec![*root];
    // An index may name one manifest often, and so may each that it names: looked at each time, they would be countless.
    let mut seen = HashSet::from([*root]);
    while let Some(digest) = waiting.pop() {
        if missing.len() >= limit {
            break;
        }
        if seen.len() > MANIFESTS_MAX {
            missing.push(Missing::Unseen);
            break;
        }
        let stored = metadata.manifest(package, &digest).await?;
        let Some(manifest) = stored.and_then(|stored| manifests::parsed(&stored).ok()) else {
            missing.push(Missing::Manifest(digest));
            continue;
        };
        match manifest.parsed() {
            Parsed::Index(index) => {
                let children = index
                    .manifests
                    .iter()
                    .filter(|entry| entry.media_type.is_manifest());
                waiting.extend(
                    children
                        .map(|entry| entry.digest)
                        .filter(|child| seen.insert(*child)),
                );
            }
            Parsed::Image(image) => {
                for blob in image.distributable_blobs() {
                    if metadata.blob(package, &blob.digest).await?.is_none() {
                        missing.push(Missing::Blob(blob.digest));
                    }
                }
            }
        }
    }
    missing.truncate(limit);
    Ok(missing)
}

/// A list without the tags, and manifests where it has them, of what is not whole.
async fn listed(turn: &Turn<'_>, answer: Answer) -> Result<Answer, Refusal> {
    let (registry, package) = (turn.registry, &turn.moving.package);
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(|_| Refusal::OldSide)?.to_bytes();
    let mut document: Value = serde_json::from_slice(&bytes).map_err(|_| Refusal::OldSide)?;
    // Many tags name one image.
    let mut known: HashMap<Digest, bool> = HashMap::new();
    let mut left_out = Vec::new();
    for tag in document
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(name) = tag.as_str().and_then(|tag| tag.parse().ok()) else {
            continue;
        };
        let found = manifests::find(registry, package, &Reference::Tag(name)).await?;
        let is_whole = match found {
            Some(found) => match known.get(&found.digest) {
                Some(is_whole) => *is_whole,
                None => {
                    let is_whole = is_whole(registry, package, &found.digest).await?;
                    known.insert(found.digest, is_whole);
                    is_whole
                }
            },
            None => false,
        };
        if !is_whole {
            left_out.push(tag.clone());
        }
    }
    if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
        tags.retain(|tag| !left_out.contains(tag));
    }
    if let Some(listed) = document.get_mut("manifest").and_then(Value::as_object_mut) {
        let digests: Vec<String> = listed.keys().cloned().collect();
        for digest in digests {
            let is_whole = match digest.parse() {
                Ok(parsed) => is_whole(registry, package, &parsed).await?,
                Err(_) => false,
            };
            if !is_whole {
                listed.remove(&digest);
            }
        }
    }
    let mut answer = answer::json(StatusCode::OK, &document);
    answer::keep_headers(&mut answer, &parts.headers);
    Ok(answer)
}
