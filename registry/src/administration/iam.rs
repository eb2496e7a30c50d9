//! Policies: who may do what on the registry, a project or a repository.
//!
//! Source: `google.iam.v1.IAMPolicy`: getIamPolicy, setIamPolicy and testIamPermissions.

use access::{Permission, Policy};
use hyper::Method;
use serde_json::{Value, json};
use store::{PolicyRefusal, Resource};

use super::status::Invalid;
use super::{Asked, PolicyVerb, Unfit, documents, ok, repositories};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Permissions that one request may ask about.
const PERMISSIONS_MAX: usize = 256;

pub(crate) async fn policy(
    asked: &Asked<'_>,
    resource: &Resource,
    verb: PolicyVerb,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    match (verb, asked.method().clone()) {
        // Artifact Registry reads with GET, Resource Manager with POST.
        (PolicyVerb::Get, Method::GET | Method::POST) => get(asked, resource).await,
        (PolicyVerb::Set, Method::POST) => set(asked, resource, body).await,
        (PolicyVerb::Test, Method::POST) => test(asked, resource, body).await,
        (PolicyVerb::Get, _) => Err(asked.call.refuse_method("GET, POST")),
        _ => Err(asked.call.refuse_method("POST")),
    }
}

/// What is needed to read, and to set, a policy.
fn needed(resource: &Resource) -> (Permission, Permission) {
    match resource {
        Resource::Repository(_) => (Permission::GetIamPolicy, Permission::SetIamPolicy),
        Resource::Project(_) | Resource::Registry => {
            (Permission::GetProjectPolicy, Permission::SetProjectPolicy)
        }
    }
}

async fn get(asked: &Asked<'_>, resource: &Resource) -> Result<Answer, Refusal> {
    asked.authorise(needed(resource).0, resource).await?;
    require(asked, resource).await?;
    let policy = asked.registry.metadata().policy(resource).await?;
    Ok(ok(&json!(policy)))
}

async fn set(asked: &Asked<'_>, resource: &Resource, body: &mut Arriving) -> Result<Answer, Refusal> {
    asked.authorise(needed(resource).1, resource).await?;
    let document = asked.document(body).await?;
    let given = document.get("policy").unwrap_or(&Value::Null);
    let policy: Policy = given.to_string().parse().map_err(|error| {
        let mut problem = format!("{error}");
        if let Some(source) = std::error::Error::source(&error) {
            problem = format!("{problem}: {source}");
        }
        Invalid::new("policy", problem)
    })?;
    require(asked, resource).await?;
    let (actor, now) = (asked.actor(), asked.registry.now());
    let set = asked
        .registry
        .metadata()
        .set_policy(resource, &policy, &actor, now)
        .await?;
    asked.registry.forget_access();
    match set {
        Ok(policy) => Ok(ok(&json!(policy))),
        Err(conflict @ PolicyRefusal::Changed { .. }) => Err(Unfit::Aborted {
            reason: format!("{conflict}; read it again and repeat the change"),
        }
        .into()),
        Err(last @ PolicyRefusal::LastAdministrator) => Err(Unfit::precondition(last.to_string())),
    }
}

/// Which of some permissions the caller has. Whoever has none learns that, and nothing else.
async fn test(asked: &Asked<'_>, resource: &Resource, body: &mut Arriving) -> Result<Answer, Refusal> {
    let document = asked.document(body).await?;
    let mut allowed = Vec::new();
    for text in documents::texts(&document, "permissions", PERMISSIONS_MAX)? {
        let permission: Permission = text
            .parse()
            .map_err(|error| Invalid::new("permissions", format!("{error}")))?;
        if asked.may(permission, resource).await? {
            allowed.push(text);
        }
    }
    Ok(ok(&json!({"permissions": allowed})))
}

/// A policy of a repository is read and set where there is one; others are always there.
async fn require(asked: &Asked<'_>, resource: &Resource) -> Result<(), Refusal> {
    match resource {
        Resource::Repository(path) => repositories::existing(asked, path).await.map(drop),
        Resource::Project(_) | Resource::Registry => Ok(()),
    }
}
