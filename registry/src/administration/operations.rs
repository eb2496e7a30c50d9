//! Long-running operations, none of which runs long: every one is done when it is answered.
//!
//! Source: `google.longrunning.Operation`.

use hyper::Method;
use serde_json::{Value, json};
use store::RepositoryPath;

use super::{Asked, ok};
use crate::answer::Answer;
use crate::refusal::Refusal;

/// Longest name of an operation.
const ID_BYTES_MAX: usize = 64;

/// What an operation gave, as Google names its type.
pub(crate) enum Gave {
    Nothing,
    /// A resource: the last part of its type's name, and itself.
    Resource(&'static str, Value),
}

/// An operation in the repository's location that is done.
pub(crate) fn done(asked: &Asked<'_>, repository: &RepositoryPath, gave: Gave) -> Answer {
    let mut random = [0; 8];
    asked.registry.entropy().fill(&mut random);
    let id = u64::from_be_bytes(random);
    let name = format!(
        "projects/{}/locations/{}/operations/{id:016x}",
        repository.project(),
        repository.location()
    );
    ok(&document(&name, gave))
}

fn document(name: &str, gave: Gave) -> Value {
    let response = match gave {
        Gave::Nothing => json!({"@type": EMPTY}),
        Gave::Resource(kind, mut resource) => {
            resource["@type"] = format!("{TYPES}{kind}").into();
            resource
        }
    };
    json!({
        "name": name,
        "metadata": {"@type": format!("{TYPES}OperationMetadata")},
        "done": true,
        "response": response,
    })
}

/// An operation that was answered before is done, whichever server answered it; nothing of it is kept.
pub(crate) fn get(asked: &Asked<'_>, name: &str) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let id = name.rsplit('/').next().unwrap_or_default();
    let is_ours = id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_ours {
        true => Ok(ok(&document(name, Gave::Nothing))),
        false => Err(super::Unfit::not_found(name)),
    }
}

const TYPES: &str = "type.googleapis.com/google.devtools.artifactregistry.v1.";
const EMPTY: &str = "type.googleapis.com/google.protobuf.Empty";
