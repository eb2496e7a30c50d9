//! Key files, and the proof that somebody holds a private key.
//!
//! A key file as Google gives them out holds a private key. Whether it is the other half of the public key on file is
//! shown by signing a fresh nonce with it and verifying that under the public key on file. Comparing public halves would
//! not do: a private key can be forged that has the right public half in it.

use ring::rand::SystemRandom;
use ring::signature::{self, Ed25519KeyPair, RsaKeyPair};
use serde::Deserialize;

use crate::{PublicKey, pem};

/// Longest key file that is looked at.
pub const KEY_FILE_BYTES_MAX: usize = 16 << 10;
/// Longest name of a key or an account in one.
pub const KEY_FILE_NAME_BYTES_MAX: usize = 256;
/// Bytes of the nonce that is signed, which are to be random.
pub const NONCE_BYTES: usize = 32;

/// A key file of a service account. Its private key is looked at when it is used: that takes a millisecond.
pub struct KeyFile {
    /// `client_email`: whose it says it is.
    pub account: String,
    /// `private_key_id`: which of their keys.
    pub id: String,
    private_key: String,
}

/// Does not show the key.
impl std::fmt::Debug for KeyFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("KeyFile");
        shown.field("account", &self.account).field("id", &self.id);
        shown.finish_non_exhaustive()
    }
}

pub(crate) enum PrivateKey {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a text is no key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is longer than any.
    #[error("a key file has at most {KEY_FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// It is not the JSON of one.
    #[error("it is no JSON with client_email, private_key_id and private_key")]
    Document,
    /// A name in it is empty or too long.
    #[error("client_email and private_key_id have 1 to {KEY_FILE_NAME_BYTES_MAX} bytes")]
    Name,
    /// The private key is damaged, does not fit together, or is of a kind that is not supported.
    #[error("its private_key is no consistent RSA (2048 to 4096 bits) or Ed25519 key in PEM: {reason}")]
    PrivateKey {
        /// What is wrong, without the key.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Document {
    client_email: String,
    private_key_id: String,
    private_key: String,
}

impl KeyFile {
    /// Reads a key file. What else stands in it says nothing here.
    ///
    /// # Errors
    /// See [`KeyFileError`]. None of them holds a part of the key.
    pub fn parse(text: &str) -> Result<KeyFile, KeyFileError> {
        if text.len() > KEY_FILE_BYTES_MAX {
            return Err(KeyFileError::TooLarge);
        }
        let document: Document = serde_json::from_str(text).map_err(|_| KeyFileError::Document)?;
        let named = |name: &str| (1..=KEY_FILE_NAME_BYTES_MAX).contains(&name.len());
        if !named(&document.client_email) || !named(&document.private_key_id) {
            return Err(KeyFileError::Name);
        }
        Ok(KeyFile {
            account: document.client_email,
            id: document.private_key_id,
            private_key: document.private_key,
        })
    }

    /// The public half of its private key. It proves nothing: see [`KeyFile::proves`].
    ///
    /// # Errors
    /// [`KeyFileError::PrivateKey`].
    pub fn public_key(&self) -> Result<PublicKey, KeyFileError> {
        Ok(PublicKey::of_private(&PrivateKey::parse(&self.private_key)?))
    }

    /// Whether the private key of this file is the other half of `key`, shown by signing `nonce`, which has to be fresh
    /// and random. Takes some milliseconds.
    #[must_use]
    pub fn proves(&self, key: &PublicKey, nonce: &[u8; NONCE_BYTES]) -> bool {
        let mut message = PURPOSE.to_vec();
        message.extend_from_slice(nonce);
        let private = PrivateKey::parse(&self.private_key).ok();
        let signature = private.and_then(|private| private.sign(&message));
        signature.is_some_and(|signature| key.verify(&message, &signature))
    }
}

impl PrivateKey {
    fn parse(text: &str) -> Result<PrivateKey, KeyFileError> {
        let rejected = |error: ring::error::KeyRejected| KeyFileError::PrivateKey {
            reason: error.to_string(),
        };
        if let Some(der) = pem::decode(text, "RSA PRIVATE KEY") {
            let pair = RsaKeyPair::from_der(&der).map_err(rejected)?;
            return Ok(PrivateKey::Rsa(Box::new(pair)));
        }
        let der = pem::decode(text, "PRIVATE KEY").ok_or_else(|| KeyFileError::PrivateKey {
            reason: "no PEM block PRIVATE KEY".to_owned(),
        })?;
        // OpenSSL writes Ed25519 keys without their public half, which is made again from the private one.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(PrivateKey::Ed25519(Box::new(pair)));
        }
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(rejected)?;
        Ok(PrivateKey::Rsa(Box::new(pair)))
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                // PKCS#1 v1.5 signatures draw nothing from the source; the interface wants one.
                let random = SystemRandom::new();
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// Stands before the nonce, so that nothing that is signed here means anything elsewhere.
const PURPOSE: &[u8] = b"lightship: possession of a private key\0";
