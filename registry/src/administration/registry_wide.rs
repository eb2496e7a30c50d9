//! The registry as a whole: what it is, which package a name is, which policies stand, and who may do what and why.

use access::{Level, Member, Permission, Policy, Principal, Role, decide};
use hyper::Method;
use serde_json::{Value, json};
use store::Resource;

use super::paging::{self, Rows, Slice};
use super::routes::package_name;
use super::status::Invalid;
use super::{Asked, documents, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::host_routes::Place;
use crate::refusal::Refusal;

/// Longest name and host that are looked up.
const NAME_BYTES_MAX: usize = 1024;

/// What a client has to know to speak of anything else.
pub(crate) fn about(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let options = asked.registry.options();
    let default = options.routes.default_repository();
    Ok(ok(&json!({"defaultRepository": default.to_string()})))
}

/// Which package or repository a name is, as pulls and pushes have it: `?host=` is where, else this very host.
pub(crate) fn name(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let name = asked.call.query.get("name").unwrap_or_default();
    let host = asked.call.query.get("host").unwrap_or(asked.call.authority);
    if name.len() > NAME_BYTES_MAX || host.len() > NAME_BYTES_MAX {
        return Err(Invalid::new("name", "it is too long").into());
    }
    match asked.registry.options().routes.host(host).place(name) {
        Some(Place::Package(package)) => Ok(ok(&json!({
            "package": package_name(&package),
            "repository": package.repository.to_string(),
        }))),
        Some(Place::Repository(repository)) => Ok(ok(&json!({"repository": repository.to_string()}))),
        None => Err(Invalid::new("name", format!("{name:?} is no name on {host}")).into()),
    }
}

/// Every policy that says something.
pub(crate) async fn policies(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    asked
        .authorise(Permission::GetProjectPolicy, &Resource::Registry)
        .await?;
    paging::list(asked, "policies", &Policies { asked }).await
}

struct Policies<'a> {
    asked: &'a Asked<'a>,
}

impl Rows for Policies<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let after: Option<Resource> = match after {
            Some(key) => Some(key.parse().map_err(|_| paging::bad_token())?),
            None => None,
        };
        let metadata = self.asked.registry.metadata();
        let policies = metadata.policies(after.as_ref(), limit).await?;
        let row = |(resource, policy): (Resource, Policy)| {
            let name = resource.to_string();
            (name.clone(), json!({"name": name, "policy": policy}))
        };
        Ok(Slice::of_rows(policies.into_iter().map(row).collect(), limit))
    }
}

/// Whether somebody may do something, and which binding says so.
pub(crate) async fn check(asked: &Asked<'_>, body: &mut Arriving) -> Result<Answer, Refusal> {
    if *asked.method() != Method::POST {
        return Err(asked.call.refuse_method("POST"));
    }
    let given = asked.document(body).await?;
    let field = |name: &'static str| documents::text(&given, name, NAME_BYTES_MAX);
    let resource = field("resource")?;
    let resource: Resource = resource
        .parse()
        .map_err(|error| Invalid::new("resource", format!("{error}")))?;
    let needed = match &resource {
        Resource::Repository(_) => Permission::GetIamPolicy,
        Resource::Registry | Resource::Project(_) => Permission::GetProjectPolicy,
    };
    asked.authorise(needed, &resource).await?;
    let permission: Permission = field("permission")?
        .parse()
        .map_err(|error| Invalid::new("permission", format!("{error}")))?;
    let member: Member = field("principal")?
        .parse()
        .map_err(|error| Invalid::new("principal", format!("{error}")))?;
    let (principal, mut notes) = principal(asked, member).await?;
    let metadata = asked.registry.metadata();
    let mut chain = Vec::new();
    for level in resource.chain() {
        chain.push((level.to_string(), metadata.policy(&level).await?));
    }
    let levels: Vec<Level<'_>> = chain
        .iter()
        .map(|(name, policy)| Level { name, policy })
        .collect();
    let reason = decide(&principal, permission, &levels);
    if !asked.call.caller.is_closed() {
        notes.push("there has never been an account: until there is one, policies do not count".to_owned());
    }
    let would = Role::ALL
        .iter()
        .filter(|role| role.allows(permission))
        .map(ToString::to_string);
    Ok(ok(&json!({
        "allowed": reason.is_some(),
        "principal": principal.to_string(),
        "memberOf": principal.sets().map(ToString::to_string).collect::<Vec<_>>(),
        "permission": permission.as_str(),
        "resource": resource.to_string(),
        "reason": reason.map(|reason| json!({
            "resource": reason.level,
            "role": reason.role.to_string(),
            "member": reason.member.to_string(),
        })),
        "held": held(&principal, &levels),
        "rolesThatWould": would.collect::<Vec<_>>(),
        "notes": notes,
    })))
}

/// Every binding of the policies to somebody, whatever it gives.
fn held(principal: &Principal, levels: &[Level<'_>]) -> Vec<Value> {
    let of_level = |level: &Level<'_>| {
        let pairs = level.policy.pairs().filter(|(_, member)| principal.is(member));
        let told = |(role, member): (Role, &Member)| json!({"resource": level.name, "role": role.to_string(), "member": member.to_string()});
        pairs.map(told).collect::<Vec<_>>()
    };
    levels.iter().flat_map(of_level).collect()
}

/// Somebody with the groups that are known of them.
async fn principal(asked: &Asked<'_>, member: Member) -> Result<(Principal, Vec<String>), Refusal> {
    let mut notes = Vec::new();
    let name = match &member {
        Member::AllUsers => return Ok((Principal::anonymous(), notes)),
        Member::User(name) | Member::ServiceAccount(name) => name.clone(),
        _ => {
            notes.push("its groups come from its issuer, and are not known here".to_owned());
            return Ok((Principal::member(member, []), notes));
        }
    };
    let account = asked.registry.metadata().account(&name).await?;
    let Some(account) = account.filter(|account| account.member == member) else {
        notes.push(format!("there is no account {member}"));
        return Ok((Principal::member(member, []), notes));
    };
    if account.disabled {
        notes.push("the account is disabled: none of its credentials is taken".to_owned());
    }
    Ok((Principal::member(member, account.groups), notes))
}
