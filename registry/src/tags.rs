//! Tags of a package, page by page.
//!
//! Spec: distribution-spec "Listing Tags" (end-8).

use access::Permission;
use hyper::StatusCode;
use serde_json::json;
use store::PackagePath;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::google_listing;
use crate::host_routes::Place;
use crate::refusal::Refusal;
use crate::registry::Registry;

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
    // One more than asked for tells whether there is a next page.
    let found = registry
        .metadata()
        .tags(package, call.query.get("last"), count.saturating_add(1))
        .await?;
    let mut found = found.ok_or(Refusal::NameUnknown)?;
    let more = found.len() > count;
    found.truncate(count);
    let tags: Vec<&str> = found.iter().map(oci::Tag::as_str).collect();
    let mut answer = answer::json(StatusCode::OK, &json!({"name": name, "tags": tags}));
    if let (true, Some(last)) = (more, tags.last()) {
        answer::link_next(&mut answer, call, &[("n", &count.to_string()), ("last", last)]);
    }
    Ok(answer)
}
