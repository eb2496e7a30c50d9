//! Versions, which are manifests: list, get, delete, several at once.
//!
//! Source: `projects.locations.repositories.packages.versions` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use oci::Digest;
use serde_json::{Value, json};
use store::{Cursor, PackagePath, Resource, Version, VersionOrder, VersionQuery};

use super::operations::{self, Gave};
use super::paging::{self, Rows, Slice};
use super::routes::{self, Target, tag_name, version_name};
use super::status::Invalid;
use super::{Asked, Unfit, documents, image_facts, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Versions that one request may delete.
const BATCH_MAX: usize = 10_000;
/// Parents that a refusal names.
const PARENTS_TOLD: usize = 3;

pub(crate) async fn list(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Repository(package.repository.clone());
    asked.authorise(Permission::ListVersions, &resource).await?;
    asked.require_package(package).await?;
    let is_full = is_full(asked, false)?;
    paging::list(
        asked,
        "versions",
        &InPackage {
            asked,
            package,
            is_full,
            order: order(asked),
        },
    )
    .await
}

/// Versions of a package.
struct InPackage<'a> {
    asked: &'a Asked<'a>,
    package: &'a PackagePath,
    is_full: bool,
    /// The order that is asked for, where the store has it.
    order: Option<(VersionOrder, bool)>,
}

impl Rows for InPackage<'_> {
    async fn read(&self, from: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let from = from.map(Cursor);
        let (order, descending) = self.order.unwrap_or_default();
        let query = VersionQuery {
            order,
            descending,
            from: from.as_ref(),
            limit,
        };
        let metadata = self.asked.registry.metadata();
        let page = metadata.versions(self.package, &query).await?;
        Ok(Slice {
            documents: documents_of(self.asked, self.package, &page.items, self.is_full).await?,
            next: page.next.map(|cursor| cursor.0),
        })
    }

    fn is_ordered(&self) -> bool {
        self.order.is_some()
    }
}

/// Times are what people sort by.
fn order(asked: &Asked<'_>) -> Option<(VersionOrder, bool)> {
    let words: Vec<&str> = asked
        .call
        .query
        .get("orderBy")?
        .split_ascii_whitespace()
        .collect();
    let (field, descending) = match words.as_slice() {
        [field] | [field, "asc"] => (*field, false),
        [field, "desc"] => (*field, true),
        _ => return None,
    };
    match paging::camel(field).as_str() {
        "createTime" => Some((VersionOrder::Created, descending)),
        "updateTime" => Some((VersionOrder::Updated, descending)),
        _ => None,
    }
}

/// Whether tags are wanted, too. Of one version they come unasked.
fn is_full(asked: &Asked<'_>, unasked: bool) -> Result<bool, Refusal> {
    match asked.call.query.get("view") {
        None | Some("" | "VERSION_VIEW_UNSPECIFIED" | "0") => Ok(unasked),
        Some("BASIC" | "1") => Ok(false),
        Some("FULL" | "2") => Ok(true),
        Some(_) => Err(Invalid::new("view", "it is neither BASIC nor FULL").into()),
    }
}

pub(crate) async fn one(
    asked: &Asked<'_>,
    (package, digest): (&PackagePath, &Digest),
) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(package.repository.clone());
    match *asked.method() {
        Method::GET => {
            asked.authorise(Permission::GetVersion, &resource).await?;
            let version = existing(asked, package, digest).await?;
            let is_full = is_full(asked, true)?;
            let documents = documents_of(asked, package, std::slice::from_ref(&version), is_full).await?;
            Ok(ok(documents.first().unwrap_or(&Value::Null)))
        }
        Method::DELETE => {
            asked.authorise(Permission::DeleteVersion, &resource).await?;
            let is_forced = matches!(asked.call.query.get("force"), Some("true" | "True" | "1"));
            delete(asked, (package, digest), is_forced).await?;
            Ok(operations::done(asked, &package.repository, Gave::Nothing))
        }
        _ => Err(asked.call.refuse_method("GET, DELETE")),
    }
}

/// The version, or a refusal that it is not there.
pub(crate) async fn existing(
    asked: &Asked<'_>,
    package: &PackagePath,
    digest: &Digest,
) -> Result<Version, Refusal> {
    let found = asked.registry.metadata().version(package, digest).await?;
    found.ok_or_else(|| Unfit::not_found(version_name(package, digest)))
}

/// The documents of versions of a package, in their order.
async fn documents_of(
    asked: &Asked<'_>,
    package: &PackagePath,
    versions: &[Version],
    is_full: bool,
) -> Result<Vec<Value>, Refusal> {
    let usages = image_facts::usages(asked, package, versions).await?;
    let mut documents = Vec::with_capacity(versions.len());
    for version in versions {
        let name = version_name(package, &version.digest);
        let facts = image_facts::of(asked, package, version).await?;
        let mut metadata = json!({
            "name": image_facts::image_name(package, &version.digest),
            "imageSizeBytes": version.size_bytes.to_string(),
            "mediaType": version.media_type.as_str(),
        });
        if let Some(time) = &facts.build_time {
            metadata["buildTime"] = time.as_str().into();
        }
        if let Some(artifact_type) = &version.artifact_type {
            metadata["artifactType"] = artifact_type.as_str().into();
        }
        let mut document = json!({
            "name": name,
            "createTime": documents::time(version.created),
            "updateTime": documents::time(version.updated),
            "metadata": metadata,
        });
        if is_full {
            let tag = |tag| json!({"name": tag_name(package, tag), "version": name});
            document["relatedTags"] = version.tags.iter().map(tag).collect();
        }
        if let Some(usage) = usages.get(&version.digest) {
            document["lightshipUsage"] = usage.clone();
        }
        documents.push(document);
    }
    Ok(documents)
}

/// A version with a tag, or one that something else refers to, goes only by force.
async fn delete(
    asked: &Asked<'_>,
    (package, digest): (&PackagePath, &Digest),
    is_forced: bool,
) -> Result<(), Refusal> {
    let version = existing(asked, package, digest).await?;
    let metadata = asked.registry.metadata();
    if !is_forced {
        if let Some(tag) = version.tags.first() {
            return Err(Unfit::precondition(format!(
                "version {digest} has tag {tag}; remove its tags first, or say force"
            )));
        }
        let parents = metadata.parents(package, digest, PARENTS_TOLD).await?;
        if !parents.is_empty() {
            let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
            return Err(Unfit::precondition(format!(
                "version {digest} is referred to by {}; remove that first, or say force",
                parents.join(", ")
            )));
        }
    }
    let (actor, now) = (asked.actor(), asked.registry.now());
    let (target, gone) = (package.clone(), *digest);
    let deleted = asked.registry.change(package, async move |metadata| {
        metadata.delete_manifest(&target, &gone, &actor, now).await
    });
    match deleted.await?? {
        true => Ok(()),
        false => Err(Unfit::not_found(version_name(package, digest))),
    }
}

/// Several versions of a package; the first that is refused ends it.
pub(crate) async fn batch_delete(
    asked: &Asked<'_>,
    package: &PackagePath,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    if *asked.method() != Method::POST {
        return Err(asked.call.refuse_method("POST"));
    }
    let resource = Resource::Repository(package.repository.clone());
    asked.authorise(Permission::DeleteVersion, &resource).await?;
    let document = asked.document(body).await?;
    let names = documents::texts(&document, "names", BATCH_MAX)?;
    let mut digests = Vec::with_capacity(names.len());
    for name in &names {
        match routes::named(name) {
            Some(Target::Version(of, digest)) if of == *package => digests.push(digest),
            _ => return Err(Invalid::new("names", format!("{name:?} is no version of the package")).into()),
        }
    }
    if documents::flag(&document, "validateOnly")? {
        for digest in &digests {
            existing(asked, package, digest).await?;
        }
    } else {
        for digest in &digests {
            delete(asked, (package, digest), true).await?;
        }
    }
    Ok(operations::done(asked, &package.repository, Gave::Nothing))
}
