//! Single requests of the protocol, for those who move whole registries: they know what is where, and ask nothing twice.
//!
//! A [`Source`](crate::Source) or [`Sink`](crate::Sink) of a registry looks before it acts, and tries again by itself.
//! Here each call is one request (a list: one for each page), and what to do about a failure is the caller's matter.

use std::sync::Arc;

use oci::{Descriptor, Digest, Manifest, MediaType, RepositoryName};
use transport::{Body, Bytes, Method, Request, Response};

use super::error::RegistryError;
use super::repository::Repository;
use super::session::Registry;
use crate::companion;

/// One registry.
#[derive(Clone)]
pub struct RegistryApi {
    pub(super) registry: Arc<Registry>,
}

/// One repository of a registry.
#[derive(Clone)]
pub struct RepositoryApi {
    pub(super) repository: Repository,
}

/// What one means to do in a repository: what tokens are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To read.
    Pull,
    /// To read and write.
    Push,
}

/// What a HEAD tells of a manifest; nothing of what the registry does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest.
    pub digest: Option<Digest>,
    /// Its length, in bytes.
    pub size: Option<u64>,
    /// What it is.
    pub media_type: Option<MediaType>,
}

/// A manifest as it came, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestBytes {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The Content-Type as it came, when it is that of a manifest.
    pub media_type: Option<MediaType>,
    /// The digest that the registry tells with it.
    pub digest: Option<Digest>,
}

/// The rest of a blob on its way, not verified.
#[derive(Debug)]
pub struct BlobStream {
    response: Response,
    attempted: String,
    start: u64,
    size: Option<u64>,
}

/// What a registry says of a manifest that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPut {
    /// It knows the subject, and lists this among its referrers.
    pub knows_subject: bool,
    /// The tags among those asked for in the query that it says it has set.
    pub tags: Vec<String>,
}

impl RegistryApi {
    /// The host, with its port if one was given.
    #[must_use]
    pub fn host(&self) -> &str {
        self.registry.host()
    }

    /// A repository there.
    #[must_use]
    pub fn repository(&self, name: &RepositoryName, intent: Intent) -> RepositoryApi {
        let registry = Arc::clone(&self.registry);
        RepositoryApi {
            repository: match intent {
                Intent::Pull => Repository::for_pull(registry, name),
                Intent::Push => Repository::for_push(registry, name),
            },
        }
    }
}

impl RepositoryApi {
    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.repository.name
    }

    /// Looks for a manifest by tag or digest.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn head(&self, reference: &str) -> Result<Option<ManifestHead>, RegistryError> {
        let head = self.repository.head_manifest(reference).await?;
        Ok(head.map(|head| ManifestHead {
            digest: head.digest,
            size: head.size,
            media_type: head.media_type,
        }))
    }

    /// Reads a manifest by tag or digest; nothing when it is not there.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn manifest(&self, reference: &str) -> Result<Option<ManifestBytes>, RegistryError> {
        let fetched = self.repository.get_manifest(reference).await?;
        Ok(fetched.map(|fetched| ManifestBytes {
            bytes: fetched.bytes,
            media_type: fetched.media_type,
            digest: fetched.digest,
        }))
    }

    /// Looks for a blob; its size where that is told.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn find_blob(&self, digest: &Digest) -> Result<Option<Option<u64>>, RegistryError> {
        self.repository.find_blob(digest).await
    }

    /// Begins to read a blob from a byte on.
    ///
    /// # Errors
    /// When the registry refuses, cannot be asked, or answers with another part.
    pub async fn blob(&self, digest: &Digest, from: u64) -> Result<BlobStream, RegistryError> {
        let attempted = format!("read blob {digest} of {}", self.repository.shown());
        let mut request = Request::new(Method::Get, self.repository.url(&format!("blobs/{digest}")));
        if from > 0 {
            request.headers.push(("range", format!("bytes={from}-")));
        }
        let response = self.repository.send(&attempted, request).await?;
        let (start, size) = match response.status() {
            // The whole, whatever was asked for.
            200 => (0, response.content_length()),
            206 => match response.content_range() {
                Some((start, size)) if start <= from => (start, size),
                _ => {
                    return Err(RegistryError::protocol(
                        &attempted,
                        "answers with another part than was asked for",
                    ));
                }
            },
            _ => return Err(RegistryError::refused(&attempted, response).await),
        };
        Ok(BlobStream {
            response,
            attempted,
            start,
            size,
        })
    }

    /// What refers to a manifest; nothing when the registry has no API for that, which is then known of all its
    /// repositories.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    ///
    /// Spec: distribution-spec "Listing Referrers".
    pub async fn referrers(&self, digest: &Digest) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        self.repository.referrers_by_api(digest).await
    }

    /// What refers to a manifest: by the API, and by the fallback tag where there is none.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    ///
    /// Spec: distribution-spec "Listing Referrers", "Referrers Tag Schema".
    pub async fn referrers_or_fallback(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        self.repository.referrers_or_fallback(digest).await
    }

    /// Puts a manifest under `reference`, its digest or a tag, and asks for more tags in the query: registries that
    /// follow the newest specification set them at once, others ignore them.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    ///
    /// Spec: distribution-spec "Pushing Manifests".
    pub async fn put_manifest(
        &self,
        manifest: &Manifest,
        reference: &str,
        tags: &[String],
    ) -> Result<ManifestPut, RegistryError> {
        let attempted = format!("push manifest {reference} to {}", self.repository.shown());
        let mut url = self.repository.url(&format!("manifests/{reference}"));
        for tag in tags {
            url = url.with_parameter("tag", tag);
        }
        let mut request = Request::new(Method::Put, url);
        request
            .headers
            .push(("content-type", manifest.media_type().to_string()));
        request.body = Body::Bytes(Bytes::copy_from_slice(manifest.bytes()));
        let response = self.repository.send(&attempted, request).await?;
        if !matches!(response.status(), 200..=204) {
            return Err(RegistryError::refused(&attempted, response).await);
        }
        let named = |tag: &&String| {
            response
                .headers("oci-tag")
                .flat_map(|header| header.split(','))
                .any(|name| name.trim() == tag.as_str())
        };
        Ok(ManifestPut {
            knows_subject: response.header("oci-subject").is_some(),
            tags: tags.iter().filter(named).cloned().collect(),
        })
    }

    /// Adds a manifest to the fallback tag of its subject's referrers, where that does not name it yet. Whoever calls
    /// this does so for one subject at a time: the tag is read, added to and written.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    ///
    /// Spec: distribution-spec "Pushing Manifests with Subject".
    pub async fn add_to_fallback_tag(&self, manifest: &Manifest) -> Result<(), RegistryError> {
        let Some(subject) = manifest.subject() else {
            return Ok(());
        };
        let mut entry = manifest.descriptor();
        entry.annotations = manifest.annotations().clone();
        entry.artifact_type = manifest.artifact_type().cloned();
        let longer = self
            .repository
            .longer_fallback_index(&subject.digest, entry)
            .await?;
        if let Some(index) = longer {
            self.put_manifest(&index, &companion::fallback_tag(&subject.digest), &[])
                .await?;
        }
        Ok(())
    }
}

impl BlobStream {
    /// Where in the blob it begins: at the byte that was asked for, or before.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How long the whole blob is, where that is told.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next piece; nothing at the end. Dropped while it waits, nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks, or nothing comes for too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let piece = self.response.chunk().await;
        piece.map_err(|source| RegistryError::transport(&self.attempted, source))
    }
}

impl std::fmt::Debug for RegistryApi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("RegistryApi").field(&self.host()).finish()
    }
}

impl std::fmt::Debug for RepositoryApi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.repository.shown();
        formatter.debug_tuple("RepositoryApi").field(&shown).finish()
    }
}
