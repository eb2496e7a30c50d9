//! `tags/list` as Container Registry answers it: children, and every manifest with its tags, sizes and times.
//!
//! Numbers are strings. Everything is in one answer: Google's clients ask for a page of 10,000 and never for a second
//! one when `child` or `manifest` is there.

use std::collections::BTreeSet;

use hyper::StatusCode;
use oci::RepositoryName;
use serde_json::{Map, Value, json};
use store::{Mode, PackagePath, RepositoryPath, Version, VersionQuery};

use crate::answer::{self, Answer};
use crate::host_routes::Place;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::warning;

/// Rows that are read from the store at a time.
const PAGE: usize = 1000;

/// Manifests and packages that one answer lists.
const ROWS_MAX: usize = 100_000;

pub(crate) async fn listing(
    registry: &Registry,
    (name, last): (&str, Option<&str>),
    place: &Place,
) -> Result<Answer, Refusal> {
    let (children, versions, elsewhere) = match place {
        Place::Repository(repository) => {
            let children = children(registry, repository, None).await?;
            (children, Vec::new(), None)
        }
        Place::Package(package) => {
            let source = registry.source_of(package).await?.ok_or(Refusal::NameUnknown)?;
            let package = &source.package;
            let elsewhere = match &*source.mode {
                Mode::Remote(remote) => registry.remote_tags(remote, package).await?,
                Mode::Standard | Mode::Virtual(_) => None,
            };
            let children = children(registry, &package.repository, Some(&package.name)).await?;
            (children, versions(registry, package).await?, elsewhere)
        }
    };
    if children.is_empty() && versions.is_empty() && elsewhere.is_none() {
        return Err(Refusal::NameUnknown);
    }
    let here = versions.iter().flat_map(|version| &version.tags);
    let (there, warning) = elsewhere.unwrap_or_default();
    // Of tags that were not read here yet there is nothing more to tell than their names.
    let mut tags: Vec<&str> = here.chain(there.iter()).map(oci::Tag::as_str).collect();
    // There is one page only, but a client may ask for what follows a tag.
    tags.retain(|tag| last.is_none_or(|last| *tag > last));
    tags.sort_unstable();
    tags.dedup();
    let manifests: Map<String, Value> = versions
        .iter()
        .map(|version| (version.digest.to_string(), entry(version)))
        .collect();
    let document = json!({"child": children, "manifest": manifests, "name": name, "tags": tags});
    let mut answer = answer::json(StatusCode::OK, &document);
    warning::add(&mut answer, warning.as_slice());
    Ok(answer)
}

fn entry(version: &Version) -> Value {
    let milliseconds = |time: jiff::Timestamp| time.as_millisecond().to_string();
    let tags: Vec<&str> = version.tags.iter().map(oci::Tag::as_str).collect();
    json!({
        "imageSizeBytes": version.size_bytes.to_string(),
        "layerId": "",
        "mediaType": version.media_type.as_str(),
        "tag": tags,
        "timeCreatedMs": milliseconds(version.created),
        "timeUploadedMs": milliseconds(version.updated),
    })
}

/// The next part of the name of every package below a name.
async fn children(
    registry: &Registry,
    repository: &RepositoryPath,
    below: Option<&RepositoryName>,
) -> Result<BTreeSet<String>, Refusal> {
    let mut children = BTreeSet::new();
    let mut after: Option<RepositoryName> = None;
    for _ in 0..ROWS_MAX / PAGE {
        let page = registry
            .metadata()
            .packages_below(repository, below, after.as_ref(), PAGE)
            .await?;
        for name in &page {
            let rest = match below {
                Some(below) => name.as_str().get(below.as_str().len() + 1..).unwrap_or_default(),
                None => name.as_str(),
            };
            children.extend(rest.split('/').next().map(str::to_owned));
        }
        let whole = page.len() < PAGE;
        after = page.into_iter().next_back();
        if whole {
            break;
        }
    }
    Ok(children)
}

async fn versions(registry: &Registry, package: &PackagePath) -> Result<Vec<Version>, Refusal> {
    let mut versions: Vec<Version> = Vec::new();
    let mut from = None;
    while versions.len() < ROWS_MAX {
        let query = VersionQuery {
            from: from.as_ref(),
            limit: PAGE,
            ..VersionQuery::default()
        };
        let page = registry.metadata().versions(package, &query).await?;
        versions.extend(page.items);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    Ok(versions)
}
