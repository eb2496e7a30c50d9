//! Packages: list, get, delete.
//!
//! Source: `projects.locations.repositories.packages` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use jiff::Timestamp;
use oci::RepositoryName;
use serde_json::{Value, json};
use store::{PackagePath, RepositoryPath, Resource};

use super::operations::{self, Gave};
use super::paging::{self, Row, Rows};
use super::routes::package_name;
use super::status::Invalid;
use super::{Asked, Unfit, documents, ok, repositories};
use crate::answer::Answer;
use crate::refusal::Refusal;

/// Versions that are read at a time.
const VERSIONS: usize = 500;

pub(crate) async fn list(asked: &Asked<'_>, repository: &RepositoryPath) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Repository(repository.clone());
    asked.authorise(Permission::ListPackages, &resource).await?;
    repositories::existing(asked, repository).await?;
    paging::list(asked, "packages", &InRepository { asked, repository }).await
}

/// Packages of a repository.
struct InRepository<'a> {
    asked: &'a Asked<'a>,
    repository: &'a RepositoryPath,
}

impl Rows for InRepository<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Vec<Row>, Refusal> {
        let InRepository { asked, repository } = *self;
        let after: Option<RepositoryName> = after.as_deref().map(parsed_key).transpose()?;
        let names = asked
            .registry
            .metadata()
            .packages(repository, after.as_ref(), limit)
            .await?;
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let package = PackagePath {
                repository: repository.clone(),
                name,
            };
            rows.push(Row {
                key: package.name.to_string(),
                document: document(asked, &package).await?,
            });
        }
        Ok(rows)
    }
}

pub(crate) fn parsed_key(key: &str) -> Result<RepositoryName, Refusal> {
    key.parse()
        .map_err(|_| Invalid::new("pageToken", "it is of another list").into())
}

pub(crate) async fn one(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(package.repository.clone());
    match *asked.method() {
        Method::GET => {
            asked.authorise(Permission::GetPackage, &resource).await?;
            asked.require_package(package).await?;
            Ok(ok(&document(asked, package).await?))
        }
        Method::DELETE => {
            asked.authorise(Permission::DeletePackage, &resource).await?;
            asked.require_package(package).await?;
            delete(asked, package).await
        }
        _ => Err(asked.call.refuse_method("GET, DELETE")),
    }
}

async fn document(asked: &Asked<'_>, package: &PackagePath) -> Result<Value, Refusal> {
    let (created, updated) = times(asked, package).await?;
    Ok(json!({
        "name": package_name(package),
        "displayName": package.name.as_str(),
        "createTime": documents::time(created),
        "updateTime": documents::time(updated),
    }))
}

/// When the first and the last of its versions came or changed.
async fn times(asked: &Asked<'_>, package: &PackagePath) -> Result<(Timestamp, Timestamp), Refusal> {
    let (mut created, mut updated) = (Timestamp::MAX, Timestamp::MIN);
    let mut after = None;
    loop {
        let versions = asked
            .registry
            .metadata()
            .versions(package, after.as_ref(), VERSIONS)
            .await?;
        for version in &versions {
            created = created.min(version.created);
            updated = updated.max(version.updated);
        }
        after = versions.last().map(|version| version.digest);
        if versions.len() < VERSIONS {
            return Ok((created, updated));
        }
    }
}

/// Every version with its tags. One whose tag is immutable stays, and is told of; others are gone by then.
async fn delete(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    let (actor, now) = (asked.actor(), asked.registry.now());
    let metadata = asked.registry.metadata();
    let (mut after, mut kept) = (None, None);
    loop {
        let versions = metadata.versions(package, after.as_ref(), VERSIONS).await?;
        for version in &versions {
            let deleted = metadata.delete_manifest(package, &version.digest, &actor, now).await;
            asked.registry.manifest_cache().forget(package);
            kept = deleted?.err().or(kept);
        }
        after = versions.last().map(|version| version.digest);
        if versions.len() < VERSIONS {
            break;
        }
    }
    match kept {
        Some(refusal) => Err(Unfit::precondition(format!(
            "{} cannot be removed whole: {refusal}",
            package_name(package)
        ))),
        None => Ok(operations::done(asked, &package.repository, Gave::Nothing)),
    }
}
