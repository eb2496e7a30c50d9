//! A Java keystore of trusted certificates.
//!
//! Format JKS, version 2, as `sun.security.provider.JavaKeyStore` reads and writes it (there is no
//! other specification): every Java version reads it, and unlike PKCS #12 it holds no random salt, so
//! the same certificates give the same bytes.

use sha1::{Digest as _, Sha1};

/// A trusted certificate in a keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCertificate<'c> {
    /// Its name in the keystore; small letters, at most [`ALIAS_BYTES_MAX`] bytes are kept.
    pub alias: String,
    /// When it came in, in seconds since 1970.
    pub date: i64,
    /// The certificate.
    pub der: &'c [u8],
}

/// Longest alias in bytes: the format has 16 bits for the length of its modified UTF-8.
pub const ALIAS_BYTES_MAX: usize = 10_000;

/// The bytes of a keystore with these certificates in this order, sealed with `password`.
///
/// Aliases that occur again get a number, since a keystore has one entry per alias.
pub fn encode(certificates: &[TrustedCertificate<'_>], password: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC.to_be_bytes());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&length(certificates.len()).to_be_bytes());
    let mut taken = std::collections::BTreeSet::new();
    for certificate in certificates {
        let mut alias = certificate.alias.clone();
        while alias.len() > ALIAS_BYTES_MAX {
            alias.pop();
        }
        let unnumbered = alias.clone();
        let mut number = 1;
        while !taken.insert(alias.clone()) {
            number += 1;
            alias = format!("{unnumbered} {number}");
        }
        bytes.extend_from_slice(&TRUSTED_CERTIFICATE.to_be_bytes());
        push_utf(&mut bytes, &alias);
        bytes.extend_from_slice(&certificate.date.saturating_mul(1000).to_be_bytes());
        push_utf(&mut bytes, "X.509");
        bytes.extend_from_slice(&length(certificate.der.len()).to_be_bytes());
        bytes.extend_from_slice(certificate.der);
    }
    let mut seal = Sha1::new();
    for unit in password.encode_utf16() {
        seal.update(unit.to_be_bytes());
    }
    seal.update(WHITENER);
    seal.update(&bytes);
    bytes.extend_from_slice(&seal.finalize());
    bytes
}

/// `DataOutput.writeUTF`: a length of 16 bits and modified UTF-8.
///
/// Spec: Java SE API, `java.io.DataInput`, "Modified UTF-8".
fn push_utf(bytes: &mut Vec<u8>, text: &str) {
    let mut encoded = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let low = |shift: u32| 0x80 | u8::try_from(unit >> shift & 0x3f).unwrap_or_default();
        match unit {
            1..=0x7f => encoded.push(u8::try_from(unit).unwrap_or_default()),
            0 | 0x80..=0x7ff => encoded.extend([0xc0 | u8::try_from(unit >> 6).unwrap_or_default(), low(0)]),
            _ => encoded.extend([
                0xe0 | u8::try_from(unit >> 12).unwrap_or_default(),
                low(6),
                low(0),
            ]),
        }
    }
    bytes.extend_from_slice(&u16::try_from(encoded.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(&encoded);
}

fn length(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const WHITENER: &[u8] = b"Mighty Aphrodite";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_keystore_is_a_header_and_a_seal() {
        let bytes = encode(&[], "changeit");
        assert_eq!(bytes[..12], [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0]);
        // As `keytool` writes it after the last entry of a keystore is deleted.
        let seal: String = bytes[12..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(seal, "e2686e45fb43dfa4d992dd41ceb6b21c6330d792");
    }

    #[test]
    fn an_entry_has_alias_milliseconds_and_type() {
        let certificate = TrustedCertificate {
            alias: "cn=é".to_owned(),
            date: 2,
            der: b"DER",
        };
        let bytes = encode(&[certificate], "changeit");
        let mut expected = vec![0, 0, 0, 2, 0, 5];
        expected.extend("cn=é".bytes());
        expected.extend(2000_u64.to_be_bytes());
        expected.extend([0, 5]);
        expected.extend(b"X.509");
        expected.extend([0, 0, 0, 3]);
        expected.extend(b"DER");
        assert_eq!(bytes[12..bytes.len() - 20], expected);
    }

    #[test]
    fn an_alias_that_occurs_again_gets_a_number() {
        let certificate = |der| TrustedCertificate {
            alias: "cn=x".to_owned(),
            date: 0,
            der,
        };
        let bytes = encode(&[certificate(b"1"), certificate(b"2")], "changeit");
        assert!(bytes.windows(6).any(|window| window == b"cn=x 2"));
    }
}
