//! One attempt at one request, and where its bytes go.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use progress::Task;
use reqwest::header::{CONTENT_RANGE, DATE, HeaderMap, HeaderName, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use crate::retry::retry_after;
use crate::{FetchError, Limits, Url};

/// What is asked for, and what may come.
pub(crate) struct Request<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: &'a Url,
    pub(crate) limits: &'a Limits,
    pub(crate) size: Option<u64>,
    pub(crate) limit_bytes: u64,
}

/// Why an attempt failed, and whether another may do better.
pub(crate) enum Failure {
    Final(FetchError),
    Again {
        error: FetchError,
        after: Option<Duration>,
    },
}

/// Where the bytes of a body go.
pub(crate) struct Sink<'a> {
    store: Store,
    len: u64,
    /// How far the task was told; after a new start the same bytes are not told twice.
    told: u64,
    task: Option<&'a Task<'a>>,
}

enum Store {
    Memory(Vec<u8>),
    File { file: File, path: PathBuf },
}

impl Request<'_> {
    /// Asks once for what `sink` does not have yet, and puts it there.
    pub(crate) async fn attempt(&self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let from = sink.len;
        let mut request = self
            .client
            .get(self.url.inner().clone())
            .timeout(self.limits.request);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let total = self.begin(&response, from, sink)?;
        self.check_total(total)?;
        self.take_body(response, sink).await?;
        match self.size {
            // A body without a length that ends early looks like one that is complete.
            Some(size) if sink.len < size && total.is_none() => Err(Failure::Again {
                error: self.size_differs(size, sink.len),
                after: None,
            }),
            Some(size) if sink.len != size => Err(Failure::Final(self.size_differs(size, sink.len))),
            _ => Ok(()),
        }
    }

    /// Judges status and range; returns the size of the whole file where the server tells it.
    fn begin(&self, response: &Response, from: u64, sink: &mut Sink<'_>) -> Result<Option<u64>, Failure> {
        let status = response.status();
        match status {
            StatusCode::OK => {
                if from > 0 {
                    sink.restart().map_err(Failure::Final)?;
                }
                Ok(response.content_length())
            }
            StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
                Some((start, total)) if start == from => Ok(total),
                _ => self.begin_anew(status, sink),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => self.begin_anew(status, sink),
            _ => Err(self.refused(response)),
        }
    }

    /// What is there is not the beginning of what the server has.
    fn begin_anew(&self, status: StatusCode, sink: &mut Sink<'_>) -> Result<Option<u64>, Failure> {
        sink.restart().map_err(Failure::Final)?;
        Err(Failure::Again {
            error: self.status(status),
            after: Some(Duration::ZERO),
        })
    }

    fn refused(&self, response: &Response) -> Failure {
        let status = response.status();
        let error = self.status(status);
        if is_transient(status) {
            let after = asked_delay(response.headers());
            Failure::Again { error, after }
        } else {
            Failure::Final(error)
        }
    }

    fn check_total(&self, total: Option<u64>) -> Result<(), Failure> {
        let Some(total) = total else { return Ok(()) };
        if let Some(expected) = self.size.filter(|size| *size != total) {
            return Err(Failure::Final(self.size_differs(expected, total)));
        }
        if total > self.limit_bytes {
            return Err(Failure::Final(self.too_large()));
        }
        Ok(())
    }

    async fn take_body(&self, mut response: Response, sink: &mut Sink<'_>) -> Result<(), Failure> {
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if sink.len.saturating_add(chunk.len() as u64) > self.limit_bytes {
                return Err(Failure::Final(self.too_large()));
            }
            sink.append(&chunk).map_err(Failure::Final)?;
        }
        Ok(())
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        let certain = error.is_builder() || error.is_redirect() || is_about_trust(&error);
        let error = if error.is_timeout() && !error.is_connect() {
            FetchError::Stalled {
                url: self.url.clone(),
                limit: self.limits.idle,
            }
        } else {
            // The error's own URL would print with credentials.
            FetchError::Connection {
                url: self.url.clone(),
                attempts: 1,
                source: error.without_url(),
            }
        };
        if certain {
            Failure::Final(error)
        } else {
            Failure::Again { error, after: None }
        }
    }

    fn status(&self, status: StatusCode) -> FetchError {
        FetchError::Status {
            url: self.url.clone(),
            status: status.as_u16(),
        }
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge {
            url: self.url.clone(),
            limit_bytes: self.limit_bytes,
        }
    }

    fn size_differs(&self, expected: u64, actual: u64) -> FetchError {
        FetchError::SizeDiffers {
            url: self.url.clone(),
            expected,
            actual,
        }
    }
}

/// Whether the same request may be answered otherwise a little later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long the server asks to wait.
pub(crate) fn asked_delay(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    text(RETRY_AFTER).and_then(|value| retry_after(value, text(DATE)))
}

/// Whether the other side refused the connection.
pub(crate) fn is_refused(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_of_io = cause.downcast_ref::<io::Error>();
        if cause_of_io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Whether the other side's certificate, or that it has none, is what is wrong; another attempt would see the same.
pub(crate) fn is_about_trust(error: &reqwest::Error) -> bool {
    matches!(
        tls_error(error),
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_))
    )
}

/// The error of TLS among the causes, in however many errors of I/O it is wrapped.
pub(crate) fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let mut inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        while let Some(wrapped) = inner {
            if let Some(tls) = wrapped.downcast_ref::<rustls::Error>() {
                return Some(tls);
            }
            inner = wrapped.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        }
        next = cause.source();
    }
    None
}

/// Start and total of `Content-Range: bytes 5-9/10`.
///
/// Spec: RFC 9110, 14.4.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

impl<'a> Sink<'a> {
    pub(crate) fn memory() -> Sink<'a> {
        Sink {
            store: Store::Memory(Vec::new()),
            len: 0,
            told: 0,
            task: None,
        }
    }

    /// Goes on at the end of the file, which is made if it is not there.
    pub(crate) fn file(path: PathBuf, task: Option<&'a Task<'a>>) -> Result<Sink<'a>, FetchError> {
        let open = || {
            let mut file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            let len = file.seek(SeekFrom::End(0))?;
            Ok((file, len))
        };
        let (file, len) = open().map_err(|source| FetchError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        let mut sink = Sink {
            store: Store::File { file, path },
            len,
            told: 0,
            task,
        };
        sink.tell();
        Ok(sink)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn into_memory(self) -> Vec<u8> {
        match self.store {
            Store::Memory(bytes) => bytes,
            Store::File { .. } => Vec::new(),
        }
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        match &mut self.store {
            Store::Memory(all) => all.extend_from_slice(bytes),
            // Into the page cache: short enough not to be moved to another thread.
            Store::File { file, path } => file.write_all(bytes).map_err(|source| FetchError::File {
                action: "write",
                path: path.clone(),
                source,
            })?,
        }
        self.len += bytes.len() as u64;
        self.tell();
        Ok(())
    }

    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        match &mut self.store {
            Store::Memory(all) => all.clear(),
            Store::File { file, path } => file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .map(|_| ())
                .map_err(|source| FetchError::File {
                    action: "write",
                    path: path.clone(),
                    source,
                })?,
        }
        self.len = 0;
        Ok(())
    }

    fn tell(&mut self) {
        if let Some(task) = self.task.filter(|_| self.len > self.told) {
            task.advance(self.len - self.told);
            self.told = self.len;
        }
    }
}
