//! Manifests that refer to another.
//!
//! Clients that know no such listing keep an index under the tag `ALGORITHM-HEX` of the subject; what such an index
//! names is listed as well, so that signatures pushed by them are found.
//!
//! Spec: distribution-spec "Listing Referrers" (end-12), "Referrers Tag Schema".

use std::collections::BTreeSet;

use access::Permission;
use hyper::StatusCode;
use hyper::header::HeaderName;
use oci::{Descriptor, Digest, ImageIndex, Manifest, MediaType};
use store::{PackagePath, ReferrerQuery, StoredManifest};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::Reference;

const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Referrers in one answer: an index of these stays below what clients take for a manifest.
const REFERRERS_MAX: usize = 1000;

pub(crate) async fn referrers(
    registry: &Registry,
    call: &Call<'_>,
    name: &str,
    subject: &Digest,
) -> Result<Answer, Refusal> {
    if !call.reads() {
        return Err(call.refuse_method("GET, HEAD"));
    }
    let package = call.package(name)?;
    registry
        .authorise(call, Permission::DownloadArtifacts, &package)
        .await?;
    let artifact_type = call.query.get("artifactType").filter(|kind| !kind.is_empty());
    let after = call.query.digest("last")?;
    let count = call.query.page(REFERRERS_MAX)?;
    let query = ReferrerQuery {
        subject,
        artifact_type,
        after: after.as_ref(),
        limit: count.saturating_add(1),
    };
    let mut found = registry.metadata().referrers(&package, &query).await?;
    let more = found.len() > count;
    found.truncate(count);
    let last = found.last().map(|manifest| manifest.digest);
    let mut entries: Vec<Descriptor> = found.into_iter().filter_map(descriptor).collect();
    if after.is_none() {
        let known: BTreeSet<Digest> = entries.iter().map(|entry| entry.digest).collect();
        let fallback = fallback(registry, &package, subject).await?;
        let fits = |entry: &Descriptor| {
            artifact_type.is_none_or(|wanted| {
                entry
                    .artifact_type
                    .as_ref()
                    .is_some_and(|kind| kind.as_str() == wanted)
            })
        };
        entries.extend(
            fallback
                .into_iter()
                .filter(|entry| fits(entry) && !known.contains(&entry.digest)),
        );
    }
    let index = Manifest::from_index(&ImageIndex::new(entries));
    let media_type = MediaType::OCI_INDEX;
    let mut answer = answer::bytes(StatusCode::OK, media_type.as_str(), index.bytes().to_vec().into());
    if artifact_type.is_some() {
        answer::set(&mut answer, OCI_FILTERS_APPLIED, "artifactType");
    }
    if let (true, Some(last)) = (more, last) {
        let (count, last) = (count.to_string(), last.to_string());
        let mut query = vec![("n", count.as_str()), ("last", last.as_str())];
        query.extend(artifact_type.map(|kind| ("artifactType", kind)));
        answer::link_next(&mut answer, call, &query);
    }
    Ok(answer)
}

/// What a listing says of a referrer. What can no longer be read was damaged after it was stored, and is left out.
fn descriptor(stored: StoredManifest) -> Option<Descriptor> {
    let manifest = Manifest::parse(stored.bytes.to_vec(), Some(&stored.media_type)).ok()?;
    let mut descriptor = Descriptor::new(stored.media_type, stored.digest, manifest.bytes().len() as u64);
    descriptor.artifact_type = stored.artifact_type.and_then(|kind| kind.parse().ok());
    descriptor.annotations = manifest.annotations().clone();
    Some(descriptor)
}

async fn fallback(
    registry: &Registry,
    package: &PackagePath,
    subject: &Digest,
) -> Result<Vec<Descriptor>, Refusal> {
    let tag = format!("{}-{}", subject.algorithm().as_str(), subject.hex());
    // The tag of a sha512 digest would be too long for a tag; there is none then.
    let Ok(tag) = tag.parse() else {
        return Ok(Vec::new());
    };
    let Some(stored) = crate::manifests::find(registry, package, &Reference::Tag(tag)).await? else {
        return Ok(Vec::new());
    };
    let manifest = Manifest::parse(stored.bytes.to_vec(), Some(&stored.media_type)).ok();
    let named = manifest
        .as_ref()
        .and_then(Manifest::index)
        .map(|index| index.manifests.as_slice());
    let mut entries = Vec::new();
    // The index is the client's; a manifest that was deleted here may still stand in it.
    for entry in named.unwrap_or_default().iter().take(REFERRERS_MAX) {
        if registry
            .metadata()
            .manifest(package, &entry.digest)
            .await?
            .is_some()
        {
            entries.push(entry.clone());
        }
    }
    Ok(entries)
}
