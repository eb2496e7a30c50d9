//! One bounded HTTP client: proxies, trust roots, retries, Retry-After, ranges.
//!
//! Every request has limits: time to connect, time without a byte, bytes of the body, redirects, attempts, and retries
//! of the whole process. What a server may say to try again later is heard up to a limit. `file:` URLs are read with
//! the same limits. URLs print without the credentials in them.
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
mod error;
mod proxies;
mod retry;
mod transport;
mod url;

pub use error::FetchError;
pub use proxies::{HostProxy, Proxies};
pub use retry::RetryPolicy;
pub use transport::{Download, Downloaded, Limits, Transport, TransportOptions};
pub use url::{URL_BYTES_MAX, Url, UrlError};
