//! Certificates of authorities: PEM text, names, and the hash by which OpenSSL finds them.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};
use x509_cert::Certificate as Parsed;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::SetOfVec;
use x509_cert::der::{Any, Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

/// Most certificates that one PEM text may have.
pub const CERTIFICATES_MAX: usize = 2_000;

/// Longest PEM text of certificates, in bytes.
pub const PEM_BYTES_MAX: usize = 16 << 20;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// DER, as it was in the PEM text.
    pub der: Vec<u8>,
    /// Its PEM block as it was written, with the marks and a newline at the end.
    pub pem: String,
    subject: RdnSequence,
    not_before: i64,
}

/// Why text is not a list of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is none.
    #[error("there is no certificate (no line \"-----BEGIN CERTIFICATE-----\")")]
    None,
    /// More than [`CERTIFICATES_MAX`].
    #[error("there are more than {CERTIFICATES_MAX} certificates")]
    TooMany,
    /// Longer than [`PEM_BYTES_MAX`].
    #[error("the text is longer than {PEM_BYTES_MAX} bytes")]
    TooLong,
    /// A block begins and does not end.
    #[error("certificate {number} has no end line")]
    Unfinished {
        /// Which certificate of the text, from 1.
        number: usize,
    },
    /// A block is not base64.
    #[error("certificate {number} is not valid base64")]
    Base64 {
        /// Which certificate of the text, from 1.
        number: usize,
    },
    /// A block is base64 of something else.
    #[error("certificate {number} is not an X.509 certificate: {problem}")]
    X509 {
        /// Which certificate of the text, from 1.
        number: usize,
        /// What the decoder found.
        problem: x509_cert::der::ErrorKind,
    },
}

/// Reads all certificates of a PEM text; other text and other blocks are passed over.
///
/// # Errors
/// When there is none, one is damaged, or a limit is passed.
pub fn parse_pem(text: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(CertificateError::TooLong);
    }
    let text = String::from_utf8_lossy(text);
    let mut certificates = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if BEGIN.contains(&line) {
            block = Some(String::new());
        } else if END.contains(&line) {
            let Some(base64) = block.take() else { continue };
            let number = certificates.len() + 1;
            if number > CERTIFICATES_MAX {
                return Err(CertificateError::TooMany);
            }
            certificates.push(Certificate::parse(&base64, number)?);
        } else if let Some(block) = &mut block {
            block.push_str(line.trim());
            block.push('\n');
        }
    }
    match block {
        Some(_) => Err(CertificateError::Unfinished {
            number: certificates.len() + 1,
        }),
        None if certificates.is_empty() => Err(CertificateError::None),
        None => Ok(certificates),
    }
}

impl Certificate {
    fn parse(base64: &str, number: usize) -> Result<Self, CertificateError> {
        let der = decode_base64(base64).ok_or(CertificateError::Base64 { number })?;
        let parsed = Parsed::from_der(&der).map_err(|error| CertificateError::X509 {
            number,
            problem: error.kind(),
        })?;
        let tbs = parsed.tbs_certificate;
        let not_before = tbs.validity.not_before.to_unix_duration().as_secs();
        Ok(Self {
            der,
            pem: format!("-----BEGIN CERTIFICATE-----\n{base64}-----END CERTIFICATE-----\n"),
            subject: tbs.subject,
            not_before: i64::try_from(not_before).unwrap_or(i64::MAX),
        })
    }

    /// Beginning of validity, in seconds since 1970.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The number by which OpenSSL looks up the subject in a directory: file `HASH.0` as eight hex digits.
    ///
    /// SHA-1 of the canonical subject, whose first four bytes are a little-endian number; OpenSSL
    /// defines it by its code alone (`X509_NAME_hash_ex`, `x509_name_canon`).
    pub fn subject_hash(&self) -> Option<u32> {
        let mut canonical = Vec::new();
        for name in &self.subject.0 {
            let mut attributes = SetOfVec::new();
            for attribute in name.0.iter() {
                let value = canonical_value(&attribute.value)?;
                attributes
                    .insert(AttributeTypeAndValue {
                        oid: attribute.oid,
                        value,
                    })
                    .ok()?;
            }
            canonical.extend(RelativeDistinguishedName(attributes).to_der().ok()?);
        }
        let digest = Sha1::digest(&canonical);
        Some(u32::from_le_bytes(digest.get(..4)?.try_into().ok()?))
    }

    /// The subject as Java's `X500Principal.getName("CANONICAL")` has it, which distroless takes for
    /// the names of entries in its keystore: `cn=isrg root x1,o=internet security research group,c=us`.
    ///
    /// One difference: letters with marks stay as they are, where Java takes letter and mark apart.
    pub fn canonical_subject(&self) -> String {
        let names: Vec<String> = self
            .subject
            .0
            .iter()
            .rev()
            .map(|name| {
                let mut attributes: Vec<(bool, String)> = name.0.iter().map(java_attribute).collect();
                attributes.sort();
                attributes
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect::<Vec<_>>()
                    .join("+")
            })
            .collect();
        names.join(",").to_uppercase().to_lowercase()
    }
}

/// A value as OpenSSL compares names: UTF-8, spaces collapsed, ASCII letters small.
fn canonical_value(value: &Any) -> Option<Any> {
    let Some(text) = text_of(value) else {
        return Some(value.clone());
    };
    let mut bytes = Vec::with_capacity(text.len());
    let words = text
        .split(|letter: char| is_c_space(letter))
        .filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            bytes.push(b' ');
        }
        bytes.extend(word.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    Any::new(Tag::Utf8String, bytes).ok()
}

/// The text of the string types that OpenSSL brings into canonical form.
fn text_of(value: &Any) -> Option<String> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        // Whatever the types say of their alphabets, OpenSSL takes their bytes as Latin-1.
        Tag::PrintableString | Tag::Ia5String | Tag::VisibleString | Tag::TeletexString => {
            Some(bytes.iter().copied().map(char::from).collect())
        }
        Tag::BmpString => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit, &byte| unit << 8 | u16::from(byte)))
                .collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn is_c_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// An attribute as `sun.security.x509.AVA.toRFC2253CanonicalString` has it, before small letters; and
/// whether it lacks a keyword, since those that have one come first.
fn java_attribute(attribute: &AttributeTypeAndValue) -> (bool, String) {
    let oid = attribute.oid.to_string();
    let keyword = RFC2253_KEYWORDS
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, keyword)| *keyword);
    let text = match attribute.value.tag() {
        Tag::PrintableString | Tag::Utf8String => text_of(&attribute.value),
        _ => None,
    };
    let (Some(keyword), Some(text)) = (keyword, text) else {
        let mut hex = format!("{}=#", keyword.unwrap_or(&oid));
        for byte in attribute.value.to_der().unwrap_or_default() {
            let _ = write!(hex, "{byte:02x}");
        }
        return (keyword.is_none(), hex);
    };
    let mut value = String::new();
    for (index, letter) in text.chars().enumerate() {
        let escaped = ",+<>;\"\\".contains(letter) || index == 0 && letter == '#';
        if letter == ' ' && value.ends_with(' ') {
            continue;
        }
        if escaped {
            value.push('\\');
        }
        value.push(letter);
    }
    (false, format!("{keyword}={}", value.trim()))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        count += 1;
        if count % 4 != 1 {
            let shift = 6 - (count - 1) % 4 * 2;
            bytes.push(u8::try_from(bits >> shift & 0xff).ok()?);
        }
    }
    // A last group of one letter holds no byte, and padding fills up groups of four.
    (count % 4 != 1 && (count + padding) % 4 == 0).then_some(bytes)
}

const BEGIN: [&str; 2] = ["-----BEGIN CERTIFICATE-----", "-----BEGIN X509 CERTIFICATE-----"];
const END: [&str; 2] = ["-----END CERTIFICATE-----", "-----END X509 CERTIFICATE-----"];

/// The attributes that RFC 2253 has keywords for, section 2.3.
const RFC2253_KEYWORDS: [(&str, &str); 9] = [
    ("2.5.4.3", "cn"),
    ("2.5.4.6", "c"),
    ("2.5.4.7", "l"),
    ("2.5.4.8", "st"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "o"),
    ("2.5.4.11", "ou"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("0.9.2342.19200300.100.1.1", "uid"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[u8] = include_bytes!("../tests/fixtures/own-corp-ca.pem");
    const RESPELLED: &[u8] = include_bytes!("../tests/fixtures/own-corp-ca-respelled.pem");
    const NETLOCK: &[u8] = include_bytes!("../tests/fixtures/netlock-arany.pem");

    fn only(pem: &[u8]) -> Certificate {
        let [certificate] = <[Certificate; 1]>::try_from(parse_pem(pem).unwrap()).unwrap();
        certificate
    }

    #[test]
    fn the_subject_hash_is_that_of_openssl_whatever_the_spelling() {
        // `openssl x509 -subject_hash`
        assert_eq!(only(NETLOCK).subject_hash(), Some(0x988a_38cb));
        assert_eq!(only(OWN).subject_hash(), Some(0xf873_7dfd));
        assert_eq!(only(RESPELLED).subject_hash(), Some(0xf873_7dfd));
    }

    #[test]
    fn the_canonical_subject_is_that_of_java() {
        assert_eq!(
            only(OWN).canonical_subject(),
            "1.2.840.113549.1.9.1=#16054140622e43,cn=my test ca+2.5.4.5=#130137,o=own corp,c=de"
        );
        assert_eq!(
            only(NETLOCK).canonical_subject(),
            "cn=netlock arany (class gold) főtanúsítvány,ou=tanúsítványkiadók (certification services),\
             o=netlock kft.,l=budapest,c=hu"
        );
        assert_eq!(only(NETLOCK).not_before(), 1_229_008_101);
    }

    #[test]
    fn text_around_certificates_and_other_blocks_are_passed_over() {
        let mut text = b"a comment\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec();
        text.extend_from_slice(OWN);
        text.extend_from_slice(NETLOCK);
        let found = parse_pem(&text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].pem.as_bytes(), OWN);
    }

    #[test]
    fn what_is_no_certificate_is_told_by_its_number() {
        assert_eq!(parse_pem(b"hello\n"), Err(CertificateError::None));
        let cut = OWN.get(..OWN.len() - 30).unwrap();
        assert_eq!(parse_pem(cut), Err(CertificateError::Unfinished { number: 1 }));
        let mut second = OWN.to_vec();
        second.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        assert_eq!(parse_pem(&second), Err(CertificateError::Base64 { number: 2 }));
        let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            parse_pem(other),
            Err(CertificateError::X509 { number: 1, .. })
        ));
    }

    #[test]
    fn limits_hold_at_the_limit_and_stop_one_above() {
        let many = OWN.repeat(CERTIFICATES_MAX);
        assert_eq!(parse_pem(&many).unwrap().len(), CERTIFICATES_MAX);
        assert_eq!(
            parse_pem(&OWN.repeat(CERTIFICATES_MAX + 1)),
            Err(CertificateError::TooMany)
        );
        let mut long = vec![b'x'; PEM_BYTES_MAX - OWN.len() - 1];
        long.push(b'\n');
        long.extend_from_slice(OWN);
        assert_eq!(parse_pem(&long).unwrap().len(), 1);
        long.push(b'\n');
        assert_eq!(parse_pem(&long), Err(CertificateError::TooLong));
    }

    #[test]
    fn base64_is_read_with_its_padding() {
        assert_eq!(decode_base64("YWJj\nZGU="), Some(b"abcde".to_vec()));
        assert_eq!(decode_base64("YQ=="), Some(b"a".to_vec()));
        assert_eq!(decode_base64(""), Some(Vec::new()));
        for wrong in ["Y", "YQ", "YQ=", "YWJj=", "YQ==YQ==", "Y*Jj"] {
            assert_eq!(decode_base64(wrong), None, "{wrong}");
        }
    }
}
