//! One repository of a registry: the requests that reading and writing share.

use std::sync::Arc;

use oci::{Digest, MANIFEST_BYTES_MAX, MediaType, RepositoryName};
use transport::{Method, Request, Response, Url};

use super::error::RegistryError;
use super::session::{Errand, Registry};
use super::token::Scope;

/// The media types of manifests that we read, in the order in which we like them.
static ACCEPTED: [MediaType; 4] = [
    MediaType::OCI_INDEX,
    MediaType::OCI_MANIFEST,
    MediaType::DOCKER_MANIFEST_LIST,
    MediaType::DOCKER_MANIFEST,
];

/// A repository, and what one means to do in it.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) registry: Arc<Registry>,
    pub(crate) name: RepositoryName,
    /// As the API has the name.
    pub(crate) api_name: String,
    pub(crate) scope: Scope,
}

/// A manifest as it came.
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// The Content-Type, when it is that of a manifest.
    pub(crate) media_type: Option<MediaType>,
    /// The digest that the registry tells with it.
    pub(crate) digest: Option<Digest>,
}

/// What a HEAD tells of a manifest.
pub(crate) struct Head {
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) media_type: Option<MediaType>,
}

impl Repository {
    pub(crate) fn for_pull(registry: Arc<Registry>, name: &RepositoryName) -> Self {
        let api_name = registry.endpoint.api_name(name);
        Self {
            scope: Scope::pull(&api_name),
            registry,
            name: name.clone(),
            api_name,
        }
    }

    pub(crate) fn for_push(registry: Arc<Registry>, name: &RepositoryName) -> Self {
        let api_name = registry.endpoint.api_name(name);
        Self {
            scope: Scope::push(&api_name),
            registry,
            name: name.clone(),
            api_name,
        }
    }

    /// `HOST/NAME`, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{}/{}", self.registry.host(), self.name)
    }

    /// The URL of something below the repository: `blobs/…`, `manifests/…`.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.registry
            .endpoint
            .base()
            .join(&format!("{}/{path}", self.api_name))
    }

    pub(crate) async fn send(&self, attempted: &str, request: Request) -> Result<Response, RegistryError> {
        self.send_as(attempted, &self.scope, request).await
    }

    pub(crate) async fn send_as(
        &self,
        attempted: &str,
        scope: &Scope,
        request: Request,
    ) -> Result<Response, RegistryError> {
        let errand = Errand {
            repository: &self.api_name,
            scope,
            attempted,
        };
        self.registry.send(errand, request).await
    }

    /// A manifest by tag or digest, unverified; nothing when it is not there.
    pub(crate) async fn get_manifest(&self, reference: &str) -> Result<Option<Fetched>, RegistryError> {
        let attempted = format!("read manifest {reference} of {}", self.shown());
        let response = self
            .send(&attempted, self.manifest_request(Method::Get, reference))
            .await?;
        match response.status() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(RegistryError::refused(&attempted, response).await),
        }
        let (media_type, digest) = (media_type(&response), digest(&response));
        let bytes = response.read(MANIFEST_BYTES_MAX as u64).await;
        let bytes = bytes.map_err(|source| RegistryError::transport(&attempted, source))?;
        Ok(Some(Fetched {
            bytes,
            media_type,
            digest,
        }))
    }

    /// What a HEAD of a manifest tells; nothing when it is not there. A registry that has no HEAD tells nothing of it.
    pub(crate) async fn head_manifest(&self, reference: &str) -> Result<Option<Head>, RegistryError> {
        let attempted = format!("look for {reference} in {}", self.shown());
        let response = self
            .send(&attempted, self.manifest_request(Method::Head, reference))
            .await?;
        match response.status() {
            200 => Ok(Some(Head {
                digest: digest(&response),
                size: response.content_length(),
                media_type: media_type(&response),
            })),
            404 => Ok(None),
            405 => Ok(Some(Head {
                digest: None,
                size: None,
                media_type: None,
            })),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    /// Whether a blob is there, with its size if that is told.
    pub(crate) async fn find_blob(&self, digest: &Digest) -> Result<Option<Option<u64>>, RegistryError> {
        let attempted = format!("look for blob {digest} in {}", self.shown());
        let request = Request::new(Method::Head, self.url(&format!("blobs/{digest}")));
        let response = self.send(&attempted, request).await?;
        match response.status() {
            200..=204 => Ok(Some(response.content_length())),
            404 => Ok(None),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    fn manifest_request(&self, method: Method, reference: &str) -> Request {
        let mut request = Request::new(method, self.url(&format!("manifests/{reference}")));
        let accepted: Vec<&str> = ACCEPTED.iter().map(MediaType::as_str).collect();
        request.headers.push(("accept", accepted.join(", ")));
        request
    }
}

/// What the registry says that the digest is.
fn digest(response: &Response) -> Option<Digest> {
    response.header("docker-content-digest")?.parse().ok()
}

/// The Content-Type, without parameters, when it is that of a manifest.
fn media_type(response: &Response) -> Option<MediaType> {
    let text = response.header("content-type")?;
    let text = text.split(';').next().unwrap_or_default().trim();
    text.parse().ok().filter(MediaType::is_manifest)
}
