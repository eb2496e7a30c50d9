//! The client: attempts until one succeeds, within the limits.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use progress::Task;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tokio::sync::Semaphore;

use crate::attempt::{Failure, Request, Sink};
use crate::{Authorities, FetchError, Proxies, RetryPolicy, Url, pinned};

/// A bounded HTTP client. Cheap to clone; clones share connections, the limit per host and the budget of retries.
#[derive(Debug, Clone)]
pub struct Transport {
    pub(crate) shared: Arc<Shared>,
}

/// What a [`Transport`] is made of.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Sent as User-Agent.
    pub user_agent: String,
    /// Which requests go through which proxy.
    pub proxies: Proxies,
    /// Who vouches for servers, beside those whom the machine trusts.
    pub authorities: Authorities,
    /// How long and how much.
    pub limits: Limits,
    /// When a request is tried again.
    pub retry: RetryPolicy,
    /// Where hosts (`HOST[:PORT]`, in lower case) are that are not where their names lead. Only exchanges follow it. What
    /// is asked and who has to vouch stays as the name says. With TLS all ports of a name are at one address.
    pub addresses: BTreeMap<String, SocketAddr>,
}

/// How long and how much a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Without a byte.
    pub idle: Duration,
    /// One attempt as a whole.
    pub request: Duration,
    /// Redirects followed.
    pub redirects_max: usize,
    /// For the answer to an upload, once its body is sent: the server may have to put it in its place.
    pub answer: Duration,
    /// Requests at one host at a time; more wait.
    pub requests_per_host_max: usize,
    /// How slowly the body of an answer may come.
    pub floor: Floor,
}

/// How slowly the body of an answer may come: what drips is never without a byte for long, and never ends.
///
/// Only the time counts that is spent waiting for the other side. A window is twice [`Limits::idle`] by default, so that
/// a pause that is allowed does not make too slow what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// In each such time at least [`bytes`](Self::bytes) come.
    pub window: Duration,
    /// The fewest bytes of one window.
    pub bytes: u64,
    /// A body that is read as a whole into memory takes no longer than this.
    pub whole: Duration,
}

impl Default for Floor {
    fn default() -> Floor {
        Floor {
            window: Duration::from_secs(60),
            bytes: 64 << 10,
            whole: Duration::from_secs(10 * 60),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            request: Duration::from_secs(30 * 60),
            redirects_max: 10,
            answer: Duration::from_secs(5 * 60),
            requests_per_host_max: 8,
            floor: Floor::default(),
        }
    }
}

impl TransportOptions {
    /// No proxies, no authorities but the machine's, the default limits.
    pub fn new(user_agent: &str) -> TransportOptions {
        TransportOptions {
            user_agent: user_agent.to_owned(),
            proxies: Proxies::default(),
            authorities: Authorities::default(),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            addresses: BTreeMap::new(),
        }
    }
}

/// Where a file is put, and what is known of it.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    /// The file. What it holds already counts as the beginning, and only the rest is asked for; the caller tells by a
    /// digest whether the whole fits together.
    pub path: &'a Path,
    /// The exact size, where that is known: another one is an error.
    pub size: Option<u64>,
    /// The most bytes taken.
    pub limit_bytes: u64,
    /// Is told of every byte.
    pub task: Option<&'a Task<'a>>,
}

/// What a download did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloaded {
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// How many of them were there before.
    pub resumed_from: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: TransportOptions,
    /// Made at the first request: reading the trust roots costs time that a run without a request need not spend.
    http: OnceLock<Result<Http, String>>,
    /// The same for exchanges, which follow redirects and wait on their own terms.
    direct: OnceLock<Result<Http, String>>,
    /// The same for hosts that have an address of their own.
    pinned: OnceLock<Result<Http, String>>,
    retries_left: AtomicU32,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) client: Client,
    has_trust_roots: bool,
}

impl Transport {
    /// A client with `options`. Nothing is set up before the first request.
    pub fn new(options: TransportOptions) -> Transport {
        let retries_left = AtomicU32::new(options.retry.retries_total_max);
        let shared = Shared {
            options,
            http: OnceLock::new(),
            direct: OnceLock::new(),
            pinned: OnceLock::new(),
            retries_left,
            hosts: Mutex::default(),
        };
        Transport {
            shared: Arc::new(shared),
        }
    }

    /// One like this for whom `authorities` vouch too, for a server that has its own. It has connections and retries
    /// of its own.
    #[must_use]
    pub fn trusting(&self, authorities: Authorities) -> Transport {
        let mut options = self.shared.options.clone();
        options.authorities.extend(authorities);
        Transport::new(options)
    }

    /// Sets up what exchanges need, which blocks while trust roots are read: else the first one waits for that.
    pub fn prepare(&self) {
        let _ = self.shared.direct.get_or_init(|| self.set_up_direct());
    }

    /// The body at `url`, of at most `limit_bytes`.
    ///
    /// # Errors
    /// When it cannot be had within the limits, or is larger.
    pub async fn read(&self, url: &Url, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let mut sink = Sink::memory();
        self.fetch(url, None, limit_bytes, &mut sink).await?;
        Ok(sink.into_memory())
    }

    /// Puts the body at `url` into a file. When the connection breaks, the next attempt goes on where it broke, if the
    /// server can do that; so does the next call, if this one fails.
    ///
    /// # Errors
    /// When it cannot be had within the limits, or has another size; the file then holds what came, if anything.
    pub async fn download(&self, url: &Url, download: &Download<'_>) -> Result<Downloaded, FetchError> {
        let mut sink = Sink::file(download.path.to_path_buf(), download.task)?;
        let limit_bytes = download
            .size
            .unwrap_or(download.limit_bytes)
            .min(download.limit_bytes);
        if sink.len() > limit_bytes {
            sink.restart()?;
        }
        let resumed_from = sink.len();
        if download.size.is_none_or(|size| resumed_from < size) {
            self.fetch(url, download.size, limit_bytes, &mut sink).await?;
        }
        Ok(Downloaded {
            bytes: sink.len(),
            resumed_from,
        })
    }

    async fn fetch(
        &self,
        url: &Url,
        size: Option<u64>,
        limit_bytes: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), FetchError> {
        if let Some(path) = url.to_file_path() {
            return copy_file(url, path, size, limit_bytes, sink);
        }
        let http = self.http(url)?;
        let Shared { options, .. } = &*self.shared;
        let request = Request {
            client: &http.client,
            url,
            limits: &options.limits,
            size,
            limit_bytes,
        };
        let host = self.host(url);
        let mut attempt = 1;
        loop {
            let result = {
                // Never closed, so it is always acquired.
                let _permit = host.acquire().await;
                request.attempt(sink).await
            };
            match result {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again { error, after }) => {
                    if attempt >= options.retry.attempts_max || !self.take_retry() {
                        return Err(after_attempts(error, attempt));
                    }
                    tokio::time::sleep(options.retry.delay(attempt, after)).await;
                    attempt += 1;
                }
            }
        }
    }

    fn http(&self, url: &Url) -> Result<&Http, FetchError> {
        let options = &self.shared.options;
        let following = |builder: ClientBuilder| {
            builder
                .read_timeout(options.limits.idle)
                .redirect(redirects(options.limits.redirects_max))
        };
        usable(self.shared.http.get_or_init(|| set_up(options, following)), url)
    }

    /// A client that follows no redirect and has no time limit of its own, except to connect.
    pub(crate) fn direct(&self, url: &Url) -> Result<&Http, FetchError> {
        usable(self.shared.direct.get_or_init(|| self.set_up_direct()), url)
    }

    fn set_up_direct(&self) -> Result<Http, String> {
        let plain = |builder: ClientBuilder| builder.redirect(Policy::none());
        set_up(&self.shared.options, plain)
    }

    /// The same for what is at a pinned address. HTTP/1.1 alone: the name with its port goes in the header `Host`, which
    /// HTTP/2 has no place for beside the address.
    pub(crate) fn pinned(&self, url: &Url) -> Result<&Http, FetchError> {
        let pinned = || {
            let mut options = self.shared.options.clone();
            // A proxy would look the name up for itself.
            options.proxies = Proxies::default();
            let addresses = std::mem::take(&mut options.addresses);
            set_up(&options, |builder| {
                let builder = builder.redirect(Policy::none()).http1_only();
                addresses.iter().fold(builder, |builder, (host, address)| {
                    builder.resolve(pinned::name_of(host), *address)
                })
            })
        };
        usable(self.shared.pinned.get_or_init(pinned), url)
    }

    pub(crate) fn host(&self, url: &Url) -> Arc<Semaphore> {
        let mut hosts = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = url.host().unwrap_or_default().to_owned();
        let limit = self.shared.options.limits.requests_per_host_max.max(1);
        Arc::clone(
            hosts
                .entry(host)
                .or_insert_with(|| Arc::new(Semaphore::new(limit))),
        )
    }

    pub(crate) fn take_retry(&self) -> bool {
        let left = &self.shared.retries_left;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}

/// The client, unless it could not be made or cannot tell who answers at `url`.
fn usable<'h>(made: &'h Result<Http, String>, url: &Url) -> Result<&'h Http, FetchError> {
    let http = made.as_ref().map_err(|reason| FetchError::Setup {
        reason: reason.clone(),
    })?;
    if url.scheme() == "https" && !http.has_trust_roots {
        return Err(FetchError::NoTrustRoots { url: url.clone() });
    }
    Ok(http)
}

fn set_up(
    options: &TransportOptions,
    configure: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<Http, String> {
    // An error means that one is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proxies = options.proxies.to_client()?;
    let builder = || {
        let builder = Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.limits.connect)
            .tls_certs_merge(options.authorities.to_client())
            .tls_info(true)
            .no_proxy();
        let builder = configure(builder);
        proxies.iter().cloned().fold(builder, ClientBuilder::proxy)
    };
    if let Ok(client) = builder().build() {
        return Ok(Http {
            client,
            has_trust_roots: true,
        });
    }
    // Without any CA certificate on the machine, mirrors over plain HTTP still work: what they serve is signed.
    let client = builder().tls_certs_only([]).build().map_err(|error| {
        let error = error.without_url();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    })?;
    Ok(Http {
        client,
        has_trust_roots: false,
    })
}

/// Redirects up to a number, never from `https:` to anything else.
fn redirects(redirects_max: usize) -> Policy {
    Policy::custom(move |attempt| {
        let was_secure = attempt
            .previous()
            .last()
            .is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > redirects_max {
            attempt.error(format!("more than {redirects_max} redirects"))
        } else if was_secure && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https to an insecure scheme")
        } else {
            attempt.follow()
        }
    })
}

fn copy_file(
    url: &Url,
    path: PathBuf,
    size: Option<u64>,
    limit_bytes: u64,
    sink: &mut Sink<'_>,
) -> Result<(), FetchError> {
    let failed = |source| FetchError::File {
        action: READ,
        path: path.clone(),
        source,
    };
    let mut file = File::open(&path).map_err(failed)?;
    let actual = file.metadata().map_err(failed)?.len();
    if let Some(expected) = size.filter(|size| *size != actual) {
        return Err(FetchError::SizeDiffers {
            url: url.clone(),
            expected,
            actual,
        });
    }
    sink.restart()?;
    let mut buffer = vec![0; FILE_CHUNK_BYTES];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok(());
        }
        if sink.len().saturating_add(count as u64) > limit_bytes {
            return Err(FetchError::TooLarge {
                url: url.clone(),
                limit_bytes,
            });
        }
        sink.append(buffer.get(..count).unwrap_or_default())?;
    }
}

fn after_attempts(error: FetchError, count: u32) -> FetchError {
    match error {
        FetchError::Connection { url, source, .. } => FetchError::Connection {
            url,
            attempts: count,
            source,
        },
        other => other,
    }
}

const FILE_CHUNK_BYTES: usize = 256 << 10;

/// What [`FetchError::File`] says of a file that was to be fetched.
pub(crate) const READ: &str = "read";
