//! Content digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// The hash function of a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, what everyone uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The registered identifier, as it stands before the colon of a digest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the hash, in bytes.
    #[must_use]
    pub const fn hash_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The digest of a blob: its name everywhere.
///
/// Only the registered algorithms, and only lower-case hexadecimal, are accepted: a digest is used as
/// part of a file's path, and must have one spelling.
///
/// Spec: image-spec "Digests".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest {
    algorithm: Algorithm,
    // SHA-256 uses the first half; the rest stays zero, so that derived comparisons are right.
    hash: [u8; 64],
}

/// Why a text is not a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon between algorithm and hash.
    #[error("digest {text:?} has no algorithm")]
    NoAlgorithm {
        /// The text, cut if it is long.
        text: String,
    },
    /// The algorithm is neither sha256 nor sha512.
    #[error("digest {text:?} has an algorithm other than sha256 and sha512")]
    UnknownAlgorithm {
        /// The text, cut if it is long.
        text: String,
    },
    /// The hash has the wrong length or characters other than `0-9a-f`.
    #[error("digest {text:?} does not have {expected} lower-case hexadecimal digits")]
    NotHex {
        /// The text, cut if it is long.
        text: String,
        /// Digits that its algorithm has.
        expected: usize,
    },
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256_of(bytes: &[u8]) -> Self {
        Self::from_sha256(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of that SHA-256 hash.
    #[must_use]
    pub fn from_sha256(hash: [u8; 32]) -> Self {
        let mut whole = [0; 64];
        whole[..32].copy_from_slice(&hash);
        Self {
            algorithm: Algorithm::Sha256,
            hash: whole,
        }
    }

    /// The digest of that SHA-512 hash.
    #[must_use]
    pub const fn from_sha512(hash: [u8; 64]) -> Self {
        Self {
            algorithm: Algorithm::Sha512,
            hash,
        }
    }

    /// The digest of `bytes` by `algorithm`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash itself: 32 or 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self.algorithm {
            Algorithm::Sha256 => &self.hash[..32],
            Algorithm::Sha512 => &self.hash,
        }
    }

    /// The hash in lower-case hexadecimal: 64 or 128 characters.
    #[must_use]
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        let bytes = self.as_bytes();
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let shown = || crate::name::shown(text);
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(DigestError::NoAlgorithm { text: shown() });
        };
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::UnknownAlgorithm { text: shown() }),
        };
        let mut hash = [0; 64];
        let room = &mut hash[..algorithm.hash_bytes()];
        if decode_hex(hex.as_bytes(), room).is_none() {
            return Err(DigestError::NotHex {
                text: shown(),
                expected: algorithm.hash_bytes() * 2,
            });
        }
        Ok(Self { algorithm, hash })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Debug, Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Starts with nothing hashed.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => Digest::from_sha256(state.finalize().into()),
            State::Sha512(state) => Digest::from_sha512(state.finalize().into()),
        }
    }
}

fn decode_hex(hex: &[u8], out: &mut [u8]) -> Option<()> {
    if hex.len() != out.len() * 2 {
        return None;
    }
    for (pair, byte) in hex.chunks_exact(2).zip(out) {
        let &[high, low] = pair else { return None };
        *byte = hex_digit(high)? << 4 | hex_digit(low)?;
    }
    Some(())
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digests_of_known_texts() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256_of(b"").to_string(), empty);
        let abc = Digest::of(Algorithm::Sha512, b"abc");
        assert!(
            abc.to_string()
                .starts_with("sha512:ddaf35a193617abacc417349ae204131")
        );
        assert_eq!(abc.hex().len(), 128);
    }

    #[test]
    fn hashing_in_pieces_is_hashing_at_once() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), Digest::sha256_of(b"abc"));
    }

    #[test]
    fn refuses_what_is_not_a_digest() {
        let good = Digest::sha256_of(b"").to_string();
        let bad = [
            String::new(),
            "sha256".to_owned(),
            "sha256:".to_owned(),
            good.to_uppercase(),
            good.replace("sha256", "SHA256"),
            good.replace("sha256", "md5"),
            good.replace("sha256", "sha512"),
            good.replace('e', "E"),
            format!("{good}0"),
            good[..good.len() - 1].to_owned(),
            format!(" {good}"),
            format!("{good}\n"),
            "sha256:../../../../../../../../../../../../../../../../../../../../etc/passwd".to_owned(),
            "sha256:é3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85".to_owned(),
        ];
        for text in bad {
            assert!(text.parse::<Digest>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(short in any::<[u8; 32]>(), long in proptest::collection::vec(any::<u8>(), 64)) {
            let long: [u8; 64] = long.try_into().unwrap();
            for digest in [Digest::from_sha256(short), Digest::from_sha512(long)] {
                prop_assert_eq!(digest.to_string().parse(), Ok(digest));
                let json = serde_json::to_string(&digest).unwrap();
                prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
            }
        }

        #[test]
        fn whatever_parses_prints_the_same(text in "(sha256|sha512|sha1):[0-9a-gA-F]{60,66}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
