//! Tags: list, get, create, patch, delete, and what a tag named before.
//!
//! Source: `projects.locations.repositories.packages.tags` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use oci::{Digest, Tag};
use serde_json::{Value, json};
use store::{Event, EventKind, PackagePath, PutRefusal, Resource, TagEntry, TagMove};

use super::paging::{self, Rows, Slice};
use super::routes::{self, Target, package_name, tag_name, version_name};
use super::status::Invalid;
use super::{Asked, Unfit, documents, nothing, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Entries of a tag's history that are told, the newest.
const HISTORY_MAX: usize = 1000;
/// Longest name of a version in a body.
const NAME_BYTES_MAX: usize = 1024;

pub(crate) async fn collection(
    asked: &Asked<'_>,
    package: &PackagePath,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET => list(asked, package).await,
        Method::POST => {
            let resource = Resource::Repository(package.repository.clone());
            asked.authorise(Permission::CreateTag, &resource).await?;
            let tag = asked.call.query.get("tagId").unwrap_or_default();
            let tag: Tag = tag.parse().map_err(|_| Invalid::new("tagId", "it is no tag"))?;
            let document = asked.document(body).await?;
            if named(asked, package, &tag).await?.is_some() {
                let resource = tag_name(package, &tag);
                return Err(Unfit::Exists { resource }.into());
            }
            set(asked, (package, &tag), &document).await
        }
        _ => Err(asked.call.refuse_method("GET, POST")),
    }
}

pub(crate) async fn one(
    asked: &Asked<'_>,
    (package, tag): (&PackagePath, &Tag),
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(package.repository.clone());
    match *asked.method() {
        Method::GET => {
            asked.authorise(Permission::GetTag, &resource).await?;
            let digest = existing(asked, package, tag).await?;
            Ok(ok(&document(package, tag, &digest)))
        }
        Method::PATCH => {
            asked.authorise(Permission::UpdateTag, &resource).await?;
            let mask = asked.call.query.get("updateMask").unwrap_or_default();
            if !matches!(mask, "" | "*" | "version" | "name,version" | "version,name") {
                return Err(Invalid::new("updateMask", "of a tag only its version can be changed").into());
            }
            let document = asked.document(body).await?;
            existing(asked, package, tag).await?;
            set(asked, (package, tag), &document).await
        }
        Method::DELETE => {
            asked.authorise(Permission::DeleteTag, &resource).await?;
            let (actor, now) = (asked.actor(), asked.registry.now());
            let (target, gone) = (package.clone(), tag.clone());
            let deleted = asked.registry.change(package, async move |metadata| {
                metadata.delete_tag(&target, &gone, &actor, now).await
            });
            match deleted.await?? {
                true => Ok(nothing()),
                false => Err(Unfit::not_found(tag_name(package, tag))),
            }
        }
        _ => Err(asked.call.refuse_method("GET, PATCH, DELETE")),
    }
}

async fn list(asked: &Asked<'_>, package: &PackagePath) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(package.repository.clone());
    asked.authorise(Permission::ListTags, &resource).await?;
    asked.require_package(package).await?;
    paging::list(asked, "tags", &InPackage { asked, package }).await
}

/// Tags of a package.
struct InPackage<'a> {
    asked: &'a Asked<'a>,
    package: &'a PackagePath,
}

impl Rows for InPackage<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let after: Option<Tag> = match after {
            Some(key) => Some(key.parse().map_err(|_| paging::bad_token())?),
            None => None,
        };
        let metadata = self.asked.registry.metadata();
        let entries = metadata.tag_entries(self.package, after.as_ref(), limit).await?;
        let row = |entry: &TagEntry| {
            let document = document(self.package, &entry.tag, &entry.digest);
            (entry.tag.to_string(), document)
        };
        Ok(Slice::of_rows(entries.iter().map(row).collect(), limit))
    }
}

async fn named(asked: &Asked<'_>, package: &PackagePath, tag: &Tag) -> Result<Option<Digest>, Refusal> {
    let found = asked.registry.metadata().tag_entry(package, tag).await?;
    Ok(found.map(|entry| entry.digest))
}

async fn existing(asked: &Asked<'_>, package: &PackagePath, tag: &Tag) -> Result<Digest, Refusal> {
    let found = named(asked, package, tag).await?;
    found.ok_or_else(|| Unfit::not_found(tag_name(package, tag)))
}

fn document(package: &PackagePath, tag: &Tag, digest: &Digest) -> Value {
    json!({
        "name": tag_name(package, tag),
        "version": version_name(package, digest),
    })
}

/// Sets a tag on the version that the document names.
async fn set(
    asked: &Asked<'_>,
    (package, tag): (&PackagePath, &Tag),
    given: &Value,
) -> Result<Answer, Refusal> {
    asked.registry.refuse_push_elsewhere(package).await?;
    let version = documents::text(given, "version", NAME_BYTES_MAX)?;
    let digest = match routes::named(version) {
        Some(Target::Version(of, digest)) if of == *package => digest,
        _ => {
            let problem = format!("{version:?} is no version of {}", package_name(package));
            return Err(Invalid::new("version", problem).into());
        }
    };
    let (actor, now) = (asked.actor(), asked.registry.now());
    let tag_move = TagMove {
        tag: tag.clone(),
        to: digest,
    };
    let target = package.clone();
    let moved = asked.registry.change(package, async move |metadata| {
        metadata.move_tag(&target, &tag_move, &actor, now).await
    });
    match moved.await? {
        Ok(()) => Ok(ok(&document(package, tag, &digest))),
        Err(PutRefusal::ManifestUnknown { digest }) => Err(Unfit::not_found(version_name(package, &digest))),
        Err(PutRefusal::RepositoryUnknown) => Err(Unfit::not_found(&package.repository)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// What a tag named, newest first. Google has no such list.
pub(crate) async fn history(
    asked: &Asked<'_>,
    (package, tag): (&PackagePath, &Tag),
) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Repository(package.repository.clone());
    asked.authorise(Permission::GetTag, &resource).await?;
    let events = asked
        .registry
        .metadata()
        .tag_history(package, tag, HISTORY_MAX)
        .await?;
    if events.is_empty() {
        return Err(Unfit::not_found(tag_name(package, tag)));
    }
    let moves: Vec<Value> = events
        .iter()
        .filter_map(|event| history_entry(package, event))
        .collect();
    Ok(ok(&json!({"name": tag_name(package, tag), "moves": moves})))
}

fn history_entry(package: &PackagePath, event: &Event) -> Option<Value> {
    let version = |digest: &Digest| Value::from(version_name(package, digest));
    let (from, to) = match &event.kind {
        EventKind::TagSet { from, to, .. } => (from.as_ref().map(version), Some(version(to))),
        EventKind::TagDeleted { from, .. } => (Some(version(from)), None),
        _ => return None,
    };
    Some(json!({
        "time": documents::time(event.time),
        "actor": event.actor.0,
        "from": from,
        "to": to,
    }))
}
