//! Packages: list, get, delete.
//!
//! Source: `projects.locations.repositories.packages` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use oci::RepositoryName;
use serde_json::{Value, json};
use store::{Package, PackagePath, RepositoryPath, Resource};

use super::operations::{self, Gave};
use super::paging::{self, Rows, Slice};
use super::routes::package_name;
use super::{Asked, Unfit, documents, ok, repositories};
use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::transition;

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
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let after: Option<RepositoryName> = match after {
            Some(key) => Some(key.parse().map_err(|_| paging::bad_token())?),
            None => None,
        };
        let metadata = self.asked.registry.metadata();
        let packages = metadata.packages(self.repository, after.as_ref(), limit).await?;
        let row = |package: Package| {
            let key = package.name.to_string();
            (key, document(self.repository, &package))
        };
        Ok(Slice::of_rows(packages.into_iter().map(row).collect(), limit))
    }
}

pub(crate) async fn one(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(package.repository.clone());
    match *asked.method() {
        Method::GET => {
            asked.authorise(Permission::GetPackage, &resource).await?;
            let found = asked.registry.metadata().package(package).await?;
            let found = found.ok_or_else(|| Unfit::not_found(package_name(package)))?;
            Ok(ok(&document(&package.repository, &found)))
        }
        Method::DELETE => {
            asked.authorise(Permission::DeletePackage, &resource).await?;
            delete(asked, package).await
        }
        _ => Err(asked.call.refuse_method("GET, DELETE")),
    }
}

fn document(repository: &RepositoryPath, package: &Package) -> Value {
    let path = PackagePath {
        repository: repository.clone(),
        name: package.name.clone(),
    };
    json!({
        "name": package_name(&path),
        "displayName": package.name.as_str(),
        "createTime": documents::time(package.created),
        "updateTime": documents::time(package.updated),
    })
}

/// A package with an immutable tag stays as it is.
async fn delete(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    let was_here = remove(asked, package).await?;
    let of = (was_here, &asked.actor());
    let was_there = transition::delete_package_there(asked.registry, package, of).await?;
    if was_there {
        // What was fetched in between.
        remove(asked, package).await?;
    }
    match was_here || was_there {
        true => Ok(operations::done(asked, &package.repository, Gave::Nothing)),
        false => Err(Unfit::not_found(package_name(package))),
    }
}

async fn remove(asked: &Asked<'_>, package: &PackagePath) -> Result<bool, Refusal> {
    let (actor, now) = (asked.actor(), asked.registry.now());
    let gone = package.clone();
    let deleted = asked.registry.change(package, async move |metadata| {
        metadata.delete_package(&gone, &actor, now).await
    });
    Ok(deleted.await??)
}
