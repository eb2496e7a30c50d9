//! Tags and manifests of another registry.

use std::sync::Arc;

use client::registry::{ManifestBytes, ManifestHead};
use oci::{Algorithm, Digest, Manifest, Tag};
use store::{PackagePath, StoredManifest, Upstream};

use super::Trouble;
use super::keeping::Kept;
use crate::registry::Registry;
use crate::routes::Reference;

impl Registry {
    /// What a tag names at the upstream, asked by HEAD; nothing when it is not there. Nothing is kept.
    ///
    /// # Errors
    /// When that cannot be found out, or not in time.
    pub(crate) async fn resolve_upstream(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        tag: &Tag,
    ) -> Result<Option<Digest>, Trouble> {
        let (registry, upstream, tag) = (self.clone(), upstream.clone(), tag.to_string());
        let name = Registry::upstream_name(&upstream, &package.name)?;
        let key = (package.clone(), tag.clone());
        let resolved = self.upstreams().tags.run(key, |publish| async move {
            let described = registry.ask_upstream(&upstream, &name, |repository| {
                let tag = tag.clone();
                async move { repository.head(&tag).await }
            });
            let resolved = match described.await {
                Ok(None) => Ok(None),
                Ok(Some(described)) if described.digest.is_some() => Ok(described.digest),
                // One that does not tell has to show.
                Ok(Some(_)) => {
                    let manifest = registry.ask_upstream(&upstream, &name, |repository| {
                        let tag = tag.clone();
                        async move { repository.manifest(&tag).await }
                    });
                    let manifest = manifest.await;
                    manifest.map(|raw| raw.map(|raw| Digest::sha256_of(&raw.bytes)))
                }
                Err(trouble) => Err(trouble),
            };
            publish.publish(resolved);
        });
        resolved.await.unwrap_or(Err(Trouble::TooMany))
    }

    /// Whether a manifest is at the upstream, asked by HEAD: nothing when it is not.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub(crate) async fn describe_upstream_manifest(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<ManifestHead>, Trouble> {
        let name = Registry::upstream_name(upstream, &package.name)?;
        self.ask_upstream(upstream, &name, |repository| {
            let digest = digest.to_string();
            async move { repository.head(&digest).await }
        })
        .await
    }

    /// A manifest of the upstream; nothing when it is not there. It is answered as soon as it came and is what was asked for,
    /// and kept in the package, under `tag` where one is given, while whoever waited has it already. Blobs and manifests that
    /// it names need not be here.
    ///
    /// # Errors
    /// When it cannot be had, or is something else.
    pub(crate) async fn fetch_manifest(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        (reference, tag): (&Reference, Option<&Tag>),
    ) -> Result<Option<Arc<StoredManifest>>, Trouble> {
        if let (Reference::Digest(digest), None) = (reference, tag)
            && let Some(manifest) = self.upstreams().arrived.get(package, digest)
        {
            return Ok(Some(manifest));
        }
        let (registry, upstream) = (self.clone(), upstream.clone());
        let name = Registry::upstream_name(&upstream, &package.name)?;
        let (package, reference, tag) = (package.clone(), reference.clone(), tag.cloned());
        let asked = reference.to_string();
        let key = (package.clone(), asked.clone(), tag.as_ref().map(Tag::to_string));
        let fetched = self.upstreams().manifests.run(key, |publish| async move {
            let raw = registry.ask_upstream(&upstream, &name, |repository| {
                let asked = asked.clone();
                async move { repository.manifest(&asked).await }
            });
            let checked = match raw.await {
                Ok(Some(raw)) => checked(&upstream.host, &reference, raw).map(Some),
                Ok(None) => Ok(None),
                Err(trouble) => Err(trouble),
            };
            let arrived = &registry.upstreams().arrived;
            match checked {
                Ok(Some(kept)) => {
                    let digest = kept.manifest.digest;
                    arrived.add(&package, &kept.manifest);
                    publish.publish(Ok(Some(Arc::clone(&kept.manifest))));
                    registry.keep_manifest(&upstream, &package, (kept, tag)).await;
                    arrived.remove(&package, &digest);
                }
                Ok(None) => publish.publish(Ok(None)),
                Err(trouble) => publish.publish(Err(trouble)),
            }
        });
        fetched.await.unwrap_or(Err(Trouble::TooMany))
    }
}

/// What came, if it is a manifest and the one that was asked for.
fn checked(host: &str, reference: &Reference, raw: ManifestBytes) -> Result<Kept, Trouble> {
    let algorithm = match reference {
        Reference::Digest(digest) => digest.algorithm(),
        Reference::Tag(_) => raw.digest.map_or(Algorithm::Sha256, |told| told.algorithm()),
    };
    let digest = Digest::of(algorithm, &raw.bytes);
    let expected = match reference {
        Reference::Digest(expected) => Some(*expected),
        Reference::Tag(_) => raw.digest,
    };
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        let problem = format!("manifest {expected} has the digest {digest}");
        return Err(Trouble::wrong(host, problem));
    }
    let manifest = Manifest::parse(raw.bytes, raw.media_type.as_ref());
    let manifest = manifest.map_err(|error| Trouble::wrong(host, format!("manifest {digest}: {error}")))?;
    Ok(Kept::new(manifest, digest))
}
