//! Tokens: what a registry with a Bearer challenge takes instead of passwords.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::time::Instant;
use transport::{Body, Bytes, Method, Request, Response, Secret, Url};

use super::credentials::Credential;
use super::error::RegistryError;

/// Longest answer of a token service, in bytes.
const TOKEN_ANSWER_BYTES_MAX: u64 = 256 << 10;

/// How long a token is good when its service does not say.
///
/// Spec: distribution's token authentication, "expires_in".
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60);

/// Longest that a token is used; a service that says more is asked again.
const LIFETIME_MAX: Duration = Duration::from_secs(60 * 60);

/// A token is renewed so long before its end.
const RENEWED_BEFORE: Duration = Duration::from_secs(10);

/// What we call ourselves to token services.
const CLIENT: &str = "lightship";

/// What is asked of a registry, in the words of its tokens: `repository:NAME:pull`, several with spaces between.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope(String);

/// Where tokens are to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenService {
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
}

/// A token and how long it is good.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    header: Secret,
    renew_at: Instant,
}

impl Scope {
    /// Nothing in particular: to log in.
    pub(crate) fn none() -> Self {
        Self(String::new())
    }

    /// Everything that the principal may: to administer. Google's name for it.
    pub(crate) fn everything() -> Self {
        Self("https://www.googleapis.com/auth/cloud-platform".to_owned())
    }

    /// The list of all repositories.
    pub(crate) fn catalog() -> Self {
        Self("registry:catalog:*".to_owned())
    }

    pub(crate) fn pull(name: &str) -> Self {
        Self(format!("repository:{name}:pull"))
    }

    pub(crate) fn push(name: &str) -> Self {
        Self(format!("repository:{name}:pull,push"))
    }

    /// To push, and to mount blobs from another repository.
    pub(crate) fn mount(name: &str, from: &str) -> Self {
        Self(format!("repository:{name}:pull,push repository:{from}:pull"))
    }

    /// With what the registry itself says is needed, if that is something else.
    pub(crate) fn and(&self, asked: Option<&str>) -> Self {
        let mut parts: Vec<&str> = self.0.split(' ').filter(|part| !part.is_empty()).collect();
        for part in asked.unwrap_or_default().split(' ') {
            if !part.is_empty() && !parts.iter().any(|have| covers(have, part)) {
                parts.push(part);
            }
        }
        Self(parts.join(" "))
    }
}

/// Whether `have` allows what `wanted` does: the same resource, and every action.
fn covers(have: &str, wanted: &str) -> bool {
    match (have.rsplit_once(':'), wanted.rsplit_once(':')) {
        (Some((resource, actions)), Some((same, others))) => {
            let allowed: Vec<&str> = actions.split(',').collect();
            resource == same && others.split(',').all(|action| allowed.contains(&action))
        }
        _ => have == wanted,
    }
}

impl Credential {
    /// The Authorization header that shows it to the registry or to its token service.
    pub(crate) fn header(&self) -> Secret {
        match self {
            Self::Password { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                Secret::new(format!("Basic {}", STANDARD.encode(pair)))
            }
            Self::IdentityToken(token) | Self::RegistryToken(token) => {
                Secret::new(format!("Bearer {}", token.expose()))
            }
        }
    }
}

impl TokenService {
    /// The request for a token: a GET with the password, or without for an anonymous one; a POST with an identity token.
    ///
    /// Spec: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
    pub(crate) fn request(&self, scope: &Scope, credential: Option<&Credential>) -> Request {
        if let Some(Credential::IdentityToken(token)) = credential {
            return self.refresh(scope, token);
        }
        let mut url = self.realm.clone();
        if let Some(service) = &self.service {
            url = url.with_parameter("service", service);
        }
        for part in scope.0.split(' ').filter(|part| !part.is_empty()) {
            url = url.with_parameter("scope", part);
        }
        if let Some(Credential::Password { username, .. }) = credential {
            url = url.with_parameter("account", username);
        }
        let mut request = Request::new(Method::Get, url);
        request.authorization = credential.map(Credential::header);
        request
    }

    fn refresh(&self, scope: &Scope, token: &Secret) -> Request {
        // The URL type writes forms, too: as the query of any URL.
        let service = self.service.as_deref().unwrap_or_default();
        let mut form = self.realm.without_query();
        for (name, value) in [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("service", service),
            ("scope", &scope.0),
            ("refresh_token", token.expose()),
        ] {
            form = form.with_parameter(name, value);
        }
        let body = form.query().unwrap_or_default().to_owned();
        let mut request = Request::new(Method::Post, self.realm.clone());
        request
            .headers
            .push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        request.body = Body::Bytes(Bytes::from(body.into_bytes()));
        request
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    /// As it comes: what is no moment says nothing.
    #[serde(default)]
    issued_at: serde_json::Value,
}

impl Token {
    /// Reads the answer of a token service.
    ///
    /// # Errors
    /// When it does not come, and when there is no token in it.
    pub(crate) async fn read(attempted: &str, response: Response) -> Result<Self, RegistryError> {
        let server_time = response.server_time();
        let answer = response.read(TOKEN_ANSWER_BYTES_MAX).await;
        let answer = answer.map_err(|source| RegistryError::transport(attempted, source))?;
        let ago = |issued_at: &str| server_time.map_or(Duration::ZERO, |now| now.since(issued_at));
        Self::parse(&answer, Instant::now(), ago)
            .ok_or_else(|| RegistryError::protocol(attempted, "has a token service that gives no token"))
    }

    /// One that was issued before it was asked for, by a service that keeps its answers, ends that much earlier.
    fn parse(answer: &[u8], now: Instant, ago: impl Fn(&str) -> Duration) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        let given = [answer.token, answer.access_token].into_iter().flatten();
        let token = given.into_iter().find(|token| !token.is_empty())?;
        let lifetime = answer.expires_in.map_or(LIFETIME_DEFAULT, Duration::from_secs);
        // Nobody hands out what has ended: a moment so long ago was not set, or is of another clock.
        let ago = answer.issued_at.as_str().map_or(Duration::ZERO, ago);
        let lifetime = lifetime
            .checked_sub(ago)
            .filter(|left| !left.is_zero())
            .unwrap_or(lifetime);
        Some(Self {
            header: Secret::new(format!("Bearer {token}")),
            renew_at: now + lifetime.min(LIFETIME_MAX).saturating_sub(RENEWED_BEFORE),
        })
    }

    /// The Authorization header of a token that has just come.
    pub(crate) fn fresh_header(&self) -> &Secret {
        &self.header
    }

    /// How long it may be used.
    pub(crate) fn lives(&self, now: Instant) -> Duration {
        self.renew_at.saturating_duration_since(now)
    }

    /// The Authorization header, while the token is good.
    pub(crate) fn header(&self, now: Instant) -> Option<&Secret> {
        (now < self.renew_at).then_some(&self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> TokenService {
        TokenService {
            realm: "https://auth.example/token?x=1".parse().unwrap(),
            service: Some("a.example".to_owned()),
        }
    }

    fn password() -> Credential {
        Credential::Password {
            username: "user".to_owned(),
            password: Secret::new("pass"),
        }
    }

    #[test]
    fn asks_with_a_password_or_without() {
        let scope = Scope::mount("b", "c/d");
        let request = service().request(&scope, Some(&password()));
        assert_eq!(
            request.url.to_string(),
            "https://auth.example/token?x=1&service=a.example&scope=repository%3Ab%3Apull%2Cpush&scope=repository%3Ac%2Fd%3Apull&account=user"
        );
        assert_eq!(
            request.authorization.as_ref().map(Secret::expose),
            Some("Basic dXNlcjpwYXNz")
        );
        let anonymous = service().request(&Scope::none(), None);
        assert_eq!(
            anonymous.url.to_string(),
            "https://auth.example/token?x=1&service=a.example"
        );
        assert!(anonymous.authorization.is_none());
    }

    #[test]
    fn shows_an_identity_token_in_the_body_only() {
        let credential = Credential::IdentityToken(Secret::new("a&b"));
        let request = service().request(&Scope::pull("b"), Some(&credential));
        assert_eq!(request.url.to_string(), "https://auth.example/token?x=1");
        let Body::Bytes(body) = request.body else { panic!() };
        assert_eq!(
            String::from_utf8_lossy(&body),
            "grant_type=refresh_token&client_id=lightship&service=a.example&scope=repository%3Ab%3Apull&refresh_token=a%26b"
        );
        assert!(request.authorization.is_none());
    }

    #[tokio::test]
    async fn a_token_is_good_for_a_while() {
        let now = Instant::now();
        let good_for = |answer: &str| {
            let ago = |issued_at: &str| Duration::from_secs(issued_at.len() as u64);
            let token = Token::parse(answer.as_bytes(), now, ago)?;
            (0..4000).find(|seconds| token.header(now + Duration::from_secs(*seconds)).is_none())
        };
        assert_eq!(good_for(r#"{"token":"t"}"#), Some(50));
        assert_eq!(
            good_for(r#"{"token":"","access_token":"t","expires_in":300}"#),
            Some(290)
        );
        assert_eq!(good_for(r#"{"token":"t","expires_in":99999999999}"#), Some(3590));
        assert_eq!(good_for(r#"{"token":"t","expires_in":5}"#), Some(0));
        assert_eq!(
            good_for(r#"{"token":"t","expires_in":300,"issued_at":"seven s"}"#),
            Some(283)
        );
        for unsaid in [r#""0001-01-01T00:00:00Z""#, "1700000000", "null", "{}"] {
            let answer = format!(r#"{{"token":"t","expires_in":20,"issued_at":{unsaid}}}"#);
            assert_eq!(good_for(&answer), Some(10), "{unsaid}");
        }
        assert_eq!(good_for("{}"), None);
    }

    #[test]
    fn adds_what_the_registry_says_is_missing() {
        let and = |asked: &str| Scope::push("a").and(Some(asked)).0;
        assert_eq!(and("repository:a:pull"), "repository:a:pull,push");
        assert_eq!(and("repository:a:pull,push"), "repository:a:pull,push");
        assert_eq!(
            and("repository:a:delete"),
            "repository:a:pull,push repository:a:delete"
        );
        assert_eq!(and(""), "repository:a:pull,push");
        assert_eq!(
            Scope::none().and(Some("registry:catalog:*")).0,
            "registry:catalog:*"
        );
    }
}
