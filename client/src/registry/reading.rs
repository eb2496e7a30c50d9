//! A repository of another registry, read by somebody who passes on what comes.
//!
//! Unlike a [`Source`](crate::Source) it gives answers as they begin, tells what is not there from what cannot be had, and
//! how long the registry asks to be left alone. Nothing is checked by digest here but by whoever keeps it.

use std::fmt;
use std::time::Duration;

use oci::{Descriptor, Digest, MANIFEST_BYTES_MAX, MediaType, RepositoryName};
use transport::{Bytes, Method, Request, Response};

use super::error::RegistryError;
use super::registries::Registries;
use super::repository::Repository;
use crate::OpenError;

/// A repository for reading.
#[derive(Clone)]
pub struct Reading {
    repository: Repository,
}

/// What a HEAD tells of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its digest; some registries do not tell.
    pub digest: Option<Digest>,
}

/// A manifest as it came, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its bytes.
    pub bytes: Bytes,
    /// The Content-Type, when it is that of a manifest.
    pub media_type: Option<MediaType>,
    /// The digest that the registry tells with it.
    pub digest: Option<Digest>,
}

/// The bytes of a blob as they come, unverified.
#[derive(Debug)]
pub struct Arriving {
    response: Response,
    attempted: String,
    /// Where in the blob they begin.
    pub start: u64,
    /// How long the whole blob is, where that is told.
    pub size: Option<u64>,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The registry takes no requests for a while.
    #[error("cannot {attempted}: {host} asks to wait")]
    Wait {
        /// What was attempted.
        attempted: String,
        /// The registry.
        host: String,
        /// For how long, where it says so.
        after: Option<Duration>,
    },
    /// Anything else.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Registries {
    /// A repository for reading. Nothing is asked yet.
    ///
    /// # Errors
    /// When the host makes no URL, or who vouches for it cannot be read.
    pub fn reading(&self, host: &str, name: &RepositoryName) -> Result<Reading, OpenError> {
        let repository = Repository::for_pull(self.registry(host)?, name);
        Ok(Reading { repository })
    }
}

impl Reading {
    /// What a manifest is, by tag or digest; nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn describe(&self, reference: &str) -> Result<Option<Described>, ReadingError> {
        let attempted = format!("look for {reference} in {}", self.repository.shown());
        let request = self.repository.manifest_request(Method::Head, reference);
        let response = self.found(&attempted, request).await?;
        Ok(response.map(|response| Described {
            digest: digest(&response),
        }))
    }

    /// A manifest by tag or digest; nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or has more than [`MANIFEST_BYTES_MAX`].
    pub async fn manifest(&self, reference: &str) -> Result<Option<Raw>, ReadingError> {
        let attempted = format!("read manifest {reference} of {}", self.repository.shown());
        let request = self.repository.manifest_request(Method::Get, reference);
        let Some(response) = self.found(&attempted, request).await? else {
            return Ok(None);
        };
        let (media_type, digest) = (super::repository::media_type(&response), digest(&response));
        let bytes = response.read(MANIFEST_BYTES_MAX as u64).await;
        let bytes = bytes.map_err(|source| RegistryError::transport(&attempted, source))?;
        Ok(Some(Raw {
            bytes: bytes.into(),
            media_type,
            digest,
        }))
    }

    /// Whether a blob is there: how long it is, where that is told.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn describe_blob(&self, digest: &Digest) -> Result<Option<Option<u64>>, ReadingError> {
        let attempted = format!("look for blob {digest} in {}", self.repository.shown());
        let url = self.repository.url(&format!("blobs/{digest}"));
        let response = self.found(&attempted, Request::new(Method::Head, url)).await?;
        Ok(response.map(|response| response.content_length()))
    }

    /// The bytes of a blob from `start` on; nothing when it is not there. A registry that knows no ranges sends it from its
    /// beginning.
    ///
    /// # Errors
    /// When it cannot be read; when another part is sent.
    pub async fn blob(&self, digest: &Digest, start: u64) -> Result<Option<Arriving>, ReadingError> {
        let attempted = format!("read blob {digest} of {}", self.repository.shown());
        let url = self.repository.url(&format!("blobs/{digest}"));
        let mut request = Request::new(Method::Get, url);
        if start > 0 {
            request.headers.push(("range", format!("bytes={start}-")));
        }
        let Some(response) = self.found(&attempted, request).await? else {
            return Ok(None);
        };
        let (at, size) = match (response.status(), response.content_range()) {
            (206, Some((at, size))) if at == start => (at, size),
            (206, _) => {
                let problem = "answers with another part than was asked for";
                return Err(RegistryError::protocol(&attempted, problem).into());
            }
            _ => (0, response.content_length()),
        };
        Ok(Some(Arriving {
            response,
            attempted,
            start: at,
            size,
        }))
    }

    /// Whether there is such a repository.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn is_there(&self) -> Result<bool, ReadingError> {
        let attempted = format!("look for {}", self.repository.shown());
        let url = self.repository.url("tags/list").with_parameter("n", "1");
        let answered = self.found(&attempted, Request::new(Method::Get, url)).await?;
        Ok(answered.is_some())
    }

    /// The names of all tags, in the registry's order; nothing when there is no such repository.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn tags(&self) -> Result<Option<Vec<String>>, ReadingError> {
        self.told(self.repository.tag_names().await)
    }

    /// What refers to a manifest: by the API, and by the fallback tag where there is none.
    ///
    /// # Errors
    /// When that cannot be listed.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ReadingError> {
        let found = self.repository.referrers_or_fallback(subject).await;
        Ok(self.told(found)?.unwrap_or_default())
    }

    /// An answer that has what was asked for.
    async fn found(&self, attempted: &str, request: Request) -> Result<Option<Response>, ReadingError> {
        let answered = self.repository.send(attempted, request).await;
        let Some(response) = self.told(answered)? else {
            return Ok(None);
        };
        let after = response.retry_after();
        match response.status() {
            200 | 206 => Ok(Some(response)),
            404 => Ok(None),
            429 => Err(self.wait(attempted, after)),
            503 if after.is_some() => Err(self.wait(attempted, after)),
            _ => Err(RegistryError::refused(attempted, response).await.into()),
        }
    }

    fn told<T>(&self, result: Result<T, RegistryError>) -> Result<Option<T>, ReadingError> {
        match result {
            Ok(told) => Ok(Some(told)),
            Err(RegistryError::Refused { status: 404, .. }) => Ok(None),
            Err(RegistryError::Refused {
                status: 429,
                attempted,
                ..
            }) => Err(self.wait(&attempted, None)),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&self, attempted: &str, after: Option<Duration>) -> ReadingError {
        ReadingError::Wait {
            attempted: attempted.to_owned(),
            host: self.repository.registry.host().to_owned(),
            after,
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Reading")
            .field(&self.repository.shown())
            .finish()
    }
}

impl Arriving {
    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks, or nothing comes for too long. Dropped while it waits, nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let piece = self.response.chunk().await;
        piece.map_err(|source| RegistryError::transport(&self.attempted, source))
    }
}

fn digest(response: &Response) -> Option<Digest> {
    response.header("docker-content-digest")?.parse().ok()
}
