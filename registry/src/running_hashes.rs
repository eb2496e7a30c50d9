//! Hashes of uploads that go on, kept in memory between their requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use oci::Hasher;
use store::UploadKey;

/// Uploads whose hash is kept in memory; of others the bytes are read again at their end.
const RUNNING_HASHES_MAX: usize = 4096;

/// The hash of the first bytes of an upload.
pub(crate) struct RunningHash {
    pub(crate) hasher: Hasher,
    /// How many bytes.
    pub(crate) length: u64,
}

/// Hashes of uploads that go on. The one that rested longest makes room for a new one: clients that never come back
/// would else fill it for good.
#[derive(Default)]
pub(crate) struct RunningHashes(Mutex<Hashes>);

#[derive(Default)]
struct Hashes {
    by_upload: HashMap<UploadKey, (u64, RunningHash)>,
    by_turn: BTreeMap<u64, UploadKey>,
    /// How many were put.
    turns: u64,
}

impl RunningHashes {
    pub(crate) fn put(&self, upload: &UploadKey, hash: RunningHash) {
        let mut hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.turns += 1;
        let turn = hashes.turns;
        if let Some((earlier, _)) = hashes.by_upload.insert(upload.clone(), (turn, hash)) {
            hashes.by_turn.remove(&earlier);
        }
        hashes.by_turn.insert(turn, upload.clone());
        if hashes.by_upload.len() > RUNNING_HASHES_MAX
            && let Some((_, oldest)) = hashes.by_turn.pop_first()
        {
            hashes.by_upload.remove(&oldest);
        }
    }

    pub(crate) fn take(&self, upload: &UploadKey) -> Option<RunningHash> {
        let mut hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, hash) = hashes.by_upload.remove(upload)?;
        hashes.by_turn.remove(&turn);
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use oci::Algorithm;

    use super::*;

    #[test]
    fn uploads_that_nobody_goes_on_with_do_not_keep_others_from_their_hash() {
        let hashes = RunningHashes::default();
        let key = |number: usize| UploadKey::of(&format!("{number:032x}"), "a").unwrap();
        for number in 0..=RUNNING_HASHES_MAX {
            hashes.put(
                &key(number),
                RunningHash {
                    hasher: Hasher::new(Algorithm::Sha256),
                    length: 0,
                },
            );
        }
        assert!(hashes.take(&key(0)).is_none());
        assert!(hashes.take(&key(1)).is_some());
        assert!(hashes.take(&key(RUNNING_HASHES_MAX)).is_some());
        let left = hashes.0.lock().unwrap();
        assert_eq!(
            (left.by_upload.len(), left.by_turn.len()),
            (RUNNING_HASHES_MAX - 2, RUNNING_HASHES_MAX - 2)
        );
    }
}
