//! Lists of both sides, while this one has not everything yet.

use std::collections::BTreeSet;

use access::Permission;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::header::LINK;
use oci::{Descriptor, ImageIndex, Manifest, MediaType, Tag};
use serde_json::json;
use store::InTransition;

use super::Turn;
use crate::answer::{self, Answer};
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::routes::Operation;

/// Names that one list is put together of.
const TAGS_MAX: usize = 1_000_000;

/// Rows read at a time.
const PAGE: usize = 1000;

/// Tags of both sides, without those that were deleted here. While the old one cannot be asked, those of this side.
pub(super) async fn tags(turn: &Turn<'_>, body: Arriving) -> Result<Answer, Refusal> {
    let (registry, call, moving) = (turn.registry, turn.call, turn.moving);
    // Google's listing tells of manifests as well, of which only those count that are here.
    if call.host.is_google() {
        return registry.dispatch(turn.operation, call, body).await;
    }
    registry
        .authorise(call, Permission::ListTags, &moving.package)
        .await?;
    let theirs = registry
        .upstream_tags(&moving.transition.old, &moving.package)
        .await;
    let theirs = match theirs {
        Ok(tags) => tags.unwrap_or_default(),
        Err(_) => return registry.dispatch(turn.operation, call, body).await,
    };
    let mut all: BTreeSet<String> = theirs.iter().take(TAGS_MAX).map(Tag::to_string).collect();
    for deleted in deleted(turn).await? {
        all.remove(&deleted);
    }
    all.extend(ours(turn).await?);
    if all.is_empty() {
        return Err(Refusal::NameUnknown);
    }
    let count = call.query.page(registry.options().limits.page_max)?;
    let last = call.query.get("last");
    let after = all
        .iter()
        .filter(|name| last.is_none_or(|last| name.as_str() > last));
    let mut page: Vec<&String> = after.take(count.saturating_add(1)).collect();
    let more = page.len() > count;
    page.truncate(count);
    let document = json!({"name": moving.name, "tags": page});
    let mut answer = answer::json(StatusCode::OK, &document);
    if let (true, Some(last)) = (more, page.last()) {
        answer::link_next(&mut answer, call, &[("n", &count.to_string()), ("last", last)]);
    }
    Ok(answer)
}

async fn ours(turn: &Turn<'_>) -> Result<Vec<String>, Refusal> {
    let (metadata, package) = (turn.registry.metadata(), &turn.moving.package);
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().map(String::as_str);
        let page = metadata.tags(package, after, PAGE).await?.unwrap_or_default();
        let is_last = page.len() < PAGE || all.len() > TAGS_MAX;
        all.extend(page.iter().map(Tag::to_string));
        if is_last {
            return Ok(all);
        }
    }
}

/// What was deleted in the package: tags and digests.
async fn deleted(turn: &Turn<'_>) -> Result<BTreeSet<String>, Refusal> {
    let package = &turn.moving.package;
    let mut all = BTreeSet::new();
    let mut after = InTransition {
        package: package.name.clone(),
        reference: String::new(),
    };
    loop {
        let metadata = turn.registry.metadata();
        let page = metadata
            .tombstones(&package.repository, Some(&after), PAGE)
            .await?;
        let Some(last) = page.last().cloned() else {
            return Ok(all);
        };
        let is_over = last.package != package.name;
        let own = page.into_iter().filter(|stone| stone.package == package.name);
        all.extend(own.map(|stone| stone.reference));
        if is_over || all.len() > TAGS_MAX {
            return Ok(all);
        }
        after = last;
    }
}

/// What refers to a manifest on either side.
pub(super) async fn referrers(turn: &Turn<'_>, body: Arriving) -> Result<Answer, Refusal> {
    let (registry, call) = (turn.registry, turn.call);
    let Operation::Referrers { digest, .. } = turn.operation else {
        return Err(Refusal::PathUnknown);
    };
    let answer = registry.dispatch(turn.operation, call, body).await?;
    // The other side's stand on the last page.
    if answer.headers().contains_key(LINK) {
        return Ok(answer);
    }
    let (old, package) = (&turn.moving.transition.old, &turn.moving.package);
    let Ok(theirs) = registry.upstream_referrers(old, package, digest).await else {
        return Ok(answer);
    };
    if theirs.is_empty() {
        return Ok(answer);
    }
    let deleted = deleted(turn).await?;
    let (parts, own) = answer.into_parts();
    let own = own.collect().await.map_err(|_| Refusal::OldSide)?.to_bytes();
    let own = Manifest::parse(own.to_vec(), Some(&MediaType::OCI_INDEX)).map_err(Refusal::Manifest)?;
    let mut entries: Vec<Descriptor> = own.index().map_or_else(Vec::new, |index| index.manifests.clone());
    let known: BTreeSet<_> = entries.iter().map(|entry| entry.digest).collect();
    let wanted = call.query.get("artifactType").filter(|kind| !kind.is_empty());
    entries.extend(theirs.into_iter().filter(|entry| {
        let kind = entry.artifact_type.as_ref().map(|kind| kind.as_str());
        !known.contains(&entry.digest)
            && !deleted.contains(&entry.digest.to_string())
            && wanted.is_none_or(|wanted| kind == Some(wanted))
    }));
    let index = Manifest::from_index(&ImageIndex::new(entries));
    let whole = answer::bytes(
        StatusCode::OK,
        MediaType::OCI_INDEX.as_str(),
        index.bytes().to_vec().into(),
    );
    let mut answer = whole;
    for (name, value) in &parts.headers {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answer)
}
