//! Blobs: HEAD, GET, ranges, DELETE.
//!
//! Spec: distribution-spec "Pulling blobs" (end-2), "Deleting Blobs" (end-10).

use access::Permission;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION};
use hyper::{Method, StatusCode};
use oci::Digest;
use store::{Blob, ByteRange, PackagePath};

use crate::answer::{self, Answer, DOCKER_CONTENT_DIGEST};
use crate::body::Body;
use crate::call::Call;
use crate::conditional;
use crate::range::{self, Asked};
use crate::refusal::Refusal;
use crate::registry::Registry;

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
    let blob = registry
        .metadata()
        .blob(package, digest)
        .await?
        .ok_or(Refusal::BlobUnknown)?;
    renew(registry, package, &blob).await?;
    let digest = digest.to_string();
    let etag = format!("\"{digest}\"");
    if conditional::is_known(call.headers, &etag) {
        let mut answer = answer::empty(StatusCode::NOT_MODIFIED);
        answer::set(&mut answer, ETAG, &etag);
        answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest);
        return Ok(answer);
    }
    let asked = call
        .range()
        .filter(|_| conditional::range_counts(call.headers, &etag));
    let (status, range) = match range::asked(asked, blob.size) {
        Asked::Whole => (StatusCode::OK, ByteRange::all(blob.size)),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => return Err(Refusal::Range { size: blob.size }),
    };
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
    let mut answer = answer::with_body(status, body);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        answer::set(
            &mut answer,
            CONTENT_RANGE,
            &format!("bytes {}-{last}/{}", range.start, blob.size),
        );
    }
    answer.headers_mut().insert(CONTENT_LENGTH, range.length().into());
    answer::set(&mut answer, CONTENT_TYPE, "application/octet-stream");
    answer::set(&mut answer, ACCEPT_RANGES, "bytes");
    answer::set(&mut answer, ETAG, &etag);
    answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest);
    Ok(answer)
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
