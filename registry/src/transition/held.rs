//! Answers of old registries that are held in memory as a whole before they are passed on, all together within a limit.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use transport::{FetchError, Response};

/// What all of them hold at a time, in bytes; who would hold more is to come again.
const HELD_BYTES_MAX: usize = 256 << 20;

/// So many bytes are counted as one.
const PIECE_BYTES: usize = 64 << 10;

/// What is held, of all answers of this process's old registries.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<Semaphore>);

impl Default for Held {
    fn default() -> Held {
        Held::at_most(HELD_BYTES_MAX)
    }
}

/// Why an answer is not held.
#[derive(Debug, thiserror::Error)]
pub(super) enum HoldError {
    #[error("the answer broke off, or is too large")]
    Answer(#[from] FetchError),
    #[error("answers of old registries hold as much as they may")]
    Busy,
}

/// An answer in memory, counted until it is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    bytes: Vec<u8>,
    counted: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn at_most(bytes: usize) -> Held {
        Held(Arc::new(Semaphore::new(bytes / PIECE_BYTES)))
    }

    /// The whole body of an answer, of at most `limit_bytes`.
    ///
    /// # Errors
    /// When it does not come or is longer, or when the others hold too much already.
    pub(super) async fn read(
        &self,
        mut response: Response,
        limit_bytes: u64,
    ) -> Result<HeldBytes, HoldError> {
        let mut held = HeldBytes::empty();
        while let Some(piece) = response.chunk().await? {
            if (held.bytes.len() as u64).saturating_add(piece.len() as u64) > limit_bytes {
                return Err(HoldError::Answer(FetchError::TooLarge {
                    url: response.url().without_query(),
                    limit_bytes,
                }));
            }
            held.add(self, &piece)?;
        }
        Ok(held)
    }
}

impl HeldBytes {
    fn empty() -> HeldBytes {
        HeldBytes {
            bytes: Vec::new(),
            counted: None,
        }
    }

    fn add(&mut self, held: &Held, piece: &[u8]) -> Result<(), HoldError> {
        let length = self.bytes.len().saturating_add(piece.len());
        // As a vector grows, so that what it has in reserve is counted too.
        let capacity = match length > self.bytes.capacity() {
            true => length.max(self.bytes.capacity().saturating_mul(2)),
            false => self.bytes.capacity(),
        };
        let counted = self.counted.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = capacity.div_ceil(PIECE_BYTES).saturating_sub(counted);
        if more > 0 {
            let more = u32::try_from(more).map_err(|_| HoldError::Busy)?;
            // Nobody waits here: those who hold a part would wait for each other.
            let permit = Arc::clone(&held.0).try_acquire_many_owned(more);
            let permit = permit.map_err(|_| HoldError::Busy)?;
            match &mut self.counted {
                Some(counted) => counted.merge(permit),
                None => self.counted = Some(permit),
            }
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Puts something of about the same length in its place.
    pub(super) fn replaced(mut self, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> HeldBytes {
        if let Some(bytes) = change(&self.bytes) {
            self.bytes = bytes;
        }
        self
    }

    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<HeldBytes> for Bytes {
    fn from(held: HeldBytes) -> Bytes {
        Bytes::from_owner(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_no_more_together_than_they_may_until_they_are_sent() {
        let held = Held::at_most(3 * PIECE_BYTES);
        let (mut one, mut other) = (HeldBytes::empty(), HeldBytes::empty());
        one.add(&held, &[1; PIECE_BYTES]).unwrap();
        other.add(&held, &[2]).unwrap();
        other.add(&held, &[2]).unwrap();
        one.add(&held, &[1; PIECE_BYTES]).unwrap();
        assert!(matches!(
            other.add(&held, &[2; PIECE_BYTES]),
            Err(HoldError::Busy)
        ));
        let sent = Bytes::from(one);
        assert_eq!(sent.len(), 2 * PIECE_BYTES);
        assert!(other.add(&held, &[2; PIECE_BYTES]).is_err(), "it is being sent");
        drop(sent);
        other.add(&held, &[2; PIECE_BYTES]).unwrap();
        assert_eq!(other.length(), PIECE_BYTES + 2);
        assert_eq!(held.0.available_permits(), 1);
        drop(other);
        assert_eq!(held.0.available_permits(), 3);
    }
}
