//! Credentials that were verified: believed for a minute, and recognised for a day.
//!
//! Believed means that nothing is computed. Recognised means only that whoever shows it is not kept waiting because
//! somebody else guesses: it is verified all the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use access::Fingerprint;

/// How long a credential is believed, in seconds.
const BELIEVED_SECONDS: i64 = 60;
/// How long one is recognised, in seconds.
const RECOGNISED_SECONDS: i64 = 24 * 3600;
/// Credentials kept at a time.
const CREDENTIALS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<Fingerprint, Entry>>);

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    /// The account's name.
    pub(super) account: String,
    /// Its generation then.
    pub(super) generation: u64,
    /// When the key expires, if it was one and does.
    pub(super) expires: Option<i64>,
}

impl Verified {
    /// By an issuer, who says each time whose it is.
    pub(super) fn elsewhere() -> Verified {
        Verified {
            account: String::new(),
            generation: 0,
            expires: None,
        }
    }
}

#[derive(Debug)]
struct Entry {
    verified: Verified,
    at: i64,
}

impl Remembered {
    pub(super) fn keep(&self, credential: Fingerprint, verified: Verified, now: i64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CREDENTIALS_MAX {
            entries.retain(|_, entry| (0..RECOGNISED_SECONDS).contains(&(now - entry.at)));
            // The oldest half goes, so that this is rare.
            if entries.len() >= CREDENTIALS_MAX {
                let mut times: Vec<i64> = entries.values().map(|entry| entry.at).collect();
                times.sort_unstable();
                let middle = times.get(times.len() / 2).copied().unwrap_or_default();
                entries.retain(|_, entry| entry.at > middle);
            }
        }
        entries.insert(credential, Entry { verified, at: now });
    }

    /// What is believed of a credential. The caller compares the account's generation.
    pub(super) fn believed(&self, credential: &Fingerprint, now: i64) -> Option<Verified> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(credential)?;
        let counts = (0..BELIEVED_SECONDS).contains(&(now - entry.at))
            && entry.verified.expires.is_none_or(|expires| now < expires);
        counts.then(|| entry.verified.clone())
    }

    pub(super) fn recognises(&self, credential: &Fingerprint, now: i64) -> bool {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .get(credential)
            .is_some_and(|entry| (0..RECOGNISED_SECONDS).contains(&(now - entry.at)))
    }

    /// For a credential that turned out to be wrong now.
    pub(super) fn forget(&self, credential: &Fingerprint) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(credential);
    }
}

#[cfg(test)]
mod tests {
    use access::{FINGERPRINT_KEY_BYTES, FingerprintKey};

    use super::*;

    fn fingerprint(text: &str) -> Fingerprint {
        FingerprintKey::new(&[0; FINGERPRINT_KEY_BYTES]).of(&[text])
    }

    fn verified(expires: Option<i64>) -> Verified {
        Verified {
            account: "ann".to_owned(),
            generation: 1,
            expires,
        }
    }

    #[test]
    fn a_credential_is_believed_for_a_minute_and_recognised_for_a_day() {
        let remembered = Remembered::default();
        let ann = fingerprint("ann");
        remembered.keep(ann, verified(None), 1000);
        assert_eq!(remembered.believed(&ann, 1059), Some(verified(None)));
        assert_eq!(remembered.believed(&ann, 1060), None);
        // A clock that was set back makes nothing last longer.
        assert_eq!(remembered.believed(&ann, 999), None);
        assert!(remembered.recognises(&ann, 1000 + RECOGNISED_SECONDS - 1));
        assert!(!remembered.recognises(&ann, 1000 + RECOGNISED_SECONDS));
        remembered.forget(&ann);
        assert!(!remembered.recognises(&ann, 1000));
        remembered.keep(ann, verified(Some(1010)), 1000);
        assert_eq!(remembered.believed(&ann, 1010), None);
        assert_eq!(remembered.believed(&fingerprint("bob"), 1000), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest_stays() {
        let remembered = Remembered::default();
        for number in 0..CREDENTIALS_MAX as i64 * 2 {
            remembered.keep(fingerprint(&number.to_string()), verified(None), number);
            assert!(remembered.0.lock().unwrap().len() <= CREDENTIALS_MAX);
        }
        let last = CREDENTIALS_MAX as i64 * 2 - 1;
        assert!(
            remembered
                .believed(&fingerprint(&last.to_string()), last)
                .is_some()
        );
    }
}
