//! What a token carries for a registry and not for whoever holds it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{aead, hmac};

/// Random bytes that each seal needs; the same twice under one secret would break both.
pub const SEAL_NONCE_BYTES: usize = aead::NONCE_LEN;

/// Longest sealed text that is looked at.
pub const SEALED_BYTES_MAX: usize = 12 << 10;

/// Seals texts (AES-256-GCM), so that only servers of the same store read them.
pub struct SealingKey(Option<aead::LessSafeKey>);

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey(…)")
    }
}

impl SealingKey {
    /// A key of its own, made of the secret that signs.
    pub(crate) fn derived(signing: &hmac::Key) -> SealingKey {
        let bytes = hmac::sign(signing, b"lightship: seals");
        // A SHA-256 is as long as the key; ring says so of no length but that.
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, bytes.as_ref()).ok();
        SealingKey(key.map(aead::LessSafeKey::new))
    }

    /// Seals a text. `purpose` has to be said again to open it.
    #[must_use]
    pub fn seal(&self, text: &str, purpose: &str, nonce: [u8; SEAL_NONCE_BYTES]) -> Option<String> {
        let mut sealed = text.as_bytes().to_vec();
        let key = self.0.as_ref()?;
        let unique = aead::Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, aead::Aad::from(purpose.as_bytes()), &mut sealed)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed for that purpose; nothing when it was not, or was changed.
    #[must_use]
    pub fn open(&self, sealed: &str, purpose: &str) -> Option<String> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, content) = bytes.split_at_mut_checked(SEAL_NONCE_BYTES)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .0
            .as_ref()?
            .open_in_place(nonce, aead::Aad::from(purpose.as_bytes()), content)
            .ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: u8) -> SealingKey {
        SealingKey::derived(&hmac::Key::new(hmac::HMAC_SHA256, &[secret; 32]))
    }

    #[test]
    fn what_was_sealed_is_opened_by_the_same_secret_for_the_same_purpose() {
        let sealed = key(1)
            .seal("Bearer x", "old.example", [7; SEAL_NONCE_BYTES])
            .unwrap();
        assert!(!sealed.contains("Bearer"));
        assert_eq!(key(1).open(&sealed, "old.example").as_deref(), Some("Bearer x"));
        assert_eq!(key(1).open(&sealed, "other.example"), None);
        assert_eq!(key(2).open(&sealed, "old.example"), None);
        let mut changed = sealed.clone();
        changed.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        assert_eq!(key(1).open(&changed, "old.example"), None);
        for text in ["", "AAAA", "%", &"A".repeat(SEALED_BYTES_MAX + 1)] {
            assert_eq!(key(1).open(text, "old.example"), None);
        }
    }
}
