//! Who asks: from the `Authorization` header to a principal.
//!
//! A request shows an account's password, a key file, or a token: one of ours, an identity token of an issuer, or an
//! opaque one that only its issuer can read. What was verified is remembered for a minute, by a fingerprint; what was
//! wrong makes the next attempt wait.

mod expensive;
mod issuers;
mod log_in;
mod remembered;
mod slow_down;
pub(crate) mod token_endpoint;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use access::{
    Actions, AuthorizationError, Claims, Credential, FINGERPRINT_KEY_BYTES, FingerprintKey, Grants, KeyFile,
    Member, PasswordError, Principal, SALT_BYTES, TOKEN_SECRET_BYTES, TokenError, TokenKey, TokenKind,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::AUTHORIZATION;
use store::{Account, Entropy};
use tokio::sync::OnceCell;
use transport::Secret;

pub use issuers::{AccessOptions, Introspection, Issuer};

use crate::access::{Caller, is_local};
use crate::access_memory::{AccessMemory, Generation};
use crate::call::Call;
use crate::host_routes::{Place, without_port};
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::transition;
use expensive::Gate;
use issuers::Issuers;
use log_in::Claim;
use remembered::Remembered;
use slow_down::SlowDown;

/// Somebody whose credential was taken.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) principal: Principal,
    /// The generation of their account, if they have one here.
    pub(crate) generation: Option<u64>,
    /// What the credential is for.
    pub(crate) reach: Reach,
    /// From when on, in seconds since 1970: the other end of what a clock that is set back may not make longer.
    pub(crate) begins: Option<i64>,
    /// Until when, in seconds since 1970.
    pub(crate) expires: Option<i64>,
    /// On which host, if on one only; without port, in lower case.
    pub(crate) audience: Option<String>,
    /// What they show to old registries.
    pub(crate) relayed: Vec<Shown>,
}

/// What somebody shows to an old registry.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) host: String,
    /// The Authorization header, if there is one to show.
    pub(crate) header: Option<Secret>,
    /// Whether it is shown only when the registry asks for it.
    pub(crate) on_demand: bool,
    /// Whether the registry could not be asked when the token was made.
    pub(crate) unasked: bool,
}

/// One attempt to show a credential.
pub(crate) struct Attempt<'a> {
    pub(crate) memory: &'a Generation,
    /// From where.
    pub(crate) address: IpAddr,
    /// The host that a token has to be for, however it is shown.
    pub(crate) audience: &'a str,
}

/// How far a credential reaches, whatever its owner may.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    Everything,
    Only(Arc<Granted>),
}

/// What a token is for.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    pub(crate) places: Vec<(Place, Actions)>,
    pub(crate) catalog: bool,
}

/// What authentication keeps between requests.
pub(crate) struct Authentication {
    pub(crate) memory: AccessMemory,
    fingerprints: FingerprintKey,
    /// What this process shows to itself.
    own_token: String,
    token_key: OnceCell<TokenKey>,
    remembered: Remembered,
    slow_down: SlowDown,
    gate: Gate,
    issuers: RwLock<Arc<Issuers>>,
}

impl Known {
    /// Somebody whose credential reaches as far as they do.
    pub(crate) fn whole(principal: Principal) -> Known {
        Known {
            principal,
            generation: None,
            reach: Reach::Everything,
            begins: None,
            expires: None,
            audience: None,
            relayed: Vec::new(),
        }
    }

    /// Whether its time has come and is not over.
    pub(crate) fn counts(&self, now: i64) -> bool {
        self.begins.is_none_or(|begins| begins <= now) && self.expires.is_none_or(|expires| now < expires)
    }

    fn is_for(&self, authority: &str) -> bool {
        self.audience
            .as_deref()
            .is_none_or(|audience| without_port(authority).eq_ignore_ascii_case(audience))
    }
}

impl Granted {
    pub(crate) fn allows(&self, needed: Actions, is_place: impl Fn(&Place) -> bool) -> bool {
        self.places
            .iter()
            .any(|(place, actions)| is_place(place) && actions.include(needed))
    }
}

impl Authentication {
    /// The hash of a new password, made when it is its turn among those that are verified.
    pub(crate) async fn hash_password(
        &self,
        password: String,
        salt: [u8; SALT_BYTES],
    ) -> Result<Result<String, PasswordError>, Refusal> {
        self.gate
            .run(|| Ok(()), move |_| access::hash_password(&password, &salt))
            .await
    }

    pub(crate) fn new(options: &AccessOptions, entropy: &dyn Entropy) -> Authentication {
        let mut key = [0; FINGERPRINT_KEY_BYTES];
        entropy.fill(&mut key);
        let mut own = [0; TOKEN_SECRET_BYTES];
        entropy.fill(&mut own);
        Authentication {
            memory: AccessMemory::default(),
            fingerprints: FingerprintKey::new(&key),
            own_token: format!("{OWN_PREFIX}{}", URL_SAFE_NO_PAD.encode(own)),
            token_key: OnceCell::new(),
            remembered: Remembered::default(),
            slow_down: SlowDown::default(),
            gate: Gate::default(),
            issuers: RwLock::new(Arc::new(Issuers::new(options))),
        }
    }

    /// Believes these issuers from now on, and forgets what others said.
    pub(crate) fn configure(&self, options: &AccessOptions) {
        let issuers = Arc::new(Issuers::new(options));
        *self.issuers.write().unwrap_or_else(PoisonError::into_inner) = issuers;
        self.memory.forget();
    }

    fn issuers(&self) -> Arc<Issuers> {
        Arc::clone(&self.issuers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_own(&self, token: &str) -> bool {
        // Fingerprints, so that the time does not tell how much of it was right.
        token.starts_with(OWN_PREFIX)
            && self.fingerprints.of(&[token]) == self.fingerprints.of(&[&self.own_token])
    }
}

impl Registry {
    /// A token with which this process may do everything in its own registry, as `lightship`. It is not kept anywhere
    /// and ends with the process; it is for `Authorization: Bearer`.
    #[must_use]
    pub fn own_token(&self) -> &str {
        &self.authentication().own_token
    }

    /// Forgets what is remembered of accounts and policies. To be called after one was changed.
    pub fn forget_access(&self) {
        self.authentication().memory.forget();
    }

    /// Who asks.
    ///
    /// # Errors
    /// When what was shown is wrong: that is never taken for nothing shown.
    pub(crate) async fn caller(&self, call: &Call<'_>) -> Result<Caller, Refusal> {
        let headers = call.headers;
        let authentication = self.authentication();
        let memory = self.access_memory().await?;
        let mut caller = self.stranger(call, &memory);
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(caller);
        };
        let header = header
            .to_str()
            .map_err(|_| Refusal::wrong_credential(AuthorizationError::Scheme))?;
        if let Some(token) = header.strip_prefix("Bearer ") {
            if authentication.is_own(token) {
                caller.known = Some(Arc::new(Known::whole(Principal::registry())));
                return Ok(caller);
            }
            if let Some(known) = memory.token(token, self.now().as_second()) {
                // Verified before, and nothing has changed since.
                if known.is_for(call.audience()) {
                    caller.known = Some(known);
                    return Ok(caller);
                }
            }
        }
        // What is shown to an open registry is for another one that was here.
        if !memory.is_closed {
            return Ok(caller);
        }
        if headers.get_all(AUTHORIZATION).iter().count() > 1 {
            return Err(Refusal::wrong_credential(AuthorizationError::Scheme));
        }
        let credential = Credential::of_header(header).map_err(Refusal::wrong_credential)?;
        let attempt = Attempt {
            memory: &memory,
            address: call.client(),
            audience: call.audience(),
        };
        caller.known = Some(self.authenticate(&credential, &attempt).await?);
        Ok(caller)
    }

    async fn access_memory(&self) -> Result<Arc<Generation>, Refusal> {
        let authentication = self.authentication();
        let has_issuers = !authentication.issuers().is_empty();
        let memory = &authentication.memory;
        Ok(memory.current(self.metadata(), self.now(), has_issuers).await?)
    }

    /// Somebody who has shown nothing yet.
    fn stranger(&self, call: &Call<'_>, memory: &Arc<Generation>) -> Caller {
        Caller {
            is_local: is_local(call.peer, call.authority, call.headers),
            memory: memory.is_closed.then(|| Arc::clone(memory)),
            ..Caller::nobody()
        }
    }

    /// Who asks for a token, and what old registries say of them. Whom one lets in that answers for a repository here needs no
    /// account here to be passed on to it; here they are nobody then.
    pub(crate) async fn introduced_caller(&self, call: &Call<'_>) -> Result<Caller, Refusal> {
        let memory = self.access_memory().await?;
        if !memory.is_closed || self.transitions().await?.is_empty() {
            return self.caller(call).await;
        }
        let asked = (&call.query, call.query.service(call.authority));
        let basic = transition::basic(call);
        let introduced = transition::introduce(self, asked, (basic.as_ref(), call.client())).await?;
        let is_let_in = introduced.is_let_in;
        let caller = match is_let_in && self.is_without_account(call, &memory).await? {
            true => Ok(self.stranger(call, &memory)),
            false => self.caller(call).await,
        };
        let caller = match caller {
            Err(refusal @ (Refusal::LoginFailed { .. } | Refusal::LoginSlowed { .. })) if is_let_in => {
                self.forgive(&refusal, call.client());
                self.stranger(call, &memory)
            }
            caller => caller?,
        };
        Ok(Caller {
            introduced: Some(Arc::new(introduced)),
            ..caller
        })
    }

    /// Whether what is shown is a password of nobody who has an account here.
    async fn is_without_account(&self, call: &Call<'_>, memory: &Generation) -> Result<bool, Refusal> {
        let header = call.headers.get(AUTHORIZATION);
        let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
        match Credential::of_header(header) {
            Ok(Credential::Password { name, .. }) => {
                Ok(memory.account(self.metadata(), &name).await?.is_none())
            }
            _ => Ok(false),
        }
    }

    /// Whose a credential is.
    pub(crate) async fn authenticate(
        &self,
        credential: &Credential,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<Known>, Refusal> {
        match credential {
            Credential::Password { name, password } => {
                let claim = Claim::Password { name, password };
                self.log_in(&claim, attempt).await
            }
            Credential::KeyFile(json) => {
                let file = KeyFile::parse(json).map_err(Refusal::key_file)?;
                let claim = Claim::KeyFile {
                    file: Arc::new(file),
                    json,
                };
                self.log_in(&claim, attempt).await
            }
            Credential::Token(token) => self.token(token, attempt).await,
        }
    }

    async fn token(&self, token: &str, attempt: &Attempt<'_>) -> Result<Arc<Known>, Refusal> {
        let now = self.now().as_second();
        if let Some(known) = attempt.memory.token(token, now)
            && known.is_for(attempt.audience)
        {
            return Ok(known);
        }
        let known = if TokenKey::looks_like_one(token) {
            let claims = self.token_key().await?.verify(token, now);
            let claims = claims.map_err(Refusal::token)?;
            self.token_subject(claims, TokenKind::Access, attempt).await?
        } else {
            self.foreign_token(token, attempt).await?
        };
        let known = Arc::new(known);
        attempt.memory.keep_token(token, &known);
        Ok(known)
    }

    /// Whose one of our tokens is, as its account is now.
    pub(crate) async fn token_subject(
        &self,
        claims: Claims,
        kind: TokenKind,
        attempt: &Attempt<'_>,
    ) -> Result<Known, Refusal> {
        if claims.kind != kind {
            return Err(Refusal::token(TokenError::Malformed));
        }
        let begins = claims.begins();
        let sealing = self.token_key().await?.sealing();
        let opened = |relayed: access::Relayed| {
            let header = match &relayed.sealed {
                None => None,
                Some(sealed) => Some(Secret::new(sealing.open(sealed, &relayed.host)?)),
            };
            Some(Shown {
                host: relayed.host,
                header,
                on_demand: relayed.on_demand,
                unasked: relayed.unasked,
            })
        };
        let relayed = claims.relayed.into_iter().filter_map(opened).collect();
        let principal = match (claims.subject, claims.generation) {
            (None, _) => Principal::anonymous(),
            (Some(member), None) => {
                let principal = Principal::member(member, claims.sets);
                self.refuse_shut(&principal, attempt).await?;
                principal
            }
            (Some(member), Some(generation)) => {
                let name = account_name(&member);
                let account = attempt.memory.account(self.metadata(), name).await?;
                let same = |account: &Arc<Account>| {
                    account.member == member && account.generation == generation && !account.disabled
                };
                principal_of(&*account.filter(same).ok_or(Refusal::AccountChanged)?)
            }
        };
        let known = Known {
            principal,
            generation: claims.generation,
            reach: reach(claims.grants),
            begins: Some(begins),
            expires: Some(claims.expires),
            audience: Some(without_port(&claims.audience).to_ascii_lowercase()),
            relayed,
        };
        match known.is_for(attempt.audience) {
            true => Ok(known),
            false => Err(Refusal::TokenAudience {
                audience: claims.audience,
            }),
        }
    }

    /// The key that signs our tokens: the same for every server of the store.
    pub(crate) async fn token_key(&self) -> Result<&TokenKey, Refusal> {
        let make = || async {
            let mut proposal = [0; TOKEN_SECRET_BYTES];
            self.entropy().fill(&mut proposal);
            let secret = self.metadata().secret(TOKEN_SECRET, &proposal).await?;
            Ok(TokenKey::new(&secret))
        };
        self.authentication().token_key.get_or_try_init(make).await
    }
}

fn reach(grants: Grants) -> Reach {
    let Grants::Only(grants) = grants else {
        return Reach::Everything;
    };
    let mut granted = Granted::default();
    for grant in grants {
        if grant.resource == CATALOG {
            granted.catalog = true;
        } else if let Ok(place) = grant.resource.parse() {
            granted.places.push((place, Actions::parse(&grant.actions)));
        }
    }
    Reach::Only(Arc::new(granted))
}

/// The name of the account that a member is.
fn account_name(member: &Member) -> &str {
    match member {
        Member::User(name) | Member::ServiceAccount(name) => name,
        _ => "",
    }
}

fn principal_of(account: &Account) -> Principal {
    Principal::member(account.member.clone(), account.groups.iter().cloned())
}

/// Stands for the list of repositories where a resource stands else.
const CATALOG: &str = "catalog";
/// The name of the secret that signs tokens.
const TOKEN_SECRET: &str = "access-tokens";
const OWN_PREFIX: &str = "lightship-own.";
