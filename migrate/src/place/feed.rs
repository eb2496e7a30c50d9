//! A blob as it comes from its source: gone on with where it broke off, and hashed on its way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oci::Hasher;
use tokio::sync::mpsc;
use transport::Bytes;

use super::{OriginRepository, Pieces};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// How often a blob is gone on with after a cut, without a mebibyte of it coming in between.
const CUTS_MAX: u32 = 5;

/// The same when it comes too slowly: each time takes a minute.
const SLOW_CUTS_MAX: u32 = 2;

/// So much of a blob makes earlier cuts forgotten, in bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The wait after the first cut; it doubles.
const CUT_DELAY: Duration = Duration::from_millis(200);

/// The content of one blob.
///
/// The last piece is given only when everything before it and itself have the digest that they should: a sink that sends
/// what it gets never completes something else. Where the beginning was sent by an earlier process, it is not known here,
/// and the other side alone compares.
pub struct Feed {
    origin: Arc<dyn OriginRepository>,
    blob: BlobEntry,
    pieces: Option<Pieces>,
    /// Where the next piece begins.
    at: u64,
    /// How far the pieces that came are hashed, from the beginning on without a gap.
    hashed: u64,
    hasher: Option<Hasher>,
    /// Cuts that count, and where the last one was.
    cuts: (u32, u64),
    /// Counts the bytes that were given, for whoever shows progress.
    moved: Arc<AtomicU64>,
}

impl Feed {
    /// A blob from its beginning. Nothing is read before the first piece is asked for.
    #[must_use]
    pub fn new(origin: Arc<dyn OriginRepository>, blob: BlobEntry, moved: Arc<AtomicU64>) -> Self {
        Self {
            origin,
            hasher: Some(Hasher::new(blob.digest.algorithm())),
            blob,
            pieces: None,
            at: 0,
            hashed: 0,
            cuts: (0, 0),
            moved,
        }
    }

    /// What it is.
    #[must_use]
    pub fn blob(&self) -> &BlobEntry {
        &self.blob
    }

    /// Goes on at another byte: what is there already need not come again.
    pub fn go_to(&mut self, at: u64) {
        if at != self.at {
            self.at = at.min(self.blob.size);
            self.pieces = None;
        }
        if self.at > self.hashed {
            // What lies between was never seen here.
            self.hasher = None;
        }
        if self.at == 0 && self.hasher.is_none() {
            self.hasher = Some(Hasher::new(self.blob.digest.algorithm()));
            self.hashed = 0;
        }
    }

    /// The next piece, never an empty one; nothing at the end.
    ///
    /// # Errors
    /// When it does not come, or is not what it should be.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PlaceError> {
        if self.at >= self.blob.size {
            return Ok(None);
        }
        loop {
            match self.piece().await {
                Ok(Some(piece)) => return self.pass(piece).map(Some),
                Ok(None) => {
                    return Err(PlaceError::Size {
                        digest: self.blob.digest,
                        expected: self.blob.size,
                        actual: self.at,
                    });
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => {
                    self.pieces = None;
                    let cuts = self.cut();
                    let cuts_max = match error.is_too_slow() {
                        true => SLOW_CUTS_MAX,
                        false => CUTS_MAX,
                    };
                    if cuts >= cuts_max {
                        // Whoever tries again later begins to count anew.
                        self.cuts = (0, self.at);
                        return Err(error);
                    }
                    tokio::time::sleep(CUT_DELAY.saturating_mul(1 << cuts)).await;
                }
            }
        }
    }

    /// Counts a cut; how many there were without progress. What gives a byte each time would else be asked for ever.
    fn cut(&mut self) -> u32 {
        let (cuts, last) = self.cuts;
        let cuts = match self.at.saturating_sub(last) >= PROGRESS_BYTES {
            true => 1,
            false => cuts + 1,
        };
        self.cuts = (cuts, self.at);
        cuts
    }

    /// The whole blob, which has at most `limit_bytes`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn whole(&mut self) -> Result<Bytes, PlaceError> {
        let mut first = match self.next().await? {
            Some(piece) if piece.len() as u64 == self.blob.size => return Ok(piece),
            Some(piece) => Vec::from(piece),
            None => Vec::new(),
        };
        while let Some(piece) = self.next().await? {
            first.extend_from_slice(&piece);
        }
        Ok(first.into())
    }

    /// Passes everything on until the end, or until nobody takes more. An error is passed on too, which breaks a request
    /// off.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn pour_into(&mut self, taker: mpsc::Sender<io::Result<Bytes>>) -> Result<(), PlaceError> {
        loop {
            match self.next().await {
                Ok(Some(piece)) => {
                    if taker.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    let _ = taker.send(Err(io::ErrorKind::InvalidData.into())).await;
                    return Err(error);
                }
            }
        }
    }

    /// What comes next from the source, from `at` on.
    async fn piece(&mut self) -> Result<Option<Bytes>, PlaceError> {
        loop {
            let pieces = match &mut self.pieces {
                Some(pieces) => pieces,
                none => none.insert(self.origin.blob(&self.blob, self.at).await?),
            };
            let Some(mut piece) = pieces.source.next().await? else {
                return Ok(None);
            };
            // A source that does not know ranges begins anew: what was there before is passed over.
            let skipped = (self.at - pieces.start.min(self.at)).min(piece.len() as u64);
            pieces.start += piece.len() as u64;
            drop(piece.split_to(usize::try_from(skipped).unwrap_or(piece.len())));
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    fn pass(&mut self, piece: Bytes) -> Result<Bytes, PlaceError> {
        let end = self.at + piece.len() as u64;
        if end > self.blob.size {
            return Err(PlaceError::Size {
                digest: self.blob.digest,
                expected: self.blob.size,
                actual: end,
            });
        }
        if let Some(hasher) = &mut self.hasher
            && end > self.hashed
        {
            let known = usize::try_from(self.hashed - self.at.min(self.hashed)).unwrap_or(piece.len());
            hasher.update(piece.get(known..).unwrap_or_default());
            self.hashed = end;
        }
        self.at = end;
        if end == self.blob.size
            && let Some(hasher) = self.hasher.take()
        {
            let actual = hasher.finish();
            if actual != self.blob.digest {
                return Err(PlaceError::Digest {
                    what: "blob",
                    expected: self.blob.digest,
                    actual,
                });
            }
        }
        self.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use client::registry::{RegistryError, TagListing};
    use oci::{Digest, Manifest};
    use transport::FetchError;

    use super::*;
    use crate::place::PieceSource;

    /// A source of one blob that gives a byte each time it is asked, and then has this trouble.
    struct Miser {
        trouble: fn() -> FetchError,
        asked: AtomicUsize,
    }

    /// A byte, and then trouble.
    struct OneByte(Option<Bytes>, fn() -> FetchError);

    #[async_trait]
    impl PieceSource for OneByte {
        async fn next(&mut self) -> Result<Option<Bytes>, PlaceError> {
            match self.0.take() {
                Some(byte) => Ok(Some(byte)),
                None => Err(PlaceError::from(RegistryError::Transport {
                    attempted: "read a blob".to_owned(),
                    source: (self.1)(),
                })),
            }
        }
    }

    #[async_trait]
    impl OriginRepository for Miser {
        async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
            Ok(None)
        }

        async fn digest_of(&self, _: &str) -> Result<Option<Digest>, PlaceError> {
            Ok(None)
        }

        async fn manifest(&self, digest: &Digest) -> Result<Manifest, PlaceError> {
            Err(PlaceError::Missing {
                what: "manifest",
                digest: *digest,
            })
        }

        async fn find_blob(&self, _: &BlobEntry) -> Result<(), PlaceError> {
            Ok(())
        }

        async fn blob(&self, _: &BlobEntry, from: u64) -> Result<Pieces, PlaceError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(Pieces {
                start: from,
                source: Box::new(OneByte(Some(Bytes::from_static(b"x")), self.trouble)),
            })
        }

        async fn referrers(&self, _: &Digest) -> Result<Vec<Digest>, PlaceError> {
            Ok(Vec::new())
        }
    }

    async fn check_given_up(trouble: fn() -> FetchError, asked: u32) {
        let miser = Arc::new(Miser {
            trouble,
            asked: AtomicUsize::new(0),
        });
        let blob = BlobEntry {
            digest: Digest::sha256_of(b"long"),
            size: 1000,
        };
        let mut feed = Feed::new(
            Arc::clone(&miser) as Arc<dyn OriginRepository>,
            blob,
            Arc::default(),
        );
        assert!(feed.whole().await.unwrap_err().is_transient());
        assert_eq!(miser.asked.load(Ordering::Relaxed), asked as usize);
        // Who tries again gets as much patience as before.
        assert!(feed.whole().await.is_err());
        assert_eq!(miser.asked.load(Ordering::Relaxed), 2 * asked as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_gives_a_byte_and_breaks_off_is_not_asked_for_ever() {
        let stalled = || FetchError::Stalled {
            url: "http://127.0.0.1/".parse().unwrap(),
            limit: Duration::from_secs(30),
        };
        check_given_up(stalled, CUTS_MAX).await;
        let slow = || FetchError::TooSlow {
            url: "http://127.0.0.1/".parse().unwrap(),
            bytes: 1,
            time: Duration::from_secs(60),
        };
        check_given_up(slow, SLOW_CUTS_MAX).await;
    }
}
