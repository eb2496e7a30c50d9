//! Lists of both sides, while this one has not everything yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use access::Permission;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::header::LINK;
use oci::{Descriptor, ImageIndex, Manifest, MediaType, Tag};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use store::{InTransition, OnlyThere, Remote};

use super::Turn;
use crate::answer::{self, Answer};
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::routes::Operation;
use crate::warning;

/// Names that one list is put together of.
const TAGS_MAX: usize = 1_000_000;

/// How long a list of the old side is believed: a client asks page by page, and each would be the whole list again.
const FRESH: Duration = Duration::from_secs(30);

/// Rows read at a time.
const PAGE: usize = 1000;

/// Tags of both sides, without those that were deleted here. While the old one cannot be asked, those of this side, with a
/// warning.
pub(super) async fn tags(turn: &Turn<'_>, body: Arriving) -> Result<Answer, Refusal> {
    let (registry, call, moving) = (turn.registry, turn.call, turn.moving);
    // Google's listing tells of manifests as well, of which only those count that are here.
    if call.host.is_google() {
        return registry.dispatch(turn.operation, call, body).await;
    }
    registry
        .authorise(call, Permission::ListTags, &moving.package)
        .await?;
    let remote = Remote {
        fresh: FRESH,
        ..Remote::new(moving.transition.old.clone())
    };
    let (theirs, warning) = match registry.remote_tags(&remote, &moving.package).await {
        Ok(listed) => listed.unwrap_or_default(),
        // Nothing is known here either.
        Err(refusal) if refusal.is_of_old_side() => {
            return registry.dispatch(turn.operation, call, body).await;
        }
        Err(refusal) => return Err(refusal),
    };
    let mut all: BTreeSet<String> = theirs.iter().take(TAGS_MAX).map(Tag::to_string).collect();
    let deleted = deleted(turn).await?;
    let is_whole_gone = deleted.contains(OnlyThere::WHOLE_PACKAGE);
    all.retain(|tag| !is_whole_gone && !deleted.contains(tag));
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
    warning::add(&mut answer, warning.as_slice());
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
    if deleted.contains(OnlyThere::WHOLE_PACKAGE) {
        return Ok(answer);
    }
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
    answer::keep_headers(&mut answer, &parts.headers);
    Ok(answer)
}

/// A list of tags by our name; nothing where it has none, or too many fields: then it is none. Its fields stay text: as values they
/// would be many times as large.
pub(super) fn renamed(name: &str, listing: &[u8]) -> Option<Vec<u8>> {
    let name = to_raw_value(name).ok()?;
    let Fields(mut fields) = serde_json::from_slice(listing).ok()?;
    *fields.get_mut("name")? = &name;
    serde_json::to_vec(&fields).ok()
}

/// Fields that a list of tags may have.
const FIELDS_MAX: usize = 64;

/// The fields of a document, as they are written.
struct Fields<'d>(BTreeMap<String, &'d RawValue>);

impl<'d> Deserialize<'d> for Fields<'d> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Fields<'d>, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'d> Visitor<'d> for FieldsVisitor {
    type Value = Fields<'d>;

    fn expecting(&self, told: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(told, "an object of at most {FIELDS_MAX} fields")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Fields<'d>, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.insert(name, value);
            if fields.len() > FIELDS_MAX {
                return Err(A::Error::invalid_length(fields.len(), &self));
            }
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_our_name_and_what_else_it_had_up_to_a_limit() {
        let list = |fields: usize| {
            let more: String = (2..fields)
                .map(|field| format!(r#","f{field}":[1, 2.50]"#))
                .collect();
            format!(r#"{{"name":"team/a","tags":["v1"]{more}}}"#)
        };
        let three = renamed("a", list(3).as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(three).unwrap(),
            r#"{"f2":[1, 2.50],"name":"a","tags":["v1"]}"#
        );
        assert!(renamed("a", list(FIELDS_MAX).as_bytes()).is_some());
        assert!(renamed("a", list(FIELDS_MAX + 1).as_bytes()).is_none());
        assert!(renamed("a", br#"{"tags":[]}"#).is_none());
    }
}
