//! Tags of a package, page by page.
//!
//! Spec: distribution-spec "Listing Tags" (end-8).

use access::Permission;
use hyper::StatusCode;
use serde_json::json;
use store::{Mode, PackagePath};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::google_listing;
use crate::host_routes::Place;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::warning;

pub(crate) async fn tags(registry: &Registry, call: &Call<'_>, name: &str) -> Result<Answer, Refusal> {
    if !call.reads() {
        return Err(call.refuse_method("GET, HEAD"));
    }
    let place = call.host.place(name).ok_or(Refusal::Name)?;
    registry.authorise(call, Permission::ListTags, &place).await?;
    if call.host.is_google() {
        return google_listing::listing(registry, (name, call.query.get("last")), &place).await;
    }
    match place {
        Place::Package(package) => page(registry, call, name, &package).await,
        Place::Repository(_) => Err(Refusal::Name),
    }
}

async fn page(
    registry: &Registry,
    call: &Call<'_>,
    name: &str,
    package: &PackagePath,
) -> Result<Answer, Refusal> {
    let count = call.query.page(registry.options().limits.page_max)?;
    let after = call.query.get("last");
    let (mut found, warning) = some(registry, package, (after, count.saturating_add(1))).await?;
    let more = found.len() > count;
    found.truncate(count);
    let tags: Vec<&str> = found.iter().map(oci::Tag::as_str).collect();
    let mut answer = answer::json(StatusCode::OK, &json!({"name": name, "tags": tags}));
    if let (true, Some(last)) = (more, tags.last()) {
        answer::link_next(&mut answer, call, &[("n", &count.to_string()), ("last", last)]);
    }
    warning::add(&mut answer, warning.as_slice());
    Ok(answer)
}

/// The next tags, one more than asked for to tell whether there is a next page; and what the client is to be told.
async fn some(
    registry: &Registry,
    package: &PackagePath,
    (after, limit): (Option<&str>, usize),
) -> Result<(Vec<oci::Tag>, Option<String>), Refusal> {
    let source = registry.source_of(package).await?.ok_or(Refusal::NameUnknown)?;
    if let Mode::Remote(remote) = &*source.mode {
        let listed = registry.remote_tags(remote, &source.package).await?;
        let (all, warning) = listed.ok_or(Refusal::NameUnknown)?;
        let after = after.unwrap_or_default();
        let first = all.partition_point(|tag| tag.as_str() <= after);
        return Ok((all.iter().skip(first).take(limit).cloned().collect(), warning));
    }
    let found = registry.metadata().tags(&source.package, after, limit).await?;
    Ok((found.ok_or(Refusal::NameUnknown)?, None))
}
