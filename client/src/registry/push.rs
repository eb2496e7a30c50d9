//! Writing to a repository.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use oci::{Descriptor, Digest, Manifest, RepositoryName};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use transport::{Body, Bytes, Chunks, Method, Request, Response, Url};

use super::error::RegistryError;
use super::repository::Repository;
use super::token::Scope;
use crate::companion;
use crate::sink::copy_verified;
use crate::{BlobRead, Sink, SinkError};

/// How often a blob is sent, the first time included, when its content can be read again.
const UPLOADS_MAX: u32 = 4;

/// The wait before a blob is sent again; it doubles.
const UPLOAD_DELAY: Duration = Duration::from_millis(500);

/// Longest that a registry may ask us to wait before a blob is sent again.
const UPLOAD_DELAY_MAX: Duration = Duration::from_secs(60);

/// Pieces of a blob, of 256 KiB, that wait to be sent.
const PIECES_WAITING: usize = 4;

/// A repository for writing.
///
/// A blob is sent as docker sends it: an upload is opened, filled by one PATCH and completed by a PUT. Every registry
/// takes that, and we complete it only when the bytes were what they should be.
pub(crate) struct RegistrySink {
    repository: Repository,
    /// Held while a fallback tag is read, added to and written.
    fallback: Mutex<()>,
}

/// How the content gets to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By PATCH, then PUT.
    Patch,
    /// By PUT alone, where PATCH is not known.
    Put,
}

/// Why one attempt to send a blob failed.
enum Failure {
    Final(SinkError),
    /// It may succeed when it is sent from its start, after a wait.
    Again(SinkError, Option<Duration>),
    /// The registry does not know the way.
    OtherWay(SinkError),
}

impl RegistrySink {
    pub(crate) fn new(repository: Repository) -> Self {
        Self {
            repository,
            fallback: Mutex::new(()),
        }
    }

    /// Opens an upload; nothing when the registry had the blob in another repository, and has it here now.
    async fn open_upload(&self, attempted: &str, digest: &Digest) -> Result<Option<Url>, Failure> {
        let repository = &self.repository;
        let url = repository.url("blobs/uploads").with_slash();
        if let Some(from) = self.mountable(digest) {
            let from = repository.registry.endpoint.api_name(&from);
            let scope = Scope::mount(&repository.api_name, &from);
            let parameters = url.with_parameter("mount", &digest.to_string());
            let mount = Request::new(Method::Post, parameters.with_parameter("from", &from));
            match repository.send_as(attempted, &scope, mount).await {
                Ok(response) if response.status() == 201 => return Ok(None),
                Ok(response) if response.status() == 202 => {
                    return location(attempted, &response).map(Some).map_err(Failure::of);
                }
                // Whoever may not read there may still write here.
                Ok(_) | Err(_) => {}
            }
        }
        let response = repository.send(attempted, Request::new(Method::Post, url)).await;
        let response = response.map_err(Failure::of)?;
        match response.status() {
            202 => location(attempted, &response).map(Some).map_err(Failure::of),
            _ => Err(Failure::refused(attempted, response).await),
        }
    }

    fn mountable(&self, digest: &Digest) -> Option<RepositoryName> {
        let from = self.repository.registry.repository_with(digest)?;
        Some(from).filter(|from| *from != self.repository.name)
    }

    async fn upload(&self, descriptor: &Descriptor, content: BlobRead, way: Way) -> Result<(), Failure> {
        let digest = descriptor.digest;
        let attempted = format!("push blob {digest} to {}", self.repository.shown());
        let Some(upload) = self.open_upload(&attempted, &digest).await? else {
            return Ok(());
        };
        let (body, sent) = start_sending(descriptor, content);
        let (method, target) = match way {
            Way::Patch => (Method::Patch, upload.clone()),
            Way::Put => (Method::Put, upload.with_parameter("digest", &digest.to_string())),
        };
        let mut request = Request::new(method, target);
        request
            .headers
            .push(("content-type", "application/octet-stream".to_owned()));
        request.body = body;
        let answered = self.repository.send(&attempted, request).await;
        // The content itself is what is wrong, if anything is: what the registry thinks of it comes second.
        let read = sent.await.unwrap_or_else(|error| crashed(&digest, error));
        let response = match (answered, read) {
            (_, Err(Sent::Wrong(error))) => {
                self.cancel(&attempted, upload).await;
                return Err(Failure::Final(error));
            }
            (Err(error), _) => return Err(Failure::of(error)),
            (Ok(response), _) => response,
        };
        match (way, response.status()) {
            (Way::Patch, 200..=204) => {}
            (Way::Put, 200..=204) => return Ok(()),
            (Way::Patch, 405 | 415 | 501) => {
                let error = RegistryError::refused(&attempted, response).await;
                return Err(Failure::OtherWay(error.into()));
            }
            _ => return Err(Failure::refused(&attempted, response).await),
        }
        // Where the upload goes on; it stays where it was when that is not said.
        let upload = location(&attempted, &response).unwrap_or(upload);
        self.complete(&attempted, &digest, upload).await
    }

    async fn complete(&self, attempted: &str, digest: &Digest, upload: Url) -> Result<(), Failure> {
        let url = upload.with_parameter("digest", &digest.to_string());
        let response = self
            .repository
            .send(attempted, Request::new(Method::Put, url))
            .await;
        match response {
            Ok(response) if matches!(response.status(), 200..=204) => Ok(()),
            // The answer to a completion may have been lost, and the upload with it: look before it is all sent again.
            Ok(response) => {
                let failure = Failure::refused(attempted, response).await;
                self.unless_there(digest, failure).await
            }
            Err(error) => self.unless_there(digest, Failure::of(error)).await,
        }
    }

    async fn unless_there(&self, digest: &Digest, failure: Failure) -> Result<(), Failure> {
        match self.repository.find_blob(digest).await {
            Ok(Some(_)) => Ok(()),
            _ => Err(failure),
        }
    }

    /// Lets the registry forget an upload. It will by itself, some day, if this fails.
    async fn cancel(&self, attempted: &str, upload: Url) {
        drop(
            self.repository
                .send(attempted, Request::new(Method::Delete, upload))
                .await,
        );
    }

    /// Puts a manifest under a tag or its digest; returns whether the registry says that it knows the subject.
    async fn put(&self, manifest: &Manifest, reference: &str) -> Result<bool, RegistryError> {
        let repository = &self.repository;
        let attempted = format!("push manifest {reference} to {}", repository.shown());
        let mut request = Request::new(Method::Put, repository.url(&format!("manifests/{reference}")));
        request
            .headers
            .push(("content-type", manifest.media_type().to_string()));
        request.body = Body::Bytes(Bytes::copy_from_slice(manifest.bytes()));
        let response = repository.send(&attempted, request).await?;
        match response.status() {
            200..=204 => Ok(response.header("oci-subject").is_some()),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// A registry without the API of referrers has a tag in its place, which clients keep.
    async fn keep_fallback_tag(&self, manifest: &Manifest, subject: &Digest) -> Result<(), RegistryError> {
        let mut entry = manifest.descriptor();
        entry.annotations = manifest.annotations().clone();
        let _one_at_a_time = self.fallback.lock().await;
        match self.repository.longer_fallback_index(subject, entry).await? {
            Some(index) => self
                .put(&index, &companion::fallback_tag(subject))
                .await
                .map(drop),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Sink for RegistrySink {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError> {
        let found = self.repository.find_blob(&descriptor.digest).await?;
        let is_there = found.is_some_and(|size| size.is_none_or(|size| size == descriptor.size));
        if is_there {
            self.repository
                .registry
                .note_blob(descriptor.digest, &self.repository.name);
        }
        Ok(is_there)
    }

    async fn has_manifest(&self, digest: &Digest) -> Result<bool, SinkError> {
        let head = self.repository.head_manifest(&digest.to_string()).await?;
        Ok(head.is_some_and(|head| head.digest == Some(*digest)))
    }

    async fn put_blob(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError> {
        let mut content = Content::new(content);
        let mut way = Way::Patch;
        for attempt in 1.. {
            let Some(read) = content.take(&descriptor.digest)? else {
                break;
            };
            let error = match self.upload(descriptor, read, way).await {
                Ok(()) => break,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::OtherWay(error)) => {
                    way = Way::Put;
                    error
                }
                Err(Failure::Again(error, after)) => {
                    if attempt < UPLOADS_MAX && content.is_left() {
                        let delay = after.unwrap_or_else(|| UPLOAD_DELAY.saturating_mul(1 << attempt.min(8)));
                        tokio::time::sleep(delay.min(UPLOAD_DELAY_MAX)).await;
                    }
                    error
                }
            };
            if attempt >= UPLOADS_MAX || !content.is_left() {
                return Err(error);
            }
        }
        self.repository
            .registry
            .note_blob(descriptor.digest, &self.repository.name);
        Ok(())
    }

    async fn put_manifest(&self, manifest: &Manifest, name: Option<&str>) -> Result<(), SinkError> {
        let digest = manifest.digest();
        let reference = name.map_or_else(|| digest.to_string(), str::to_owned);
        if manifest.subject().is_none() {
            let head = self.repository.head_manifest(&reference).await?;
            if head.is_some_and(|head| head.digest == Some(digest)) {
                return Ok(());
            }
        }
        let knows_subject = self.put(manifest, &reference).await?;
        if let Some(subject) = manifest.subject().filter(|_| !knows_subject) {
            self.keep_fallback_tag(manifest, &subject.digest).await?;
        }
        Ok(())
    }

    /// There is nothing left to do: a registry makes each manifest durable and visible when it takes it.
    async fn finish(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A blob's content, as often as it can be read.
enum Content {
    Again(Again),
    Once(Option<BlobRead>),
}

enum Again {
    File {
        file: std::fs::File,
        offset: u64,
        length: u64,
    },
    Bytes(Vec<u8>),
}

impl Content {
    fn new(content: BlobRead) -> Self {
        match content {
            BlobRead::File { file, offset, length } => Self::Again(Again::File { file, offset, length }),
            BlobRead::Bytes(bytes) => Self::Again(Again::Bytes(bytes)),
            stream @ BlobRead::Stream(_) => Self::Once(Some(stream)),
        }
    }

    fn is_left(&self) -> bool {
        !matches!(self, Self::Once(None))
    }

    fn take(&mut self, digest: &Digest) -> Result<Option<BlobRead>, SinkError> {
        match self {
            Self::Again(Again::File { file, offset, length }) => {
                let file = file.try_clone().map_err(|source| SinkError::Content {
                    digest: *digest,
                    source,
                })?;
                let (offset, length) = (*offset, *length);
                Ok(Some(BlobRead::File { file, offset, length }))
            }
            Self::Again(Again::Bytes(bytes)) => Ok(Some(BlobRead::Bytes(bytes.clone()))),
            Self::Once(content) => Ok(content.take()),
        }
    }
}

/// What became of the content on this side.
enum Sent {
    /// It could not be read, or is not what it should be.
    Wrong(SinkError),
    /// The request ended before all of it was sent.
    CutOff,
}

/// Starts to read and hash the content on a thread of its own, and returns it as the body of a request.
fn start_sending(descriptor: &Descriptor, content: BlobRead) -> (Body, JoinHandle<Result<(), Sent>>) {
    let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING);
    let (descriptor, runtime) = (descriptor.clone(), Handle::current());
    let length = descriptor.size;
    let sent = tokio::task::spawn_blocking(move || {
        let mut is_cut_off = false;
        let read = copy_verified(&descriptor, content, &runtime, |piece| {
            let passed = sender.blocking_send(Ok(Bytes::copy_from_slice(piece)));
            passed.map_err(|_| {
                is_cut_off = true;
                SinkError::Content {
                    digest: descriptor.digest,
                    source: io::ErrorKind::BrokenPipe.into(),
                }
            })
        });
        match read {
            Ok(()) => Ok(()),
            Err(_) if is_cut_off => Err(Sent::CutOff),
            Err(error) => {
                // Breaks the request off.
                drop(sender.blocking_send(Err(io::ErrorKind::InvalidData.into())));
                Err(Sent::Wrong(error))
            }
        }
    });
    (
        Body::Chunks(Chunks {
            pieces,
            length: Some(length),
        }),
        sent,
    )
}

fn crashed(digest: &Digest, error: tokio::task::JoinError) -> Result<(), Sent> {
    Err(Sent::Wrong(SinkError::Content {
        digest: *digest,
        source: io::Error::other(error),
    }))
}

/// Where an upload goes on: relative or absolute, even on another server, which is then shown no credentials.
pub(super) fn location(attempted: &str, response: &Response) -> Result<Url, RegistryError> {
    let reference = response.header("location");
    let reference =
        reference.ok_or_else(|| RegistryError::protocol(attempted, "does not say where to upload to"))?;
    let url = response.url().resolve(reference);
    let url = url
        .map_err(|_| RegistryError::protocol(attempted, "wants the upload at something that is not a URL"))?;
    match (response.url().scheme(), url.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(url),
        _ => Err(RegistryError::protocol(
            attempted,
            "wants the upload at an insecure place",
        )),
    }
}

impl Failure {
    fn of(error: RegistryError) -> Self {
        if error.is_transient() {
            Self::Again(error.into(), None)
        } else {
            Self::Final(error.into())
        }
    }

    /// A 404 means that the registry has forgotten the upload, a 401 that a token ended during it.
    async fn refused(attempted: &str, response: Response) -> Self {
        let after = response.retry_after();
        let error = RegistryError::refused(attempted, response).await;
        if error.is_transient() || matches!(error.status(), Some(401 | 404)) {
            Self::Again(error.into(), after)
        } else {
            Self::Final(error.into())
        }
    }
}
