//! `lightship iam`: who may do what on a running registry.

use std::fs;
use std::path::{Path, PathBuf};

use access::Role;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::administration::{Administered, RegistryOption, VerbFormat, resource_name, table, text};
use crate::arguments::Format;
use crate::failure::{Failure, Kind, Outcome};
use crate::settings::Settings;
use crate::{output, runtime};

/// Say who may do what on a running registry
///
/// RESOURCE is `registry` for the whole of it, projects/PROJECT, or a repository as in `lightship repo`; what is bound
/// above holds below, too. PRINCIPAL is user:NAME, serviceAccount:NAME, group:NAME, principal://…, principalSet://…,
/// allUsers or allAuthenticatedUsers. ROLE is reader, writer, createOnPushWriter, repoAdmin, createOnPushRepoAdmin or admin.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: VerbFormat,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the policy of a resource
    Show {
        /// The resource
        #[arg(default_value = "registry")]
        resource: String,
    },
    /// Give a role
    Grant {
        /// To whom
        principal: String,
        /// Which
        role: String,
        /// On what
        resource: String,
    },
    /// Take a role away
    Revoke {
        /// From whom
        principal: String,
        /// Which
        role: String,
        /// On what
        resource: String,
    },
    /// Set the policy of a resource from a file, as `gcloud … set-iam-policy` takes it
    ///
    /// With the etag that `show --format json` gave, it fails when somebody else has changed the policy meanwhile.
    Set {
        /// The resource
        resource: String,
        /// The policy, as JSON or YAML
        file: PathBuf,
    },
    /// Say whether somebody may do something, and why; exit status 1 when not
    Check {
        /// Who; allUsers is somebody without a credential
        principal: String,
        /// pull, push, delete or the name of a permission, such as artifactregistry.repositories.get
        action: String,
        /// On what
        resource: String,
    },
}

/// How often a change is tried again that somebody else's came before.
const ATTEMPTS_MAX: usize = 5;

/// Longest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// What its documents are called by.
const COMMAND: &str = "iam";

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let format = arguments.format.format;
    let server = arguments.registry.open(None, settings)?;
    runtime::block_on(async {
        match arguments.action {
            Action::Show { resource } => {
                let resource = resource_name(&resource)?;
                shown(&policy(&server, &resource).await?, &resource, format)
            }
            Action::Grant {
                principal,
                role,
                resource,
            } => change(&server, (&principal, &role, &resource), true, format).await,
            Action::Revoke {
                principal,
                role,
                resource,
            } => change(&server, (&principal, &role, &resource), false, format).await,
            Action::Set { resource, file } => {
                let resource = resource_name(&resource)?;
                let set = set(&server, &resource, &read(&file)?).await?;
                shown(&set, &resource, format)
            }
            Action::Check {
                principal,
                action,
                resource,
            } => check(&server, (&principal, &action, &resource), format).await,
        }
    })?
}

/// Where the policy of a resource is.
fn path_of(resource: &str) -> String {
    match resource {
        "registry" => "/lightship/v1/registry".to_owned(),
        other => format!("/v1/{other}"),
    }
}

async fn policy(server: &Administered, resource: &str) -> Result<Value, Failure> {
    let path = format!("{}:getIamPolicy", path_of(resource));
    server.get(&format!("read the policy of {resource}"), &path).await
}

async fn set(server: &Administered, resource: &str, policy: &Value) -> Result<Value, Failure> {
    let path = format!("{}:setIamPolicy", path_of(resource));
    let body = json!({"policy": policy});
    server
        .post(&format!("set the policy of {resource}"), &path, &body)
        .await
}

fn shown(policy: &Value, resource: &str, format: Format) -> Result<Outcome, Failure> {
    let rows: Vec<Vec<String>> = bindings(policy)
        .flat_map(|binding| {
            let role = text(binding, "role").to_owned();
            let members = binding["members"].as_array().into_iter().flatten();
            members.map(move |member| vec![role.clone(), member.as_str().unwrap_or_default().to_owned()])
        })
        .collect();
    if rows.is_empty() && format == Format::Text {
        output::talk(&format!("no bindings on {resource}"));
    }
    output::report(
        COMMAND,
        format,
        &json!({"resource": resource, "policy": policy}),
        || table(&["ROLE", "PRINCIPAL"], &rows),
    )
}

fn bindings(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["bindings"].as_array().into_iter().flatten()
}

async fn change(
    server: &Administered,
    (principal, role, resource): (&str, &str, &str),
    is_grant: bool,
    format: Format,
) -> Result<Outcome, Failure> {
    let resource = resource_name(resource)?;
    let bad = |error: access::RoleError| Failure::new(Kind::Usage, format!("`{role}` is no role"), error);
    let role = role.parse::<Role>().map_err(bad)?.to_string();
    let bad = |error: access::MemberError| {
        Failure::new(Kind::Usage, format!("`{principal}` is no principal"), error)
    };
    let member = principal.parse::<access::Member>().map_err(bad)?.to_string();
    if is_grant {
        let policy = bind(server, &resource, &role, &member).await?;
        return shown(&policy, &resource, format);
    }
    let policy = unbind(server, &resource, &role, &member).await?;
    shown(&policy, &resource, format)
}

/// Gives a member a role, whatever else is bound meanwhile.
pub(super) async fn bind(
    server: &Administered,
    resource: &str,
    role: &str,
    member: &str,
) -> Result<Value, Failure> {
    changed(server, resource, |policy| {
        with(policy, role, member, true);
        Ok(())
    })
    .await
}

async fn unbind(server: &Administered, resource: &str, role: &str, member: &str) -> Result<Value, Failure> {
    changed(server, resource, |policy| {
        match with(policy, role, member, false) {
            true => Ok(()),
            false => Err(
                Failure::usage(format!("{member} has not got {role} on {resource}"))
                    .hint(format!("`lightship iam show {resource}` lists who has what")),
            ),
        }
    })
    .await
}

/// Reads a policy, changes it and sets it; again when somebody else's change came between.
async fn changed(
    server: &Administered,
    resource: &str,
    change: impl Fn(&mut Value) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let mut attempt = 1;
    loop {
        let mut policy = policy(server, resource).await?;
        change(&mut policy)?;
        match set(server, resource, &policy).await {
            Err(failure) if failure.registry_status() == Some(409) && attempt < ATTEMPTS_MAX => attempt += 1,
            result => return result,
        }
    }
}

/// Adds a member to a role's binding, or takes it out; whether it was there.
fn with(policy: &mut Value, role: &str, member: &str, is_grant: bool) -> bool {
    let mut was_there = false;
    if !policy["bindings"].is_array() {
        policy["bindings"] = json!([]);
    }
    if let Some(bindings) = policy["bindings"].as_array_mut() {
        for binding in bindings
            .iter_mut()
            .filter(|binding| text(binding, "role") == role)
        {
            if let Some(members) = binding["members"].as_array_mut() {
                was_there |= members.iter().any(|other| other == member);
                members.retain(|other| other != member);
            }
        }
        if is_grant {
            bindings.push(json!({"role": role, "members": [member]}));
        }
    }
    was_there
}

/// JSON is YAML, too.
fn read(path: &Path) -> Result<Value, Failure> {
    let attempt = || format!("cannot read {}", path.display());
    let size = fs::metadata(path)
        .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?
        .len();
    if size > POLICY_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} is too large for a policy",
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    let policy: Value =
        serde_saphyr::from_str(&text).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    // One without bindings gives nothing to anybody, and is a policy.
    if !policy.is_object() || policy.get("policy").is_some() {
        return Err(Failure::usage(format!("{} is no policy", path.display())).hint(
            "write an object with `bindings`: what `lightship iam show RESOURCE --format json` shows as `policy`",
        ));
    }
    Ok(policy)
}

async fn check(
    server: &Administered,
    (principal, action, resource): (&str, &str, &str),
    format: Format,
) -> Result<Outcome, Failure> {
    let resource = resource_name(resource)?;
    let permission = match action {
        "pull" => "artifactregistry.repositories.downloadArtifacts",
        "push" => "artifactregistry.repositories.uploadArtifacts",
        "delete" => "artifactregistry.repositories.deleteArtifacts",
        other if other.contains('.') => other,
        other => {
            return Err(Failure::usage(format!("`{other}` is no action")).hint(
                "say pull, push, delete or the name of a permission, such as artifactregistry.repositories.get",
            ));
        }
    };
    let body = json!({"principal": principal, "permission": permission, "resource": resource});
    let attempted = format!("check what {principal} may");
    let found = server.post(&attempted, "/lightship/v1/iam:check", &body).await?;
    let is_allowed = found["allowed"].as_bool().unwrap_or_default();
    output::report(COMMAND, format, &json!({"check": found}), || {
        explained(&found, is_allowed)
    })?;
    Ok(if is_allowed { Outcome::Done } else { Outcome::NotSo })
}

fn explained(found: &Value, is_allowed: bool) -> String {
    let field = |name: &str| text(found, name);
    let (who, what, on) = (field("principal"), field("permission"), field("resource"));
    let binding = |binding: &Value| {
        let part = |name: &str| text(binding, name).to_owned();
        format!("{} to {} on {}", part("role"), part("member"), part("resource"))
    };
    let mut text = match is_allowed {
        true => format!(
            "yes: {who} has {what} on {on}\nbecause of {}\n",
            binding(&found["reason"])
        ),
        false => {
            let strings = |name: &str| {
                let list = found[name].as_array().into_iter().flatten();
                list.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            };
            let held: Vec<String> = found["held"]
                .as_array()
                .into_iter()
                .flatten()
                .map(binding)
                .collect();
            let held = match held.is_empty() {
                true => "nothing is bound to them there or above".to_owned(),
                false => format!("what is bound to them there and above: {}", held.join("; ")),
            };
            format!(
                "no: {who} has not {what} on {on}\n{held}\nroles that have it: {}\n",
                strings("rolesThatWould")
            )
        }
    };
    for note in found["notes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_and_its_revocation_leave_the_rest() {
        let mut policy = json!({"etag": "x", "bindings": [{"role": "r", "members": ["user:a"]}]});
        assert!(!with(&mut policy, "r", "user:b", true));
        assert!(with(&mut policy, "r", "user:b", false));
        assert!(!with(&mut policy, "s", "user:a", false));
        let members: Vec<&Value> = bindings(&policy).map(|binding| &binding["members"]).collect();
        assert_eq!(members, [&json!(["user:a"]), &json!([])]);
    }
}
