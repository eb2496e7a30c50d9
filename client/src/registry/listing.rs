//! Lists of whole registries: the catalogue, and tags with all that Google's listing tells of them.

use std::collections::BTreeMap;

use oci::{Digest, MediaType, RepositoryName, Tag};
use serde::Deserialize;
use transport::{Method, Request};

use super::api::{RegistryApi, RepositoryApi};
use super::error::RegistryError;
use super::misnamed::Misnamed;
use super::session::Errand;
use super::tags::{PAGE_BYTES_MAX, PAGES_MAX, TAGS_MAX, next_page};
use super::token::Scope;

/// Names asked for at a time.
const PAGE_NAMES: usize = 1000;

/// Most repositories of one registry.
const REPOSITORIES_MAX: usize = 1_000_000;

/// What a registry lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryListing {
    /// The repositories, in the registry's order.
    pub names: Vec<RepositoryName>,
    /// What it lists beside them, and is no name of a repository.
    pub misnamed: Misnamed,
}

/// What a repository lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagListing {
    /// The tags, in the registry's order.
    pub tags: Vec<String>,
    /// Every manifest, where the registry lists them as Google's do.
    pub manifests: Option<BTreeMap<Digest, ListedManifest>>,
    /// The next parts of the names of repositories below this one, where the registry lists them as Google's do.
    pub children: Option<Vec<String>>,
    /// What it lists as tags and manifests, and is no tag or digest.
    pub misnamed: Misnamed,
}

/// A manifest in Google's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedManifest {
    /// What it is, where that is told.
    pub media_type: Option<MediaType>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was uploaded, in milliseconds since 1970.
    pub uploaded_ms: Option<i64>,
}

impl TagListing {
    /// The digest of a tag, where the listing tells it.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<&str, Digest> {
        let listed = self.manifests.iter().flatten();
        listed
            .flat_map(|(digest, manifest)| manifest.tags.iter().map(|tag| (tag.as_str(), *digest)))
            .collect()
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    manifest: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    child: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    tag: Option<Vec<String>>,
    #[serde(default)]
    time_uploaded_ms: Option<String>,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl RegistryApi {
    /// The names of all repositories; nothing when the registry does not tell them.
    ///
    /// # Errors
    /// When the registry cannot be asked, or its list does not end.
    ///
    /// Spec: distribution's `_catalog`, which registries may leave out.
    pub async fn catalog(&self) -> Result<Option<RepositoryListing>, RegistryError> {
        let attempted = format!("list the repositories of {}", self.host());
        let scope = Scope::catalog();
        let errand = Errand {
            repository: "",
            scope: &scope,
            attempted: &attempted,
        };
        let base = self.registry.endpoint.base();
        let mut next = Some(base.join("_catalog").with_parameter("n", &PAGE_NAMES.to_string()));
        let mut found = RepositoryListing::default();
        for page in 0..PAGES_MAX {
            let Some(url) = next else { return Ok(Some(found)) };
            let response = self.registry.send(errand, Request::new(Method::Get, url)).await?;
            match response.status() {
                200 => {}
                403 | 404 | 405 | 501 if page == 0 => return Ok(None),
                _ => return Err(RegistryError::refused(&attempted, response).await),
            }
            next = next_page(&attempted, &response)?;
            let bytes = response.read(PAGE_BYTES_MAX).await;
            let bytes = bytes.map_err(|source| RegistryError::transport(&attempted, source))?;
            let Ok(page) = serde_json::from_slice::<Catalog>(&bytes) else {
                return Ok(None);
            };
            for name in page.repositories.unwrap_or_default() {
                match name.parse() {
                    Ok(name) => found.names.push(name),
                    Err(_) => found.misnamed.note(&name),
                }
            }
            if found.names.len().saturating_add(found.misnamed.len()) > REPOSITORIES_MAX {
                break;
            }
        }
        Err(RegistryError::protocol(
            &attempted,
            format!("has more than {PAGES_MAX} pages or {REPOSITORIES_MAX} names"),
        ))
    }
}

impl RepositoryApi {
    /// Whether there is such a repository.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn is_there(&self) -> Result<bool, RegistryError> {
        let attempted = format!("look for {}", self.repository.shown());
        let url = self.repository.url("tags/list").with_parameter("n", "1");
        let response = self
            .repository
            .send(&attempted, Request::new(Method::Get, url))
            .await?;
        match response.status() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Everything that the repository lists of its tags; nothing when there is no such repository.
    ///
    /// One request for each page; Google's listing is one page with everything.
    ///
    /// # Errors
    /// When the registry cannot be asked, or its list does not end.
    ///
    /// Spec: distribution-spec "Listing Tags".
    pub async fn listing(&self) -> Result<Option<TagListing>, RegistryError> {
        let attempted = format!("list the tags of {}", self.repository.shown());
        let mut found = TagListing::default();
        let mut next = Some(self.repository.tags_url());
        for page in 0..PAGES_MAX {
            let Some(url) = next else { return Ok(Some(found)) };
            let response = self
                .repository
                .send(&attempted, Request::new(Method::Get, url))
                .await?;
            match response.status() {
                200 => {}
                404 if page == 0 => return Ok(None),
                _ => return Err(RegistryError::refused(&attempted, response).await),
            }
            next = next_page(&attempted, &response)?;
            let bytes = response.read(PAGE_BYTES_MAX).await;
            let bytes = bytes.map_err(|source| RegistryError::transport(&attempted, source))?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|_| {
                RegistryError::protocol(&attempted, "answers with something that is not a list of tags")
            })?;
            found.add(page);
            if found.tags.len().saturating_add(found.misnamed.len()) > TAGS_MAX {
                break;
            }
        }
        Err(RegistryError::protocol(
            &attempted,
            format!("has more than {PAGES_MAX} pages or {TAGS_MAX} tags"),
        ))
    }
}

impl TagListing {
    fn add(&mut self, page: Page) {
        for tag in page.tags.unwrap_or_default() {
            match tag.parse::<Tag>() {
                Ok(_) => self.tags.push(tag),
                Err(_) => self.misnamed.note(&tag),
            }
        }
        if let Some(children) = page.child {
            self.children.get_or_insert_default().extend(children);
        }
        if let Some(listed) = page.manifest {
            let all = self.manifests.get_or_insert_default();
            for (digest, entry) in listed {
                match digest.parse() {
                    Ok(digest) => drop(all.insert(digest, entry.read())),
                    Err(_) => self.misnamed.note(&digest),
                }
            }
        }
    }
}

impl Entry {
    fn read(self) -> ListedManifest {
        let time = self.time_uploaded_ms.and_then(|text| text.parse().ok());
        ListedManifest {
            media_type: self.media_type.and_then(|text| text.parse().ok()),
            tags: self.tag.unwrap_or_default(),
            // Zero stands for a time that is not known.
            uploaded_ms: time.filter(|time| *time > 0),
        }
    }
}
