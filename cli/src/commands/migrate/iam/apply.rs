//! The policies of a running registry: what they say already, and what is added.

use access::Policy;
use migrate::iam::{Access, Difference, Holder, difference, merged};
use serde_json::{Value, json};

use crate::administration::Administered;
use crate::failure::{Failure, Kind};
use crate::output;

/// How often a change is tried again that somebody else's came before.
const ATTEMPTS_MAX: usize = 5;

/// What has to be done on the registry, for each repository.
pub(super) async fn differences(server: &Administered, found: &[Access]) -> Result<Vec<Difference>, Failure> {
    let mut differences = Vec::new();
    for access in found {
        let repository = access.repository.to_string();
        let own = policy(server, &repository)
            .await
            .map_err(|failure| missing(failure, &repository))?;
        let mut holders = vec![Holder {
            resource: repository,
            policy: own,
        }];
        for resource in [
            "registry".to_owned(),
            format!("projects/{}", access.repository.project()),
        ] {
            match policy(server, &resource).await {
                Ok(policy) => holders.push(Holder { resource, policy }),
                // Whoever administers one repository alone may still set its policy.
                Err(failure) if matches!(failure.registry_status(), Some(403 | 404)) => {
                    output::talk(&format!(
                        "what is bound on {resource} cannot be seen, and is not taken into account"
                    ));
                }
                Err(failure) => return Err(failure),
            }
        }
        differences.push(difference(&access.grants, &holders));
    }
    Ok(differences)
}

/// Adds what is missing. Each repository's policy changes at once, and one that somebody changes meanwhile is read again.
pub(super) async fn apply(
    server: &Administered,
    found: &[Access],
    differences: &[Difference],
) -> Result<(), Failure> {
    for (access, difference) in found.iter().zip(differences) {
        if difference.add.is_empty() {
            continue;
        }
        let repository = access.repository.to_string();
        let mut attempt = 1;
        loop {
            let own = policy(server, &repository).await?;
            let document = serde_json::to_value(merged(&own, &difference.add))
                .map_err(|error| Failure::bug("cannot write a policy", error))?;
            let path = format!("{}:setIamPolicy", path_of(&repository));
            let attempted = format!("set the policy of {repository}");
            match server.post(&attempted, &path, &json!({"policy": document})).await {
                Ok(_) => break,
                Err(failure) if failure.registry_status() == Some(409) && attempt < ATTEMPTS_MAX => {
                    attempt += 1
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

fn path_of(resource: &str) -> String {
    match resource {
        "registry" => "/lightship/v1/registry".to_owned(),
        other => format!("/v1/{other}"),
    }
}

async fn policy(server: &Administered, resource: &str) -> Result<Policy, Failure> {
    let attempted = format!("read the policy of {resource}");
    let path = format!("{}:getIamPolicy", path_of(resource));
    let document: Value = server.get(&attempted, &path).await?;
    document.to_string().parse().map_err(|error| {
        Failure::new(
            Kind::Outside,
            format!("cannot read the policy of {resource} on {}", server.host()),
            error,
        )
    })
}

fn missing(failure: Failure, repository: &str) -> Failure {
    match failure.registry_status() {
        Some(404) => failure.hint(format!("make it first: `lightship repo create {repository}`")),
        _ => failure,
    }
}
