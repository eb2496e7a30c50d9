//! What of a request has to be accounted for: what it wrote, what it was refused, who failed to log in.
//!
//! Not accounted for: what only prepares a write (an upload until it is a blob), and what every client hears before it
//! shows a credential.

use access::TokenError;
use hyper::{Method, StatusCode};

use crate::administration;
use crate::answer::{Answer, DOCKER_CONTENT_DIGEST};
use crate::call::Call;
use crate::log::AuditRecord;
use crate::refusal::{Refusal, WrongCredential};
use crate::registry::Registry;
use crate::routes::{Operation, Reference};

/// In the extensions of an answer: what else its line in the audit log says.
#[derive(Debug, Clone)]
pub(crate) struct AuditDetail(pub(crate) String);

impl Registry {
    /// Tells the log of an answer, where it is one to be accounted for.
    pub(crate) fn audit(
        &self,
        request_id: &str,
        call: &Call<'_>,
        operation: &Operation,
        result: Result<&Answer, &Refusal>,
    ) {
        let (action, outcome, detail) = match result {
            Err(refusal) if is_login(refusal) => ("login".to_owned(), DENIED, refusal.to_string()),
            _ if reads(operation, call) || matches!(operation, Operation::Token) => return,
            Err(Refusal::Unauthenticated { .. }) => return,
            Ok(answer) if !is_done(operation, call, answer) => return,
            Ok(answer) => (action(operation, call), DONE, detail(operation, answer)),
            Err(refusal) => {
                let outcome = match refusal.told().status {
                    StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => DENIED,
                    _ => FAILED,
                };
                (action(operation, call), outcome, refusal.to_string())
            }
        };
        let resource = match (result, operation.name()) {
            (Err(Refusal::LoginFailed { account }), _) => account.clone(),
            (_, Some(name)) => call
                .package(name)
                .map_or_else(|_| call.path.to_owned(), |package| package.to_string()),
            (_, None) => call.path.to_owned(),
        };
        self.log().audit(&AuditRecord {
            time: self.now(),
            request_id,
            principal: &call.caller.principal().to_string(),
            peer: Some(call.peer),
            client: Some(call.client()),
            action: &action,
            resource: shortened(&resource),
            outcome,
            detail: shortened(&detail),
        });
    }
}

/// Paths, and the names of accounts that nobody has, may be as long as a request; lines of the log must not be, else a few
/// of them would drive everything older out of it.
fn shortened(text: &str) -> &str {
    let mut ends = (0..=text.len().min(TEXT_BYTES_MAX)).rev();
    let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

fn is_login(refusal: &Refusal) -> bool {
    match refusal {
        // Every token ends like this; its owner gets another.
        Refusal::Credential(WrongCredential::Token(TokenError::Expired)) => false,
        Refusal::LoginFailed { .. }
        | Refusal::LoginSlowed { .. }
        | Refusal::Credential(_)
        | Refusal::TokenAudience { .. }
        | Refusal::Issuer(_) => true,
        _ => false,
    }
}

/// Administration also reads by POST.
fn reads(operation: &Operation, call: &Call<'_>) -> bool {
    call.reads() || (matches!(operation, Operation::Administration) && administration::reads(call.path))
}

/// Whether something is there, or gone, that was not before.
fn is_done(operation: &Operation, call: &Call<'_>, answer: &Answer) -> bool {
    match operation {
        Operation::Uploads { .. } | Operation::Upload { .. } => answer.status() == StatusCode::CREATED,
        _ => *call.method != Method::OPTIONS,
    }
}

fn action(operation: &Operation, call: &Call<'_>) -> String {
    let is_deleted = *call.method == Method::DELETE;
    let known = match (operation, is_deleted) {
        (Operation::Blob { .. }, true) => "blob.delete",
        (Operation::Uploads { .. } | Operation::Upload { .. }, false) => "blob.put",
        (
            Operation::Manifest {
                reference: Reference::Tag(_),
                ..
            },
            true,
        ) => "tag.delete",
        (Operation::Manifest { .. }, true) => "manifest.delete",
        (Operation::Manifest { .. }, false) => "manifest.put",
        (Operation::Administration, _) => match administration::action(call.path, call.method) {
            Some(action) => return action,
            None => return call.method.as_str().to_ascii_lowercase(),
        },
        _ => return call.method.as_str().to_ascii_lowercase(),
    };
    known.to_owned()
}

/// What was written or removed.
fn detail(operation: &Operation, answer: &Answer) -> String {
    if let Some(AuditDetail(text)) = answer.extensions().get() {
        return text.clone();
    }
    let digest = answer.headers().get(DOCKER_CONTENT_DIGEST);
    let digest = digest.and_then(|digest| digest.to_str().ok()).unwrap_or_default();
    let named = match operation {
        Operation::Manifest {
            reference: Reference::Tag(tag),
            ..
        } => tag.to_string(),
        Operation::Manifest {
            reference: Reference::Digest(digest),
            ..
        }
        | Operation::Blob { digest, .. } => digest.to_string(),
        _ => String::new(),
    };
    match (named.as_str(), digest) {
        ("", digest) => digest.to_owned(),
        (named, "") => named.to_owned(),
        (named, digest) if named == digest => named.to_owned(),
        (named, digest) => format!("{named} {digest}"),
    }
}

/// Longest text of a line; a package with its repository, and a tag with a digest, are shorter.
const TEXT_BYTES_MAX: usize = 1024;
const DONE: &str = "done";
const DENIED: &str = "denied";
const FAILED: &str = "failed";
