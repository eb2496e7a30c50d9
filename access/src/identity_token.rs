//! Identity tokens of other issuers: who the issuer says somebody is.
//!
//! Only RS256 and ES256, and the key says which of them: what the token's header claims about its algorithm decides
//! nothing but whether it fits the key.
//!
//! Spec: RFC 7515, 7517, 7518, 7519; OpenID Connect Core 1.0, 2.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Member, Principal};

/// Longest identity token that is looked at.
pub const IDENTITY_TOKEN_BYTES_MAX: usize = 16 << 10;
/// Most keys of an issuer.
pub const ISSUER_KEYS_MAX: usize = 64;
/// Longest document of keys.
pub const ISSUER_KEYS_BYTES_MAX: usize = 256 << 10;
/// Most groups that are taken from a token.
pub const TOKEN_GROUPS_MAX: usize = 200;
/// How far the clocks may be apart of who gives out a token and who is shown it, in seconds.
pub const CLOCK_LEEWAY_SECONDS: i64 = 60;

/// How an issuer's claims become a principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssuerRules {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// What stands after `principal://`; the issuer without its scheme when it is empty.
    pub pool: String,
    /// Which claim is the subject; `sub` when it is empty.
    pub subject_claim: String,
    /// Which claim holds the groups.
    pub groups_claim: Option<String>,
    /// Attributes of principal sets, and the claims they come from.
    pub attributes: BTreeMap<String, String>,
    /// Domains whose verified `email` also makes somebody `user:EMAIL`, or `serviceAccount:EMAIL` where the domain ends
    /// in `gserviceaccount.com`. Whoever stands here can make the registry believe in any account of these domains.
    pub email_domains: Vec<String>,
}

/// The public keys of an issuer.
#[derive(Debug, Clone, Default)]
pub struct IssuerKeys(Vec<IssuerKey>);

#[derive(Debug, Clone)]
struct IssuerKey {
    id: Option<String>,
    public: JwkPublic,
}

#[derive(Debug, Clone)]
enum JwkPublic {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
}

/// Who an issuer says somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Them.
    pub principal: Principal,
    /// From when on, in seconds since 1970, if the issuer says so.
    pub begins: Option<i64>,
    /// Until when, in seconds since 1970.
    pub expires: i64,
}

/// Why an identity token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is no JSON Web Token.
    #[error("this is no identity token")]
    Malformed,
    /// It is signed in a way that is not taken.
    #[error("identity tokens are taken with RS256 or ES256, not with {algorithm:?}")]
    Algorithm {
        /// Which.
        algorithm: String,
    },
    /// None of the issuer's keys has that name.
    #[error("the issuer has no key of the name that the identity token says")]
    KeyUnknown,
    /// The signature is none of the issuer.
    #[error("the identity token is not signed by its issuer")]
    Forged,
    /// It is of another issuer.
    #[error("the identity token is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the identity token is for another audience: expected one of {expected:?}")]
    Audience {
        /// What is expected.
        expected: Vec<String>,
    },
    /// Its time is over.
    #[error("the identity token has expired")]
    Expired,
    /// Its time has not come.
    #[error(
        "the identity token is of a moment {seconds} s from now: the clock of this server, or of its issuer, is wrong"
    )]
    NotYet {
        /// How much later.
        seconds: i64,
    },
    /// It does not say whose it is, or in a way that no policy could name.
    #[error("the identity token has no usable subject in {claim:?}")]
    Subject {
        /// Where it was looked for.
        claim: String,
    },
}

/// A document that is not that of an issuer's keys.
#[derive(Debug, thiserror::Error)]
pub enum IssuerKeysError {
    /// It is too large, or has too many keys.
    #[error("the issuer's keys are more than {ISSUER_KEYS_MAX} or longer than {ISSUER_KEYS_BYTES_MAX} bytes")]
    TooLarge,
    /// It is no key set.
    #[error("the issuer's keys are no JSON Web Key Set")]
    Document(#[source] serde_json::Error),
}

/// The issuer that a token says it is of, which nothing has proved yet: it tells whose keys to ask.
///
/// # Errors
/// When it is no JSON Web Token.
pub fn claimed_issuer(token: &str) -> Result<String, IdentityError> {
    let parts = Parts::of(token)?;
    let issuer = parts.claims.get("iss").and_then(Value::as_str);
    issuer.map(str::to_owned).ok_or(IdentityError::Malformed)
}

/// Who `token` says somebody is, when the issuer signed it and it is for us and now.
///
/// # Errors
/// See [`IdentityError`].
pub fn identify(
    token: &str,
    rules: &IssuerRules,
    keys: &IssuerKeys,
    now: i64,
) -> Result<Identified, IdentityError> {
    let parts = Parts::of(token)?;
    keys.verify(&parts)?;
    rules.identified(&parts.claims, now)
}

impl IssuerRules {
    /// Who these claims, which have been proved, say somebody is.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn identified(&self, claims: &Map<String, Value>, now: i64) -> Result<Identified, IdentityError> {
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.issuer) {
            return Err(IdentityError::Issuer);
        }
        self.check_audience(claims)?;
        let time = |name: &str| claims.get(name).and_then(number);
        let expires = time("exp").ok_or(IdentityError::Malformed)?;
        if expires.saturating_add(CLOCK_LEEWAY_SECONDS) <= now {
            return Err(IdentityError::Expired);
        }
        let stated = time("nbf").max(time("iat"));
        let begins = stated.map(|stated| stated.saturating_sub(CLOCK_LEEWAY_SECONDS));
        if let (Some(stated), true) = (stated, begins > Some(now)) {
            let seconds = stated.saturating_sub(now);
            return Err(IdentityError::NotYet { seconds });
        }
        Ok(Identified {
            principal: self.principal(claims)?,
            begins,
            expires,
        })
    }

    /// # Errors
    /// When none of the audiences is ours.
    pub fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), IdentityError> {
        let ours = |audience: &Value| {
            audience
                .as_str()
                .is_some_and(|audience| self.audiences.iter().any(|own| own == audience))
        };
        let fits = match claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(ours),
            Some(audience) => ours(audience),
            None => false,
        };
        if fits {
            return Ok(());
        }
        Err(IdentityError::Audience {
            expected: self.audiences.clone(),
        })
    }

    /// Whose claims these are, whatever they say of time and audience.
    ///
    /// # Errors
    /// When they do not say.
    pub fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, IdentityError> {
        let claim = match self.subject_claim.as_str() {
            "" => "sub",
            other => other,
        };
        let unusable = || IdentityError::Subject {
            claim: claim.to_owned(),
        };
        let pool = match self.pool.as_str() {
            "" => self
                .issuer
                .split_once("://")
                .map_or(&*self.issuer, |(_, rest)| rest)
                .trim_end_matches('/'),
            other => other,
        };
        let subject = claims.get(claim).and_then(text).ok_or_else(unusable)?;
        let member = format!("principal://{pool}/subject/{subject}")
            .parse()
            .map_err(|_| unusable())?;
        let mut sets = vec![format!("principalSet://{pool}/*")];
        let groups = self.groups_claim.as_ref().and_then(|claim| claims.get(claim));
        let groups = match groups {
            Some(Value::Array(groups)) => groups.iter().filter_map(text).collect(),
            Some(group) => text(group).into_iter().collect(),
            None => Vec::new(),
        };
        sets.extend(
            groups
                .iter()
                .take(TOKEN_GROUPS_MAX)
                .map(|group| format!("principalSet://{pool}/group/{group}")),
        );
        for (attribute, claim) in &self.attributes {
            if let Some(value) = claims.get(claim).and_then(text) {
                sets.push(format!("principalSet://{pool}/attribute.{attribute}/{value}"));
            }
        }
        sets.extend(self.account(claims));
        // What no policy could name is in no set.
        let sets = sets.iter().filter_map(|set| set.parse::<Member>().ok());
        Ok(Principal::member(member, sets))
    }

    /// The account's name that a verified address is, where its domain is one that the issuer may speak for.
    fn account(&self, claims: &Map<String, Value>) -> Option<String> {
        let email = claims.get("email")?.as_str()?;
        let verified = match claims.get("email_verified")? {
            Value::Bool(verified) => *verified,
            Value::String(text) => text == "true",
            _ => false,
        };
        let (_, domain) = email.rsplit_once('@')?;
        let speaks = self
            .email_domains
            .iter()
            .any(|own| own.eq_ignore_ascii_case(domain));
        if !verified || !speaks {
            return None;
        }
        let kind = match domain.ends_with("gserviceaccount.com") {
            true => "serviceAccount",
            false => "user",
        };
        Some(format!("{kind}:{email}"))
    }
}

impl IssuerKeys {
    /// Reads a JSON Web Key Set. Keys of kinds that are not used here are left out.
    ///
    /// # Errors
    /// See [`IssuerKeysError`].
    pub fn parse(json: &[u8]) -> Result<IssuerKeys, IssuerKeysError> {
        if json.len() > ISSUER_KEYS_BYTES_MAX {
            return Err(IssuerKeysError::TooLarge);
        }
        let document: KeySetDocument = serde_json::from_slice(json).map_err(IssuerKeysError::Document)?;
        if document.keys.len() > ISSUER_KEYS_MAX {
            return Err(IssuerKeysError::TooLarge);
        }
        Ok(IssuerKeys(
            document.keys.into_iter().filter_map(JwkDocument::key).collect(),
        ))
    }

    fn verify(&self, parts: &Parts<'_>) -> Result<(), IdentityError> {
        let algorithm = parts.header.alg.as_str();
        if !matches!(algorithm, "RS256" | "ES256") {
            return Err(IdentityError::Algorithm {
                algorithm: algorithm.chars().take(SHOWN_CHARACTERS_MAX).collect(),
            });
        }
        let named = |key: &&IssuerKey| match &parts.header.kid {
            Some(id) => key.id.as_ref() == Some(id),
            // Without a name there must be no choice.
            None => self.0.len() == 1,
        };
        let key = self.0.iter().find(named).ok_or(IdentityError::KeyUnknown)?;
        let signed = parts.signed.as_bytes();
        let verified = match (&key.public, algorithm) {
            (JwkPublic::Rsa { n, e }, "RS256") => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                signed,
                &parts.signature,
            ),
            (JwkPublic::P256 { point }, "ES256") => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, &parts.signature)
            }
            _ => return Err(IdentityError::Forged),
        };
        verified.map_err(|_| IdentityError::Forged)
    }
}

/// A token taken apart; nothing of it is proved.
struct Parts<'t> {
    header: Header,
    claims: Map<String, Value>,
    signed: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

impl Parts<'_> {
    fn of(token: &str) -> Result<Parts<'_>, IdentityError> {
        if token.len() > IDENTITY_TOKEN_BYTES_MAX {
            return Err(IdentityError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(IdentityError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(IdentityError::Malformed)?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| IdentityError::Malformed);
        let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| IdentityError::Malformed)?;
        if header.crit.is_some() {
            return Err(IdentityError::Malformed);
        }
        Ok(Parts {
            header,
            claims: serde_json::from_slice(&bytes(claims)?).map_err(|_| IdentityError::Malformed)?,
            signed,
            signature: bytes(signature)?,
        })
    }
}

#[derive(Deserialize)]
struct KeySetDocument {
    keys: Vec<JwkDocument>,
}

#[derive(Deserialize)]
struct JwkDocument {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl JwkDocument {
    fn key(self) -> Option<IssuerKey> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let public = match self.kty.as_str() {
            "RSA" => JwkPublic::Rsa {
                n: bytes(&self.n)?,
                e: bytes(&self.e)?,
            },
            "EC" if self.crv.as_deref() == Some("P-256") => {
                let mut point = vec![UNCOMPRESSED];
                point.extend(bytes(&self.x)?);
                point.extend(bytes(&self.y)?);
                JwkPublic::P256 { point }
            }
            _ => return None,
        };
        Some(IssuerKey { id: self.kid, public })
    }
}

fn number(value: &Value) -> Option<i64> {
    // Some issuers write numbers as texts, Google's tokeninfo among them, and some with fractions.
    match value {
        Value::String(text) => text.parse().ok(),
        other => other
            .as_i64()
            .or_else(|| other.as_f64().map(|number| number as i64)),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// How an uncompressed point begins.
const UNCOMPRESSED: u8 = 4;
const SHOWN_CHARACTERS_MAX: usize = 20;
