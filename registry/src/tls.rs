//! Certificates of the server: several at once, replaced while it serves.
//!
//! They come as PEM bytes: where these are kept, and when they change, is for the caller to know.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::{Accept, TlsAcceptor, rustls};

/// Certificates that one server may have.
const PAIRS_MAX: usize = 256;

/// Certificates of one chain; real ones have up to five.
const CHAIN_MAX: usize = 32;

/// A certificate with its chain, and its private key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct PemPair {
    /// The server's own certificate first, then those that issued it.
    pub certificate: Vec<u8>,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: Vec<u8>,
}

impl fmt::Debug for PemPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PemPair").finish_non_exhaustive()
    }
}

/// Why certificates cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No pair, or more than can be looked through for each connection.
    #[error("a server has between 1 and {limit} certificates, not {count}")]
    Count {
        /// How many were given.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// It is not PEM, or there is none in it.
    #[error("pair {pair}: the certificate is not PEM of an X.509 certificate")]
    Certificate {
        /// Which pair, from 1.
        pair: usize,
        /// What is wrong.
        #[source]
        cause: pem::Error,
    },
    /// More certificates than any chain has.
    #[error("pair {pair}: the chain has more than {limit} certificates")]
    Chain {
        /// Which pair, from 1.
        pair: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It is not PEM, or there is none in it.
    #[error("pair {pair}: the key is not PEM of an unencrypted private key")]
    Key {
        /// Which pair, from 1.
        pair: usize,
        /// What is wrong.
        #[source]
        cause: pem::Error,
    },
    /// The key is of another certificate, or of a kind that is not known.
    #[error("pair {pair}: certificate and key do not make a pair")]
    Pair {
        /// Which pair, from 1.
        pair: usize,
        /// What is wrong.
        #[source]
        cause: rustls::Error,
    },
    /// The versions of the protocol are not available.
    #[error("TLS cannot be set up")]
    Protocol(#[source] rustls::Error),
}

/// The certificates that a server shows. Cheap to share; replaced for connections to come, open ones keep theirs.
pub struct Certificates {
    acceptor: RwLock<TlsAcceptor>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// The first pair whose certificate is valid for the host that a client names is shown to it, else the first pair.
    ///
    /// # Errors
    /// When a pair cannot be read or its halves do not belong together.
    pub fn new(pairs: &[PemPair]) -> Result<Certificates, TlsError> {
        Ok(Certificates {
            acceptor: RwLock::new(acceptor(pairs)?),
        })
    }

    /// Shows these from now on.
    ///
    /// # Errors
    /// As [`new`](Certificates::new); those of before stay then.
    pub fn replace(&self, pairs: &[PemPair]) -> Result<(), TlsError> {
        let fresh = acceptor(pairs)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The handshake with a client. It has to be given a time limit.
    pub(crate) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.acceptor
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .accept(stream)
    }
}

fn acceptor(pairs: &[PemPair]) -> Result<TlsAcceptor, TlsError> {
    if pairs.is_empty() || pairs.len() > PAIRS_MAX {
        return Err(TlsError::Count {
            count: pairs.len(),
            limit: PAIRS_MAX,
        });
    }
    let provider = Arc::new(ring::default_provider());
    let keys = pairs
        .iter()
        .enumerate()
        .map(|(index, pair)| certified(index + 1, pair, &provider).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Protocol)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(keys)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certified(pair: usize, pem: &PemPair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&pem.certificate)
        .take(CHAIN_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::Certificate { pair, cause })?;
    if chain.is_empty() {
        let cause = pem::Error::NoItemsFound;
        return Err(TlsError::Certificate { pair, cause });
    }
    if chain.len() > CHAIN_MAX {
        let limit = CHAIN_MAX;
        return Err(TlsError::Chain { pair, limit });
    }
    let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|cause| TlsError::Key { pair, cause })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|cause| TlsError::Pair { pair, cause })
}

/// The certificate of the host that a client names.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = match (hello.server_name(), self.0.len()) {
            (Some(name), 2..) => ServerName::try_from(name).ok(),
            _ => None,
        };
        let is_valid = |key: &&Arc<CertifiedKey>| {
            let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
            match (&named, parsed) {
                (Some(name), Ok(certificate)) => verify_server_name(&certificate, name).is_ok(),
                _ => false,
            }
        };
        self.0.iter().find(is_valid).or(self.0.first()).cloned()
    }
}

/// Told to a client that speaks plain HTTP to a port with TLS, as it would else see nothing but noise.
///
/// What it goes on sending is taken and thrown away: a connection that is closed over unread bytes is reset, and the
/// client may then never see what it was told. It has to be given a time limit.
pub(crate) async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
        this is plain HTTP, and the server takes only HTTPS here\n";
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LEFTOVER_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

/// More than a request without its body.
const LEFTOVER_BYTES_MAX: u64 = 256 << 10;

/// Whether the first byte is that of a request in plain HTTP; a handshake begins with 0x16.
pub(crate) async fn is_plain(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0].is_ascii_uppercase()
}
