//! Manifests: HEAD, GET, PUT, DELETE, by tag and by digest.
//!
//! Spec: distribution-spec "Pulling manifests" (end-3), "Pushing manifests" (end-7), "Deleting tags" and "Deleting
//! manifests" (end-9).

use std::sync::Arc;

use access::Permission;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use oci::{Algorithm, Descriptor, Digest, MANIFEST_BYTES_MAX, Manifest, ManifestError, MediaType, Parsed};
use store::{ImmutableTags, ManifestReference, NewManifest, PackagePath, StoredManifest};

use crate::answer::{self, Answer, DOCKER_CONTENT_DIGEST};
use crate::call::{Arriving, Call};
use crate::conditional;
use crate::google_strictness;
use crate::reading::Found;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::Reference;
use crate::{transition, warning};

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

pub(crate) async fn manifest(
    registry: &Registry,
    call: &Call<'_>,
    (name, reference): (&str, &Reference),
    mut body: Arriving,
) -> Result<Answer, Refusal> {
    let package = call.package(name)?;
    match *call.method {
        Method::GET | Method::HEAD => {
            registry
                .authorise(call, Permission::DownloadArtifacts, &package)
                .await?;
            get(registry, call, &package, reference).await
        }
        Method::PUT => {
            registry
                .authorise(call, Permission::UploadArtifacts, &package)
                .await?;
            registry.refuse_push_elsewhere(&package).await?;
            let bytes = body.whole(MANIFEST_BYTES_MAX).await?;
            registry
                .authorise_again(call, Permission::UploadArtifacts, &package)
                .await?;
            let repository = registry.ensure_repository(call, &package).await?;
            let place = (name, &package, reference);
            put(registry, call, place, bytes, &repository.immutable_tags).await
        }
        Method::DELETE => {
            let permission = reference.removal_permission();
            registry.authorise(call, permission, &package).await?;
            registry.refuse_removal_elsewhere(&package).await?;
            delete(registry, call, &package, reference).await
        }
        _ => Err(call.refuse_method("GET, HEAD, PUT, DELETE")),
    }
}

async fn get(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    reference: &Reference,
) -> Result<Answer, Refusal> {
    let found = registry.read_manifest(package, reference).await?;
    told(registry, call, found.ok_or(Refusal::ManifestUnknown)?, reference)
}

/// How a manifest is told that was found.
pub(crate) fn told(
    registry: &Registry,
    call: &Call<'_>,
    found: Found,
    reference: &Reference,
) -> Result<Answer, Refusal> {
    let Found {
        manifest: stored,
        package,
        warning,
    } = found;
    if call.host.is_strict() {
        google_strictness::accepted(call.headers, reference, &stored.media_type)?;
    }
    let digest = stored.digest.to_string();
    let etag = format!("\"{digest}\"");
    let mut answer = if conditional::is_known(call.headers, &etag) {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        answer::bytes(StatusCode::OK, stored.media_type.as_str(), stored.bytes.clone())
    };
    if *call.method == Method::GET {
        registry.usage().pulled(&package, &stored.digest, registry.now());
    }
    warning::add(&mut answer, warning.as_slice());
    answer::set(&mut answer, ETAG, &etag);
    answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest);
    Ok(answer)
}

/// A manifest from memory, else from the store.
pub(crate) async fn find(
    registry: &Registry,
    package: &PackagePath,
    reference: &Reference,
) -> Result<Option<Arc<StoredManifest>>, Refusal> {
    let key = match reference {
        Reference::Tag(tag) => tag.to_string(),
        Reference::Digest(digest) => digest.to_string(),
    };
    let kept = registry.manifest_cache().get(package, &key);
    registry.metrics().found_in_memory(kept.is_ok());
    let forgotten = match kept {
        Ok(manifest) => return Ok(Some(manifest)),
        Err(forgotten) => forgotten,
    };
    let found = match reference {
        Reference::Tag(tag) => registry.metadata().tagged(package, tag).await?,
        Reference::Digest(digest) => registry.metadata().manifest(package, digest).await?,
    };
    let Some(found) = found.map(Arc::new) else {
        return Ok(None);
    };
    registry.manifest_cache().keep(package, &key, &found, forgotten);
    Ok(Some(found))
}

/// A manifest that is stored, to be looked into.
pub(crate) fn parsed(stored: &StoredManifest) -> Result<Manifest, ManifestError> {
    Manifest::parse(stored.bytes.to_vec(), Some(&stored.media_type))
}

/// What says which one it is.
pub(crate) fn descriptor(stored: &StoredManifest) -> Descriptor {
    Descriptor::new(
        stored.media_type.clone(),
        stored.digest,
        stored.bytes.len() as u64,
    )
}

async fn put(
    registry: &Registry,
    call: &Call<'_>,
    (name, package, reference): (&str, &PackagePath, &Reference),
    bytes: Bytes,
    immutable: &ImmutableTags,
) -> Result<Answer, Refusal> {
    let outside = content_type(call)?;
    let manifest = Manifest::parse(bytes.to_vec(), outside.as_ref()).map_err(|error| match error {
        ManifestError::TooLarge { .. } => Refusal::ManifestTooLarge {
            limit_bytes: MANIFEST_BYTES_MAX,
        },
        other => Refusal::Manifest(other),
    })?;
    let mut tags = call.query.tags()?;
    let digest = match reference {
        Reference::Digest(expected) => {
            let actual = manifest.digest_by(expected.algorithm());
            if actual != *expected {
                return Err(Refusal::DigestDiffers {
                    expected: *expected,
                    actual,
                });
            }
            actual
        }
        Reference::Tag(tag) => {
            tags = vec![tag.clone()];
            manifest.digest_by(Algorithm::Sha256)
        }
    };
    authorise_tags(registry, call, package, &tags).await?;
    let new = new_manifest(
        &manifest,
        digest,
        bytes,
        tags,
        registry.options().sparse_manifests,
    );
    let tags = new.tags.clone();
    store(registry, call, package, new).await?;
    let mut answer = answer::empty(StatusCode::CREATED);
    warning::add(&mut answer, &warning::of_push(&manifest, &tags, immutable));
    answer::set(&mut answer, LOCATION, &format!("/v2/{name}/manifests/{digest}"));
    answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest.to_string());
    if let Some(subject) = manifest.subject() {
        answer::set(&mut answer, OCI_SUBJECT, &subject.digest.to_string());
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in &tags {
            if let Ok(value) = HeaderValue::from_str(tag.as_str()) {
                answer.headers_mut().append(OCI_TAG, value);
            }
        }
    }
    Ok(answer)
}

fn content_type(call: &Call<'_>) -> Result<Option<MediaType>, Refusal> {
    let Some(text) = call.header(&CONTENT_TYPE) else {
        return Ok(None);
    };
    // Parameters, as in `…+json; charset=utf-8`, say nothing about a manifest.
    let text = text.split(';').next().unwrap_or_default().trim();
    Ok(Some(text.parse().map_err(|_| Refusal::ManifestType)?))
}

/// Setting a new tag and moving one are different rights. Every role of ours has both or neither, so that which of them
/// is needed is looked up only where it matters.
async fn authorise_tags(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    tags: &[oci::Tag],
) -> Result<(), Refusal> {
    if tags.is_empty() {
        return Ok(());
    }
    registry.authorise(call, Permission::CreateTag, package).await?;
    if registry.may(call, Permission::UpdateTag, package).await? {
        return Ok(());
    }
    for tag in tags {
        if registry.metadata().tagged(package, tag).await?.is_some() {
            registry.authorise(call, Permission::UpdateTag, package).await?;
        }
    }
    Ok(())
}

async fn store(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    new: NewManifest,
) -> Result<(), Refusal> {
    match registry.moving_package(package).await? {
        Some(moving) => transition::push(registry, call, &moving, new).await,
        None => keep(registry, call, package, new).await,
    }
}

/// Stores a manifest that was pushed, on this side.
pub(crate) async fn keep(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    new: NewManifest,
) -> Result<(), Refusal> {
    let (digest, actor, now) = (new.digest, call.caller.actor(), registry.now());
    let target = package.clone();
    let stored = registry.change(package, async move |metadata| {
        metadata.put_manifest(&target, &new, &actor, now).await
    });
    stored.await??;
    registry.usage().pushed(package, &digest, now);
    Ok(())
}

pub(crate) fn new_manifest(
    manifest: &Manifest,
    digest: Digest,
    bytes: Bytes,
    tags: Vec<oci::Tag>,
    sparse: bool,
) -> NewManifest {
    let mut references = Vec::new();
    let mut size_bytes = 0_u64;
    let mut name = |digest, kind| references.push(ManifestReference { digest, kind });
    match manifest.parsed() {
        Parsed::Image(image) => {
            for blob in image.distributable_blobs() {
                name(
                    blob.digest,
                    if sparse {
                        store::Reference::SparseBlob
                    } else {
                        store::Reference::Blob
                    },
                );
                size_bytes = size_bytes.saturating_add(blob.size);
            }
        }
        Parsed::Index(index) => {
            for entry in &index.manifests {
                // Of a type that we do not know we cannot say whether it is a manifest or a blob.
                let sparse = sparse || !entry.media_type.is_manifest();
                let kind = if sparse {
                    store::Reference::SparseChild
                } else {
                    store::Reference::Child
                };
                name(entry.digest, kind);
            }
        }
    }
    NewManifest {
        digest,
        bytes,
        media_type: manifest.media_type().clone(),
        // Spec: distribution-spec "Listing Referrers": of an image without one, the type of its configuration.
        artifact_type: match manifest.parsed() {
            Parsed::Image(image) => Some(image.artifact_type.as_ref().unwrap_or(&image.config.media_type)),
            Parsed::Index(index) => index.artifact_type.as_ref(),
        }
        .map(ToString::to_string),
        subject: manifest.subject().map(|subject| subject.digest),
        references,
        size_bytes,
        tags,
    }
}

/// A tag alone, or a manifest with all its tags.
async fn delete(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    reference: &Reference,
) -> Result<Answer, Refusal> {
    let (actor, now) = (call.caller.actor(), registry.now());
    let (target, reference) = (package.clone(), reference.clone());
    if let (true, Reference::Digest(digest)) = (call.host.is_strict(), &reference) {
        let digest = *digest;
        let removed = registry.change(package, async move |metadata| {
            metadata
                .delete_unheld_manifest(&target, &digest, &actor, now)
                .await
        });
        google_strictness::removed(removed.await?)?;
        return Ok(answer::empty(StatusCode::ACCEPTED));
    }
    let deleted = registry.change(package, async move |metadata| match &reference {
        Reference::Tag(tag) => metadata.delete_tag(&target, tag, &actor, now).await,
        Reference::Digest(digest) => metadata.delete_manifest(&target, digest, &actor, now).await,
    });
    match deleted.await?? {
        true => Ok(answer::empty(StatusCode::ACCEPTED)),
        false => Err(Refusal::ManifestUnknown),
    }
}
