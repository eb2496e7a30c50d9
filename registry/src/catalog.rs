//! Names of packages, page by page.
//!
//! Only where the whole name is a package of one repository: Artifact Registry has no catalogue, and its clients list a
//! project's repositories another way.

use access::Permission;
use hyper::StatusCode;
use serde_json::json;

use crate::access::On;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::registry::Registry;

pub(crate) async fn catalog(registry: &Registry, call: &Call<'_>) -> Result<Answer, Refusal> {
    if !call.reads() {
        return Err(call.refuse_method("GET, HEAD"));
    }
    let repository = call.host.whole().ok_or(Refusal::PathUnknown)?;
    registry
        .authorise(call, Permission::ListPackages, On::Catalog(repository))
        .await?;
    let count = call.query.page(registry.options().limits.page_max)?;
    let after = call
        .query
        .get("last")
        .map(str::parse)
        .transpose()
        .map_err(|_| Refusal::Name)?;
    let wanted = count.saturating_add(1);
    let mut found = registry
        .metadata()
        .packages_below(repository, None, after.as_ref(), wanted)
        .await?;
    let more = found.len() > count;
    found.truncate(count);
    let names: Vec<&str> = found.iter().map(oci::RepositoryName::as_str).collect();
    let mut answer = answer::json(StatusCode::OK, &json!({"repositories": names}));
    if let (true, Some(last)) = (more, names.last()) {
        answer::link_next(&mut answer, call, &[("n", &count.to_string()), ("last", last)]);
    }
    Ok(answer)
}
