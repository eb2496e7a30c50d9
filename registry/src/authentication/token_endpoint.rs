//! `/v2/token`: where clients get what they show with their requests.
//!
//! GET as docker's token specification has it, POST as its OAuth2 one: by password and by refresh token. A token is for what
//! was asked and the policies allow, and for nothing more; asking without a credential gives one for what everybody may.
//!
//! Spec: distribution "Token Authentication Specification", "Oauth2 Token Authentication".

use std::sync::Arc;

use access::{
    Actions, Claims, Credential, Grant, Grants, Permission, Principal, Scope, TokenError, TokenKey, TokenKind,
};
use hyper::header::CACHE_CONTROL;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{Attempt, CATALOG, Known, Reach};
use crate::access::{Caller, On};
use crate::answer::{self, Answer};
use crate::call::{Arriving, Call, Query, TOKEN_PATH};
use crate::host_routes::Host;
use crate::refusal::{Needs, Refusal};
use crate::registry::Registry;
use crate::transition::{self, Introduced};

/// How long a refresh token counts, in seconds. Any change of its account ends it.
const REFRESH_SECONDS: i64 = 30 * 24 * 3600;
/// Longest form that is taken: a key file in it is percent-encoded.
const FORM_BYTES_MAX: usize = 64 << 10;

pub(crate) async fn token(
    registry: &Registry,
    call: &Call<'_>,
    mut body: Arriving,
) -> Result<Answer, Refusal> {
    let Some(memory) = call.caller.memory.clone() else {
        return Err(Refusal::PathUnknown);
    };
    let (parameters, mut caller) = match *call.method {
        Method::GET => (None, call.caller.clone()),
        Method::POST => {
            let form = body.whole(FORM_BYTES_MAX).await?;
            let form =
                std::str::from_utf8(&form).map_err(|_| Refusal::TokenRequest("the form is no UTF-8"))?;
            (Some(Query::parse(Some(form))), call.caller.clone())
        }
        _ => return Err(call.refuse_method("GET, POST")),
    };
    let query = parameters.as_ref().unwrap_or(&call.query);
    let service = query.service(call.authority);
    if let Some(form) = &parameters {
        let attempt = Attempt {
            memory: &memory,
            address: call.client(),
            audience: service,
        };
        let introduced = match registry.transitions().await?.is_empty() {
            true => Introduced::default(),
            false => {
                let basic = transition::basic_of_form(form);
                transition::introduce(registry, (form, service), (basic.as_ref(), call.client())).await?
            }
        };
        let is_let_in = introduced.is_let_in;
        caller.introduced = Some(Arc::new(introduced));
        caller.known = match of_form(registry, form, &attempt).await {
            // Whom the old side lets in needs no account here to be passed on to it.
            Err(refusal @ (Refusal::LoginFailed { .. } | Refusal::LoginSlowed { .. })) if is_let_in => {
                registry.forgive(&refusal, call.client());
                None
            }
            known => Some(known?),
        };
    }
    let options = registry.options();
    let host = options.routes.host(service);
    let scopes = Scope::parse_all(query.all("scope"))
        .map_err(|_| Refusal::TokenRequest("more scopes, or longer ones, than a token can be for"))?;
    let issue = Issue {
        registry,
        caller: &caller,
        host,
        service,
    };
    let wants_refresh = parameters.is_some() && query.get("access_type") == Some("offline");
    issue.answer(&scopes, wants_refresh).await
}

/// Whose a form is.
async fn of_form(registry: &Registry, form: &Query, attempt: &Attempt<'_>) -> Result<Arc<Known>, Refusal> {
    let field = |name: &'static str| form.get(name).filter(|value| !value.is_empty());
    match form.get("grant_type") {
        Some("password") => {
            let name = field("username").ok_or(Refusal::TokenRequest("`username` is missing"))?;
            let password = form.get("password").unwrap_or_default();
            let credential = Credential::of_user(name, password).map_err(Refusal::wrong_credential)?;
            registry.authenticate(&credential, attempt).await
        }
        Some("refresh_token") => {
            let token = field("refresh_token").ok_or(Refusal::TokenRequest("`refresh_token` is missing"))?;
            let now = registry.now().as_second();
            if TokenKey::looks_like_one(token)
                && let Ok(claims) = registry.token_key().await?.verify(token, now)
                && claims.kind == TokenKind::Refresh
            {
                let mut known = registry
                    .token_subject(claims, TokenKind::Refresh, attempt)
                    .await?;
                // What comes of it may live as long as any token.
                known.expires = None;
                return Ok(Arc::new(known));
            }
            // Clients keep whatever they were given as an identity token, and send it here.
            let credential = Credential::Token(token.to_owned());
            registry.authenticate(&credential, attempt).await
        }
        _ => Err(Refusal::TokenRequest(
            "`grant_type` is neither password nor refresh_token",
        )),
    }
}

/// One token to be given out.
struct Issue<'i> {
    registry: &'i Registry,
    caller: &'i Caller,
    /// The host that names in scopes are of.
    host: Host<'i>,
    service: &'i str,
}

impl Issue<'_> {
    async fn answer(&self, scopes: &[Scope], wants_refresh: bool) -> Result<Answer, Refusal> {
        let (grants, shown) = self.grants(scopes).await?;
        let now = self.registry.now();
        let seconds = now.as_second();
        let known = self.caller.known.as_deref();
        // One token made of another does not outlive it.
        let ends = known.and_then(|known| known.expires).unwrap_or(i64::MAX);
        let lives = self.registry.options().access.token_time.as_secs();
        let lives = i64::try_from(lives).unwrap_or(i64::MAX);
        // What travels in it ends it too.
        let introduced = self.caller.introduced.as_deref();
        let sealed = introduced.and_then(|introduced| introduced.lives);
        let sealed = sealed.and_then(|lives| i64::try_from(lives.as_secs()).ok());
        let lives = lives.min(sealed.unwrap_or(i64::MAX)).max(1);
        let access = self.claims(TokenKind::Access, grants)?;
        let access = Claims {
            expires: ends.min(seconds.saturating_add(lives)),
            relayed: introduced.map_or_else(Vec::new, |introduced| introduced.relayed.clone()),
            ..access
        };
        let expires_in = access.expires - seconds;
        let key = self.registry.token_key().await?;
        let token = key.sign(&access);
        if token.len() > access::TOKEN_BYTES_MAX {
            return Err(Refusal::TokenRequest(
                "the token would be longer than any; ask for less",
            ));
        }
        let mut document = Map::new();
        document.insert("token".to_owned(), token.clone().into());
        document.insert("access_token".to_owned(), token.into());
        document.insert("expires_in".to_owned(), expires_in.into());
        document.insert("issued_at".to_owned(), now.to_string().into());
        document.insert("scope".to_owned(), shown.join(" ").into());
        let is_account = known.is_some_and(|known| known.generation.is_some() && known.expires.is_none());
        if wants_refresh && is_account {
            let refresh = Claims {
                expires: seconds + REFRESH_SECONDS,
                ..self.claims(TokenKind::Refresh, Grants::Everything)?
            };
            document.insert("refresh_token".to_owned(), key.sign(&refresh).into());
        }
        let mut answer = answer::json(StatusCode::OK, &Value::Object(document));
        answer::set(&mut answer, CACHE_CONTROL, "no-store");
        Ok(answer)
    }

    fn claims(&self, kind: TokenKind, grants: Grants) -> Result<Claims, Refusal> {
        let principal = self.caller.principal();
        let subject = match principal.identity() {
            access::Identity::Anonymous => None,
            access::Identity::Member(member) => Some(member.clone()),
            // Its own token ends with the process; no signed one outlives that.
            access::Identity::Registry => return Err(Refusal::token(TokenError::Malformed)),
        };
        let generation = self.caller.known.as_ref().and_then(|known| known.generation);
        Ok(Claims {
            kind,
            subject,
            // Those of an account are looked up each time.
            sets: match generation {
                Some(_) => Vec::new(),
                None => principal.sets().cloned().collect(),
            },
            generation,
            audience: self.service.to_owned(),
            issued: self.registry.now().as_second(),
            expires: 0,
            grants,
            relayed: Vec::new(),
        })
    }

    /// What is asked for, as far as it is allowed; and the same as clients read it.
    async fn grants(&self, scopes: &[Scope]) -> Result<(Grants, Vec<String>), Refusal> {
        let mut grants = Vec::new();
        let mut shown = Vec::new();
        for scope in scopes {
            match scope {
                Scope::Repository { name, actions } => {
                    let Some(place) = self.host.place(name) else {
                        continue;
                    };
                    let allowed = self.allowed(On::from(&place), *actions).await?;
                    if allowed.is_empty() {
                        continue;
                    }
                    shown.push(format!("repository:{name}:{allowed}"));
                    grants.push(Grant {
                        resource: place.to_string(),
                        actions: allowed.to_string(),
                    });
                }
                Scope::Catalog => {
                    let Some(repository) = self.host.whole() else {
                        continue;
                    };
                    let on = On::Catalog(repository);
                    if self.allows(Permission::ListPackages, on).await? {
                        shown.push("registry:catalog:*".to_owned());
                        grants.push(Grant {
                            resource: CATALOG.to_owned(),
                            actions: String::new(),
                        });
                    }
                }
                Scope::Everything if self.reaches_everything() => {
                    return Ok((Grants::Everything, vec![access::EVERYTHING.to_owned()]));
                }
                Scope::Everything | Scope::Other => {}
            }
        }
        Ok((Grants::Only(grants), shown))
    }

    fn reaches_everything(&self) -> bool {
        let known = self.caller.known.as_deref();
        known.is_some_and(|known| {
            matches!(known.reach, Reach::Everything) && known.principal != Principal::anonymous()
        })
    }

    async fn allowed(&self, on: On<'_>, asked: Actions) -> Result<Actions, Refusal> {
        Ok(Actions {
            pull: asked.pull && self.allows(Permission::DownloadArtifacts, on).await?,
            push: asked.push && self.allows(Permission::UploadArtifacts, on).await?,
            delete: asked.delete && self.allows(Permission::DeleteArtifacts, on).await?,
        })
    }

    /// By the policies, and by what the token is for that this one is made of.
    async fn allows(&self, permission: Permission, on: On<'_>) -> Result<bool, Refusal> {
        Ok(self.caller.reaches(permission, on)
            && self.registry.policies_allow(self.caller, permission, on).await?)
    }
}

/// The challenge of a refusal: where to get which token.
///
/// Spec: RFC 6750, 3; distribution "Token Authentication Specification".
pub(crate) fn challenge(
    realm: &str,
    service: &str,
    name: Option<&str>,
    (needs, problem): (Needs, Option<&str>),
) -> String {
    let mut text = format!("Bearer realm=\"{realm}{TOKEN_PATH}\",service=\"{service}\"");
    let scope = match (needs, name) {
        (Needs::Actions(actions), Some(name)) => Some(format!("repository:{name}:{actions}")),
        (Needs::Catalog, _) => Some("registry:catalog:*".to_owned()),
        (Needs::Everything, _) => Some(access::EVERYTHING.to_owned()),
        (Needs::Token | Needs::Actions(_), _) => None,
    };
    for (parameter, value) in [("scope", scope.as_deref()), ("error", problem)] {
        if let Some(value) = value {
            text.push_str(&format!(",{parameter}=\"{value}\""));
        }
    }
    text
}
