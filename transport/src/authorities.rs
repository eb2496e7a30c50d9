//! Certificate authorities that vouch for servers, beside those of the machine.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

/// The most certificates that are taken from one text. The bundles of distributions have some hundred and fifty.
pub const AUTHORITIES_MAX: usize = 2000;

/// Certificate authorities, each of which can be used. An empty set adds nobody.
#[derive(Clone, Default)]
pub struct Authorities(Vec<reqwest::Certificate>);

/// Why a text names no certificate authorities.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// It is not PEM.
    #[error("not PEM: {0}")]
    Malformed(String),
    /// It is PEM, without a certificate.
    #[error("no certificate: none begins with -----BEGIN CERTIFICATE-----")]
    Empty,
    /// A certificate in it cannot be used.
    #[error("certificate {number} cannot be used")]
    Unusable {
        /// Which one, from 1.
        number: usize,
        /// Why not.
        source: rustls::Error,
    },
    /// There are more than [`AUTHORITIES_MAX`].
    #[error("more than {AUTHORITIES_MAX} certificates")]
    TooMany,
}

impl Authorities {
    /// The certificates of a text in PEM; what else is in it, such as keys, is passed over.
    ///
    /// # Errors
    /// When there is none, or one of them cannot be used.
    pub fn parse(pem: &[u8]) -> Result<Authorities, AuthoritiesError> {
        let mut all = Vec::new();
        // Only to be asked whether it takes them: the HTTP client does not say which one it does not.
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| AuthoritiesError::Malformed(error.to_string()))?;
            let number = all.len() + 1;
            if number > AUTHORITIES_MAX {
                return Err(AuthoritiesError::TooMany);
            }
            let taken = reqwest::Certificate::from_der(&certificate)
                .map_err(|error| AuthoritiesError::Malformed(error.without_url().to_string()))?;
            store
                .add(certificate)
                .map_err(|source| AuthoritiesError::Unusable { number, source })?;
            all.push(taken);
        }
        if all.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        Ok(Authorities(all))
    }

    /// Whether there is nobody among them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and others.
    pub fn extend(&mut self, others: Authorities) {
        self.0.extend(others.0);
    }

    pub(crate) fn to_client(&self) -> Vec<reqwest::Certificate> {
        self.0.clone()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Authorities({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = include_str!("../../registry/tests/it/certificates/ca.pem");
    const OTHER: &str = include_str!("../../registry/tests/it/certificates/a.pem");

    fn count(pem: &str) -> Result<usize, String> {
        let parsed = Authorities::parse(pem.as_bytes());
        parsed
            .map(|found| found.0.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn takes_every_certificate_of_a_bundle_and_says_which_cannot_be_used() {
        assert_eq!(count(AUTHORITY), Ok(1));
        assert_eq!(count(&format!("# ours\n{AUTHORITY}\n{OTHER}")), Ok(2));
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            count(&format!("{AUTHORITY}{junk}")),
            Err("certificate 2 cannot be used".to_owned())
        );
    }

    #[test]
    fn a_text_without_a_certificate_is_none() {
        for text in [
            "",
            "hello",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(count(text).unwrap_err().starts_with("no certificate"), "{text}");
        }
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(count(cut).unwrap_err().starts_with("not PEM"), "{:?}", count(cut));
    }

    #[test]
    fn bounds_how_many_are_taken() {
        assert_eq!(count(&AUTHORITY.repeat(AUTHORITIES_MAX)), Ok(AUTHORITIES_MAX));
        assert!(count(&AUTHORITY.repeat(AUTHORITIES_MAX + 1)).is_err());
    }
}
