//! Blobs: each sent once, and mounted wherever else it is needed.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use tokio::sync::Mutex as AsyncMutex;

use super::{Engine, Pair};
use crate::failure::{Failed, FailureKind, PlaceError};
use crate::inventory::BlobEntry;
use crate::place::{Feed, Mount, Sending};

/// A blob from this size on is looked for before it is sent: the question costs less than the answer may save.
const LOOKED_FOR_BYTES: u64 = 1 << 20;

/// What is known of blobs while it runs.
#[derive(Default)]
pub(super) struct Blobs {
    /// Held while one is brought into one repository, so that images that share it wait for one another.
    placing: Locks<(usize, Digest), ()>,
    /// Held while one is sent, so that it is sent once; a repository that has it.
    sending: Locks<Digest, Option<RepositoryName>>,
    /// What is there, where the journal does not say so.
    placed: Mutex<HashSet<(usize, Digest)>>,
    failed: Mutex<HashMap<Digest, Failed>>,
}

/// One lock for each thing.
struct Locks<K, V>(Mutex<HashMap<K, Arc<AsyncMutex<V>>>>);

impl<K, V> Default for Locks<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V: Default> Locks<K, V> {
    fn of(&self, key: K) -> Arc<AsyncMutex<V>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(key).or_default())
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Blobs {
    pub(super) fn forget_failures(&self) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn failure_of(&self, digest: &Digest) -> Option<Failed> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(digest).cloned()
    }
}

impl Engine<'_> {
    /// Brings a blob into a repository.
    pub(super) async fn place(&self, number: usize, pair: &Pair, blob: &BlobEntry) -> Result<(), PlaceError> {
        let key = (number, blob.digest);
        if self.is_placed(&key, pair) {
            return Ok(());
        }
        let lock = self.blobs.placing.of(key);
        let placing = lock.lock().await;
        let placed = match self.is_placed(&key, pair) {
            true => Ok(()),
            false => self.bring(pair, blob).await,
        };
        if placed.is_ok() {
            let mut known = self.blobs.placed.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.sides.target.is_durable_at_once() {
                known.insert(key);
            }
        }
        drop(placing);
        self.blobs.placing.forget(&key);
        placed
    }

    fn is_placed(&self, key: &(usize, Digest), pair: &Pair) -> bool {
        self.journal.has_blob(&pair.to, &key.1)
            || self
                .blobs
                .placed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(key)
    }

    async fn bring(&self, pair: &Pair, blob: &BlobEntry) -> Result<(), PlaceError> {
        let lock = self.blobs.sending.of(blob.digest);
        let mut held = lock.lock().await;
        if held.is_none() {
            *held = self.journal.repository_with(&blob.digest);
        }
        let mut opened = None;
        if held.is_none()
            && let Some(other) = self.finish_elsewhere(pair, blob).await?
        {
            *held = Some(other);
        }
        if let Some(from) = held.clone().filter(|from| *from != pair.to) {
            // Whoever else wants it mounts it too, at the same time.
            drop(held);
            let mounted = self.sides.to_pace.call(|| pair.target.mount(blob, &from)).await?;
            match mounted {
                Mount::Done => {
                    self.note(|counts| counts.mounted += 1);
                    return self.done(pair, blob);
                }
                Mount::Send(session) => opened = session,
            }
            held = lock.lock().await;
        }
        if let Some(failed) = self.blobs.failure_of(&blob.digest) {
            return Err(PlaceError::Known(failed));
        }
        if opened.is_none() && self.may_be_there(pair, blob) {
            let found = self.sides.to_pace.call(|| pair.target.has_blob(blob)).await?;
            if found {
                self.note(|counts| counts.found += 1);
                *held = Some(pair.to.clone());
                return self.done(pair, blob);
            }
        }
        let address = self.journal.open_upload(&blob.digest);
        let address = address
            .filter(|open| open.repository == pair.to)
            .map(|open| open.address);
        let sent = self.send(pair, blob, (opened, address)).await;
        match sent {
            Ok(()) => {
                *held = Some(pair.to.clone());
                self.done(pair, blob)
            }
            Err(error) => {
                if error.kind() == FailureKind::Damaged {
                    let mut failed = self.blobs.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.insert(blob.digest, error.told());
                }
                Err(error)
            }
        }
    }

    /// An upload into another repository that an earlier process began may be complete, or nearly: then the blob is
    /// there, and need not be sent here.
    async fn finish_elsewhere(
        &self,
        pair: &Pair,
        blob: &BlobEntry,
    ) -> Result<Option<RepositoryName>, PlaceError> {
        let Some(open) = self.journal.open_upload(&blob.digest) else {
            return Ok(None);
        };
        let Some(other) = self
            .pairs
            .iter()
            .find(|other| other.to == open.repository && other.to != pair.to)
        else {
            return Ok(None);
        };
        if self.sides.to_pace.call(|| other.target.has_blob(blob)).await? {
            self.note(|counts| counts.found += 1);
            self.done(other, blob)?;
            return Ok(Some(other.to.clone()));
        }
        // Its rest goes where it began, and is mounted from there.
        if self.send(other, blob, (None, Some(open.address))).await.is_ok() {
            self.done(other, blob)?;
            return Ok(Some(other.to.clone()));
        }
        Ok(None)
    }

    /// Whether it is worth a question. In a repository that is new to everybody only what is large.
    fn may_be_there(&self, pair: &Pair, blob: &BlobEntry) -> bool {
        pair.exists || self.journal.was_begun() || blob.size >= LOOKED_FOR_BYTES
    }

    /// Sends a blob, on a task of its own, and tries again where that helps.
    async fn send(
        &self,
        pair: &Pair,
        blob: &BlobEntry,
        (opened, address): (Option<client::registry::UploadSession>, Option<String>),
    ) -> Result<(), PlaceError> {
        let (to, digest, journal) = (pair.to.clone(), blob.digest, Arc::clone(self.journal));
        let is_kept = self.sides.target.is_durable_at_once();
        let mut sending = Sending {
            feed: Feed::new(Arc::clone(&pair.origin), *blob, Arc::clone(&self.bytes)),
            address,
            opened,
            note: Box::new(move |address| {
                if is_kept {
                    // A journal that cannot be written is noticed when the blob is done.
                    let _ = journal.upload_opened(&to, &digest, address);
                }
            }),
        };
        for attempt in 1.. {
            // Never closed, so it is always acquired.
            let transfer = Arc::clone(&self.transfers).acquire_owned().await;
            let (from_leave, to_leave) = (
                self.sides.from_pace.leave().await,
                self.sides.to_pace.leave().await,
            );
            let target = Arc::clone(&pair.target);
            let joined = tokio::spawn(async move {
                let sent = target.put_blob(&mut sending).await;
                drop((transfer, from_leave, to_leave));
                (sending, sent)
            });
            let (back, sent) = joined.await.map_err(|error| PlaceError::Read {
                source: std::io::Error::other(error),
            })?;
            sending = back;
            match sent {
                Ok(()) => {
                    self.sides.from_pace.went_well();
                    self.sides.to_pace.went_well();
                    self.note(|counts| {
                        counts.sent += 1;
                        counts.bytes += blob.size;
                    });
                    return Ok(());
                }
                // A 404 means that the registry has forgotten the upload, a 401 that a token ended during it.
                Err(error) => {
                    let is_forgotten =
                        matches!(error.status(), Some(401 | 404 | 416)) && attempt < UPLOADS_MAX;
                    if !is_forgotten && !self.sides.to_pace.may_retry(&error, attempt) {
                        return Err(error);
                    }
                    self.sides.to_pace.wait_after(attempt).await;
                }
            }
        }
        Ok(())
    }

    fn done(&self, pair: &Pair, blob: &BlobEntry) -> Result<(), PlaceError> {
        if self.sides.target.is_durable_at_once() {
            self.journal.blob_done(&pair.to, &blob.digest)?;
        }
        Ok(())
    }
}

/// How often an upload is begun anew that the registry has forgotten.
const UPLOADS_MAX: u32 = 3;
