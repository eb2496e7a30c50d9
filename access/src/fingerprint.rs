//! Fingerprints of secrets: what may be kept in memory of a credential that was shown.

use std::fmt;

use ring::hmac;

/// Bytes of the key, which are to be random.
pub const FINGERPRINT_KEY_BYTES: usize = 32;

/// A keyed hash of a secret. It says nothing to whoever has not the key, and comparing two takes no care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// What fingerprints are made with.
pub struct FingerprintKey(hmac::Key);

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FingerprintKey(…)")
    }
}

impl FingerprintKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; FINGERPRINT_KEY_BYTES]) -> FingerprintKey {
        FingerprintKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The fingerprint of some texts in this order; where one ends and the next begins counts.
    #[must_use]
    pub fn of(&self, texts: &[&str]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut fingerprint = [0; 32];
        fingerprint
            .iter_mut()
            .zip(context.sign().as_ref())
            .for_each(|(to, from)| *to = *from);
        Fingerprint(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_texts_under_the_same_key_have_the_same_fingerprint() {
        let key = FingerprintKey::new(&[1; FINGERPRINT_KEY_BYTES]);
        assert_eq!(key.of(&["ann", "x"]), key.of(&["ann", "x"]));
        for other in [&["annx"][..], &["an", "nx"], &["ann", "y"], &["x", "ann"]] {
            assert_ne!(key.of(&["ann", "x"]), key.of(other), "{other:?}");
        }
        let other = FingerprintKey::new(&[2; FINGERPRINT_KEY_BYTES]);
        assert_ne!(key.of(&["ann"]), other.of(&["ann"]));
    }
}
