//! Access tokens of our own: signed, short-lived, for one subject and some actions.
//!
//! `lst1.CLAIMS.MAC`, both parts in Base64 for URLs: an HMAC-SHA256 under the store's secret, so that every server of the
//! store takes what another gave out, and none takes a token of another registry.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{CLOCK_LEEWAY_SECONDS, Member, MemberError, SealingKey};

/// Longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Bytes of the secret that signs.
pub const TOKEN_SECRET_BYTES: usize = 32;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// What it is for.
    pub kind: TokenKind,
    /// Whose it is; nobody's is one for what everybody may.
    pub subject: Option<Member>,
    /// The sets that an issuer said the subject is in. Those of an account are looked up when the token is used.
    pub sets: Vec<Member>,
    /// The generation of the subject's account when it was given out; none when the subject has no account.
    pub generation: Option<u64>,
    /// The host that it is for.
    pub audience: String,
    /// When it was given out, in seconds since 1970.
    pub issued: i64,
    /// From when on it counts no more.
    pub expires: i64,
    /// What it allows at most.
    pub grants: Grants,
    /// What its holder showed to old registries that answer for repositories here, for those alone.
    pub relayed: Vec<Relayed>,
}

/// What is shown to an old registry in the name of a token's holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// The old registry's host.
    #[serde(rename = "h")]
    pub host: String,
    /// The sealed Authorization header, for the host as its purpose; none where there is nothing to show.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Whether it is shown only when the registry asks for it.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
    /// Whether the registry could not be asked what to show it: with the next token it is asked again.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

impl Claims {
    /// From when on it counts: servers of one store may have clocks that differ a little.
    #[must_use]
    pub fn begins(&self) -> i64 {
        self.issued.saturating_sub(CLOCK_LEEWAY_SECONDS)
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenKind {
    /// To be shown with requests.
    #[serde(rename = "a")]
    Access,
    /// To be exchanged for access tokens.
    #[serde(rename = "r")]
    Refresh,
}

/// What a token allows at most; what its subject may not, it does not allow either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// All that the subject may.
    Everything,
    /// Only these.
    Only(Vec<Grant>),
}

/// One thing that a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The resource's name, `projects/…`; `catalog` for the list of repositories.
    #[serde(rename = "r")]
    pub resource: String,
    /// Actions, as in a scope.
    #[serde(rename = "a")]
    pub actions: String,
}

/// A text that is no token of ours, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not the form of one.
    #[error("this is no token of this registry")]
    Malformed,
    /// It was not made here, or changed.
    #[error("the token was not given out by this registry")]
    Forged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It was given out later than now.
    #[error(
        "the token is of a moment {seconds} s from now: the clock of this server, or of the one that gave it out, is wrong"
    )]
    NotYet {
        /// How much later.
        seconds: i64,
    },
}

/// What signs tokens.
pub struct TokenKey {
    signing: hmac::Key,
    sealing: SealingKey,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKey(…)")
    }
}

impl TokenKey {
    /// The key of this secret, which must be random and [`TOKEN_SECRET_BYTES`] long.
    #[must_use]
    pub fn new(secret: &[u8]) -> TokenKey {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sealing = SealingKey::derived(&signing);
        TokenKey { signing, sealing }
    }

    /// What seals texts that tokens carry.
    #[must_use]
    pub fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// Whether a text looks like a token of ours, and not like anybody else's.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The token that says this.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let document = Document::of(claims);
        // Strings and numbers are always written.
        let json = serde_json::to_vec(&document).unwrap_or_default();
        let signed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json));
        let tag = hmac::sign(&self.signing, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a token says, when it is ours and its time has come and is not over.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, tag) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let claims = signed.strip_prefix(PREFIX).ok_or(TokenError::Malformed)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| TokenError::Malformed)?;
        hmac::verify(&self.signing, signed.as_bytes(), &tag).map_err(|_| TokenError::Forged)?;
        // From here on it is what we wrote, perhaps by another release.
        let json = URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_| TokenError::Malformed)?;
        let document: Document = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
        let claims = document.claims().map_err(|_| TokenError::Malformed)?;
        if claims.begins() > now {
            let seconds = claims.issued.saturating_sub(now);
            return Err(TokenError::NotYet { seconds });
        }
        if claims.expires <= now {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

const PREFIX: &str = "lst1.";

#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(rename = "k")]
    kind: TokenKind,
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<String>,
    #[serde(rename = "gen", default, skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(rename = "aud")]
    audience: String,
    #[serde(rename = "iat")]
    issued: i64,
    #[serde(rename = "exp")]
    expires: i64,
    /// None is everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<Grant>>,
    #[serde(rename = "rel", default, skip_serializing_if = "Vec::is_empty")]
    relayed: Vec<Relayed>,
}

impl Document {
    fn of(claims: &Claims) -> Document {
        Document {
            kind: claims.kind,
            subject: claims.subject.as_ref().map(ToString::to_string),
            sets: claims.sets.iter().map(ToString::to_string).collect(),
            generation: claims.generation,
            audience: claims.audience.clone(),
            issued: claims.issued,
            expires: claims.expires,
            grants: match &claims.grants {
                Grants::Everything => None,
                Grants::Only(grants) => Some(grants.clone()),
            },
            relayed: claims.relayed.clone(),
        }
    }

    fn claims(self) -> Result<Claims, MemberError> {
        Ok(Claims {
            kind: self.kind,
            subject: self.subject.map(|text| text.parse()).transpose()?,
            sets: self
                .sets
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
            generation: self.generation,
            audience: self.audience,
            issued: self.issued,
            expires: self.expires,
            grants: self.grants.map_or(Grants::Everything, Grants::Only),
            relayed: self.relayed,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> Claims {
        Claims {
            kind: TokenKind::Access,
            subject: Some(Member::User("ann".to_owned())),
            sets: vec![Member::Group("ops".to_owned())],
            generation: Some(3),
            audience: "registry.example".to_owned(),
            issued: 1000,
            expires: 1300,
            grants: Grants::Only(vec![Grant {
                resource: "projects/p/locations/l/repositories/r/packages/a".to_owned(),
                actions: "pull".to_owned(),
            }]),
            relayed: vec![Relayed {
                host: "old.example".to_owned(),
                sealed: Some("c2VhbGVk".to_owned()),
                on_demand: true,
                unasked: false,
            }],
        }
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let key = TokenKey::new(&[1; TOKEN_SECRET_BYTES]);
        let token = key.sign(&claims());
        assert!(TokenKey::looks_like_one(&token));
        assert_eq!(key.verify(&token, 1299), Ok(claims()));
        assert_eq!(key.verify(&token, 1300), Err(TokenError::Expired));
        let anonymous = Claims {
            subject: None,
            sets: Vec::new(),
            generation: None,
            grants: Grants::Everything,
            relayed: Vec::new(),
            ..claims()
        };
        assert_eq!(key.verify(&key.sign(&anonymous), 1000), Ok(anonymous));
    }

    #[test]
    fn a_token_from_the_future_is_refused_but_for_clocks_that_differ_a_little() {
        let key = TokenKey::new(&[1; TOKEN_SECRET_BYTES]);
        let token = key.sign(&claims());
        assert_eq!(key.verify(&token, 1000 - CLOCK_LEEWAY_SECONDS), Ok(claims()));
        let early = key.verify(&token, 1000 - CLOCK_LEEWAY_SECONDS - 1);
        assert_eq!(early, Err(TokenError::NotYet { seconds: 61 }));
        assert!(early.unwrap_err().to_string().contains("clock"));
    }

    #[test]
    fn no_changed_token_and_none_of_another_secret_is_taken() {
        let key = TokenKey::new(&[1; TOKEN_SECRET_BYTES]);
        let other = TokenKey::new(&[2; TOKEN_SECRET_BYTES]).sign(&claims());
        assert_eq!(key.verify(&other, 1000), Err(TokenError::Forged));
        let (signed, tag) = other.rsplit_once('.').unwrap();
        let mine = key.sign(&claims());
        let (_, my_tag) = mine.rsplit_once('.').unwrap();
        let longer = key.sign(&Claims {
            expires: 9999,
            ..claims()
        });
        let (longer, _) = longer.rsplit_once('.').unwrap();
        assert_eq!(
            key.verify(&format!("{longer}.{my_tag}"), 1000),
            Err(TokenError::Forged)
        );
        for text in [
            format!("{signed}."),
            format!("x{signed}.{tag}"),
            signed.to_owned(),
            String::new(),
        ] {
            assert!(key.verify(&text, 1000).is_err(), "{text}");
        }
        assert_eq!(
            key.verify(&"a".repeat(TOKEN_BYTES_MAX + 1), 1000),
            Err(TokenError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn a_token_with_one_other_character_is_refused(at in 0_usize..400, character in "[A-Za-z0-9_.-]") {
            let key = TokenKey::new(&[1; TOKEN_SECRET_BYTES]);
            let token = key.sign(&claims());
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &character);
            prop_assume!(changed != token);
            prop_assert!(key.verify(&changed, 1000).is_err());
        }
    }
}
