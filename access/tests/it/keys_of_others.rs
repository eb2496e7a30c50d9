//! Keys that OpenSSL made, and such that somebody forged out of a public half.

use access::{KEY_FILE_BYTES_MAX, KeyFile, KeyFileError, NONCE_BYTES, PublicKey, PublicKeyError};

const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa.pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
const RSA_CERTIFICATE: &str = include_str!("keys/rsa.crt.pem");
const RSA_FORGED: &str = include_str!("keys/rsa.forged.pem");
const OTHER: &str = include_str!("keys/other.pem");
const ED25519: &str = include_str!("keys/ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");
const ED25519_FORGED: &str = include_str!("keys/ed25519.forged.pem");
const EC_PUBLIC: &str = include_str!("keys/ec.pub.pem");
const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];

fn file(private_key: &str) -> String {
    serde_json::json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": private_key,
        "client_email": "ci@p.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "https://oauth2.example/token",
    })
    .to_string()
}

#[test]
fn whoever_holds_the_private_key_proves_it() {
    for (private, public) in [
        (RSA, RSA_PUBLIC),
        (RSA_PKCS1, RSA_PUBLIC),
        (ED25519, ED25519_PUBLIC),
    ] {
        let file = KeyFile::parse(&file(private)).unwrap();
        assert_eq!(
            (file.account.as_str(), file.id.as_str()),
            ("ci@p.iam.gserviceaccount.com", "k1")
        );
        assert!(file.proves(&PublicKey::from_pem(public).unwrap(), &NONCE));
    }
}

#[test]
fn another_key_proves_nothing() {
    let other = KeyFile::parse(&file(OTHER)).unwrap();
    assert!(!other.proves(&PublicKey::from_pem(RSA_PUBLIC).unwrap(), &NONCE));
    assert!(!other.proves(&PublicKey::from_pem(ED25519_PUBLIC).unwrap(), &NONCE));
}

/// OpenSSL derives the right public half from the first of them.
#[test]
fn a_private_key_forged_out_of_the_public_half_proves_nothing() {
    for (forged, public) in [(RSA_FORGED, RSA_PUBLIC), (ED25519_FORGED, ED25519_PUBLIC)] {
        let public = PublicKey::from_pem(public).unwrap();
        assert!(!KeyFile::parse(&file(forged)).unwrap().proves(&public, &NONCE));
    }
}

#[test]
fn public_keys_are_read_from_every_form_and_kept_in_one() {
    let key = PublicKey::from_pem(RSA_PUBLIC).unwrap();
    assert_eq!(key.to_pem().unwrap(), RSA_PUBLIC);
    assert_eq!(
        PublicKey::from_pem(ED25519_PUBLIC).unwrap().to_pem().unwrap(),
        ED25519_PUBLIC
    );
    assert_eq!(PublicKey::import(RSA_PUBLIC).unwrap().key, key);
    assert_eq!(PublicKey::import(RSA_CERTIFICATE).unwrap().key, key);
    let imported = PublicKey::import(&file(RSA)).unwrap();
    assert_eq!(imported.key, key);
    assert_eq!(imported.id.as_deref(), Some("k1"));
    assert_eq!(imported.account.as_deref(), Some("ci@p.iam.gserviceaccount.com"));
    let ed25519 = PublicKey::import(&file(ED25519)).unwrap();
    assert_eq!(ed25519.key.to_pem().unwrap(), ED25519_PUBLIC);
}

#[test]
fn what_is_no_key_says_why() {
    assert!(matches!(PublicKey::import(EC_PUBLIC), Err(PublicKeyError::Kind)));
    assert!(matches!(
        PublicKey::import("ssh-rsa AAAA"),
        Err(PublicKeyError::Form)
    ));
    assert!(matches!(PublicKey::import(RSA), Err(PublicKeyError::Form)));
    let damaged = RSA_PUBLIC.replace("MIIB", "AAAA");
    assert!(matches!(
        PublicKey::import(&damaged),
        Err(PublicKeyError::Damaged)
    ));
    assert!(matches!(
        PublicKey::import("{}"),
        Err(PublicKeyError::KeyFile(KeyFileError::Document))
    ));
    assert!(matches!(
        PublicKey::import(&file(RSA_PUBLIC)),
        Err(PublicKeyError::KeyFile(KeyFileError::PrivateKey { .. }))
    ));
    let without_name = file(RSA).replace("k1", "");
    assert_eq!(KeyFile::parse(&without_name).err(), Some(KeyFileError::Name));
    let mut long = file(RSA);
    long.push_str(&" ".repeat(KEY_FILE_BYTES_MAX - long.len()));
    assert!(KeyFile::parse(&long).is_ok());
    assert_eq!(
        KeyFile::parse(&format!("{long} ")).err(),
        Some(KeyFileError::TooLarge)
    );
}

#[test]
fn a_key_file_does_not_print_its_key() {
    let shown = format!("{:?}", KeyFile::parse(&file(RSA)).unwrap());
    assert!(shown.ends_with("id: \"k1\", .. }"), "{shown}");
}
