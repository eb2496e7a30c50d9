//! Manifests as images: what Google's command line lists.
//!
//! Source: `projects.locations.repositories.dockerImages` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use oci::Digest;
use serde_json::{Value, json};
use store::{Cursor, PackagePath, RepositoryPath, Resource, Version, Walk};

use super::paging::{self, Rows, Slice};
use super::{Asked, documents, image_facts, ok, repositories, repository_document, versions};
use crate::answer::Answer;
use crate::refusal::Refusal;

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
    async fn read(&self, from: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let from = from.map(Cursor);
        let walk = Walk {
            from: from.as_ref(),
            limit,
        };
        let page = self
            .asked
            .registry
            .metadata()
            .images(self.repository, walk)
            .await?;
        let mut documents = Vec::with_capacity(page.items.len());
        // Those of one package come together.
        for images in page.items.chunk_by(|one, other| one.package == other.package) {
            let Some(first) = images.first() else {
                continue;
            };
            let package = PackagePath {
                repository: self.repository.clone(),
                name: first.package.clone(),
            };
            let versions: Vec<Version> = images.iter().map(|image| image.version.clone()).collect();
            documents.extend(documents_of(self.asked, &package, &versions).await?);
        }
        Ok(Slice {
            documents,
            next: page.next.map(|cursor| cursor.0),
        })
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
