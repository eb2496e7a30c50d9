//! Public keys: read from every form in which they come, kept as `SubjectPublicKeyInfo` in PEM, and what they verify.

use ring::signature::{self, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, BitString, Null, ObjectIdentifier};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfoOwned};

use crate::key_proof::PrivateKey;
use crate::{KeyFile, KeyFileError, pem};

/// Longest text that is read as a key.
pub const KEY_TEXT_BYTES_MAX: usize = 32 << 10;

/// A public key that verifies signatures: RSA of 2048 to 8192 bits, Ed25519.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// As the signature scheme has it: `RSAPublicKey` in DER, or 32 bytes.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ed25519,
}

/// A public key, and what the text in which it came says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedKey {
    /// The key.
    pub key: PublicKey,
    /// What its maker calls it: `private_key_id` of a key file.
    pub id: Option<String>,
    /// Whose it is: `client_email` of a key file.
    pub account: Option<String>,
}

/// Why a text is no public key that we can use.
#[derive(Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// It is longer than any.
    #[error("more than {KEY_TEXT_BYTES_MAX} bytes are no key")]
    TooLarge,
    /// It is none of the forms.
    #[error(
        "no public key: expected PEM (PUBLIC KEY or CERTIFICATE) or a key file of a service account in JSON"
    )]
    Form,
    /// The PEM holds something else than it says.
    #[error("the PEM block is damaged")]
    Damaged,
    /// A kind of key that proves nothing here.
    #[error("keys of this kind are not supported: use RSA with 2048 to 8192 bits, or Ed25519")]
    Kind,
    /// It is a key file that cannot be read.
    #[error("the key file cannot be used")]
    KeyFile(#[source] KeyFileError),
}

impl PublicKey {
    /// Reads `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    /// See [`PublicKeyError`].
    pub fn from_pem(text: &str) -> Result<PublicKey, PublicKeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(PublicKeyError::TooLarge);
        }
        let der = pem::decode(text, "PUBLIC KEY").ok_or(PublicKeyError::Form)?;
        let info = SubjectPublicKeyInfoOwned::from_der(&der).map_err(|_| PublicKeyError::Damaged)?;
        PublicKey::of(&info)
    }

    /// Reads a public key in any form in which they are handed out: `SubjectPublicKeyInfo` or an X.509 certificate in PEM
    /// (nothing of which counts but the key), or Google's key file, of which only the public half is kept.
    ///
    /// # Errors
    /// See [`PublicKeyError`].
    pub fn import(text: &str) -> Result<ImportedKey, PublicKeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(PublicKeyError::TooLarge);
        }
        if text.trim_start().starts_with('{') {
            let file = KeyFile::parse(text).map_err(PublicKeyError::KeyFile)?;
            return Ok(ImportedKey {
                key: file.public_key().map_err(PublicKeyError::KeyFile)?,
                id: Some(file.id),
                account: Some(file.account),
            });
        }
        let key = match pem::decode(text, "CERTIFICATE") {
            Some(der) => {
                let certificate = Certificate::from_der(&der).map_err(|_| PublicKeyError::Damaged)?;
                PublicKey::of(&certificate.tbs_certificate.subject_public_key_info)?
            }
            None => PublicKey::from_pem(text)?,
        };
        Ok(ImportedKey {
            key,
            id: None,
            account: None,
        })
    }

    /// As it is kept: `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn to_pem(&self) -> Result<String, PublicKeyError> {
        let damaged = |_| PublicKeyError::Damaged;
        let (oid, parameters) = match self.kind {
            Kind::Rsa => (RSA, Some(Any::from(Null))),
            Kind::Ed25519 => (ED25519, None),
        };
        let info = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifier { oid, parameters },
            subject_public_key: BitString::from_bytes(&self.bytes).map_err(damaged)?,
        };
        Ok(pem::encode(&info.to_der().map_err(damaged)?, "PUBLIC KEY"))
    }

    /// Whether `signature` (PKCS#1 v1.5 with SHA-256, or Ed25519) is one of `message` by the private half.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
            Kind::Ed25519 => &signature::ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes)
            .verify(message, signature)
            .is_ok()
    }

    pub(crate) fn of_private(key: &PrivateKey) -> PublicKey {
        match key {
            PrivateKey::Rsa(pair) => PublicKey {
                kind: Kind::Rsa,
                bytes: pair.public_key().as_ref().to_vec(),
            },
            PrivateKey::Ed25519(pair) => PublicKey {
                kind: Kind::Ed25519,
                bytes: pair.public_key().as_ref().to_vec(),
            },
        }
    }

    fn of(info: &SubjectPublicKeyInfoOwned) -> Result<PublicKey, PublicKeyError> {
        let bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or(PublicKeyError::Damaged)?;
        let kind = match info.algorithm.oid {
            RSA if (RSA_DER_BYTES_MIN..=RSA_DER_BYTES_MAX).contains(&bytes.len()) => Kind::Rsa,
            ED25519 if bytes.len() == ED25519_BYTES => Kind::Ed25519,
            _ => return Err(PublicKeyError::Kind),
        };
        Ok(PublicKey {
            kind,
            bytes: bytes.to_vec(),
        })
    }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A modulus of 2048 bits; exponent and framing are some bytes more.
const RSA_DER_BYTES_MIN: usize = 2048 / 8;
/// A modulus of 8192 bits, with exponent and framing.
const RSA_DER_BYTES_MAX: usize = 8192 / 8 + 32;
const ED25519_BYTES: usize = 32;
