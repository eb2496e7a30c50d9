//! What refers to a manifest: by the API, by the fallback tag where there is none, and by cosign's tags.

use std::collections::BTreeSet;

use oci::{Descriptor, Digest, ImageIndex, MANIFEST_BYTES_MAX, Manifest, MediaType};
use transport::{Method, Request};

use super::error::RegistryError;
use super::pull::RegistrySource;
use super::repository::Repository;
use super::tags::next_page;
use crate::SourceError;
use crate::companion;

/// Most pages of referrers of one manifest.
const PAGES_MAX: usize = 100;

impl RegistrySource {
    pub(super) async fn find_referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let mut found = match self.repository.referrers_by_api(digest).await? {
            Some(found) => found,
            None => self.by_fallback_tag(digest).await?,
        };
        for tag in companion::tags_of(digest) {
            if self.may_have(&tag).await
                && let Some(descriptor) = self.by_reference(&tag).await?
            {
                found.push(descriptor.with_annotation(oci::annotation::REF_NAME, &tag));
            }
        }
        found.sort_by_key(|descriptor| descriptor.digest);
        found.dedup_by_key(|descriptor| descriptor.digest);
        Ok(found)
    }

    async fn by_fallback_tag(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let tag = companion::fallback_tag(digest);
        if !self.may_have(&tag).await {
            return Ok(Vec::new());
        }
        Ok(self
            .repository
            .fallback_index(&tag)
            .await?
            .map_or_else(Vec::new, |index| index.manifests))
    }

    /// False when the registry is known not to have such a tag: one list of few tags saves many questions.
    async fn may_have(&self, tag: &str) -> bool {
        let few = self.few_tags.get_or_init(|| async {
            // What cannot be listed can still be asked for.
            let names = self.repository.few_tags().await.ok().flatten();
            names.map(|names| names.into_iter().collect::<BTreeSet<String>>())
        });
        few.await.as_ref().is_none_or(|tags| tags.contains(tag))
    }
}

impl Repository {
    /// By the API; by the fallback tag where the registry does not have it.
    pub(super) async fn referrers_or_fallback(
        &self,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        if let Some(found) = self.referrers_by_api(digest).await? {
            return Ok(found);
        }
        let index = self.fallback_index(&companion::fallback_tag(digest)).await?;
        Ok(index.map_or_else(Vec::new, |index| index.manifests))
    }

    /// Nothing when the registry does not have the API.
    ///
    /// Spec: distribution-spec "Listing Referrers".
    pub(super) async fn referrers_by_api(
        &self,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        if self.registry.lacks_referrers() {
            return Ok(None);
        }
        let attempted = format!("list what refers to {digest} in {}", self.shown());
        let mut found = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{digest}")));
        for _ in 0..PAGES_MAX {
            let Some(url) = next else { return Ok(Some(found)) };
            let response = self.send(&attempted, Request::new(Method::Get, url)).await?;
            match response.status() {
                200 => {}
                // A registry that has the API answers with an empty list, whatever is asked for; but a repository may go.
                400 | 404 | 405 | 501 if self.registry.has_referrers() => return Ok(Some(found)),
                400 | 404 | 405 | 501 => return Ok(self.without_api()),
                _ => return Err(RegistryError::refused(&attempted, response).await),
            }
            next = next_page(&attempted, &response)?;
            let bytes = response.read(MANIFEST_BYTES_MAX as u64).await;
            let bytes = bytes.map_err(|source| RegistryError::transport(&attempted, source))?;
            match Manifest::parse(bytes, Some(&MediaType::OCI_INDEX)) {
                Ok(manifest) => {
                    self.registry.note_referrers();
                    let index = manifest.index().map(|index| index.manifests.clone());
                    found.extend(index.unwrap_or_default());
                }
                // Something that answers every path with a page of its own.
                Err(_) => return Ok(self.without_api()),
            }
        }
        Err(RegistryError::protocol(
            &attempted,
            format!("has more than {PAGES_MAX} pages of them"),
        ))
    }

    /// Remembers it: a registry that has the API answers with an empty list, whatever is asked for.
    fn without_api(&self) -> Option<Vec<Descriptor>> {
        self.registry.note_lack_of_referrers();
        None
    }

    /// The index of referrers that a fallback tag names; nothing when there is none.
    async fn fallback_index(&self, tag: &str) -> Result<Option<ImageIndex>, RegistryError> {
        let Some(fetched) = self.get_manifest(tag).await? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(fetched.bytes, fetched.media_type.as_ref());
        Ok(manifest.ok().and_then(|manifest| manifest.index().cloned()))
    }

    /// The index of the fallback tag with one entry more; nothing when it has the entry.
    ///
    /// Spec: distribution-spec "Pushing Manifests with Subject".
    pub(super) async fn longer_fallback_index(
        &self,
        subject: &Digest,
        entry: Descriptor,
    ) -> Result<Option<Manifest>, RegistryError> {
        let tag = companion::fallback_tag(subject);
        let mut index = self
            .fallback_index(&tag)
            .await?
            .unwrap_or_else(|| ImageIndex::new(Vec::new()));
        if index.manifests.iter().any(|other| other.digest == entry.digest) {
            return Ok(None);
        }
        index.manifests.push(entry);
        Ok(Some(Manifest::from_index(&index)))
    }
}
