//! Manifests as images: what Google's command line lists.
//!
//! Source: `projects.locations.repositories.dockerImages` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use oci::{Digest, RepositoryName};
use serde_json::{Value, json};
use store::{PackagePath, RepositoryPath, Resource, Version};

use super::paging::{self, Row, Rows};
use super::{Asked, documents, image_facts, ok, packages, repositories, repository_document, versions};
use crate::answer::Answer;
use crate::refusal::Refusal;

/// Packages that are read at a time.
const PACKAGES: usize = 100;

pub(crate) async fn list(asked: &Asked<'_>, repository: &RepositoryPath) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Repository(repository.clone());
    asked.authorise(Permission::ListDockerImages, &resource).await?;
    repositories::existing(asked, repository).await?;
    paging::list(asked, "dockerImages", &InRepository { asked, repository }).await
}

/// Versions of all packages of a repository.
struct InRepository<'a> {
    asked: &'a Asked<'a>,
    repository: &'a RepositoryPath,
}

impl Rows for InRepository<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Vec<Row>, Refusal> {
        let InRepository { asked, repository } = *self;
        let mut place = Place::after(after.as_deref())?;
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(package) = place.package(asked, repository).await? else {
                break;
            };
            let wanted = limit - rows.len();
            let found = asked
                .registry
                .metadata()
                .versions(&package, place.digest.as_ref(), wanted)
                .await?;
            place.go_on(&found, wanted);
            let documents = documents_of(asked, &package, &found).await?;
            rows.extend(found.iter().zip(documents).map(|(version, document)| Row {
                key: format!("{}@{}", package.name, version.digest),
                document,
            }));
        }
        Ok(rows)
    }
}

/// Where a walk over all versions of all packages is.
struct Place {
    /// The package that is being read, if one is.
    current: Option<RepositoryName>,
    /// The last of its versions that was read.
    digest: Option<Digest>,
    /// The last package that was read to its end.
    done: Option<RepositoryName>,
    /// Packages that come next.
    next: std::vec::IntoIter<RepositoryName>,
}

impl Place {
    fn after(key: Option<&str>) -> Result<Place, Refusal> {
        let mut place = Place {
            current: None,
            digest: None,
            done: None,
            next: Vec::new().into_iter(),
        };
        if let Some(key) = key {
            let (name, digest) = key.split_once('@').unwrap_or((key, ""));
            place.current = Some(packages::parsed_key(name)?);
            place.digest = Some(versions::parsed_key(digest)?);
        }
        Ok(place)
    }

    /// The package to read on in; none at the end.
    async fn package(
        &mut self,
        asked: &Asked<'_>,
        repository: &RepositoryPath,
    ) -> Result<Option<PackagePath>, Refusal> {
        if self.current.is_none() {
            if self.next.len() == 0 {
                let metadata = asked.registry.metadata();
                let names = metadata.packages(repository, self.done.as_ref(), PACKAGES).await?;
                self.next = names.into_iter();
            }
            self.current = self.next.next();
        }
        Ok(self.current.clone().map(|name| PackagePath {
            repository: repository.clone(),
            name,
        }))
    }

    /// After `found` of at most `wanted` versions of the current package.
    fn go_on(&mut self, found: &[Version], wanted: usize) {
        if found.len() < wanted {
            self.done = self.current.take();
            self.digest = None;
        } else {
            self.digest = found.last().map(|version| version.digest);
        }
    }
}

pub(crate) async fn get(
    asked: &Asked<'_>,
    (package, digest): (&PackagePath, &Digest),
) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Repository(package.repository.clone());
    asked.authorise(Permission::GetDockerImage, &resource).await?;
    let version = versions::existing(asked, package, digest).await?;
    let documents = documents_of(asked, package, std::slice::from_ref(&version)).await?;
    Ok(ok(documents.first().unwrap_or(&Value::Null)))
}

async fn documents_of(
    asked: &Asked<'_>,
    package: &PackagePath,
    found: &[Version],
) -> Result<Vec<Value>, Refusal> {
    let usages = image_facts::usages(asked, package, found).await?;
    let prefix = repository_document::registry_uri(asked, &package.repository);
    let mut documents = Vec::with_capacity(found.len());
    for version in found {
        let facts = image_facts::of(asked, package, version).await?;
        let tags: Vec<&str> = version.tags.iter().map(oci::Tag::as_str).collect();
        let mut document = json!({
            "name": image_facts::image_name(package, &version.digest),
            "uri": format!("{prefix}/{}@{}", package.name, version.digest),
            "tags": tags,
            "imageSizeBytes": version.size_bytes.to_string(),
            "uploadTime": documents::time(version.created),
            "updateTime": documents::time(version.updated),
            "mediaType": version.media_type.as_str(),
        });
        if let Some(time) = facts.build_time {
            document["buildTime"] = time.into();
        }
        if let Some(artifact_type) = &version.artifact_type {
            document["artifactType"] = artifact_type.as_str().into();
        }
        if !facts.image_manifests.is_empty() {
            document["imageManifests"] = facts.image_manifests.into();
        }
        if let Some(usage) = usages.get(&version.digest) {
            document["lightshipUsage"] = usage.clone();
        }
        documents.push(document);
    }
    Ok(documents)
}
