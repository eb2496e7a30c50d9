//! One registry: requests with what it wants to be shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use transport::{Body, Method, Request, Response, Secret, Transport};

use super::challenge::Asked;
use super::credentials::{Credential, CredentialError, CredentialStore};
use super::endpoint::Endpoint;
use super::error::{RegistryError, details};
use super::observer::{Observed, Observer};
use super::token::{Scope, Token, TokenService};
use super::warnings::{self, Warnings};

/// Says that a registry of ours that replaces another is to answer itself.
const SIDE: &str = "lightship-side";

/// Most blobs whose repository is remembered, so that they are mounted from there.
const KNOWN_BLOBS_MAX: usize = 100_000;

/// Most repositories of which it is remembered what the registry wants to be shown; with one more all are asked for again.
const KNOWN_REPOSITORIES_MAX: usize = 10_000;

/// A registry, for reading and writing: its address, what it wants to be shown, and which blobs are in it.
pub(crate) struct Registry {
    pub(crate) endpoint: Endpoint,
    transport: Transport,
    store: Arc<CredentialStore>,
    warnings: Arc<dyn Warnings>,
    observer: Arc<dyn Observer>,
    /// Whether it is asked to answer itself, whatever old registry it is replacing.
    itself: bool,
    /// Held while a token is fetched, so that many blobs at once fetch one.
    auth: AsyncMutex<BTreeMap<String, Auth>>,
    blobs: Mutex<BTreeMap<Digest, RepositoryName>>,
    lacks_referrers: AtomicBool,
    has_referrers: AtomicBool,
}

/// What is known of the registry's wishes, for one repository: its credentials may be its own.
#[derive(Default)]
struct Auth {
    credential: Option<Credential>,
    scheme: Scheme,
    tokens: BTreeMap<Scope, Token>,
}

#[derive(Default)]
enum Scheme {
    /// It has not asked for anything yet.
    #[default]
    Open,
    Basic,
    Bearer(TokenService),
}

/// On whose behalf a request is made, and what for.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'e> {
    /// The repository, for which there may be credentials of its own; empty when it is about the whole registry.
    pub(crate) repository: &'e str,
    pub(crate) scope: &'e Scope,
    /// What is attempted, for messages: `push blob X to HOST/NAME`.
    pub(crate) attempted: &'e str,
}

impl Registry {
    pub(crate) fn new(
        (endpoint, transport): (Endpoint, Transport),
        store: Arc<CredentialStore>,
        (warnings, observer): (Arc<dyn Warnings>, Arc<dyn Observer>),
        itself: bool,
    ) -> Self {
        Self {
            endpoint,
            transport,
            store,
            warnings,
            observer,
            itself,
            auth: AsyncMutex::default(),
            blobs: Mutex::default(),
            lacks_referrers: AtomicBool::new(false),
            has_referrers: AtomicBool::new(false),
        }
    }

    pub(crate) fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// Whether the registry is known not to have the API of referrers.
    pub(crate) fn lacks_referrers(&self) -> bool {
        self.lacks_referrers.load(Ordering::Relaxed)
    }

    /// Whether the API of referrers has answered once.
    pub(crate) fn has_referrers(&self) -> bool {
        self.has_referrers.load(Ordering::Relaxed)
    }

    pub(crate) fn note_referrers(&self) {
        self.has_referrers.store(true, Ordering::Relaxed);
    }

    pub(crate) fn note_lack_of_referrers(&self) {
        self.lacks_referrers.store(true, Ordering::Relaxed);
    }

    /// Notes that a blob is in a repository.
    pub(crate) fn note_blob(&self, digest: Digest, name: &RepositoryName) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if blobs.len() < KNOWN_BLOBS_MAX {
            blobs.entry(digest).or_insert_with(|| name.clone());
        }
    }

    /// A repository that has the blob, as far as is known.
    pub(crate) fn repository_with(&self, digest: &Digest) -> Option<RepositoryName> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(digest).cloned()
    }

    /// Sends a request with what the registry is known to want. When it answers 401, what it asks for is shown, once,
    /// if the body can be sent again; else the 401 is the answer. Nothing is shown to another server, where uploads may lead.
    pub(crate) async fn send(
        &self,
        errand: Errand<'_>,
        mut request: Request,
    ) -> Result<Response, RegistryError> {
        let is_ours = request.url.is_same_origin(self.endpoint.base());
        let shown = if is_ours { self.known(errand).await? } else { None };
        request.authorization.clone_from(&shown);
        if self.itself && is_ours {
            request.headers.push((SIDE, "here".to_owned()));
        }
        let again = repeated(&request);
        let response = self.exchange(errand, request).await?;
        if response.status() != 401 || !is_ours {
            return Ok(response);
        }
        let wanted = self.answer_challenge(errand, &response, shown.as_ref()).await?;
        let Some(header) = wanted else {
            return Err(self.login_error(errand, shown.is_some(), response).await);
        };
        let Some(mut again) = again else {
            // Whoever has the content sends it again, with the header that is known now.
            return Ok(response);
        };
        again.authorization = Some(header);
        let response = self.exchange(errand, again).await?;
        if response.status() == 401 {
            let has_credential = self.has_credential(errand).await;
            return Err(self.login_error(errand, has_credential, response).await);
        }
        Ok(response)
    }

    /// Whether `credential` is good: the registry is asked for nothing but that.
    pub(crate) async fn check(&self, credential: Credential) -> Result<Checked, RegistryError> {
        let attempted = format!("log in to {}", self.host());
        let scope = Scope::none();
        let errand = Errand {
            repository: "",
            scope: &scope,
            attempted: &attempted,
        };
        let header = credential.header();
        self.auth.lock().await.insert(
            String::new(),
            Auth {
                credential: Some(credential),
                ..Auth::default()
            },
        );
        let ping = || Request::new(Method::Get, self.endpoint.base().clone());
        let response = self.exchange(errand, ping()).await?;
        let (response, checked) = match response.status() {
            // Whoever lets everybody in may still know who is who.
            200 => {
                let mut request = ping();
                request.authorization = Some(header);
                (self.exchange(errand, request).await?, Checked::NotAsked)
            }
            _ => (self.send(errand, ping()).await?, Checked::Good),
        };
        match response.status() {
            200 => Ok(checked),
            401 => Err(self.login_error(errand, true, response).await),
            _ => Err(RegistryError::refused(&attempted, response).await),
        }
    }

    async fn exchange(&self, errand: Errand<'_>, request: Request) -> Result<Response, RegistryError> {
        let method = request.method;
        let answered = self.transport.exchange(request).await;
        self.observer.answered(
            self.host(),
            &match &answered {
                Ok(response) => Observed::of(method, response),
                Err(_) => Observed::nothing(method),
            },
        );
        let response = answered.map_err(|source| RegistryError::transport(errand.attempted, source))?;
        for text in warnings::of(&response) {
            self.warnings.warned(self.host(), &text);
        }
        Ok(response)
    }

    /// The header for a registry that has asked before. One for which there are credentials is asked first whether it
    /// wants them: it may hide from strangers what they would find.
    async fn known(&self, errand: Errand<'_>) -> Result<Option<Secret>, RegistryError> {
        let mut all = self.auth.lock().await;
        if !all.contains_key(errand.repository) {
            if all.len() >= KNOWN_REPOSITORIES_MAX {
                all.clear();
            }
            let mut auth = Auth {
                credential: self.find_credential(errand.repository).await?,
                ..Auth::default()
            };
            if auth.credential.is_some() {
                let ping = Request::new(Method::Get, self.endpoint.base().clone());
                let response = self.exchange(errand, ping).await?;
                if response.status() == 401 {
                    self.note_challenge(&mut auth, &response);
                }
            }
            all.insert(errand.repository.to_owned(), auth);
        }
        let Some(auth) = all.get_mut(errand.repository) else {
            return Ok(None);
        };
        match (&auth.scheme, &auth.credential) {
            (_, Some(Credential::RegistryToken(_))) | (Scheme::Basic, Some(Credential::Password { .. })) => {
                Ok(auth.credential.as_ref().map(Credential::header))
            }
            (Scheme::Bearer(_), _) => {
                let now = Instant::now();
                let held = auth.tokens.get(errand.scope).and_then(|token| token.header(now));
                match held {
                    Some(header) => Ok(Some(header.clone())),
                    None => self.fetch_token(errand, auth, None).await.map(Some),
                }
            }
            _ => Ok(None),
        }
    }

    /// What a 401 asks for, if we have it and have not just shown it.
    async fn answer_challenge(
        &self,
        errand: Errand<'_>,
        response: &Response,
        shown: Option<&Secret>,
    ) -> Result<Option<Secret>, RegistryError> {
        let mut all = self.auth.lock().await;
        let Some(auth) = all.get_mut(errand.repository) else {
            return Ok(None);
        };
        let asked = self.note_challenge(auth, response);
        match (&auth.scheme, &auth.credential) {
            (_, Some(Credential::RegistryToken(_))) | (Scheme::Open, _) => Ok(None),
            (Scheme::Basic, Some(credential @ Credential::Password { .. })) => {
                Ok(Some(credential.header()).filter(|header| Some(header) != shown))
            }
            (Scheme::Basic, _) => Ok(None),
            (Scheme::Bearer(_), _) => {
                let held = auth
                    .tokens
                    .get(errand.scope)
                    .and_then(|token| token.header(Instant::now()));
                match held.filter(|header| Some(*header) != shown) {
                    // Another request was first to fetch it.
                    Some(header) => Ok(Some(header.clone())),
                    None => self.fetch_token(errand, auth, asked.as_deref()).await.map(Some),
                }
            }
        }
    }

    /// Keeps what a 401 asks for, tokens before passwords, and returns the scope that it names.
    fn note_challenge(&self, auth: &mut Auth, response: &Response) -> Option<String> {
        match Asked::of(response, &self.endpoint)? {
            Asked::Token(service, scope) => {
                auth.scheme = Scheme::Bearer(service);
                scope
            }
            Asked::Basic => {
                auth.scheme = Scheme::Basic;
                None
            }
        }
    }

    async fn fetch_token(
        &self,
        errand: Errand<'_>,
        auth: &mut Auth,
        asked: Option<&str>,
    ) -> Result<Secret, RegistryError> {
        let Scheme::Bearer(service) = &auth.scheme else {
            return Err(RegistryError::protocol(errand.attempted, "asks for no token"));
        };
        let request = service.request(&errand.scope.and(asked), auth.credential.as_ref());
        let response = self.exchange(errand, request).await?;
        match response.status() {
            200 => {}
            401 | 403 | 400 => {
                return Err(self
                    .login_error(errand, auth.credential.is_some(), response)
                    .await);
            }
            _ => return Err(RegistryError::refused(errand.attempted, response).await),
        }
        let token = Token::read(errand.attempted, response).await?;
        let header = token.fresh_header().clone();
        auth.tokens.insert(errand.scope.clone(), token);
        Ok(header)
    }

    async fn find_credential(&self, repository: &str) -> Result<Option<Credential>, RegistryError> {
        let (store, host, name) = (
            Arc::clone(&self.store),
            self.host().to_owned(),
            repository.to_owned(),
        );
        let failed = |source| RegistryError::Credentials {
            host: self.host().to_owned(),
            source,
        };
        let found = tokio::task::spawn_blocking(move || store.find(&host, &name)).await;
        found
            .unwrap_or_else(|error| {
                Err(CredentialError::Helper {
                    helper: String::new(),
                    source: std::io::Error::other(error),
                })
            })
            .map_err(failed)
    }

    async fn has_credential(&self, errand: Errand<'_>) -> bool {
        let all = self.auth.lock().await;
        all.get(errand.repository)
            .is_some_and(|auth| auth.credential.is_some())
    }

    async fn login_error(
        &self,
        errand: Errand<'_>,
        had_credential: bool,
        response: Response,
    ) -> RegistryError {
        let (attempted, host) = (errand.attempted.to_owned(), self.host().to_owned());
        let details = details(response).await;
        if had_credential {
            RegistryError::LoginRefused {
                attempted,
                host,
                details,
            }
        } else {
            RegistryError::LoginNeeded {
                attempted,
                host,
                details,
            }
        }
    }
}

/// What became of a check of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The registry accepted them.
    Good,
    /// The registry lets everybody in, so nothing is known of them.
    NotAsked,
}

/// The same request once more, if its body can be sent again.
fn repeated(request: &Request) -> Option<Request> {
    let body = match &request.body {
        Body::Empty => Body::Empty,
        Body::Bytes(bytes) => Body::Bytes(bytes.clone()),
        Body::Chunks(_) => return None,
    };
    Some(Request {
        method: request.method,
        url: request.url.clone(),
        headers: request.headers.clone(),
        authorization: None,
        body,
    })
}
