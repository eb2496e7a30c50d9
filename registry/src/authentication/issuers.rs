//! Issuers of other people's tokens: identity tokens under their keys, opaque tokens by asking them.
//!
//! Keys are fetched once and kept; what an issuer said of an opaque token is kept until the token expires, and no longer
//! than some minutes. Where an issuer cannot be asked, nobody is let in on what it might have said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::{
    Fingerprint, ISSUER_KEYS_BYTES_MAX, Identified, IdentityError, IssuerKeys, IssuerRules, Principal,
    claimed_issuer, identify,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;
use transport::{Body, Method, Request, Secret, Transport, Url};

use super::remembered::Verified;
use super::{Attempt, Known};
use crate::refusal::{IssuerTrouble, Refusal, WrongCredential};
use crate::registry::Registry;

/// How long an issuer's keys are used without looking for new ones, in seconds.
const KEYS_FRESH_SECONDS: i64 = 3600;
/// How long keys are used when no new ones can be fetched, in seconds.
const KEYS_USED_SECONDS: i64 = 24 * 3600;
/// How soon keys are fetched again because a token names one that is not among them, or because fetching failed.
const KEYS_AGAIN_SECONDS: i64 = 30;
/// Longest document that an issuer answers with, its keys aside.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// How long it is believed what an issuer said of an opaque token, in seconds, should the token live longer.
const OPAQUE_SECONDS_MAX: i64 = 300;
/// How long it is believed that an opaque token is not valid, in seconds.
const INACTIVE_SECONDS: i64 = 30;
/// Opaque tokens of which something is kept.
const OPAQUE_MAX: usize = 4096;
/// Longest opaque token.
const OPAQUE_BYTES_MAX: usize = 4096;

/// Who is believed beside the registry's own accounts, and how the registry speaks of itself.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// Issuers whose tokens are taken.
    pub issuers: Vec<Issuer>,
    /// How issuers are asked; without it, none can be.
    pub transport: Option<Transport>,
    /// `https://HOST[:PORT]` under which clients reach the registry, where that is not what they ask for: behind a proxy
    /// that ends TLS.
    pub external_url: Option<String>,
    /// How long the tokens that the registry gives out count.
    pub token_time: Duration,
}

impl Default for AccessOptions {
    fn default() -> AccessOptions {
        AccessOptions {
            issuers: Vec::new(),
            transport: None,
            external_url: None,
            token_time: Duration::from_secs(300),
        }
    }
}

/// An issuer of tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Its name, and how its claims become a principal.
    pub rules: IssuerRules,
    /// Where its keys are; else where its `/.well-known/openid-configuration` says.
    pub keys_url: Option<Url>,
    /// How it says what an opaque token is.
    pub introspection: Option<Introspection>,
    /// How its opaque tokens begin, so that no other's are sent to it; may be empty.
    pub token_prefix: String,
}

/// How an issuer says what an opaque token is.
#[derive(Debug, Clone)]
pub enum Introspection {
    /// RFC 7662.
    Introspection {
        /// Where.
        url: Url,
        /// As whom the registry asks.
        client_id: String,
        /// Its password there.
        client_secret: Secret,
    },
    /// Google's tokeninfo.
    TokenInfo {
        /// Where.
        url: Url,
    },
}

pub(crate) struct Issuers {
    issuers: Vec<(Issuer, KeyRing)>,
    transport: Option<Transport>,
    opaque: Mutex<HashMap<Fingerprint, Opaque>>,
}

/// The keys of one issuer. Those that are there are used while others are fetched: anybody can show a token under a key
/// that nobody has, and the issuer may take its time to answer.
#[derive(Default)]
struct KeyRing {
    kept: Mutex<Keys>,
    /// Whose turn it is to fetch, so that many tokens at once fetch keys once.
    fetching: AsyncMutex<()>,
}

#[derive(Default, Clone)]
struct Keys {
    keys: Option<Arc<IssuerKeys>>,
    fetched: i64,
    tried: i64,
}

impl KeyRing {
    fn kept(&self) -> MutexGuard<'_, Keys> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Those that can be used without looking for newer ones.
    fn fresh(&self, lacks_one: bool, now: i64) -> Option<Arc<IssuerKeys>> {
        let is_fresh = (0..KEYS_FRESH_SECONDS).contains(&(now - self.fetched)) && !lacks_one;
        match is_fresh || self.tried_just_now(now) {
            true => self.usable(now),
            false => None,
        }
    }

    /// Those that can be used where there are no newer ones.
    fn usable(&self, now: i64) -> Option<Arc<IssuerKeys>> {
        self.keys
            .clone()
            .filter(|_| now - self.fetched < KEYS_USED_SECONDS)
    }

    fn tried_just_now(&self, now: i64) -> bool {
        (0..KEYS_AGAIN_SECONDS).contains(&(now - self.tried))
    }
}

/// What an issuer said of an opaque token: who it is of, if it is valid.
#[derive(Clone)]
struct Opaque {
    identified: Option<Identified>,
    until: i64,
}

impl Opaque {
    fn counts(&self, now: i64) -> bool {
        let begins = self.identified.as_ref().and_then(|identified| identified.begins);
        now < self.until && begins.is_none_or(|begins| begins <= now)
    }
}

impl Issuers {
    pub(super) fn new(options: &AccessOptions) -> Issuers {
        let issuers = options.issuers.iter().cloned();
        Issuers {
            issuers: issuers.map(|issuer| (issuer, KeyRing::default())).collect(),
            transport: options.transport.clone(),
            opaque: Mutex::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Who an identity token is of.
    async fn identify(&self, token: &str, now: i64) -> Result<Identified, Refusal> {
        let wrong = |error| Refusal::Credential(WrongCredential::Identity(error));
        let claimed = claimed_issuer(token).map_err(wrong)?;
        let found = self
            .issuers
            .iter()
            .find(|(issuer, _)| issuer.rules.issuer == claimed);
        let Some((issuer, keys)) = found else {
            let issuer = claimed.chars().take(SHOWN_CHARACTERS_MAX).collect();
            return Err(Refusal::Credential(WrongCredential::IssuerUnknown { issuer }));
        };
        let known = self.keys(issuer, keys, false, now).await?;
        match identify(token, &issuer.rules, &known, now) {
            // It may be a new one.
            Err(IdentityError::KeyUnknown) => {
                let known = self.keys(issuer, keys, true, now).await?;
                identify(token, &issuer.rules, &known, now).map_err(wrong)
            }
            other => other.map_err(wrong),
        }
    }

    async fn keys(
        &self,
        issuer: &Issuer,
        ring: &KeyRing,
        lacks_one: bool,
        now: i64,
    ) -> Result<Arc<IssuerKeys>, Refusal> {
        if let Some(known) = ring.kept().fresh(lacks_one, now) {
            return Ok(known);
        }
        let turn = ring.fetching.try_lock().ok();
        if let (None, false, Some(known)) = (&turn, lacks_one, ring.kept().usable(now)) {
            return Ok(known);
        }
        let _turn = match turn {
            Some(turn) => turn,
            None => ring.fetching.lock().await,
        };
        let kept = ring.kept().clone();
        if let Some(known) = kept.fresh(lacks_one, now) {
            return Ok(known);
        }
        if kept.tried_just_now(now) && kept.keys.is_none() {
            return Err(Broken::new("its keys could not be fetched a moment ago").told(issuer));
        }
        ring.kept().tried = now;
        match self.fetch_keys(issuer).await {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                let mut kept = ring.kept();
                kept.keys = Some(Arc::clone(&fetched));
                kept.fetched = now;
                Ok(fetched)
            }
            Err(broken) => kept.usable(now).ok_or_else(|| broken.told(issuer)),
        }
    }

    async fn fetch_keys(&self, issuer: &Issuer) -> Result<IssuerKeys, Broken> {
        let url = match &issuer.keys_url {
            Some(url) => url.clone(),
            None => {
                let base: Url = issuer.rules.issuer.parse()?;
                let document = self
                    .ask(Request::new(Method::Get, base.join(DISCOVERY)), ANSWER_BYTES_MAX)
                    .await?
                    .unwrap_or_default();
                let document: Map<String, Value> = serde_json::from_slice(&document)?;
                let says = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
                if says("issuer") != issuer.rules.issuer {
                    return Err(Broken::new("its configuration is that of another issuer"));
                }
                says("jwks_uri").parse()?
            }
        };
        let keys = self
            .ask(Request::new(Method::Get, url), ISSUER_KEYS_BYTES_MAX as u64)
            .await?
            .unwrap_or_default();
        Ok(IssuerKeys::parse(&keys)?)
    }

    /// What is known of an opaque token already.
    fn known(&self, fingerprint: &Fingerprint, now: i64) -> Option<Result<Identified, Refusal>> {
        let opaque = self.opaque.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = opaque.get(fingerprint).filter(|kept| kept.counts(now))?;
        let inactive = || Refusal::Credential(WrongCredential::Inactive);
        Some(kept.identified.clone().ok_or_else(inactive))
    }

    /// Who an opaque token is of, by those whose it could be.
    async fn introspect(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        now: i64,
    ) -> Result<Identified, Refusal> {
        let mut asked = false;
        for (issuer, _) in &self.issuers {
            let Some(introspection) = &issuer.introspection else {
                continue;
            };
            if !token.starts_with(&issuer.token_prefix) {
                continue;
            }
            asked = true;
            if let Some(identified) = self.ask_about(token, issuer, introspection, now).await? {
                self.keep(fingerprint, Some(identified.clone()), now);
                return Ok(identified);
            }
        }
        if !asked {
            return Err(Refusal::Credential(WrongCredential::Opaque));
        }
        self.keep(fingerprint, None, now);
        Err(Refusal::Credential(WrongCredential::Inactive))
    }

    async fn ask_about(
        &self,
        token: &str,
        issuer: &Issuer,
        introspection: &Introspection,
        now: i64,
    ) -> Result<Option<Identified>, Refusal> {
        let (url, parameter, authorization) = match introspection {
            Introspection::Introspection {
                url,
                client_id,
                client_secret,
            } => {
                let pair = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
                (url, "token", Some(Secret::new(format!("Basic {pair}"))))
            }
            Introspection::TokenInfo { url } => (url, "access_token", None),
        };
        let mut request = Request::new(Method::Post, url.clone());
        request.authorization = authorization;
        request
            .headers
            .push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        request.body = Body::Bytes(format!("{parameter}={}", form_encoded(token)).into());
        let answer = self
            .ask(request, ANSWER_BYTES_MAX)
            .await
            .map_err(|broken| broken.told(issuer))?;
        let is_token_info = matches!(introspection, Introspection::TokenInfo { .. });
        let Some(answer) = answer else {
            return match is_token_info {
                // This is how it says no.
                true => Ok(None),
                false => Err(Broken::new("it does not take the registry's own credential").told(issuer)),
            };
        };
        let claims: Result<Map<String, Value>, _> = serde_json::from_slice(&answer);
        let mut claims = claims.map_err(|error| Broken::from(error).told(issuer))?;
        let is_active = claims.get("active") == Some(&Value::Bool(true));
        if !is_token_info && !is_active {
            return Ok(None);
        }
        // What was asked over a connection to the issuer is of that issuer, should it not say so.
        claims
            .entry("iss")
            .or_insert_with(|| issuer.rules.issuer.clone().into());
        claims
            .entry("exp")
            .or_insert_with(|| (now + OPAQUE_SECONDS_MAX).into());
        let identified = issuer.rules.identified(&claims, now);
        let wrong = |error| Refusal::Credential(WrongCredential::Identity(error));
        let mut identified = identified.map_err(wrong)?;
        identified.expires = identified.expires.min(now + OPAQUE_SECONDS_MAX);
        Ok(Some(identified))
    }

    fn keep(&self, fingerprint: Fingerprint, identified: Option<Identified>, now: i64) {
        let until = identified
            .as_ref()
            .map_or(now + INACTIVE_SECONDS, |identified| identified.expires);
        let mut opaque = self.opaque.lock().unwrap_or_else(PoisonError::into_inner);
        if opaque.len() >= OPAQUE_MAX {
            opaque.retain(|_, kept| now < kept.until);
            if opaque.len() >= OPAQUE_MAX {
                opaque.clear();
            }
        }
        opaque.insert(fingerprint, Opaque { identified, until });
    }

    /// The body of a good answer; nothing when the issuer refuses what was asked.
    async fn ask(&self, request: Request, limit_bytes: u64) -> Result<Option<Vec<u8>>, Broken> {
        let transport = self.transport.as_ref();
        let transport = transport.ok_or_else(|| Broken::new("this server asks nobody"))?;
        let response = transport.exchange(request).await?;
        match response.status() {
            200 => Ok(Some(response.read(limit_bytes).await?)),
            400 | 401 => Ok(None),
            status => Err(Broken::new(&format!("it answers {status}"))),
        }
    }
}

/// Why an issuer could not be asked.
struct Broken(String);

impl Broken {
    fn new(reason: &str) -> Broken {
        Broken(reason.to_owned())
    }

    fn told(self, issuer: &Issuer) -> Refusal {
        Refusal::Issuer(IssuerTrouble {
            issuer: issuer.rules.issuer.clone(),
            reason: self.0,
        })
    }
}

/// The whole of why, since only the operator reads it.
impl<E: std::error::Error> From<E> for Broken {
    fn from(error: E) -> Broken {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(error) = next {
            text.push_str(&format!(": {error}"));
            next = error.source();
        }
        Broken(text)
    }
}

impl Registry {
    /// Whose a token of another issuer is.
    pub(super) async fn foreign_token(&self, token: &str, attempt: &Attempt<'_>) -> Result<Known, Refusal> {
        let now = self.now().as_second();
        let identified = if token.split('.').count() == JWT_PARTS && token.starts_with(JWT_BEGINS) {
            self.authentication().issuers().identify(token, now).await?
        } else {
            self.opaque_token(token, attempt, now).await?
        };
        self.refuse_shut(&identified.principal, attempt).await?;
        Ok(Known {
            begins: identified.begins,
            expires: Some(identified.expires),
            ..Known::whole(identified.principal)
        })
    }

    /// An account that was shut is shut for those whom an issuer takes for it, too.
    pub(super) async fn refuse_shut(
        &self,
        principal: &Principal,
        attempt: &Attempt<'_>,
    ) -> Result<(), Refusal> {
        for member in principal.sets() {
            let account = match super::account_name(member) {
                "" => None,
                name => attempt.memory.account(self.metadata(), name).await?,
            };
            if account.is_some_and(|account| account.disabled) {
                return Err(Refusal::AccountChanged);
            }
        }
        Ok(())
    }

    /// Guesses at opaque tokens are slowed down, for the issuer's sake; signatures of the others cannot be guessed.
    async fn opaque_token(
        &self,
        token: &str,
        attempt: &Attempt<'_>,
        now: i64,
    ) -> Result<Identified, Refusal> {
        if token.is_empty() || token.len() > OPAQUE_BYTES_MAX {
            return Err(Refusal::token(access::TokenError::Malformed));
        }
        let authentication = self.authentication();
        let fingerprint = authentication.fingerprints.of(&["opaque", token]);
        let issuers = authentication.issuers();
        if let Some(known) = issuers.known(&fingerprint, now) {
            return known;
        }
        if !authentication.remembered.recognises(&fingerprint, now)
            && let Some(wait) = authentication.slow_down.wait(OPAQUE_TOKENS, attempt.address, now)
        {
            return Err(Refusal::LoginSlowed {
                after_seconds: wait.unsigned_abs(),
            });
        }
        let identified = issuers.introspect(token, fingerprint, now).await;
        match &identified {
            Ok(_) => authentication
                .remembered
                .keep(fingerprint, Verified::elsewhere(), now),
            Err(Refusal::Credential(WrongCredential::Inactive)) => {
                authentication
                    .slow_down
                    .failed(OPAQUE_TOKENS, attempt.address, now);
            }
            Err(_) => {}
        }
        identified
    }
}

/// As `application/x-www-form-urlencoded` has it.
fn form_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

const DISCOVERY: &str = ".well-known/openid-configuration";
/// The name under which failures of opaque tokens are counted: it is no account's.
const OPAQUE_TOKENS: &str = "\0opaque";
const JWT_PARTS: usize = 3;
/// `{"` in Base64.
const JWT_BEGINS: &str = "eyJ";
const SHOWN_CHARACTERS_MAX: usize = 200;
