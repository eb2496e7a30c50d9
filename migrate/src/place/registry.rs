//! A registry as an origin, reached by one or several endpoints that have the same content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use client::registry::{
    BlobStream, Intent, Misnamed, Registries, RegistryApi, RepositoryApi, RepositoryListing, TagListing,
};
use oci::{Digest, Manifest, ManifestError, RepositoryName};
use transport::Bytes;

use super::{Origin, OriginRepository, PieceSource, Pieces, Repositories};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;
use crate::mapping::rest_below;

/// Most names that are asked for by walking Google's listing; how long a name may be bounds how deep they lie.
const WALK_MAX: usize = 200_000;

/// A registry, or what is below a prefix there.
pub struct RegistryOrigin {
    endpoints: Vec<RegistryApi>,
    prefix: Option<RepositoryName>,
    /// Which endpoint is asked first: the last one that answered.
    current: Arc<AtomicUsize>,
    /// Whether it has the API of referrers, once somebody has asked.
    referrers: Arc<tokio::sync::OnceCell<bool>>,
}

impl RegistryOrigin {
    /// A registry, with other hosts that have the same content, to be asked when it does not answer.
    ///
    /// # Errors
    /// When a host makes no URL.
    pub fn new(
        registries: &Registries,
        host: &str,
        others: &[String],
        prefix: Option<RepositoryName>,
    ) -> Result<Self, PlaceError> {
        let mut endpoints = vec![registries.api(host)?];
        for other in others {
            endpoints.push(registries.api(other)?);
        }
        Ok(Self {
            endpoints,
            prefix,
            current: Arc::default(),
            referrers: Arc::default(),
        })
    }

    fn open(&self, name: &RepositoryName) -> Repository {
        let endpoints = self.endpoints.iter();
        Repository {
            endpoints: endpoints.map(|api| api.repository(name, Intent::Pull)).collect(),
            current: Arc::clone(&self.current),
            referrers: Arc::clone(&self.referrers),
        }
    }

    /// The catalogue of the first endpoint that answers; nothing when it has none.
    async fn catalog(&self) -> Result<Option<RepositoryListing>, PlaceError> {
        let mut failed = None;
        for api in &self.endpoints {
            match api.catalog().await.map_err(PlaceError::from) {
                Err(error) if error.is_transient() => {
                    failed.get_or_insert(error);
                }
                answered => return answered,
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Walks Google's listing from the prefix down; nothing when the registry has no such listing.
    async fn walk(&self, prefix: &RepositoryName) -> Result<Option<Repositories>, PlaceError> {
        let mut found = Repositories::default();
        let (mut open, mut seen) = (vec![prefix.clone()], BTreeSet::from([prefix.clone()]));
        while let Some(name) = open.pop() {
            let Some(listing) = self.open(&name).listing().await? else {
                continue;
            };
            if listing.manifests.is_none() && listing.children.is_none() {
                return Ok(None);
            }
            for child in listing.children.iter().flatten() {
                match name.join(child) {
                    // A list that names the same again and again would else be walked again and again.
                    Ok(below) if seen.insert(below.clone()) => open.push(below),
                    Ok(_) => {}
                    Err(_) => found.misnamed.note(&format!("{name}/{child}")),
                }
            }
            // Not only some of them: who moves a registry would take that for all.
            if seen.len() > WALK_MAX {
                return Err(PlaceError::TooManyNames { names_max: WALK_MAX });
            }
            // A name may be only the beginning of others.
            let has_manifests = listing.manifests.as_ref().is_some_and(|all| !all.is_empty());
            if !listing.tags.is_empty() || has_manifests || listing.misnamed.first().next().is_some() {
                found.named.insert(name, Some(listing));
            }
        }
        let is_empty = found.named.is_empty() && found.misnamed.first().next().is_none();
        Ok(Some(found).filter(|_| !is_empty))
    }
}

#[async_trait]
impl Origin for RegistryOrigin {
    async fn repositories(&self) -> Result<Option<Repositories>, PlaceError> {
        if let Some(prefix) = &self.prefix
            && let Some(found) = self.walk(prefix).await?
        {
            return Ok(Some(found));
        }
        let listed = match self.catalog().await {
            // Who may not see everything may still see what is below the prefix.
            Err(error) if self.prefix.is_some() && error.is_refusal() => None,
            listed => listed?,
        };
        let Some(mut listed) = listed else {
            let Some(prefix) = &self.prefix else {
                return Ok(None);
            };
            // The prefix may be a repository itself.
            let listing = self.open(prefix).listing().await?;
            return Ok(listing.map(|listing| Repositories {
                named: BTreeMap::from([(prefix.clone(), Some(listing))]),
                misnamed: Misnamed::default(),
            }));
        };
        let prefix = self.prefix.as_ref().map_or("", RepositoryName::as_str);
        let is_below = |name: &str| rest_below(name, prefix).is_some();
        listed.misnamed.retain(is_below);
        let named = listed.names.into_iter().filter(|name| is_below(name.as_str()));
        Ok(Some(Repositories {
            named: named.map(|name| (name, None)).collect(),
            misnamed: listed.misnamed,
        }))
    }

    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn OriginRepository>, PlaceError> {
        Ok(Arc::new(self.open(name)))
    }
}

struct Repository {
    endpoints: Vec<RepositoryApi>,
    current: Arc<AtomicUsize>,
    referrers: Arc<tokio::sync::OnceCell<bool>>,
}

impl Repository {
    /// Asks one endpoint after the other until one answers. What is named by digest may also be missing at one and there
    /// at another.
    async fn ask<T, F>(&self, by_digest: bool, question: impl Fn(RepositoryApi) -> F) -> Result<T, PlaceError>
    where
        F: Future<Output = Result<T, PlaceError>>,
    {
        let count = self.endpoints.len();
        let first = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..count {
            let number = (first + turn) % count;
            let Some(endpoint) = self.endpoints.get(number) else {
                continue;
            };
            match question(endpoint.clone()).await {
                Ok(answer) => {
                    if turn > 0 && !by_digest {
                        self.current.store(number, Ordering::Relaxed);
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    let elsewhere = error.is_transient()
                        || by_digest
                            && matches!(error, PlaceError::Missing { .. } | PlaceError::Digest { .. });
                    if error.is_transient() {
                        let next = (number + 1) % count;
                        let _ =
                            self.current
                                .compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
                    }
                    if !elsewhere {
                        return Err(error);
                    }
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or(PlaceError::TagMissing { tag: String::new() }))
    }
}

#[async_trait]
impl OriginRepository for Repository {
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
        self.ask(false, |api| async move { Ok(api.listing().await?) })
            .await
    }

    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError> {
        self.ask(false, |api| async move { digest_of(&api, tag).await })
            .await
    }

    async fn manifest(&self, digest: &Digest) -> Result<Manifest, PlaceError> {
        self.ask(true, |api| async move {
            let fetched = api.manifest(&digest.to_string()).await?;
            let fetched = fetched.ok_or(PlaceError::Missing {
                what: "manifest",
                digest: *digest,
            })?;
            let actual = Digest::of(digest.algorithm(), &fetched.bytes);
            if actual != *digest {
                return Err(PlaceError::Digest {
                    what: "manifest",
                    expected: *digest,
                    actual,
                });
            }
            Manifest::parse(fetched.bytes, fetched.media_type.as_ref())
                .map_err(|error| unusable(digest, error))
        })
        .await
    }

    async fn find_blob(&self, blob: &BlobEntry) -> Result<(), PlaceError> {
        self.ask(true, |api| async move {
            match api.find_blob(&blob.digest).await? {
                Some(Some(actual)) if actual != blob.size => Err(PlaceError::Size {
                    digest: blob.digest,
                    expected: blob.size,
                    actual,
                }),
                Some(_) => Ok(()),
                None => Err(missing(blob)),
            }
        })
        .await
    }

    async fn blob(&self, blob: &BlobEntry, from: u64) -> Result<Pieces, PlaceError> {
        self.ask(true, |api| async move {
            match api.blob(&blob.digest, from).await {
                Ok(stream) => Ok(Pieces {
                    start: stream.start(),
                    source: Box::new(stream),
                }),
                Err(error) if matches!(error.status(), Some(404 | 410 | 416)) => Err(missing(blob)),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Digest>, PlaceError> {
        let mut answered = None;
        let has_api = self.referrers.get_or_try_init(|| async {
            let found = self.list_referrers(digest).await?;
            let has_api = found.is_some();
            answered = found;
            Ok::<bool, PlaceError>(has_api)
        });
        if !*has_api.await? {
            return Ok(Vec::new());
        }
        let found = match answered {
            Some(found) => Some(found),
            None => self.list_referrers(digest).await?,
        };
        Ok(found.unwrap_or_default())
    }
}

impl Repository {
    async fn list_referrers(&self, digest: &Digest) -> Result<Option<Vec<Digest>>, PlaceError> {
        self.ask(false, |api| async move {
            let found = api.referrers(digest).await?;
            Ok(found.map(|found| found.into_iter().map(|referrer| referrer.digest).collect()))
        })
        .await
    }
}

#[async_trait]
impl PieceSource for BlobStream {
    async fn next(&mut self) -> Result<Option<Bytes>, PlaceError> {
        Ok(BlobStream::next(self).await?)
    }
}

/// By HEAD; by the manifest's own bytes where that does not tell.
pub(super) async fn digest_of(api: &RepositoryApi, tag: &str) -> Result<Option<Digest>, PlaceError> {
    let Some(head) = api.head(tag).await? else {
        return Ok(None);
    };
    if let Some(digest) = head.digest {
        return Ok(Some(digest));
    }
    Ok(api
        .manifest(tag)
        .await?
        .map(|fetched| Digest::sha256_of(&fetched.bytes)))
}

pub(super) fn unusable(digest: &Digest, error: ManifestError) -> PlaceError {
    match error {
        ManifestError::SchemaOne => PlaceError::Schema1 {
            reference: digest.to_string(),
        },
        source => PlaceError::Manifest {
            digest: *digest,
            source,
        },
    }
}

fn missing(blob: &BlobEntry) -> PlaceError {
    PlaceError::Missing {
        what: "blob",
        digest: blob.digest,
    }
}
