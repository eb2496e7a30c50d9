//! What one certificate (a primary key, its user IDs and subkeys) says of a signature.

use jiff::{SignedDuration, Timestamp};
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Duration, KeyDetails, Tag, VerifyingKey};
use thiserror::Error;

use super::Fingerprint;

/// Why a signature does not count.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Refusal {
    #[error("is of a key that is not trusted here")]
    UnknownKey,
    #[error("does not match the text: the file was altered, or is damaged")]
    Mismatch,
    #[error("is not a signature over a text")]
    Type,
    #[error("uses a digest algorithm that is not accepted ({0})")]
    Algorithm(String),
    #[error("says nothing of when it was made")]
    Undated,
    #[error("was made in the future ({0}); is the clock of this machine right?")]
    FromTheFuture(Timestamp),
    #[error("has expired")]
    SignatureExpired,
    #[error("is of a key that expired on {0}")]
    KeyExpired(Timestamp),
    #[error("is of a key that was revoked")]
    Revoked,
    #[error("is of a key that may not sign")]
    MayNotSign,
    #[error("is of a key that its owner has not bound to the trusted one")]
    Unbound,
}

/// Verifies `signature` over `text` by the primary key or a subkey of `certificate`.
pub(super) fn verify(
    certificate: &SignedPublicKey,
    signature: &Signature,
    text: &[u8],
    at: Timestamp,
) -> Result<Fingerprint, Refusal> {
    let primary = &certificate.primary_key;
    if made_by(signature, primary) {
        let facts = primary_facts(certificate, at)?;
        facts.check(primary, signature, at)?;
        signature.verify(primary, text).map_err(|_| Refusal::Mismatch)?;
        return Ok(Fingerprint::of(primary));
    }
    let subkey = certificate
        .public_subkeys
        .iter()
        .find(|subkey| made_by(signature, &subkey.key));
    let subkey = subkey.ok_or(Refusal::UnknownKey)?;
    // A subkey is worth no more than the key that vouches for it.
    primary_facts(certificate, at)?.check_life(primary, at)?;
    subkey_facts(certificate, subkey)?.check(&subkey.key, signature, at)?;
    signature
        .verify(&subkey.key, text)
        .map_err(|_| Refusal::Mismatch)?;
    Ok(Fingerprint::of(&subkey.key))
}

/// Only digests that nobody can forge today.
pub(super) fn check_algorithm(signature: &Signature) -> Result<(), Refusal> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => Ok(()),
        other => Err(Refusal::Algorithm(
            other.map_or_else(|| "none".to_owned(), |name| format!("{name:?}")),
        )),
    }
}

/// When a signature was made.
pub(super) fn created(signature: &Signature) -> Result<Timestamp, Refusal> {
    signature
        .created()
        .and_then(|time| timestamp(time.as_secs()))
        .ok_or(Refusal::Undated)
}

pub(super) fn after(time: Timestamp, lifetime: Duration) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(i64::from(lifetime.as_secs())))
        .unwrap_or(Timestamp::MAX)
}

/// What the newest valid self-signature says of a key.
struct KeyFacts {
    may_sign: bool,
    lifetime: Option<Duration>,
}

impl KeyFacts {
    fn of(binding: &Signature) -> KeyFacts {
        KeyFacts {
            may_sign: binding.key_flags().sign(),
            lifetime: binding.key_expiration_time(),
        }
    }

    fn check(&self, key: &impl KeyDetails, signature: &Signature, at: Timestamp) -> Result<(), Refusal> {
        if !self.may_sign {
            return Err(Refusal::MayNotSign);
        }
        self.check_life(key, created(signature)?)?;
        self.check_life(key, at)
    }

    /// Fails when the key has expired at `at`.
    fn check_life(&self, key: &impl KeyDetails, at: Timestamp) -> Result<(), Refusal> {
        let Some(lifetime) = self.lifetime.filter(|lifetime| lifetime.as_secs() > 0) else {
            return Ok(());
        };
        let made = timestamp(key.created_at().as_secs()).ok_or(Refusal::Undated)?;
        let end = after(made, lifetime);
        if end <= at {
            Err(Refusal::KeyExpired(end))
        } else {
            Ok(())
        }
    }
}

/// The facts of the primary key, from the newest self-signature over it or one of its user IDs.
fn primary_facts(certificate: &SignedPublicKey, at: Timestamp) -> Result<KeyFacts, Refusal> {
    let (primary, details) = (&certificate.primary_key, &certificate.details);
    if details
        .revocation_signatures
        .iter()
        .any(|signature| signature.verify_key(primary).is_ok())
    {
        return Err(Refusal::Revoked);
    }
    let direct = details
        .direct_signatures
        .iter()
        .filter(|signature| check_algorithm(signature).is_ok() && signature.verify_key(primary).is_ok());
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|signature| {
            signature.is_certification()
                && check_algorithm(signature).is_ok()
                && signature
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        })
    });
    newest(
        direct
            .chain(of_users)
            .filter(|signature| created(signature).is_ok_and(|made| made <= at)),
    )
    .map(KeyFacts::of)
    .ok_or(Refusal::Unbound)
}

/// The facts of a subkey, from the newest binding by the primary key. A subkey that signs must have signed the
/// binding too, else anybody could claim another's subkey.
fn subkey_facts(certificate: &SignedPublicKey, subkey: &SignedPublicSubKey) -> Result<KeyFacts, Refusal> {
    let primary = &certificate.primary_key;
    let good = subkey
        .signatures
        .iter()
        .filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok());
    let (revocations, bindings): (Vec<_>, Vec<_>) =
        good.partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    if !revocations.is_empty() {
        return Err(Refusal::Revoked);
    }
    let binding = newest(bindings.into_iter().filter(|signature| {
        signature.typ() == Some(SignatureType::SubkeyBinding) && check_algorithm(signature).is_ok()
    }));
    let binding = binding.ok_or(Refusal::Unbound)?;
    let back = binding.embedded_signature().ok_or(Refusal::Unbound)?;
    check_algorithm(back)?;
    back.verify_primary_key_binding(&subkey.key, primary)
        .map_err(|_| Refusal::Unbound)?;
    Ok(KeyFacts::of(binding))
}

fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|signature| signature.created().map(|time| time.as_secs()))
}

/// True when the signature names `key` as its maker. The signature's own check decides; this only chooses the key.
fn made_by(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature
            .issuer_key_id()
            .iter()
            .any(|id| **id == key.legacy_key_id());
    }
    fingerprints
        .iter()
        .any(|fingerprint| **fingerprint == key.fingerprint())
}

fn timestamp(seconds: u32) -> Option<Timestamp> {
    Timestamp::from_second(i64::from(seconds)).ok()
}
