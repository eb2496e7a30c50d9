//! The administration of a registry of our own: Artifact Registry's REST API and what stands beside it.

use std::sync::Arc;

use serde_json::{Map, Value};
use transport::{Body, Bytes, Method, Request};

use super::error::RegistryError;
use super::session::{Errand, Registry};
use super::token::Scope;

/// Longest answer that is read, in bytes: a page of a thousand images.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Most pages of one list.
const PAGES_MAX: usize = 10_000;

/// Speaks to the administration of one registry, with the credentials that there are for it.
#[derive(Clone)]
pub struct Administration {
    registry: Arc<Registry>,
}

impl std::fmt::Debug for Administration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Administration")
            .field(&self.registry.host())
            .finish()
    }
}

/// A request of administration: its path from the slash on, and what is sent.
#[derive(Debug, Clone)]
pub struct AdministrationRequest<'e> {
    /// What is attempted, for messages: `list the repositories of registry.example`.
    pub attempted: &'e str,
    /// The path, encoded where it needs to be.
    pub path: &'e str,
    /// The parameters of the query.
    pub query: &'e [(&'e str, &'e str)],
}

impl Administration {
    pub(crate) fn new(registry: Arc<Registry>) -> Administration {
        Administration { registry }
    }

    /// The host, with its port if one was given.
    #[must_use]
    pub fn host(&self) -> &str {
        self.registry.host()
    }

    /// Sends a request and reads the answer, a JSON document.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be asked.
    pub async fn ask(
        &self,
        method: Method,
        errand: &AdministrationRequest<'_>,
        body: Option<&Value>,
    ) -> Result<Value, RegistryError> {
        let malformed = |_| RegistryError::protocol(errand.attempted, "has no URL for it");
        let mut url = self
            .registry
            .endpoint
            .base()
            .resolve(errand.path)
            .map_err(malformed)?;
        for (name, value) in errand.query {
            url = url.with_parameter(name, value);
        }
        let mut request = Request::new(method, url);
        request.headers.push(("accept", "application/json".to_owned()));
        if let Some(body) = body {
            request
                .headers
                .push(("content-type", "application/json".to_owned()));
            request.body = Body::Bytes(Bytes::from(body.to_string().into_bytes()));
        }
        let scope = Scope::everything();
        let asking = Errand {
            repository: "",
            scope: &scope,
            attempted: errand.attempted,
        };
        let response = self.registry.send(asking, request).await?;
        if !matches!(response.status(), 200..=299) {
            return Err(RegistryError::refused(errand.attempted, response).await);
        }
        let bytes = response.read(ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|source| RegistryError::transport(errand.attempted, source))?;
        serde_json::from_slice(&bytes).map_err(|_| {
            RegistryError::protocol(
                errand.attempted,
                "does not answer as a registry of lightship does",
            )
        })
    }

    /// A whole list, page by page.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); and when it does not end.
    pub async fn list(
        &self,
        errand: &AdministrationRequest<'_>,
        field: &str,
    ) -> Result<Vec<Value>, RegistryError> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let mut query = errand.query.to_vec();
            query.push(("pageSize", "1000"));
            if !token.is_empty() {
                query.push(("pageToken", &token));
            }
            let page = self
                .ask(
                    Method::Get,
                    &AdministrationRequest {
                        query: &query,
                        ..errand.clone()
                    },
                    None,
                )
                .await?;
            let Value::Object(mut page) = page else {
                break;
            };
            all.extend(taken(&mut page, field));
            match page.remove("nextPageToken") {
                Some(Value::String(next)) if !next.is_empty() => token = next,
                _ => return Ok(all),
            }
        }
        Err(RegistryError::protocol(
            errand.attempted,
            "gives a list that does not end",
        ))
    }
}

fn taken(page: &mut Map<String, Value>, field: &str) -> Vec<Value> {
    match page.remove(field) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}
