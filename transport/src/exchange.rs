//! A request of any method and its answer, for protocols that are more than fetching files.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, LOCATION};
use tokio::time::Instant;

use crate::attempt::{asked_delay, content_range, is_about_trust, is_refused, is_transient};
use crate::pinned::Pinned;
use crate::transport::Shared;
use crate::upload::{Body, Sending};
use crate::{FetchError, Floor, Limits, Secret, ServerTime, Transport, Url};

/// The most bytes that the headers of an answer may have together. Their number is limited to 100 before that.
pub const HEADERS_BYTES_MAX: usize = 64 << 10;

/// What is to be done at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 9110 says what they mean")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// A request. `Debug` shows no credentials.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Headers, except Authorization.
    pub headers: Vec<(&'static str, String)>,
    /// The Authorization header. It goes to the URL's own server only: after a redirect to another one it is left away.
    pub authorization: Option<Secret>,
    /// What is sent.
    pub body: Body,
}

/// An answer, whatever its status. Its body is read piece by piece.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    url: Url,
    idle: Duration,
    floor: Floor,
    /// How long was waited in this window, and what came in it.
    window: (Duration, u64),
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Request {
        Request {
            method,
            url,
            headers: Vec::new(),
            authorization: None,
            body: Body::Empty,
        }
    }
}

impl Transport {
    /// Sends a request and returns the head of the answer. Redirects of GET and HEAD are followed, never from `https:` to
    /// anything else. A request whose body can be sent again is tried again after trouble at the server or on the way,
    /// with its waits; when the attempts are used up, the last answer is the result.
    ///
    /// The limit of requests per host counts until the head of the answer is there. Requests with [`Body::Chunks`] do
    /// not count: their pieces may come from the same host, and each would wait for the other. Whoever starts them
    /// bounds their number, as that of open answers.
    ///
    /// # Errors
    /// When there is no answer within the limits, or a redirect leads nowhere.
    pub async fn exchange(&self, request: Request) -> Result<Response, FetchError> {
        let Shared { options, .. } = &*self.shared;
        let Request {
            method,
            mut url,
            headers,
            mut authorization,
            body,
        } = request;
        let repeated = match body {
            Body::Chunks(_) => {
                let once = Request {
                    method,
                    url,
                    headers,
                    authorization,
                    body,
                };
                return self.exchange_once(once).await.map_err(|failure| failure.error);
            }
            Body::Empty => None,
            Body::Bytes(bytes) => Some(bytes),
        };
        let (mut attempt, mut redirects) = (1, 0);
        loop {
            let once = Request {
                method,
                url: url.clone(),
                headers: headers.clone(),
                authorization: authorization.clone(),
                body: repeated.clone().map_or(Body::Empty, Body::Bytes),
            };
            let result = {
                let host = self.host(&url);
                // Never closed, so it is always acquired.
                let _permit = host.acquire().await;
                self.exchange_once(once).await
            };
            let refused = matches!(&result, Err(failure) if failure.is_refused());
            let may_retry = || attempt < options.retry.attempts(refused) && self.take_retry();
            let after = match result {
                Ok(response) if response.is_redirect() && method.is_safe() => {
                    redirects += 1;
                    let next = response.redirected(redirects, options.limits.redirects_max)?;
                    authorization = authorization.filter(|_| next.is_same_origin(&url));
                    url = next;
                    continue;
                }
                Ok(response) if is_transient(response.inner.status()) && may_retry() => {
                    asked_delay(response.inner.headers())
                }
                Ok(response) => return Ok(response),
                Err(failure) if failure.is_certain || !may_retry() => {
                    return Err(failure.after_attempts(attempt));
                }
                Err(_) => None,
            };
            tokio::time::sleep(options.retry.delay(attempt, after)).await;
            attempt += 1;
        }
    }

    async fn exchange_once(&self, request: Request) -> Result<Response, Broken> {
        let limits = &self.shared.options.limits;
        let pinned = Pinned::of(&self.shared.options.addresses, &request.url);
        let http = match pinned {
            Some(_) => self.pinned(&request.url),
            None => self.direct(&request.url),
        };
        let http = http.map_err(Broken::certain)?;
        let (method, url) = (request.method, request.url.clone());
        let sending = Arc::new(Sending::default());
        let built = build(&http.client, request, (&sending, pinned));
        let answered = tokio::select! {
            answered = built.send() => answered,
            limit = sending.stalled(limits.idle, patience(method, limits)) => {
                let url = url.without_query();
                return Err(Broken { error: FetchError::Stalled { url, limit }, is_certain: false });
            }
        };
        let inner = answered.map_err(|source| Broken {
            is_certain: source.is_builder() || is_about_trust(&source),
            error: FetchError::NoAnswer {
                method,
                url: url.without_query(),
                attempts: 1,
                // The error's own URL would print with credentials.
                source: source.without_url(),
            },
        })?;
        let headers = inner.headers().iter();
        let bytes: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if bytes > HEADERS_BYTES_MAX {
            let url = url.without_query();
            return Err(Broken::certain(FetchError::HeadersTooLarge { url }));
        }
        Ok(Response {
            inner,
            url,
            idle: limits.idle,
            floor: limits.floor,
            window: (Duration::ZERO, 0),
        })
    }
}

/// How long the head of the answer may take once everything is sent.
fn patience(method: Method, limits: &Limits) -> Duration {
    if method.is_safe() {
        limits.idle
    } else {
        limits.answer
    }
}

fn build(
    client: &reqwest::Client,
    request: Request,
    (sending, pinned): (&Arc<Sending>, Option<Pinned>),
) -> reqwest::RequestBuilder {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut builder = match pinned {
        Some(Pinned { url, host }) => client.request(method, url).header(HOST, host),
        None => client.request(method, request.url.inner().clone()),
    };
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    if let Some(secret) = &request.authorization
        && let Ok(mut value) = HeaderValue::from_str(secret.expose())
    {
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    match request.body {
        Body::Empty => {
            sending.finish();
            if request.method.is_safe() || request.method == Method::Delete {
                builder
            } else {
                builder.header(CONTENT_LENGTH, 0)
            }
        }
        Body::Bytes(bytes) => {
            sending.finish();
            builder.body(bytes)
        }
        Body::Chunks(chunks) => match chunks.length {
            Some(length) => builder.header(CONTENT_LENGTH, length),
            None => builder,
        }
        .body(reqwest::Body::wrap_stream(sending.watch(chunks))),
    }
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// Where the answer came from, after redirects.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A header; nothing when it is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// Every header of that name.
    pub fn headers<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        let values = self.inner.headers().get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok())
    }

    /// The length of the content, as the header says; also of a HEAD.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// How long the server asks to wait before the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        asked_delay(self.inner.headers())
    }

    /// What time it was for whoever answers, if that is told.
    #[must_use]
    pub fn server_time(&self) -> Option<ServerTime> {
        ServerTime::of(self.header("date")?, self.header("age"))
    }

    /// Where a partial answer (206) begins, and how long the whole is where that is told.
    #[must_use]
    pub fn content_range(&self) -> Option<(u64, Option<u64>)> {
        content_range(self.inner.headers())
    }

    /// The certificate that the server showed, in DER; nothing without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        let info = self.inner.extensions().get::<reqwest::tls::TlsInfo>()?;
        info.peer_certificate()
    }

    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes for too long, or too little for its [`Floor`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let begun = Instant::now();
        let piece = match tokio::time::timeout(self.idle, self.inner.chunk()).await {
            Ok(piece) => piece.map_err(|source| FetchError::Connection {
                url: self.url.without_query(),
                attempts: 1,
                source: source.without_url(),
            })?,
            Err(_) => {
                return Err(FetchError::Stalled {
                    url: self.url.without_query(),
                    limit: self.idle,
                });
            }
        };
        if let Some(piece) = &piece {
            self.count(begun.elapsed(), piece.len() as u64)?;
        }
        Ok(piece)
    }

    /// Counts what came after a wait, and compares with the floor when a window is over.
    fn count(&mut self, waited: Duration, came: u64) -> Result<(), FetchError> {
        let (time, bytes) = (self.window.0 + waited, self.window.1.saturating_add(came));
        self.window = (time, bytes);
        if time < self.floor.window {
            return Ok(());
        }
        self.window = (Duration::ZERO, 0);
        match bytes >= self.floor.bytes {
            true => Ok(()),
            false => Err(self.too_slow(bytes, time)),
        }
    }

    fn too_slow(&self, bytes: u64, time: Duration) -> FetchError {
        FetchError::TooSlow {
            url: self.url.without_query(),
            bytes,
            time,
        }
    }

    /// The whole body, of at most `limit_bytes`.
    ///
    /// # Errors
    /// When it is longer; when it does not come, or not within [`Floor::whole`].
    pub async fn read(mut self, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        let begun = Instant::now();
        while let Some(piece) = self.chunk().await? {
            if begun.elapsed() > self.floor.whole {
                return Err(self.too_slow(all.len() as u64, begun.elapsed()));
            }
            if (all.len() as u64).saturating_add(piece.len() as u64) > limit_bytes {
                return Err(FetchError::TooLarge {
                    url: self.url.without_query(),
                    limit_bytes,
                });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    fn is_redirect(&self) -> bool {
        matches!(self.inner.status().as_u16(), 301 | 302 | 303 | 307 | 308)
            && self.inner.headers().contains_key(LOCATION)
    }

    /// Where this answer sends the request.
    fn redirected(&self, count: usize, redirects_max: usize) -> Result<Url, FetchError> {
        let refused = |problem| FetchError::Redirect {
            url: self.url.without_query(),
            problem,
        };
        if count > redirects_max {
            return Err(refused("too often"));
        }
        let location = self.header("location").unwrap_or_default();
        let next = self.url.resolve(location);
        let next = next.map_err(|_| refused("to something that is not a URL"))?;
        match (self.url.scheme(), next.scheme()) {
            ("https", "http") => Err(refused("from https to an insecure scheme")),
            (_, "http" | "https") => Ok(next),
            _ => Err(refused("to something that is not on the network")),
        }
    }
}

/// Why there is no answer, and whether another attempt would see the same.
struct Broken {
    error: FetchError,
    is_certain: bool,
}

impl Broken {
    fn certain(error: FetchError) -> Broken {
        Broken {
            error,
            is_certain: true,
        }
    }

    /// Whether nobody listens at the other end.
    fn is_refused(&self) -> bool {
        matches!(&self.error, FetchError::NoAnswer { source, .. } if is_refused(source))
    }

    fn after_attempts(self, count: u32) -> FetchError {
        match self.error {
            FetchError::NoAnswer {
                method, url, source, ..
            } => FetchError::NoAnswer {
                method,
                url,
                attempts: count,
                source,
            },
            other => other,
        }
    }
}

impl Method {
    /// Whether it changes nothing.
    fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        })
    }
}
