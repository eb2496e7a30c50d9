//! Clear signatures by the test keys.

use pgp::composed::{CleartextSignedMessage, Deserializable as _, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, Timestamp};

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The key of the test archive: created 2020-01-01, never expires, Ed25519.
    Archive,
    /// A key as good as the other, which nobody trusts.
    Stranger,
}

/// The public key of `signer`, armored.
pub fn public_key(signer: Signer) -> &'static str {
    match signer {
        Signer::Archive => include_str!("../keys/archive.public.asc"),
        Signer::Stranger => include_str!("../keys/stranger.public.asc"),
    }
}

/// Signs `text` as an InRelease file is signed, `at` so many seconds after 1970.
pub fn sign_clear(text: &str, signer: Signer, at: u32) -> String {
    let secret = match signer {
        Signer::Archive => include_str!("../keys/archive.secret.asc"),
        Signer::Stranger => include_str!("../keys/stranger.secret.asc"),
    };
    let (key, _) = SignedSecretKey::from_string(secret).expect("a key of ours");
    let mut config = SignatureConfig::v4(SignatureType::Text, key.algorithm(), HashAlgorithm::Sha512);
    let facts = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    config.hashed_subpackets = facts
        .into_iter()
        .map(|fact| Subpacket::regular(fact).expect("a short subpacket"))
        .collect();
    let message = CleartextSignedMessage::new(text, config, &key.primary_key, &Password::empty());
    message
        .and_then(|message| message.to_armored_string(Default::default()))
        .expect("a signature")
}
