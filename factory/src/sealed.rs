//! Small documents in the cache that must never be believed when they were damaged.

use sha2::{Digest, Sha256};

const DIGEST_BYTES: usize = 32;

/// `body` followed by its SHA-256.
pub(crate) fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&body);
    body.extend_from_slice(&digest);
    body
}

/// What [`seal`] was given; `None` when any byte is not as it was.
pub(crate) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (body, digest) = sealed.split_at_checked(sealed.len().checked_sub(DIGEST_BYTES)?)?;
    (Sha256::digest(body).as_slice() == digest).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_breaks_with_any_byte() {
        let sealed = seal(b"body".to_vec());
        assert_eq!(unseal(&sealed), Some(&b"body"[..]));
        assert_eq!(unseal(&seal(Vec::new())), Some(&b""[..]));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 0x10;
            assert_eq!(unseal(&damaged), None);
            assert_eq!(unseal(&sealed[..at]), None);
        }
    }
}
