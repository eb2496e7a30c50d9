//! Why something could not be fetched.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::CertificateError;
use thiserror::Error;

use crate::Url;
use crate::attempt::tls_error;
use crate::exchange::{HEADERS_BYTES_MAX, Method};
use crate::transport::READ;

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Nobody who is trusted vouches for it.
    UnknownIssuer,
    /// It is not good any more, or not yet, by the clock of this machine.
    Time,
    /// It is for another name.
    Name,
    /// Something else.
    Other,
}

/// Why something could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server answered, but not with what was asked for.
    #[error("{url} answers {status}{}", words(*status))]
    Status {
        /// What was asked for.
        url: Url,
        /// The HTTP status.
        status: u16,
    },
    /// The server could not be reached, or the connection broke.
    #[error("cannot fetch {url} ({attempts} {})", if *attempts == 1 { "attempt" } else { "attempts" })]
    Connection {
        /// What was asked for.
        url: Url,
        /// How often it was tried.
        attempts: u32,
        /// What happened the last time.
        source: reqwest::Error,
    },
    /// An exchange had no answer: the server could not be reached, or the connection broke.
    #[error("no answer to {method} {url} ({attempts} {})", if *attempts == 1 { "attempt" } else { "attempts" })]
    NoAnswer {
        /// What was to be done there.
        method: Method,
        /// Where, without the query.
        url: Url,
        /// How often it was tried.
        attempts: u32,
        /// What happened the last time.
        source: reqwest::Error,
    },
    /// A server sent the request on, too often or to where it must not go.
    #[error("{url} redirects {problem}")]
    Redirect {
        /// Where the last answer came from, without the query.
        url: Url,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// The headers of an answer are larger than [`HEADERS_BYTES_MAX`].
    #[error("{url} answers with more than {HEADERS_BYTES_MAX} bytes of headers")]
    HeadersTooLarge {
        /// What was asked for, without the query.
        url: Url,
    },
    /// No byte came for too long.
    #[error("{url} did not go on within {} seconds", limit.as_secs())]
    Stalled {
        /// What was asked for.
        url: Url,
        /// How long was waited.
        limit: Duration,
    },
    /// Bytes came, but too few of them for the time: see [`Floor`](crate::Floor).
    #[error("{url} sends too slowly: {bytes} bytes in {} seconds", time.as_secs())]
    TooSlow {
        /// What was asked for.
        url: Url,
        /// How many bytes came.
        bytes: u64,
        /// How long was waited for them.
        time: Duration,
    },
    /// The body is larger than the caller takes.
    #[error("{url} has more than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked for.
        url: Url,
        /// The caller's limit.
        limit_bytes: u64,
    },
    /// The body has another size than it should.
    #[error("{url} has {actual} bytes, {expected} were expected")]
    SizeDiffers {
        /// What was asked for.
        url: Url,
        /// The size that it should have, in bytes.
        expected: u64,
        /// The size that it has.
        actual: u64,
    },
    /// A file on this machine could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// `https:` was asked for, and this machine has no trust roots.
    #[error(
        "cannot verify {url}: this machine has no CA certificates (install the package ca-certificates, or name a file of them in SSL_CERT_FILE)"
    )]
    NoTrustRoots {
        /// What was asked for.
        url: Url,
    },
    /// The HTTP client could not be set up: usually a proxy's URL that is none.
    #[error("cannot set up the HTTP client: {reason}")]
    Setup {
        /// Why, in the client's words.
        reason: String,
    },
}

impl FetchError {
    /// Whether TLS was spoken to a server that does not speak it.
    pub fn is_not_tls(&self) -> bool {
        matches!(self, FetchError::NoAnswer { source, .. }
            if matches!(tls_error(source), Some(rustls::Error::InvalidMessage(_))))
    }

    /// Whether nobody was there to be asked: no such host, or nobody listens.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, FetchError::NoAnswer { source, .. } if source.is_connect() && tls_error(source).is_none())
    }

    /// What is wrong with the certificate that the server showed, if that is what is wrong.
    pub fn certificate_fault(&self) -> Option<CertificateFault> {
        let (FetchError::NoAnswer { source, .. } | FetchError::Connection { source, .. }) = self else {
            return None;
        };
        let Some(rustls::Error::InvalidCertificate(error)) = tls_error(source) else {
            return None;
        };
        Some(match error {
            CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => CertificateFault::Time,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                CertificateFault::Name
            }
            _ => CertificateFault::Other,
        })
    }

    /// Whether the server has no such file (404, 410, or no file on disk).
    pub fn is_missing(&self) -> bool {
        match self {
            FetchError::Status { status, .. } => matches!(status, 404 | 410),
            FetchError::File { action, source, .. } => {
                *action == READ && source.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }
}

/// What people need to know beyond the number.
fn words(status: u16) -> &'static str {
    match status {
        401 => " (it wants a user name and password)",
        403 => " (forbidden)",
        404 => " (not found)",
        407 => " (the proxy wants a user name and password)",
        410 => " (gone)",
        429 => " (too many requests)",
        500..=599 => " (trouble at the server)",
        _ => "",
    }
}
