//! Reading a repository.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use oci::{Descriptor, Digest, Manifest, Parsed};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OnceCell, mpsc};
use transport::{Bytes, Method, Request, Response};

use super::error::RegistryError;
use super::repository::{Fetched, Repository};
use crate::bounded::{self, Step};
use crate::{BlobRead, Selector, Source, SourceError};

/// How often a blob is gone on with after a cut, without a mebibyte of it coming in between.
const CUTS_MAX: u32 = 5;

/// So much of a blob makes earlier cuts forgotten, in bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The wait after the first cut; it doubles.
const CUT_DELAY: Duration = Duration::from_millis(200);

/// Pieces of a blob that wait to be read.
const PIECES_WAITING: usize = 8;

/// Tags that are looked up at once.
const TAGS_AT_ONCE: usize = 8;

/// A repository for reading.
pub(crate) struct RegistrySource {
    pub(super) repository: Repository,
    /// Every tag, when they are few; asked for once, by whoever looks for referrers without their API.
    pub(super) few_tags: OnceCell<Option<BTreeSet<String>>>,
}

impl RegistrySource {
    pub(crate) fn new(repository: Repository) -> Self {
        Self {
            repository,
            few_tags: OnceCell::new(),
        }
    }

    /// A manifest by tag: by HEAD, and by its own bytes where that does not tell all.
    pub(super) async fn by_reference(&self, reference: &str) -> Result<Option<Descriptor>, SourceError> {
        let Some(head) = self.repository.head_manifest(reference).await? else {
            return Ok(None);
        };
        if let (Some(digest), Some(size), Some(media_type)) = (head.digest, head.size, head.media_type) {
            return Ok(Some(Descriptor::new(media_type, digest, size)));
        }
        match self.repository.get_manifest(reference).await? {
            Some(fetched) => self
                .parse(fetched, reference)
                .map(|manifest| Some(manifest.descriptor())),
            None => Ok(None),
        }
    }

    fn parse(&self, fetched: Fetched, reference: &str) -> Result<Manifest, SourceError> {
        // Only what was asked for by digest has one to be compared with.
        let expected = reference.parse::<Digest>().ok();
        let digest = expected.unwrap_or_else(|| Digest::sha256_of(&fetched.bytes));
        let actual = Digest::of(digest.algorithm(), &fetched.bytes);
        if actual != digest {
            return Err(SourceError::Digest {
                expected: digest,
                actual,
            });
        }
        let manifest = Manifest::parse(fetched.bytes, fetched.media_type.as_ref());
        manifest.map_err(|source| SourceError::Manifest { digest, source })
    }

    /// Whoever copies within the registry need not send these.
    fn note_blobs(&self, manifest: &Manifest) {
        if let Parsed::Image(image) = manifest.parsed() {
            for blob in std::iter::once(&image.config).chain(&image.layers) {
                self.repository
                    .registry
                    .note_blob(blob.digest, &self.repository.name);
            }
        }
    }
}

#[async_trait]
impl Source for RegistrySource {
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError> {
        let reference = match selector {
            Selector::Tag(tag) => tag.clone(),
            Selector::Digest(digest) => digest.to_string(),
            Selector::Only => "latest".to_owned(),
        };
        if let Some(mut found) = self.by_reference(&reference).await? {
            if let Selector::Digest(digest) = selector {
                // Another one would be a lie; the manifest's own bytes are compared with this.
                found.digest = *digest;
            }
            return Ok(found);
        }
        Err(SourceError::NotFound {
            selector: selector.clone(),
            // Says what there is, if it can be had.
            available: self.repository.first_tags().await.unwrap_or_default(),
        })
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let digest = descriptor.digest;
        let fetched = self.repository.get_manifest(&digest.to_string()).await?;
        let fetched = fetched.ok_or(SourceError::Missing { digest })?;
        let actual = fetched.bytes.len() as u64;
        if actual != descriptor.size {
            return Err(SourceError::Size {
                digest,
                expected: descriptor.size,
                actual,
            });
        }
        let described = Fetched {
            media_type: Some(descriptor.media_type.clone()),
            ..fetched
        };
        let manifest = self.parse(described, &digest.to_string())?;
        self.note_blobs(&manifest);
        Ok(manifest)
    }

    /// Nothing is asked for before the first byte is read: a blob may turn out not to be needed.
    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError> {
        Ok(BlobRead::Stream(Box::pin(PulledBlob::Waiting(Some(Pull {
            repository: self.repository.clone(),
            attempted: format!("read blob {} of {}", descriptor.digest, self.repository.shown()),
            descriptor: descriptor.clone(),
            at: 0,
        })))))
    }

    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError> {
        let names = self.repository.tag_names().await?;
        let found: Arc<Mutex<BTreeMap<String, Descriptor>>> = Arc::default();
        let steps = names
            .into_iter()
            .map(|name| {
                let found = Arc::clone(&found);
                Box::pin(async move {
                    // One that was deleted since is simply not there.
                    if let Some(descriptor) = self.by_reference(&name).await? {
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.insert(name, descriptor);
                    }
                    Ok(())
                }) as Step<'_, SourceError>
            })
            .collect();
        bounded::run(steps, TAGS_AT_ONCE).await?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *found).into_iter().collect())
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        self.find_referrers(digest).await
    }
}

/// A blob on its way.
struct Pull {
    repository: Repository,
    attempted: String,
    descriptor: Descriptor,
    /// Bytes that were passed on.
    at: u64,
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Why a blob does not come.
enum Stop {
    /// The connection broke: it is gone on with where it broke.
    Cut(RegistryError),
    Failed(RegistryError),
    /// Nobody wants the rest.
    Unwanted,
}

impl Pull {
    async fn run(mut self, pieces: Pieces) {
        let mut cuts = 0;
        loop {
            let before = self.at;
            let error = match self.go_on(&pieces).await {
                Ok(()) | Err(Stop::Unwanted) => return,
                Err(Stop::Failed(error)) => error,
                Err(Stop::Cut(error)) => {
                    cuts = if self.at - before >= PROGRESS_BYTES {
                        1
                    } else {
                        cuts + 1
                    };
                    if cuts < CUTS_MAX {
                        tokio::time::sleep(CUT_DELAY.saturating_mul(1 << cuts)).await;
                        continue;
                    }
                    error
                }
            };
            // It is only not told to somebody who is gone.
            let _ = pieces.send(Err(io::Error::other(error))).await;
            return;
        }
    }

    /// Asks for what is not there yet, and passes it on.
    async fn go_on(&mut self, pieces: &Pieces) -> Result<(), Stop> {
        let url = self.repository.url(&format!("blobs/{}", self.descriptor.digest));
        let mut request = Request::new(Method::Get, url);
        if self.at > 0 {
            request.headers.push(("range", format!("bytes={}-", self.at)));
        }
        let answered = self.repository.send(&self.attempted, request).await;
        let mut response = answered.map_err(|error| {
            if error.is_transient() {
                Stop::Cut(error)
            } else {
                Stop::Failed(error)
            }
        })?;
        // What comes again before the part that is asked for.
        let mut again = match response.status() {
            200 => self.at,
            206 if response
                .content_range()
                .is_some_and(|(start, _)| start == self.at) =>
            {
                0
            }
            206 => return Err(self.failed("answers with another part than was asked for")),
            _ => return Err(Stop::Failed(self.refused(response).await)),
        };
        loop {
            let piece = response.chunk().await;
            let piece =
                piece.map_err(|source| Stop::Cut(RegistryError::transport(&self.attempted, source)))?;
            let Some(mut piece) = piece else { return Ok(()) };
            let skipped = again.min(piece.len() as u64);
            again -= skipped;
            let _ = piece.split_to(usize::try_from(skipped).unwrap_or(piece.len()));
            if piece.is_empty() {
                continue;
            }
            self.at += piece.len() as u64;
            let is_too_long = self.at > self.descriptor.size;
            pieces.send(Ok(piece)).await.map_err(|_| Stop::Unwanted)?;
            if is_too_long {
                // Whoever keeps it has seen one byte too many, and the rest may have no end.
                return Ok(());
            }
        }
    }

    fn failed(&self, problem: &str) -> Stop {
        Stop::Failed(RegistryError::protocol(&self.attempted, problem))
    }

    async fn refused(&self, response: Response) -> RegistryError {
        RegistryError::refused(&self.attempted, response).await
    }
}

/// A blob as a stream: it starts when it is read.
enum PulledBlob {
    Waiting(Option<Pull>),
    Running {
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        piece: Bytes,
    },
}

impl AsyncRead for PulledBlob {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut *self {
                Self::Waiting(pull) => {
                    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
                    if let Some(pull) = pull.take() {
                        let running: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(pull.run(sender));
                        // It ends when nobody reads it any more.
                        drop(tokio::spawn(running));
                    }
                    *self = Self::Running {
                        pieces,
                        piece: Bytes::new(),
                    };
                }
                Self::Running { piece, .. } if !piece.is_empty() => {
                    let taken = piece.split_to(piece.len().min(buffer.remaining()));
                    buffer.put_slice(&taken);
                    return Poll::Ready(Ok(()));
                }
                Self::Running { pieces, piece } => match ready!(pieces.poll_recv(context)) {
                    Some(next) => *piece = next?,
                    None => return Poll::Ready(Ok(())),
                },
            }
        }
    }
}
