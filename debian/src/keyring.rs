//! Which signatures are trusted: Debian's archive keys, and those of archives that a specification adds.
//!
//! The keys are always ours or the specification's, never the machine's. An `InRelease` file counts as signed when at
//! least one of its signatures is good: made by a key of the ring that was neither revoked nor expired, with a
//! digest algorithm that still holds.
//!
//! Spec: RFC 9580 §5.2 (signatures), §7 (cleartext signature framework), §10.1 (transferable public keys).

mod certificate;
mod clear_signed;

use std::fmt;
use std::io::Cursor;

use jiff::{SignedDuration, Timestamp};
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails;
use thiserror::Error;

use certificate::Refusal;
use clear_signed::ClearSigned;

/// A ring of public keys.
#[derive(Debug, Clone)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

/// The fingerprint of a key or subkey: upper-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

/// A text whose signature was good, and who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed text, and nothing of what was around it. Lines end with a line feed.
    pub text: String,
    /// The keys or subkeys whose signatures were good, in the order of the signatures; never empty.
    pub signers: Vec<Fingerprint>,
}

/// Why keys could not be read.
#[derive(Debug, Error)]
pub enum KeyringError {
    /// Larger than [`KEYRING_BYTES_MAX`].
    #[error("the keyring has {bytes} bytes; the limit is {KEYRING_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not OpenPGP keys.
    #[error("cannot read OpenPGP keys")]
    Syntax {
        /// What the parser says.
        #[source]
        source: Box<pgp::errors::Error>,
    },
    /// No key at all.
    #[error("there is no public key in the keyring")]
    Empty,
}

/// Why a signed text is not to be trusted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// Larger than [`SIGNED_BYTES_MAX`].
    #[error("the signed file has {bytes} bytes; the limit is {SIGNED_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not text.
    #[error("the signed file is not UTF-8 text")]
    NotText,
    /// Not a clear-signed message, or one with something before or behind it.
    #[error("not a clear-signed message: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// No signature at all.
    #[error("the file carries no signature")]
    Unsigned,
    /// Signatures, but none that is good.
    #[error("no signature is good: {}", list(refusals))]
    NoneGood {
        /// What is wrong with each.
        refusals: Vec<SignatureRefusal>,
    },
}

/// Why one signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRefusal {
    /// The key that made it, as the signature says; `unknown` when it does not.
    pub issuer: String,
    /// Why.
    pub reason: String,
}

/// Most bytes of a keyring.
pub const KEYRING_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a signed file; Debian's are about 200 kB.
pub const SIGNED_BYTES_MAX: usize = 16 << 20;
/// Signatures that are looked at; Debian's releases carry two or three.
pub const SIGNATURES_MAX: usize = 16;
/// How far a clock may be behind the signer's.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// The keys of Debian 11, 12 and 13; `debian/keys/README.md` says where they come from.
const DEBIAN: &[u8] = include_bytes!("../keys/debian-archive.asc");

impl Keyring {
    /// Debian's archive keys, which ship in the program.
    ///
    /// # Errors
    /// Never, as a test shows; the error is passed on all the same.
    pub fn debian() -> Result<Keyring, KeyringError> {
        Keyring::parse(DEBIAN)
    }

    /// Reads public keys: armored, in one block or several, or binary.
    ///
    /// # Errors
    /// When they are too large, damaged, or there is none.
    pub fn parse(bytes: &[u8]) -> Result<Keyring, KeyringError> {
        if bytes.len() > KEYRING_BYTES_MAX {
            return Err(KeyringError::TooLarge { bytes: bytes.len() });
        }
        let syntax = |error| KeyringError::Syntax {
            source: Box::new(error),
        };
        let mut certificates = Vec::new();
        for block in blocks(bytes) {
            let (keys, _) = SignedPublicKey::from_reader_many(Cursor::new(block)).map_err(syntax)?;
            certificates.extend(keys.collect::<Result<Vec<_>, _>>().map_err(syntax)?);
        }
        if certificates.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Keyring { certificates })
    }

    /// The fingerprints of the primary keys.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.certificates
            .iter()
            .map(|certificate| Fingerprint::of(&certificate.primary_key))
            .collect()
    }

    /// Verifies a clear-signed file, such as `InRelease`, as it would be judged `at` a time.
    ///
    /// # Errors
    /// When the file is no clear-signed message and nothing else, or none of its signatures is good.
    pub fn verify_inrelease(&self, signed: &[u8], at: Timestamp) -> Result<Verified, VerifyError> {
        if signed.len() > SIGNED_BYTES_MAX {
            return Err(VerifyError::TooLarge { bytes: signed.len() });
        }
        let text = std::str::from_utf8(signed).map_err(|_| VerifyError::NotText)?;
        let message = ClearSigned::parse(text).map_err(|reason| VerifyError::Syntax { reason })?;
        if message.signatures.is_empty() {
            return Err(VerifyError::Unsigned);
        }
        let signed_text = message.text.replace('\n', "\r\n");
        let (mut signers, mut refusals) = (Vec::new(), Vec::new());
        for signature in message.signatures.iter().take(SIGNATURES_MAX) {
            match self.judge(signature, signed_text.as_bytes(), at) {
                Ok(signer) => signers.push(signer),
                Err(refusal) => {
                    refusals.push(SignatureRefusal {
                        issuer: issuer(signature),
                        reason: refusal.to_string(),
                    });
                }
            }
        }
        if signers.is_empty() {
            return Err(VerifyError::NoneGood { refusals });
        }
        Ok(Verified {
            text: message.text,
            signers,
        })
    }

    /// The signer of a good signature, or why it is not good.
    fn judge(&self, signature: &Signature, text: &[u8], at: Timestamp) -> Result<Fingerprint, Refusal> {
        if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
            return Err(Refusal::Type);
        }
        certificate::check_algorithm(signature)?;
        let made = certificate::created(signature)?;
        if made > at.saturating_add(CLOCK_TOLERANCE).unwrap_or(at) {
            return Err(Refusal::FromTheFuture(made));
        }
        if let Some(lifetime) = signature
            .signature_expiration_time()
            .filter(|lifetime| lifetime.as_secs() > 0)
            && certificate::after(made, lifetime) <= at
        {
            return Err(Refusal::SignatureExpired);
        }
        let mut refusal = Refusal::UnknownKey;
        for certificate in &self.certificates {
            match certificate::verify(certificate, signature, text, at) {
                Ok(signer) => return Ok(signer),
                // The key is not in this certificate: what another one said weighs more.
                Err(Refusal::UnknownKey) => {}
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }
}

impl Fingerprint {
    fn of(key: &impl KeyDetails) -> Fingerprint {
        Fingerprint(key.fingerprint().to_string().to_uppercase())
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The armored blocks of a file, as concatenated keys have several; a binary one is a block of its own.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        memchr::memmem::find_iter(bytes, b"-----BEGIN PGP PUBLIC KEY BLOCK-----").collect();
    let Some((_, later)) = starts.split_first() else {
        return vec![bytes];
    };
    let (mut blocks, mut rest) = (Vec::new(), bytes);
    for start in later.iter().rev() {
        let (before, block) = rest.split_at(*start);
        blocks.push(block);
        rest = before;
    }
    blocks.push(rest);
    blocks.reverse();
    blocks
}

/// Who made a signature, as it says itself.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    let key_id = || signature.issuer_key_id().first().map(ToString::to_string);
    fingerprint
        .or_else(key_id)
        .map_or_else(|| "unknown".to_owned(), |issuer| issuer.to_uppercase())
}

fn list(refusals: &[SignatureRefusal]) -> String {
    let each: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("that by {} {}", refusal.issuer, refusal.reason))
        .collect();
    each.join("; ")
}

#[cfg(test)]
mod tests;
