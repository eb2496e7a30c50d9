//! Making a key pair: the private half goes into a key file in Google's form and nowhere else.

use serde_json::json;

use crate::{ImportedKey, PublicKey, PublicKeyError, pem};

/// Bytes of a seed, which are to be random.
pub const KEY_SEED_BYTES: usize = 32;

/// What stands before the seed in `PrivateKeyInfo` of an Ed25519 key.
///
/// Spec: RFC 8410, 7.
const ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A key file that was made just now.
pub struct NewKeyFile {
    /// The whole file; it holds the private half.
    pub json: String,
    /// The public half, for the registry.
    pub public_key: PublicKey,
    /// Its name, as in the file.
    pub id: String,
}

/// Does not show the key.
impl std::fmt::Debug for NewKeyFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NewKeyFile")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An Ed25519 key pair of `account` made of a random seed, in a key file whose key has the name `id`.
///
/// # Errors
/// Never for a name that a key file can have.
pub fn new_key_file(
    account: &str,
    id: &str,
    seed: &[u8; KEY_SEED_BYTES],
) -> Result<NewKeyFile, PublicKeyError> {
    let private_key = pem::encode(&[&ED25519_PREFIX[..], &seed[..]].concat(), "PRIVATE KEY");
    let document = json!({
        "type": "service_account",
        "private_key_id": id,
        "private_key": private_key,
        "client_email": account,
    });
    let json = format!("{document:#}\n");
    let ImportedKey { key, .. } = PublicKey::import(&json)?;
    Ok(NewKeyFile {
        json,
        public_key: key,
        id: id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFile, NONCE_BYTES};

    #[test]
    fn a_new_key_file_proves_its_own_public_half_and_no_other() {
        let one = new_key_file("ci@example.com", "k1", &[1; KEY_SEED_BYTES]).unwrap();
        let other = new_key_file("ci@example.com", "k2", &[2; KEY_SEED_BYTES]).unwrap();
        let file = KeyFile::parse(&one.json).unwrap();
        assert_eq!(
            (file.account.as_str(), file.id.as_str()),
            ("ci@example.com", "k1")
        );
        // Through the text in which it is kept.
        let kept = PublicKey::from_pem(&one.public_key.to_pem().unwrap()).unwrap();
        assert!(file.proves(&kept, &[7; NONCE_BYTES]));
        assert!(!file.proves(&other.public_key, &[7; NONCE_BYTES]));
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }
}
