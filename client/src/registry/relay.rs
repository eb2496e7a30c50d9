//! A registry that is spoken to on behalf of somebody else: with what they showed, and never with a credential of ours.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use transport::{Method, Request, Response, Secret, Transport, Url};

use super::challenge::Asked;
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::token::{Scope, Token, TokenService};

/// How long what a registry asks for is believed.
const CHALLENGE_LIVES: Duration = Duration::from_secs(60);

/// Requests to one registry in the name of callers.
pub struct Relay {
    endpoint: Endpoint,
    transport: Transport,
    wanted: Mutex<Option<(Wanted, Instant)>>,
}

/// What the registry wants to be shown.
#[derive(Clone)]
enum Wanted {
    Nothing,
    Basic,
    Token(TokenService),
}

/// What a caller's requests show from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// The registry asks for nothing before it knows what is wanted.
    Open,
    /// This Authorization header, for that long; none is as long as the credential itself is good.
    Header {
        /// The header.
        header: Secret,
        /// How long it is good.
        lives: Option<Duration>,
    },
    /// The registry does not let them in.
    Refused,
}

impl Relay {
    pub(crate) fn new((endpoint, transport): (Endpoint, Transport)) -> Relay {
        Relay {
            endpoint,
            transport,
            wanted: Mutex::default(),
        }
    }

    /// The registry, as people name it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The URL of a path below `/v2/`.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        let url = self.endpoint.base().join(path);
        match path.ends_with('/') {
            true => url.with_slash(),
            false => url,
        }
    }

    /// Whether a URL is one of the registry itself, where what a caller showed may be shown.
    #[must_use]
    pub fn is_own(&self, url: &Url) -> bool {
        url.is_same_origin(self.endpoint.base())
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, attempted: &str, request: Request) -> Result<Response, RegistryError> {
        let answered = self.transport.exchange(request).await;
        answered.map_err(|source| RegistryError::transport(attempted, source))
    }

    /// What the registry gives for a Basic header, or for none, and these scopes (`repository:NAME:pull`).
    ///
    /// # Errors
    /// When it cannot be asked.
    ///
    /// Spec: distribution "Token Authentication Specification".
    pub async fn exchange(&self, basic: Option<&Secret>, scopes: &str) -> Result<Exchanged, RegistryError> {
        let attempted = format!("ask {} about a caller", self.host());
        match self.wanted(&attempted).await? {
            Wanted::Nothing => Ok(Exchanged::Open),
            Wanted::Basic => self.check_basic(&attempted, basic).await,
            Wanted::Token(service) => {
                let mut request = service.request(&Scope::none().and(Some(scopes)), None);
                request.authorization = basic.cloned();
                let response = self.send(&attempted, request).await?;
                match response.status() {
                    200 => {}
                    400 | 401 | 403 if basic.is_none() => return Ok(Exchanged::Open),
                    400 | 401 | 403 => return Ok(Exchanged::Refused),
                    _ => return Err(RegistryError::refused(&attempted, response).await),
                }
                let token = Token::read(&attempted, response).await?;
                Ok(Exchanged::Header {
                    header: token.fresh_header().clone(),
                    lives: Some(token.lives(Instant::now())),
                })
            }
        }
    }

    async fn check_basic(&self, attempted: &str, basic: Option<&Secret>) -> Result<Exchanged, RegistryError> {
        // What nobody has to show anything for is known only by asking for it.
        let Some(basic) = basic else {
            return Ok(Exchanged::Open);
        };
        let mut request = Request::new(Method::Get, self.endpoint.base().clone());
        request.authorization = Some(basic.clone());
        let response = self.send(attempted, request).await?;
        match response.status() {
            200 => Ok(Exchanged::Header {
                header: basic.clone(),
                lives: None,
            }),
            401 | 403 => Ok(Exchanged::Refused),
            _ => Err(RegistryError::refused(attempted, response).await),
        }
    }

    async fn wanted(&self, attempted: &str) -> Result<Wanted, RegistryError> {
        let now = Instant::now();
        {
            let known = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((wanted, until)) = &*known
                && now < *until
            {
                return Ok(wanted.clone());
            }
        }
        let ping = Request::new(Method::Get, self.endpoint.base().clone());
        let response = self.send(attempted, ping).await?;
        let wanted = match response.status() {
            401 => match Asked::of(&response, &self.endpoint) {
                Some(Asked::Token(service, _)) => Wanted::Token(service),
                Some(Asked::Basic) => Wanted::Basic,
                None => {
                    let problem = "asks for something that cannot be relayed";
                    return Err(RegistryError::protocol(attempted, problem));
                }
            },
            200..500 => Wanted::Nothing,
            _ => return Err(RegistryError::refused(attempted, response).await),
        };
        let mut known = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((wanted.clone(), now + CHALLENGE_LIVES));
        Ok(wanted)
    }
}
