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
use store::{Mode, PackagePath, ReferrerQuery, StoredManifest};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::Reference;
use crate::warning;

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
    let source = registry.source_of(&package).await?.ok_or(Refusal::NameUnknown)?;
    let artifact_type = call.query.get("artifactType").filter(|kind| !kind.is_empty());
    let after = call.query.digest("last")?;
    let count = call.query.page(REFERRERS_MAX)?;
    let wanted = Wanted {
        subject,
        artifact_type,
        after,
        count,
    };
    if let Mode::Remote(remote) = &*source.mode {
        let there = registry.remote_referrers(remote, &source.package, subject).await;
        let warning = match there {
            Ok(entries) => return Ok(wanted.answer(call, wanted.among(entries))),
            Err(warning) => warning,
        };
        let mut answer = wanted.answer(call, here(registry, &source.package, &wanted).await?);
        warning::add(&mut answer, &[warning]);
        return Ok(answer);
    }
    let found = here(registry, &source.package, &wanted).await?;
    Ok(wanted.answer(call, found))
}

/// Which referrers are asked for.
struct Wanted<'w> {
    subject: &'w Digest,
    artifact_type: Option<&'w str>,
    after: Option<Digest>,
    count: usize,
}

/// Some of them, and the last of a page that another one follows.
type Listed = (Vec<Descriptor>, Option<Digest>);

impl Wanted<'_> {
    fn fits(&self, entry: &Descriptor) -> bool {
        let is_kind = |wanted| {
            let kind = entry.artifact_type.as_ref();
            kind.is_some_and(|kind| kind.as_str() == wanted)
        };
        self.artifact_type.is_none_or(is_kind)
    }

    /// Those of a whole list.
    fn among(&self, mut entries: Vec<Descriptor>) -> Listed {
        entries.retain(|entry| self.fits(entry) && self.after.is_none_or(|after| entry.digest > after));
        entries.sort_by_key(|entry| entry.digest);
        entries.dedup_by_key(|entry| entry.digest);
        let more = entries.len() > self.count;
        entries.truncate(self.count);
        let last = entries.last().map(|entry| entry.digest).filter(|_| more);
        (entries, last)
    }

    fn answer(&self, call: &Call<'_>, (entries, last): Listed) -> Answer {
        let index = Manifest::from_index(&ImageIndex::new(entries));
        let media_type = MediaType::OCI_INDEX;
        let mut answer = answer::bytes(StatusCode::OK, media_type.as_str(), index.bytes().to_vec().into());
        if self.artifact_type.is_some() {
            answer::set(&mut answer, OCI_FILTERS_APPLIED, "artifactType");
        }
        if let Some(last) = last {
            let (count, last) = (self.count.to_string(), last.to_string());
            let mut query = vec![("n", count.as_str()), ("last", last.as_str())];
            query.extend(self.artifact_type.map(|kind| ("artifactType", kind)));
            answer::link_next(&mut answer, call, &query);
        }
        answer
    }
}

/// Those that are known here.
async fn here(registry: &Registry, package: &PackagePath, wanted: &Wanted<'_>) -> Result<Listed, Refusal> {
    let query = ReferrerQuery {
        subject: wanted.subject,
        artifact_type: wanted.artifact_type,
        after: wanted.after.as_ref(),
        limit: wanted.count.saturating_add(1),
    };
    let mut found = registry.metadata().referrers(package, &query).await?;
    let more = found.len() > wanted.count;
    found.truncate(wanted.count);
    let last = found.last().map(|manifest| manifest.digest).filter(|_| more);
    let mut entries: Vec<Descriptor> = found.into_iter().filter_map(descriptor).collect();
    if wanted.after.is_none() {
        let known: BTreeSet<Digest> = entries.iter().map(|entry| entry.digest).collect();
        let fallback = fallback(registry, package, wanted.subject).await?;
        entries.extend(
            fallback
                .into_iter()
                .filter(|entry| wanted.fits(entry) && !known.contains(&entry.digest)),
        );
    }
    Ok((entries, last))
}

/// What a listing says of a referrer. What can no longer be read was damaged after it was stored, and is left out.
fn descriptor(stored: StoredManifest) -> Option<Descriptor> {
    let manifest = manifests::parsed(&stored).ok()?;
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
    let manifest = manifests::parsed(&stored).ok();
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
