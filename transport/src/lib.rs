//! One bounded HTTP client: proxies, trust roots, retries, Retry-After, ranges.
//!
//! Every request has limits: time to connect, time without a byte, bytes of the body, redirects, attempts, and retries
//! of the whole process. What a server may say to try again later is heard up to a limit. `file:` URLs are read with
//! the same limits. URLs print without the credentials in them.
//!
//! [`Transport::read`] and [`Transport::download`] fetch a body; [`Transport::exchange`] is for protocols on top of HTTP:
//! any method, headers and a body both ways.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use transport::{Transport, TransportOptions, Url};
//!
//! let transport = Transport::new(TransportOptions::new("lightship/0.1"));
//! let url: Url = "https://mirror.example/debian/dists/trixie/InRelease".parse()?;
//! let bytes = transport.read(&url, 1 << 20).await?;
//! # Ok(())
//! # }
//! ```

mod attempt;
mod authorities;
mod error;
mod exchange;
mod pinned;
mod proxies;
mod retry;
mod secret;
mod transport;
mod upload;
mod url;

pub use authorities::{AUTHORITIES_MAX, Authorities, AuthoritiesError};
pub use bytes::Bytes;
pub use error::{CertificateFault, FetchError};
pub use exchange::{HEADERS_BYTES_MAX, Method, Request, Response};
pub use proxies::{HostProxy, Proxies};
pub use retry::{RetryPolicy, ServerTime};
pub use secret::Secret;
pub use transport::{Download, Downloaded, Floor, Limits, Transport, TransportOptions};
pub use upload::{Body, Chunks};
pub use url::{URL_BYTES_MAX, Url, UrlError};
