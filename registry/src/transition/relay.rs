//! A request passed on to the old side as its caller: with what they showed there, and never with a credential of ours.
//!
//! What the old side answers is what the caller gets, but for names and addresses, which stay those of this side. An upload
//! that was begun there goes on there, by a session that holds its address sealed.

use std::io;

use access::{Permission, SEAL_NONCE_BYTES};
use client::registry::{Exchanged, RegistryError, Relay};
use hyper::header::{CONTENT_LENGTH, HeaderName, LINK, LOCATION};
use hyper::{Method, StatusCode};
use oci::MANIFEST_BYTES_MAX;
use tokio::sync::mpsc;
use transport::{Chunks, Request, Response, Secret, Url};

use super::held::HoldError;
use super::{Moving, exchange, listing};
use crate::access::On;
use crate::answer::{self, Answer};
use crate::body::Body;
use crate::call::{Arriving, Call, NAMESPACE};
use crate::host_routes::Place;
use crate::percent;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::{Operation, Reference};

/// The session of an upload that goes on at the old side; where that is stands in the query, sealed.
pub(super) const SESSION: &str = "relayed";

/// The parameter that holds it.
const SEALED: &str = "lightship-relay";

/// Longest list of tags or referrers.
const LISTING_BYTES_MAX: u64 = 64 << 20;

/// Pieces of a body that wait for the slower side.
const PIECES: usize = 4;

/// Headers of requests that the old side sees.
const ASKED: [&str; 7] = [
    "accept",
    "content-type",
    "content-range",
    "if-match",
    "if-none-match",
    "if-range",
    "range",
];

/// Headers of answers that callers see.
const TOLD: [&str; 17] = [
    "accept-ranges",
    "cache-control",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-upload-uuid",
    "etag",
    "last-modified",
    "oci-chunk-max-length",
    "oci-chunk-min-length",
    "oci-filters-applied",
    "oci-subject",
    "oci-tag",
    "range",
    "retry-after",
    "warning",
    "x-content-type-options",
];

/// Why a request was not answered by the old side.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// It cannot be passed on.
    Refused(Refusal),
    /// The old side does not answer.
    Unreachable(Unreachable),
}

/// Why the old side does not answer. For the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error(transparent)]
    Request(#[from] RegistryError),
    #[error("the answer of {host} broke off")]
    Answer {
        host: String,
        source: transport::FetchError,
    },
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Unanswered {
        Unanswered::Refused(refusal)
    }
}

/// One request on its way.
struct Passage<'p> {
    registry: &'p Registry,
    moving: &'p Moving,
    call: &'p Call<'p>,
    relay: &'p Relay,
}

/// Whether an upload goes on at the old side.
pub(super) fn is_relayed(operation: &Operation) -> bool {
    matches!(operation, Operation::Upload { session, .. } if session == SESSION)
}

/// Passes a request on.
pub(super) async fn relay(
    registry: &Registry,
    moving: &Moving,
    operation: &Operation,
    call: &Call<'_>,
    body: &mut Arriving,
) -> Result<Answer, Unanswered> {
    let relay = registry
        .relay(moving.transition.old.host.as_str())
        .ok_or(Refusal::OldSideUnknown)?;
    let passage = Passage {
        registry,
        moving,
        call,
        relay: &relay,
    };
    let url = passage.url(operation).await?;
    let (authorization, on_demand) = match relay.is_own(&url) {
        true => passage.authorization(operation).await?,
        false => (None, None),
    };
    let method = method(call.method);
    let method = method.ok_or_else(|| call.refuse_method("GET, HEAD, POST, PUT, PATCH, DELETE"))?;
    let request = |authorization| Request {
        method,
        url: url.clone(),
        headers: asked(call),
        authorization,
        body: transport::Body::Empty,
    };
    let response = passage.send(operation, request(authorization), body).await?;
    // A read has no body, so that it can be asked for again.
    let response = match on_demand {
        Some(header) if call.reads() && response.status() == 401 => {
            passage.send(operation, request(Some(header)), body).await?
        }
        _ => response,
    };
    passage.answer(operation, response).await
}

impl Passage<'_> {
    /// Where the request goes.
    async fn url(&self, operation: &Operation) -> Result<Url, Refusal> {
        let (call, old_name) = (self.call, &self.moving.old_name);
        let rest = match operation {
            Operation::Blob { digest, .. } => format!("blobs/{digest}"),
            Operation::Uploads { .. } => "blobs/uploads/".to_owned(),
            Operation::Upload { .. } => return self.upload_url().await,
            Operation::Manifest { reference, .. } => match reference {
                Reference::Tag(tag) => format!("manifests/{tag}"),
                Reference::Digest(digest) => format!("manifests/{digest}"),
            },
            Operation::Tags { .. } => "tags/list".to_owned(),
            Operation::Referrers { digest, .. } => format!("referrers/{digest}"),
            _ => return Err(Refusal::PathUnknown),
        };
        let mut url = self.relay.url(&format!("{old_name}/{rest}"));
        let from = call.query.get("from");
        let from = from.map(|from| self.old_name_of(from));
        for (name, value) in call.query.pairs() {
            match (name, &from) {
                (NAMESPACE, _) => {}
                // A source that is somewhere else is none there: the blob is uploaded.
                ("mount" | "from", Some(None)) => {}
                ("from", Some(Some(from))) => url = url.with_parameter("from", from),
                _ => url = url.with_parameter(name, value),
            }
        }
        Ok(url)
    }

    /// What another package of the repository is called there.
    fn old_name_of(&self, name: &str) -> Option<String> {
        match self.call.host.place(name) {
            Some(Place::Package(package)) if package.repository == self.moving.package.repository => {
                let old = self.moving.transition.old.name_of(&package.name).ok()?;
                Some(old.to_string())
            }
            _ => None,
        }
    }

    async fn upload_url(&self) -> Result<Url, Refusal> {
        let sealed = self.call.query.get(SEALED).ok_or(Refusal::UploadUnknown)?;
        let sealing = self.registry.token_key().await?.sealing();
        let opened = sealing.open(sealed, &self.purpose());
        let mut url: Url = opened
            .and_then(|text| text.parse().ok())
            .ok_or(Refusal::UploadUnknown)?;
        for (name, value) in self.call.query.pairs() {
            if ![SEALED, NAMESPACE].contains(&name) {
                url = url.with_parameter(name, value);
            }
        }
        Ok(url)
    }

    /// An address of one package is good for no other.
    fn purpose(&self) -> String {
        format!("upload {} {}", self.relay.host(), self.moving.package)
    }

    /// What the caller shows there at once, and what when it is asked for.
    async fn authorization(
        &self,
        operation: &Operation,
    ) -> Result<(Option<Secret>, Option<Secret>), Refusal> {
        let (call, host) = (self.call, self.relay.host());
        if !call.caller.is_closed() {
            return Ok((None, None));
        }
        let challenge = |problem| {
            let (permission, package) = (permission(call.method), &self.moving.package);
            Refusal::unauthenticated(permission, On::Package(package), problem)
        };
        let Some(known) = &call.caller.known else {
            return Err(challenge(None));
        };
        if let Some(shown) = known.relayed.iter().find(|shown| shown.host == host) {
            if shown.unasked {
                // This side may have it; if not, they come again when the token is over.
                return Err(Refusal::OldSide);
            }
            let header = shown.header.clone();
            // Who writes is asked for something nearly everywhere, and a body goes once.
            return Ok(match shown.on_demand && call.reads() {
                true => (None, header),
                false => (header, None),
            });
        }
        let Some(shown) = exchange::basic(call) else {
            // A token from before: with the next one comes what is to be shown.
            return Err(challenge(Some("insufficient_scope")));
        };
        let scope = format!(
            "repository:{}:{}",
            self.moving.old_name,
            action(operation, call.method)
        );
        let exchanged = self.relay.exchange(Some(&shown), &scope);
        match self.registry.ask_for_caller(host, exchanged).await {
            Ok(Exchanged::Open) => Ok((None, Some(shown))),
            Ok(Exchanged::Header { header, .. }) => Ok((Some(header), None)),
            Ok(Exchanged::Refused) => Err(challenge(Some("invalid_token"))),
            Err(_) => Err(Refusal::OldSide),
        }
    }

    async fn send(
        &self,
        operation: &Operation,
        mut request: Request,
        body: &mut Arriving,
    ) -> Result<Response, Unanswered> {
        let attempted = format!("pass a request on to {}", self.relay.host());
        let method = self.call.method;
        if *method == Method::PUT && matches!(operation, Operation::Manifest { .. }) {
            request.body = transport::Body::Bytes(body.whole(MANIFEST_BYTES_MAX).await?);
        } else if [Method::POST, Method::PUT, Method::PATCH].contains(method) {
            let length = self
                .call
                .header(&CONTENT_LENGTH)
                .and_then(|text| text.parse().ok());
            if length != Some(0) {
                let (sender, pieces) = mpsc::channel(PIECES);
                request.body = transport::Body::Chunks(Chunks { pieces, length });
                let (pumped, answered) =
                    tokio::join!(pump(body, sender), self.relay.send(&attempted, request));
                return match (answered, pumped) {
                    (Ok(response), _) => Ok(response),
                    (Err(_), Err(refusal)) => Err(refusal.into()),
                    (Err(error), Ok(())) => Err(Unanswered::Unreachable(error.into())),
                };
            }
        }
        let answered = self.relay.send(&attempted, request).await;
        answered.map_err(|error| Unanswered::Unreachable(error.into()))
    }

    async fn answer(&self, operation: &Operation, response: Response) -> Result<Answer, Unanswered> {
        let status = StatusCode::from_u16(response.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        if status == StatusCode::UNAUTHORIZED {
            // Its own challenge would send the caller's credential to its realm.
            let permission = permission(self.call.method);
            let on = On::Package(&self.moving.package);
            return match self.call.caller.is_closed() {
                true => Err(Refusal::unauthenticated(permission, on, Some("insufficient_scope")).into()),
                false => Err(Refusal::OldSideAsks.into()),
            };
        }
        let mut answer = answer::with_body(status, Body::empty());
        for name in TOLD {
            for value in response.headers(name) {
                if let Ok(value) = value.parse() {
                    answer.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
        }
        if let Some(location) = self.location(&response).await? {
            answer::set(&mut answer, LOCATION, &location);
        }
        if let Some(link) = response.header("link") {
            answer::set(&mut answer, LINK, &self.renamed_path(link));
        }
        self.with_content(operation, answer, response).await
    }

    /// The answer with what came. What says its length is a stream, and so is a blob that does not; anything else is held.
    async fn with_content(
        &self,
        operation: &Operation,
        mut answer: Answer,
        response: Response,
    ) -> Result<Answer, Unanswered> {
        let length = response.content_length();
        if let Some(length) = length {
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        if *self.call.method == Method::HEAD {
            return Ok(answer);
        }
        let is_listing = matches!(operation, Operation::Tags { .. }) && answer.status() == StatusCode::OK;
        let is_blob = matches!(operation, Operation::Blob { .. }) && answer.status().is_success();
        if !is_listing && (length.is_some() || is_blob) {
            let limit_bytes = self.registry.options().limits.blob_bytes_max;
            *answer.body_mut() = passed_on(response, length, limit_bytes);
            return Ok(answer);
        }
        let limit_bytes = match operation {
            Operation::Tags { .. } | Operation::Referrers { .. } => LISTING_BYTES_MAX,
            _ => MANIFEST_BYTES_MAX as u64,
        };
        let memory = self.registry.transition_memory();
        let whole = match memory.held().read(response, limit_bytes).await {
            Ok(whole) => whole,
            Err(HoldError::Busy) => return Err(Refusal::Busy.into()),
            Err(HoldError::Answer(source)) => {
                let host = self.relay.host().to_owned();
                return Err(Unanswered::Unreachable(Unreachable::Answer { host, source }));
            }
        };
        let whole = match is_listing {
            true => whole.replaced(|listing| listing::renamed(&self.moving.name, listing)),
            false => whole,
        };
        answer.headers_mut().insert(CONTENT_LENGTH, whole.length().into());
        *answer.body_mut() = Body::whole(whole.into());
        Ok(answer)
    }

    /// Where the answer leads, on this side.
    async fn location(&self, response: &Response) -> Result<Option<String>, Refusal> {
        let Some(location) = response.header("location") else {
            return Ok(None);
        };
        if response.status() != 202 {
            let Ok(url) = response.url().resolve(location) else {
                return Ok(None);
            };
            return Ok(Some(self.renamed_path(url.path())));
        }
        let Ok(url) = response.url().resolve(location) else {
            return Ok(None);
        };
        let mut nonce = [0; SEAL_NONCE_BYTES];
        self.registry.entropy().fill(&mut nonce);
        let sealing = self.registry.token_key().await?.sealing();
        let sealed = sealing.seal(&url.to_string(), &self.purpose(), nonce);
        let name = &self.moving.name;
        Ok(sealed.map(|sealed| format!("/v2/{name}/blobs/uploads/{SESSION}?{SEALED}={sealed}")))
    }

    /// A path of the old side, by our name.
    fn renamed_path(&self, text: &str) -> String {
        let (old, new) = (&self.moving.old_name, &self.moving.name);
        let text = text.replace(&format!("/v2/{old}/"), &format!("/v2/{new}/"));
        match self.call.query.get(NAMESPACE) {
            // A client of a mirror follows the link as it is.
            Some(namespace) if text.contains('?') && text.starts_with('<') => {
                text.replacen('?', &format!("?{NAMESPACE}={}&", percent::encoded(namespace)), 1)
            }
            _ => text,
        }
    }
}

/// Passes the body of a request on, piece by piece.
async fn pump(body: &mut Arriving, sender: mpsc::Sender<io::Result<bytes::Bytes>>) -> Result<(), Refusal> {
    loop {
        match body.next().await {
            Ok(Some(piece)) => {
                if sender.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(refusal) => {
                let _ = sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                return Err(refusal);
            }
        }
    }
}

/// Passes the body of an answer on, piece by piece: `length` bytes where that is known, and never more than `limit_bytes`.
fn passed_on(mut response: Response, length: Option<u64>, limit_bytes: u64) -> Body {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut left = limit_bytes;
        loop {
            let piece = match response.chunk().await {
                Ok(Some(piece)) => match left.checked_sub(piece.len() as u64) {
                    Some(rest) => {
                        left = rest;
                        Ok(piece)
                    }
                    None => Err(io::ErrorKind::InvalidData.into()),
                },
                Ok(None) => return,
                Err(error) => Err(io::Error::other(error)),
            };
            let is_last = piece.is_err();
            if sender.send(piece).await.is_err() || is_last {
                return;
            }
        }
    });
    Body::pieces(pieces, length)
}

fn asked(call: &Call<'_>) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    for name in ASKED {
        for value in call.headers.get_all(name) {
            if let Ok(value) = value.to_str() {
                headers.push((name, value.to_owned()));
            }
        }
    }
    headers
}

fn method(method: &Method) -> Option<transport::Method> {
    Some(match *method {
        Method::GET => transport::Method::Get,
        Method::HEAD => transport::Method::Head,
        Method::POST => transport::Method::Post,
        Method::PUT => transport::Method::Put,
        Method::PATCH => transport::Method::Patch,
        Method::DELETE => transport::Method::Delete,
        _ => return None,
    })
}

fn permission(method: &Method) -> Permission {
    match *method {
        Method::GET | Method::HEAD => Permission::DownloadArtifacts,
        Method::DELETE => Permission::DeleteArtifacts,
        _ => Permission::UploadArtifacts,
    }
}

/// What a token of the old side has to be for.
fn action(operation: &Operation, method: &Method) -> &'static str {
    match (operation, permission(method)) {
        (_, Permission::DeleteArtifacts) => "delete",
        (_, Permission::UploadArtifacts) => "pull,push",
        _ => "pull",
    }
}
