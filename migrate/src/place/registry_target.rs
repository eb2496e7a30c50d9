//! A registry as a target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use client::registry::{
    Intent, Mounted, PushedAtOnce, Registries, RegistryApi, RepositoryApi, TagListing, UploadSession,
};
use oci::{Digest, Manifest, RepositoryName};
use tokio::sync::{Mutex, mpsc};
use transport::{Body, Bytes, Chunks};

use super::registry::digest_of;
use super::{Mount, Sending, Target, TargetRepository};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// Blobs up to this size are read before they are sent, in one request less than others, in two less where the registry
/// takes that.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// A blob up to this size is sent to find out whether the registry takes one in a single request: one that does not
/// throws it away.
const TRIED_BYTES_MAX: u64 = 128 << 10;

/// Tags that one request sets: registries bound their number, and the length of URLs.
const TAGS_AT_ONCE_MAX: usize = 10;

/// Pieces of a blob that wait to be sent.
const PIECES_WAITING: usize = 4;

/// A registry, for writing.
pub struct RegistryTarget {
    api: RegistryApi,
    knowledge: Arc<Knowledge>,
}

/// What has been found out about the registry.
#[derive(Default)]
struct Knowledge {
    /// Whether it sets tags that stand in the query of a PUT; not known at first.
    tags_in_query: AtomicU8,
    /// Whether it takes a blob in parts.
    takes_no_parts: AtomicU8,
    /// Whether it takes a blob with the request that begins its upload; not known at first.
    takes_at_once: AtomicU8,
    /// Held while the fallback tag of referrers is read, added to and written.
    fallback: Mutex<()>,
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

impl RegistryTarget {
    /// A registry.
    ///
    /// # Errors
    /// When the host makes no URL.
    pub fn new(registries: &Registries, host: &str) -> Result<Self, PlaceError> {
        Ok(Self {
            api: registries.api(host)?,
            knowledge: Arc::default(),
        })
    }
}

#[async_trait]
impl Target for RegistryTarget {
    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn TargetRepository>, PlaceError> {
        Ok(Arc::new(Repository {
            api: self.api.repository(name, Intent::Push),
            knowledge: Arc::clone(&self.knowledge),
        }))
    }

    fn is_durable_at_once(&self) -> bool {
        true
    }

    async fn settle(&self) -> Result<(), PlaceError> {
        Ok(())
    }
}

struct Repository {
    api: RepositoryApi,
    knowledge: Arc<Knowledge>,
}

#[async_trait]
impl TargetRepository for Repository {
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
        Ok(self.api.listing().await?)
    }

    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError> {
        digest_of(&self.api, tag).await
    }

    async fn has_blob(&self, blob: &BlobEntry) -> Result<bool, PlaceError> {
        let found = self.api.find_blob(&blob.digest).await?;
        Ok(found.is_some_and(|size| size.is_none_or(|size| size == blob.size)))
    }

    async fn mount(&self, blob: &BlobEntry, from: &RepositoryName) -> Result<Mount, PlaceError> {
        Ok(match self.api.mount(&blob.digest, from).await? {
            Mounted::Done => Mount::Done,
            Mounted::Opened(session) => Mount::Send(Some(session)),
            Mounted::Refused => Mount::Send(None),
        })
    }

    async fn put_blob(&self, sending: &mut Sending) -> Result<(), PlaceError> {
        let blob = *sending.feed.blob();
        if self.may_push_at_once(sending, &blob) {
            return self.push_at_once(sending, &blob).await;
        }
        let session = self.session(sending, &blob).await?;
        if blob.size <= WHOLE_BYTES_MAX || self.knowledge.takes_no_parts.load(Ordering::Relaxed) == YES {
            return self.put_at_once(sending, &blob, &session).await;
        }
        let (offset, session) = session;
        let left = blob.size - offset;
        let appended = if left == 0 {
            Some(session)
        } else {
            let (body, pump) = pumped(left);
            let append = self.api.append(&blob.digest, &session, (offset, left), body);
            let (answered, fed) = tokio::join!(append, sending.feed.pour_into(pump));
            self.heard(&blob, &session, fed, answered.map_err(PlaceError::from))
                .await?
        };
        let Some(session) = appended else {
            self.knowledge.takes_no_parts.store(YES, Ordering::Relaxed);
            sending.address = None;
            sending.feed.go_to(0);
            let opened = (0, self.api.open_upload(&blob.digest).await?);
            return self.put_at_once(sending, &blob, &opened).await;
        };
        (sending.note)(&session.address());
        sending.address = Some(session.address());
        let completed = self.api.complete(&blob.digest, &session, Body::Empty).await;
        self.unless_there(&blob, completed.map_err(PlaceError::from))
            .await
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[String]) -> Result<(), PlaceError> {
        let digest = manifest.digest().to_string();
        let knows_query = &self.knowledge.tags_in_query;
        let mut knows_subject = false;
        let mut left: Vec<&[String]> = tags.chunks(TAGS_AT_ONCE_MAX).collect();
        if left.is_empty() {
            left.push(&[]);
        }
        let mut kept = None;
        for tags in left {
            let mut set = Vec::new();
            if tags.is_empty() || knows_query.load(Ordering::Relaxed) != NO {
                let put = self.api.put_manifest(manifest, &digest, tags).await;
                match put.map_err(PlaceError::from) {
                    Ok(put) => {
                        knows_subject |= put.knows_subject;
                        if !tags.is_empty() {
                            let knows = if put.tags.is_empty() { NO } else { YES };
                            knows_query.store(knows, Ordering::Relaxed);
                        }
                        set = put.tags;
                    }
                    // One of the tags is the destination's own: each by itself, so that the others are set.
                    Err(error) if error.is_kept_there() && !tags.is_empty() => {}
                    Err(error) => return Err(error),
                }
            }
            for tag in tags.iter().filter(|tag| !set.contains(tag)) {
                let put = self.api.put_manifest(manifest, tag, &[]).await;
                match put.map_err(PlaceError::from) {
                    Ok(put) => knows_subject |= put.knows_subject,
                    Err(error) if error.is_kept_there() => kept = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        if manifest.subject().is_some() && !knows_subject {
            let _one_at_a_time = self.knowledge.fallback.lock().await;
            self.api.add_to_fallback_tag(manifest).await?;
        }
        kept.map_or(Ok(()), Err)
    }
}

impl Repository {
    fn may_push_at_once(&self, sending: &Sending, blob: &BlobEntry) -> bool {
        let limit = match self.knowledge.takes_at_once.load(Ordering::Relaxed) {
            YES => WHOLE_BYTES_MAX,
            NO => 0,
            _ => TRIED_BYTES_MAX,
        };
        let is_begun = sending.opened.is_some() || sending.address.is_some();
        !is_begun && (1..=limit).contains(&blob.size)
    }

    /// Pushes a blob in one request, and in two where that is not taken.
    async fn push_at_once(&self, sending: &mut Sending, blob: &BlobEntry) -> Result<(), PlaceError> {
        sending.feed.go_to(0);
        let content = sending.feed.whole().await?;
        let pushed = match self.api.push_at_once(&blob.digest, content.clone()).await {
            Ok(pushed) => pushed,
            Err(error) => return self.unless_there(blob, Err(error.into())).await,
        };
        let takes = if pushed == PushedAtOnce::Done { YES } else { NO };
        let known = &self.knowledge.takes_at_once;
        // What it did once it can do: one that cannot do it for a single blob goes the other way for that one.
        let _ = known.compare_exchange(UNKNOWN, takes, Ordering::Relaxed, Ordering::Relaxed);
        let session = match pushed {
            PushedAtOnce::Done => return Ok(()),
            PushedAtOnce::Opened(session) => session,
            PushedAtOnce::Refused => self.api.open_upload(&blob.digest).await?,
        };
        let completed = self
            .api
            .complete(&blob.digest, &session, Body::Bytes(content))
            .await;
        self.unless_there(blob, completed.map_err(PlaceError::from)).await
    }

    /// The upload to go on with, and how much of it is there. A new one is told of before its first byte is sent.
    async fn session(
        &self,
        sending: &mut Sending,
        blob: &BlobEntry,
    ) -> Result<(u64, UploadSession), PlaceError> {
        if let Some(opened) = sending.opened.take() {
            (sending.note)(&opened.address());
            sending.address = Some(opened.address());
            sending.feed.go_to(0);
            return Ok((0, opened));
        }
        if let Some(address) = sending.address.take()
            && let Some((session, offset)) = self.api.upload_offset(&blob.digest, &address).await?
            && offset <= blob.size
        {
            sending.address = Some(session.address());
            sending.feed.go_to(offset);
            return Ok((offset, session));
        }
        let opened = self.api.open_upload(&blob.digest).await?;
        (sending.note)(&opened.address());
        sending.address = Some(opened.address());
        sending.feed.go_to(0);
        Ok((0, opened))
    }

    async fn put_at_once(
        &self,
        sending: &mut Sending,
        blob: &BlobEntry,
        (offset, session): &(u64, UploadSession),
    ) -> Result<(), PlaceError> {
        let completed = if blob.size - offset <= WHOLE_BYTES_MAX {
            let whole = match sending.feed.whole().await {
                Ok(whole) => whole,
                Err(error) => return self.give_up(blob, session, error).await,
            };
            let body = if whole.is_empty() {
                Body::Empty
            } else {
                Body::Bytes(whole)
            };
            self.api.complete(&blob.digest, session, body).await
        } else {
            let (body, pump) = pumped(blob.size - offset);
            let complete = self.api.complete(&blob.digest, session, body);
            let (answered, fed) = tokio::join!(complete, sending.feed.pour_into(pump));
            return match self
                .heard(blob, session, fed, answered.map_err(PlaceError::from))
                .await
            {
                Ok(()) => Ok(()),
                Err(error) => self.unless_there(blob, Err(error)).await,
            };
        };
        self.unless_there(blob, completed.map_err(PlaceError::from)).await
    }

    /// What counts when a blob was fed to a request: what is wrong with the content comes before what the registry
    /// thinks of it.
    async fn heard<T>(
        &self,
        blob: &BlobEntry,
        session: &UploadSession,
        fed: Result<(), PlaceError>,
        answered: Result<T, PlaceError>,
    ) -> Result<T, PlaceError> {
        match fed {
            Ok(()) => answered,
            Err(error) => self.give_up(blob, session, error).await,
        }
    }

    /// An upload whose content cannot be had is of no use, unless it may be had later.
    async fn give_up<T>(
        &self,
        blob: &BlobEntry,
        session: &UploadSession,
        error: PlaceError,
    ) -> Result<T, PlaceError> {
        if !error.is_transient() {
            self.api.cancel_upload(&blob.digest, session).await;
        }
        Err(error)
    }

    /// The answer to a completion may have been lost, and the upload with it: who looks before it is all sent again
    /// sends nothing twice.
    async fn unless_there(
        &self,
        blob: &BlobEntry,
        completed: Result<(), PlaceError>,
    ) -> Result<(), PlaceError> {
        match completed {
            Err(error) if error.is_transient() || error.status() == Some(404) => {
                match self.has_blob(blob).await {
                    Ok(true) => Ok(()),
                    _ => Err(error),
                }
            }
            completed => completed,
        }
    }
}

fn pumped(length: u64) -> (Body, mpsc::Sender<std::io::Result<Bytes>>) {
    let (pump, pieces) = mpsc::channel(PIECES_WAITING);
    (
        Body::Chunks(Chunks {
            pieces,
            length: Some(length),
        }),
        pump,
    )
}
