//! Uploads of blobs: at once, in one stream, in chunks; and mounts.
//!
//! An upload has no state but its bytes: its length is where the next chunk begins. The state of its hash is kept in
//! memory while that lasts ([`running_hashes`](crate::running_hashes)), and made anew from the bytes where it is not at hand.
//!
//! Spec: distribution-spec "Pushing blobs" (end-4 to end-6), "Mounting a blob" (end-11), end-13, end-14.

use access::Permission;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use hyper::{Method, StatusCode};
use oci::{Algorithm, Digest, Hasher};
use store::{Blob, BlobContent, ByteRange, Committed, PackagePath, StorageKey, StoreError, UploadKey};

use crate::answer::{self, Answer, DOCKER_CONTENT_DIGEST};
use crate::call::{Arriving, Call};
use crate::range;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::running_hashes::RunningHash;

const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Packages that are asked for a blob at a time, when no source of a mount is named.
const MOUNT_PAGE: usize = 50;
/// Such pages at most.
const MOUNT_PAGES_MAX: usize = 20;

/// One upload of a request.
struct Upload<'u> {
    name: &'u str,
    session: String,
    key: UploadKey,
    package: PackagePath,
}

impl<'u> Upload<'u> {
    fn of(name: &'u str, session: String, package: PackagePath) -> Result<Upload<'u>, Refusal> {
        let key = UploadKey::of(&session, &package.to_string()).map_err(|_| Refusal::UploadUnknown)?;
        Ok(Upload {
            name,
            session,
            key,
            package,
        })
    }

    fn location(&self) -> String {
        format!("/v2/{}/blobs/uploads/{}", self.name, self.session)
    }

    fn answer(&self, status: StatusCode, length: u64) -> Answer {
        let mut answer = answer::empty(status);
        answer::set(&mut answer, LOCATION, &self.location());
        answer::set(&mut answer, RANGE, &answer::upload_range(length));
        answer::set(&mut answer, DOCKER_UPLOAD_UUID, &self.session);
        answer
    }
}

/// `POST …/blobs/uploads/`: begins an upload, mounts a blob, or takes one at once.
pub(crate) async fn begin(
    registry: &Registry,
    call: &Call<'_>,
    name: &str,
    mut body: Arriving,
) -> Result<Answer, Refusal> {
    if call.method != Method::POST {
        return Err(call.refuse_method("POST"));
    }
    let package = call.package(name)?;
    registry
        .authorise(call, Permission::UploadArtifacts, &package)
        .await?;
    registry.refuse_push_elsewhere(&package).await?;
    registry.ensure_repository(call, &package).await?;
    if let Some(digest) = call.query.digest("mount")?
        && mount(registry, call, &package, &digest).await?
    {
        return Ok(created(name, &digest));
    }
    let digest = call.query.digest("digest")?;
    let algorithm = match call.query.get("digest-algorithm") {
        Some("sha256") | None => digest.map_or(Algorithm::Sha256, |digest| digest.algorithm()),
        Some("sha512") => Algorithm::Sha512,
        Some(_) => return Err(Refusal::AlgorithmUnknown),
    };
    let session = UploadKey::session(registry.entropy());
    let upload = Upload::of(name, session, package)?;
    registry.blobs().begin(&upload.key).await?;
    registry.hashes().put(
        &upload.key,
        RunningHash {
            hasher: Hasher::new(algorithm),
            length: 0,
        },
    );
    let Some(digest) = digest else {
        return Ok(upload.answer(StatusCode::ACCEPTED, 0));
    };
    let pushed = match append(registry, call, &upload, &mut body).await {
        Ok(_) => finish(registry, call, &upload, &digest).await,
        Err(refusal) => Err(refusal),
    };
    if pushed.is_err() {
        // Its client was never told of the session, so nobody goes on with it.
        give_up(registry, &upload).await;
    }
    pushed
}

/// What came of an upload goes; a failure to remove it is left to a collection.
async fn give_up(registry: &Registry, upload: &Upload<'_>) {
    registry.hashes().take(&upload.key);
    let _ = registry.blobs().abort(&upload.key).await;
}

/// `PATCH`, `PUT`, `GET` and `DELETE …/blobs/uploads/SESSION`.
pub(crate) async fn go_on(
    registry: &Registry,
    call: &Call<'_>,
    (name, session): (&str, &str),
    mut body: Arriving,
) -> Result<Answer, Refusal> {
    let package = call.package(name)?;
    registry
        .authorise(call, Permission::UploadArtifacts, &package)
        .await?;
    let upload = Upload::of(name, session.to_owned(), package)?;
    let gone_on = step(registry, call, &upload, &mut body).await;
    if matches!(gone_on, Err(Refusal::Full)) {
        // What has no room for its end must not keep the room that it took until a collection comes.
        give_up(registry, &upload).await;
    }
    gone_on
}

async fn step(
    registry: &Registry,
    call: &Call<'_>,
    upload: &Upload<'_>,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    match *call.method {
        Method::PATCH => {
            let length = append(registry, call, upload, body).await?;
            Ok(upload.answer(StatusCode::ACCEPTED, length))
        }
        Method::PUT => {
            let digest = call.query.digest("digest")?.ok_or(Refusal::DigestMissing)?;
            append(registry, call, upload, body).await?;
            finish(registry, call, upload, &digest).await
        }
        Method::GET | Method::HEAD => {
            let length = registry.blobs().upload_length(&upload.key).await?;
            Ok(upload.answer(StatusCode::NO_CONTENT, length.ok_or(Refusal::UploadUnknown)?))
        }
        Method::DELETE => {
            registry.hashes().take(&upload.key);
            let aborted = registry.blobs().abort(&upload.key).await;
            match aborted.map_err(|error| unknown_upload(error, upload))? {
                true => Ok(answer::empty(StatusCode::NO_CONTENT)),
                false => Err(Refusal::UploadUnknown),
            }
        }
        _ => Err(call.refuse_method("GET, PATCH, PUT, DELETE")),
    }
}

/// Links a blob from a package that the caller may read.
async fn mount(
    registry: &Registry,
    call: &Call<'_>,
    package: &PackagePath,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let now = registry.now();
    if let Some(from) = call.query.get("from") {
        let Ok(from) = call.package(from) else {
            return Ok(false);
        };
        let may_read = registry.may(call, Permission::DownloadArtifacts, &from).await?;
        return Ok(may_read
            && registry
                .metadata()
                .mount_blob(package, &from, digest, now)
                .await?);
    }
    let mut after = None;
    for _ in 0..MOUNT_PAGES_MAX {
        let found = registry
            .metadata()
            .packages_with_blob(digest, after.as_ref(), MOUNT_PAGE)
            .await?;
        for from in &found {
            let may_read = registry.may(call, Permission::DownloadArtifacts, from).await?;
            if may_read && registry.metadata().mount_blob(package, from, digest, now).await? {
                return Ok(true);
            }
        }
        after = found.last().cloned();
        if found.len() < MOUNT_PAGE {
            break;
        }
    }
    Ok(false)
}

/// Takes the body as the upload's next bytes; returns its new length.
async fn append(
    registry: &Registry,
    call: &Call<'_>,
    upload: &Upload<'_>,
    body: &mut Arriving,
) -> Result<u64, Refusal> {
    let length = registry
        .blobs()
        .upload_length(&upload.key)
        .await?
        .ok_or(Refusal::UploadUnknown)?;
    let limit_bytes = registry.options().limits.blob_bytes_max;
    let announced = announced_length(call, upload, length)?;
    if announced.is_some_and(|announced| length.saturating_add(announced) > limit_bytes) {
        return Err(Refusal::BlobTooLarge { limit_bytes });
    }
    let Some(first) = body.next().await? else {
        return if announced.is_some_and(|announced| announced > 0) {
            Err(Refusal::ChunkLength)
        } else {
            Ok(length)
        };
    };
    let mut hash = registry
        .hashes()
        .take(&upload.key)
        .filter(|hash| hash.length == length);
    let mut append = registry
        .blobs()
        .append(&upload.key, length)
        .await
        .map_err(|error| unknown_upload(error, upload))?;
    let mut came = 0_u64;
    let mut next = Some(first);
    while let Some(bytes) = next {
        came += bytes.len() as u64;
        if announced.is_some_and(|announced| came > announced) {
            return Err(Refusal::ChunkLength);
        }
        if length.saturating_add(came) > limit_bytes {
            return Err(Refusal::BlobTooLarge { limit_bytes });
        }
        registry.metrics().received(bytes.len());
        if let Some(hash) = &mut hash {
            hash.hasher.update(&bytes);
        }
        append.write(bytes).await?;
        next = match body.next().await {
            Ok(next) => next,
            Err(refusal) => {
                // What came is kept: the client asks how much that is, and goes on there.
                append.finish().await?;
                return Err(refusal);
            }
        };
    }
    let length = append.finish().await?;
    if announced.is_some_and(|announced| came != announced) {
        return Err(Refusal::ChunkLength);
    }
    if let Some(hash) = hash {
        registry.hashes().put(&upload.key, RunningHash { length, ..hash });
    }
    Ok(length)
}

/// How many bytes the request says it brings; they have to begin at the end of what is there.
fn announced_length(call: &Call<'_>, upload: &Upload<'_>, length: u64) -> Result<Option<u64>, Refusal> {
    // The PUT that ends an upload brings nothing, and may leave out to say so.
    let brings = call.method == Method::PATCH || call.header(&CONTENT_LENGTH).is_some_and(|text| text != "0");
    let further = length > 0 && brings;
    if !call.host.takes_chunks() && (further || call.headers.contains_key(CONTENT_RANGE)) {
        return Err(Refusal::Chunked);
    }
    let content_length = call
        .header(&CONTENT_LENGTH)
        .and_then(|text| text.parse::<u64>().ok());
    let Some(header) = call.headers.get(CONTENT_RANGE) else {
        return Ok(content_length);
    };
    // One that is no text is malformed as well: without its range the chunk would go anywhere.
    let range = header.to_str().ok().and_then(range::chunk);
    let (start, chunk_length) = range.ok_or(Refusal::ChunkRange)?;
    if start != length {
        return Err(Refusal::ChunkOrder {
            length,
            location: upload.location(),
        });
    }
    match content_length {
        Some(announced) if announced != chunk_length => Err(Refusal::ChunkLength),
        _ => Ok(Some(chunk_length)),
    }
}

fn unknown_upload(error: StoreError, upload: &Upload<'_>) -> Refusal {
    match error {
        StoreError::Missing { .. } => Refusal::UploadUnknown,
        StoreError::Busy => Refusal::UploadBusy,
        StoreError::Offset { actual, .. } => Refusal::ChunkOrder {
            length: actual,
            location: upload.location(),
        },
        other => other.into(),
    }
}

/// Makes a blob of an upload: its digest is compared, it becomes durable, and then the package links it.
async fn finish(
    registry: &Registry,
    call: &Call<'_>,
    upload: &Upload<'_>,
    expected: &Digest,
) -> Result<Answer, Refusal> {
    let length = registry
        .blobs()
        .upload_length(&upload.key)
        .await?
        .ok_or(Refusal::UploadUnknown)?;
    let running = registry.hashes().take(&upload.key);
    let at_hand = running
        .filter(|hash| hash.length == length)
        .map(|hash| hash.hasher.finish())
        .filter(|digest| digest.algorithm() == expected.algorithm());
    let actual = match at_hand {
        Some(digest) => digest,
        None => digest_again(registry, upload, expected.algorithm()).await?,
    };
    if actual != *expected {
        let aborted = registry.blobs().abort(&upload.key).await;
        aborted.map_err(|error| unknown_upload(error, upload))?;
        return Err(Refusal::DigestDiffers {
            expected: *expected,
            actual,
        });
    }
    let key = StorageKey::new(expected, registry.entropy());
    let sealed = registry.blobs().seal(&upload.key, &key, length).await;
    sealed.map_err(|error| unknown_upload(error, upload))?;
    let blob = Blob {
        digest: *expected,
        size: length,
        key,
        last_seen: registry.now(),
    };
    let committed = registry
        .metadata()
        .commit_blob(&upload.package, &blob, &call.caller.actor())
        .await;
    // After an error nobody knows whether a row names the object, so collection decides about it.
    if matches!(&committed, Ok(committed) if *committed != Committed::Kept) {
        let _ = registry.blobs().remove(&blob.key).await;
    }
    match committed? {
        Committed::Kept | Committed::Superseded => Ok(created(upload.name, expected)),
        Committed::OverQuota { quota_bytes } => Err(Refusal::Quota { quota_bytes }),
        Committed::RepositoryUnknown => Err(Refusal::NameUnknown),
    }
}

/// Reads the upload from its beginning.
async fn digest_again(
    registry: &Registry,
    upload: &Upload<'_>,
    algorithm: Algorithm,
) -> Result<Digest, Refusal> {
    let content = registry.blobs().read_upload(&upload.key).await;
    let content = content.map_err(|error| unknown_upload(error, upload))?;
    let hashed = match content {
        BlobContent::File { file, range } => {
            tokio::task::spawn_blocking(move || hash_file(&file, range, algorithm))
                .await
                .map_err(std::io::Error::other)
        }
        BlobContent::Stream(stream) => Ok(hash_stream(stream, algorithm).await),
        BlobContent::Redirect(_) => Err(std::io::ErrorKind::Unsupported.into()),
    };
    hashed
        .and_then(|hashed| hashed)
        .map_err(|source| StoreError::io("read an upload", source).into())
}

fn hash_file(file: &std::fs::File, range: ByteRange, algorithm: Algorithm) -> std::io::Result<Digest> {
    use std::os::unix::fs::FileExt as _;
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(piece, at)?;
        hasher.update(piece);
        at += wanted as u64;
    }
    Ok(hasher.finish())
}

async fn hash_stream(
    mut stream: impl tokio::io::AsyncRead + Unpin,
    algorithm: Algorithm,
) -> std::io::Result<Digest> {
    use tokio::io::AsyncReadExt as _;
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

const HASH_BUFFER_BYTES: usize = 256 << 10;

fn created(name: &str, digest: &Digest) -> Answer {
    let mut answer = answer::empty(StatusCode::CREATED);
    answer::set(&mut answer, LOCATION, &format!("/v2/{name}/blobs/{digest}"));
    answer::set(&mut answer, DOCKER_CONTENT_DIGEST, &digest.to_string());
    answer
}
