//! What a caller shows at `/v2/token` is exchanged at the old side's realm, and what comes of it travels sealed in our token.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Credential, Relayed, SEAL_NONCE_BYTES, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::registry::Exchanged;
use hyper::header::AUTHORIZATION;
use jiff::Timestamp;
use store::Transition;
use transport::Secret;

use super::straddling::STRADDLES_MAX;
use crate::call::{Call, Query};
use crate::host_routes::Place;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Old registries that one token is exchanged at.
const HOSTS_MAX: usize = 4;

/// How long a token lives for which an old registry could not be asked: with the next one it is asked again.
const UNASKED_LIVES: Duration = Duration::from_secs(60);

/// What old registries say of a caller who asks for a token.
#[derive(Debug, Default)]
pub(crate) struct Introduced {
    /// What the token carries.
    pub(crate) relayed: Vec<Relayed>,
    /// For how long, if what was given ends before our tokens do.
    pub(crate) lives: Option<Duration>,
    /// Whether one that answers for a repository here let them in: then nobody needs an account here to be relayed.
    pub(crate) is_let_in: bool,
}

/// What is asked of one old registry.
struct Question {
    scopes: Vec<String>,
    decides: bool,
}

/// Asks the old registries that the scopes lead to and that answer for what they name. Of those that cannot be asked the token
/// says so: their repositories may be answered here.
///
/// Who has to wait after wrong passwords is not asked about: else the old side could be guessed at through this one.
pub(crate) async fn introduce(
    registry: &Registry,
    (query, service): (&Query, &str),
    (basic, address): (Option<&Secret>, IpAddr),
) -> Result<Introduced, Refusal> {
    let mut introduced = Introduced::default();
    let may_try = basic.is_none_or(|basic| may_try(registry, basic, address));
    let questions = questions(registry, (query, service)).await?;
    for (host, question) in questions.into_iter().take(HOSTS_MAX) {
        let Some(relay) = registry.relay(&host) else {
            continue;
        };
        let scopes = question.scopes.join(" ");
        let exchanged = match may_try {
            true => {
                let exchanged = relay.exchange(basic, &scopes);
                registry.ask_for_caller(&host, exchanged).await.ok()
            }
            false => None,
        };
        match exchanged {
            Some(exchanged) => note(registry, &mut introduced, (host, basic), (&question, exchanged)).await?,
            None => {
                introduced.ends_after(Some(UNASKED_LIVES));
                introduced.relayed.push(Relayed {
                    host,
                    sealed: None,
                    on_demand: false,
                    unasked: true,
                });
            }
        }
    }
    Ok(introduced)
}

/// Whether what is shown may be tried now. Nobody guesses a key file.
fn may_try(registry: &Registry, basic: &Secret, address: IpAddr) -> bool {
    match Credential::of_header(basic.expose()) {
        Ok(Credential::Password { name, .. }) => registry.may_guess(&name, address),
        _ => true,
    }
}

/// Notes what an old registry gave.
async fn note(
    registry: &Registry,
    introduced: &mut Introduced,
    (host, basic): (String, Option<&Secret>),
    (question, exchanged): (&Question, Exchanged),
) -> Result<(), Refusal> {
    let (header, lives) = match &exchanged {
        Exchanged::Refused => return Ok(()),
        // It may ask later, for a push perhaps.
        Exchanged::Open => (basic, None),
        Exchanged::Header { header, lives } => (Some(header), *lives),
    };
    let sealed = match header {
        None => None,
        Some(header) => {
            let mut nonce = [0; SEAL_NONCE_BYTES];
            registry.entropy().fill(&mut nonce);
            let sealing = registry.token_key().await?.sealing();
            let Some(sealed) = sealing.seal(header.expose(), &host, nonce) else {
                return Ok(());
            };
            Some(sealed)
        }
    };
    introduced.is_let_in |= question.decides;
    introduced.ends_after(lives);
    introduced.relayed.push(Relayed {
        host,
        sealed,
        on_demand: exchanged == Exchanged::Open,
        unasked: false,
    });
    Ok(())
}

impl Introduced {
    fn ends_after(&mut self, lives: Option<Duration>) {
        self.lives = [self.lives, lives].into_iter().flatten().min();
    }
}

/// Which old registries are asked for what. Without scopes, as when somebody logs in, those that decide about anything at
/// this host.
async fn questions(
    registry: &Registry,
    (query, service): (&Query, &str),
) -> Result<BTreeMap<String, Question>, Refusal> {
    let mut questions: BTreeMap<String, Question> = BTreeMap::new();
    let all = registry.transitions().await?;
    if all.is_empty() {
        return Ok(questions);
    }
    let options = registry.options();
    let host = options.routes.host(service);
    let mut ask = |transition: &Arc<Transition>, scope: Option<String>| {
        let question = questions
            .entry(transition.old.host.clone())
            .or_insert_with(|| Question {
                scopes: Vec::new(),
                decides: false,
            });
        question.scopes.extend(scope);
        question.decides |= !transition.state.owns_tags();
    };
    // What cannot be read is refused where the token is made.
    let scopes = Scope::parse_all(query.all("scope")).unwrap_or_default();
    for scope in &scopes {
        let Scope::Repository { name, actions } = scope else {
            continue;
        };
        let Some(Place::Package(package)) = host.place(name) else {
            continue;
        };
        if let Some(transition) = all.get(&package.repository)
            && (!transition.state.owns_tags() || actions.push && takes_uploads(transition, registry.now()))
            && let Ok(old_name) = transition.old.name_of(&package.name)
        {
            ask(transition, Some(format!("repository:{old_name}:{actions}")));
        }
    }
    if scopes.is_empty() {
        for transition in all.values().filter(|transition| !transition.state.owns_tags()) {
            ask(transition, None);
        }
    }
    Ok(questions)
}

/// Whether uploads may still go on at the old side, although this one owns the tags.
fn takes_uploads(transition: &Transition, now: Timestamp) -> bool {
    let owned_since = transition.owned_since;
    owned_since.is_some_and(|since| now.duration_since(since) < STRADDLES_MAX)
}

/// The Basic header that the caller showed. Our own tokens are for us alone.
pub(crate) fn basic(call: &Call<'_>) -> Option<Secret> {
    let header = call.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, _) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| Secret::new(header.to_owned()))
}

/// The same of a form with a name and a password.
pub(crate) fn basic_of_form(form: &Query) -> Option<Secret> {
    let password = form
        .get("password")
        .filter(|_| form.get("grant_type") == Some("password"))?;
    let name = form.get("username")?;
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    Some(Secret::new(format!("Basic {encoded}")))
}
