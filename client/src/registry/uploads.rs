//! Uploads of blobs, request by request.
//!
//! Spec: distribution-spec "Pushing blobs", "Mounting a blob from another repository".

use oci::{Digest, RepositoryName};
use transport::{Body, Bytes, Method, Request, Response, Url};

use super::api::RepositoryApi;
use super::error::RegistryError;
use super::push::location;
use super::token::Scope;

/// An upload that is open at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadSession {
    url: Url,
}

/// What became of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mounted {
    /// The blob is here now.
    Done,
    /// It is not, and an upload is open for it.
    Opened(UploadSession),
    /// It is not.
    Refused,
}

impl UploadSession {
    /// The address of the upload, to go on with it in another process. It may be as good as a credential.
    #[must_use]
    pub fn address(&self) -> String {
        self.url.to_string()
    }
}

/// What became of a blob that was pushed in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushedAtOnce {
    /// It is here now.
    Done,
    /// The registry took no content with the request, and an upload is open for it.
    Opened(UploadSession),
    /// The registry does not push that way.
    Refused,
}

impl RepositoryApi {
    /// Takes a blob from another repository of the same registry.
    ///
    /// # Errors
    /// When the registry cannot be asked, or has trouble.
    pub async fn mount(&self, digest: &Digest, from: &RepositoryName) -> Result<Mounted, RegistryError> {
        let repository = &self.repository;
        let attempted = format!("mount blob {digest} in {}", repository.shown());
        let from = repository.registry.endpoint.api_name(from);
        let scope = Scope::mount(&repository.api_name, &from);
        let url = self.uploads().with_parameter("mount", &digest.to_string());
        let mount = Request::new(Method::Post, url.with_parameter("from", &from));
        let response = match repository.send_as(&attempted, &scope, mount).await {
            // Whoever may not read there may still write here.
            Err(error) if error.login_host().is_some() => return Ok(Mounted::Refused),
            answered => answered?,
        };
        match response.status() {
            201 => Ok(Mounted::Done),
            202 => Ok(Mounted::Opened(session(&attempted, &response)?)),
            400 | 401 | 403 | 404 | 405 | 501 => Ok(Mounted::Refused),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Pushes a blob in one request. Registries need not take blobs that way; those that do not throw the content away.
    ///
    /// Spec: distribution-spec "Single POST".
    ///
    /// # Errors
    /// When the registry refuses the caller or the blob, has trouble, or cannot be asked.
    pub async fn push_at_once(&self, digest: &Digest, content: Bytes) -> Result<PushedAtOnce, RegistryError> {
        let attempted = self.pushing(digest);
        let url = self.uploads().with_parameter("digest", &digest.to_string());
        let mut request = Request::new(Method::Post, url);
        request.headers.push(octets());
        request.body = Body::Bytes(content);
        let response = self.repository.send(&attempted, request).await?;
        match response.status() {
            201 => Ok(PushedAtOnce::Done),
            202 => session(&attempted, &response).map(PushedAtOnce::Opened),
            400 | 404 | 405 | 415 | 501 => Ok(PushedAtOnce::Refused),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Opens an upload.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn open_upload(&self, digest: &Digest) -> Result<UploadSession, RegistryError> {
        let attempted = self.pushing(digest);
        let request = Request::new(Method::Post, self.uploads());
        let response = self.repository.send(&attempted, request).await?;
        match response.status() {
            202 => session(&attempted, &response),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// How many bytes of an upload the registry has, and where it goes on; nothing when it does not know the upload any
    /// more, or does not say. Only on the registry's own server: what is stored elsewhere is not asked for.
    ///
    /// # Errors
    /// When the registry cannot be asked, or has trouble.
    pub async fn upload_offset(
        &self,
        digest: &Digest,
        address: &str,
    ) -> Result<Option<(UploadSession, u64)>, RegistryError> {
        let attempted = self.pushing(digest);
        let Ok(url) = address.parse::<Url>() else {
            return Ok(None);
        };
        if !url.is_same_origin(self.repository.registry.endpoint.base()) {
            return Ok(None);
        }
        let request = Request::new(Method::Get, url.clone());
        let response = self.repository.send(&attempted, request).await?;
        match response.status() {
            202 | 204 => {}
            status if status >= 500 || status == 429 => {
                return Err(RegistryError::refused(&attempted, response).await);
            }
            _ => return Ok(None),
        }
        let Some(offset) = response.header("range").and_then(offset) else {
            return Ok(None);
        };
        let session = session(&attempted, &response).unwrap_or(UploadSession { url });
        Ok(Some((session, offset)))
    }

    /// Appends to an upload, from `offset` on where it is not its beginning. Returns where it goes on, or nothing when
    /// the registry takes no parts.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn append(
        &self,
        digest: &Digest,
        upload: &UploadSession,
        (offset, length): (u64, u64),
        body: Body,
    ) -> Result<Option<UploadSession>, RegistryError> {
        let attempted = self.pushing(digest);
        let mut request = Request::new(Method::Patch, upload.url.clone());
        request.headers.push(octets());
        if offset > 0 && length > 0 {
            let range = format!("{offset}-{}", offset + length - 1);
            request.headers.push(("content-range", range));
        }
        request.body = body;
        let response = self.repository.send(&attempted, request).await?;
        match response.status() {
            // It stays where it was when that is not said.
            200..=204 => Ok(Some(
                session(&attempted, &response).unwrap_or_else(|_| upload.clone()),
            )),
            405 | 415 | 501 => Ok(None),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Completes an upload, with `body` as its end.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn complete(
        &self,
        digest: &Digest,
        upload: &UploadSession,
        body: Body,
    ) -> Result<(), RegistryError> {
        let attempted = self.pushing(digest);
        let url = upload.url.with_parameter("digest", &digest.to_string());
        let mut request = Request::new(Method::Put, url);
        if !matches!(body, Body::Empty) {
            request.headers.push(octets());
        }
        request.body = body;
        let response = self.repository.send(&attempted, request).await?;
        match response.status() {
            200..=204 => Ok(()),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Lets the registry forget an upload. It will by itself, some day, if this fails.
    pub async fn cancel_upload(&self, digest: &Digest, upload: &UploadSession) {
        let request = Request::new(Method::Delete, upload.url.clone());
        drop(self.repository.send(&self.pushing(digest), request).await);
    }

    fn uploads(&self) -> Url {
        self.repository.url("blobs/uploads").with_slash()
    }

    fn pushing(&self, digest: &Digest) -> String {
        format!("push blob {digest} to {}", self.repository.shown())
    }
}

fn session(attempted: &str, response: &Response) -> Result<UploadSession, RegistryError> {
    location(attempted, response).map(|url| UploadSession { url })
}

/// The number of bytes that `0-LAST` stands for. An upload of nothing says `0-0`, as one of a single byte does: one byte
/// is then asked for that is there already, so it counts as nothing.
fn offset(range: &str) -> Option<u64> {
    let range = range.trim();
    let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    match (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?) {
        (0, 0) => Some(0),
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

fn octets() -> (&'static str, String) {
    ("content-type", "application/octet-stream".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_far_an_upload_is() {
        assert_eq!(offset("0-9"), Some(10));
        assert_eq!(offset("bytes=0-9"), Some(10));
        assert_eq!(offset("0-0"), Some(0));
        for text in ["", "5-9", "0-", "x-1", "0--1", "0-18446744073709551615"] {
            assert_eq!(offset(text), None, "{text}");
        }
    }
}
