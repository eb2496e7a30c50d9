//! Blobs: HEAD, GET, ranges, DELETE.
//!
//! Spec: distribution-spec "Pulling blobs" (end-2), "Deleting Blobs" (end-10).

use access::Permission;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION};
use hyper::{Method, StatusCode};
use oci::Digest;
use store::{Blob, ByteRange, Mode, PackagePath, Remote};

use crate::answer::{self, Answer, DOCKER_CONTENT_DIGEST};
use crate::body::Body;
use crate::call::Call;
use crate::conditional;
use crate::range::{self, Asked};
use crate::reading::Pulled;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::upstream::Growth;

pub(crate) async fn blob(
    registry: &Registry,
    call: &Call<'_>,
    name: &str,
    digest: &Digest,
) -> Result<Answer, Refusal> {
    let package = call.package(name)?;
    if call.reads() {
        registry
            .authorise(call, Permission::DownloadArtifacts, &package)
            .await?;
        return read(registry, call, &package, digest).await;
    }
    if call.method == Method::DELETE {
        registry
            .authorise(call, Permission::DeleteArtifacts, &package)
            .await?;
        registry.refuse_removal_elsewhere(&package).await?;
        return match registry.metadata().unlink_blob(&package, digest).await? {
            true => Ok(answer::empty(StatusCode::ACCEPTED)),
            false => Err(Refusal::BlobUnknown),
        };
    }
    Err(call.refuse_method("GET, HEAD, DELETE"))
}

async fn read(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    digest: &Digest,
) -> Result<Answer, Refusal> {
    let source = registry.source_of(package).await?.ok_or(Refusal::BlobUnknown)?;
    let package = &source.package;
    if let Some(blob) = registry.metadata().blob(package, digest).await? {
        return stored(registry, call, package, &blob).await;
    }
    let Mode::Remote(remote) = &*source.mode else {
        return Err(Refusal::BlobUnknown);
    };
    pulled(registry, call, (remote, package), digest).await
}

/// Of a blob that is not here, but may be in the registry that the package's content comes from.
pub(crate) async fn pulled(
    registry: &Registry,
    call: &Call<'_>,
    (remote, package): (&Remote, &PackagePath),
    digest: &Digest,
) -> Result<Answer, Refusal> {
    if call.method == Method::HEAD {
        let size = registry.remote_blob_size(remote, package, digest).await?;
        let size = size.ok_or(Refusal::BlobUnknown)?;
        return coming(call, digest, (None, size));
    }
    match registry.remote_blob(remote, package, digest).await? {
        Some(Pulled::Here(blob)) => stored(registry, call, package, &blob).await,
        Some(Pulled::Coming { growth, size }) => coming(call, digest, (Some(growth), size)),
        None => Err(Refusal::BlobUnknown),
    }
}

/// Of a blob that is here.
async fn stored(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    blob: &Blob,
) -> Result<Answer, Refusal> {
    renew(registry, package, blob).await?;
    let digest = blob.digest.to_string();
    let etag = etag(&blob.digest);
    if conditional::is_known(call.headers, &etag) {
        let mut answer = answer::empty(StatusCode::NOT_MODIFIED);
        answer::set(&mut answer, ETAG, &etag);
        answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest);
        return Ok(answer);
    }
    let (status, range) = part(call, &etag, blob.size)?;
    let body = if call.method == Method::HEAD {
        Body::empty()
    } else {
        let content = registry.blobs().read(&blob.key, blob.size, range).await?;
        match Body::of(content, range.length()) {
            Ok(body) => body,
            Err(url) => {
                let mut answer = answer::empty(StatusCode::TEMPORARY_REDIRECT);
                answer::set(&mut answer, LOCATION, &url);
                answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest);
                return Ok(answer);
            }
        }
    };
    Ok(of_blob((status, body), &blob.digest, Some((range, blob.size))))
}

/// Of a blob that comes from elsewhere, as it comes; of one that is only looked at without `growth`.
fn coming(
    call: &Call<'_>,
    digest: &Digest,
    (growth, size): (Option<Growth>, Option<u64>),
) -> Result<Answer, Refusal> {
    let (status, part) = match size {
        Some(size) => {
            let (status, range) = part(call, &etag(digest), size)?;
            (status, Some((range, size)))
        }
        // A part of what nobody knows the length of cannot be told from all of it.
        None => (StatusCode::OK, None),
    };
    let range = part.map(|(range, _)| range);
    let body = growth.map_or_else(Body::empty, |growth| Body::growing(growth, range));
    Ok(of_blob((status, body), digest, part))
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// What is asked for, of a blob of this size.
fn part(call: &Call<'_>, etag: &str, size: u64) -> Result<(StatusCode, ByteRange), Refusal> {
    let asked = call
        .range()
        .filter(|_| conditional::range_counts(call.headers, etag));
    match range::asked(asked, size) {
        Asked::Whole => Ok((StatusCode::OK, ByteRange::all(size))),
        Asked::Part(range) => Ok((StatusCode::PARTIAL_CONTENT, range)),
        Asked::Nothing => Err(Refusal::Range { size }),
    }
}

fn of_blob((status, body): (StatusCode, Body), digest: &Digest, part: Option<(ByteRange, u64)>) -> Answer {
    let mut answer = answer::with_body(status, body);
    if let Some((range, size)) = part {
        if status == StatusCode::PARTIAL_CONTENT {
            let last = range.end.saturating_sub(1);
            let told = format!("bytes {}-{last}/{size}", range.start);
            answer::set(&mut answer, CONTENT_RANGE, &told);
        }
        answer.headers_mut().insert(CONTENT_LENGTH, range.length().into());
    }
    answer::set(&mut answer, CONTENT_TYPE, "application/octet-stream");
    answer::set(&mut answer, ACCEPT_RANGES, "bytes");
    answer::set(&mut answer, ETAG, &etag(digest));
    answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest.to_string());
    answer
}

/// Who is told of a blob may name it in a manifest a little later: it must not be collected in between.
async fn renew(registry: &Registry, package: &PackagePath, blob: &Blob) -> Result<(), Refusal> {
    let now = registry.now();
    let age = now.duration_since(blob.last_seen).unsigned_abs();
    if age <= registry.options().grace / 2
        || registry.metadata().touch_blob(package, &blob.digest, now).await?
    {
        return Ok(());
    }
    Err(Refusal::BlobUnknown)
}
