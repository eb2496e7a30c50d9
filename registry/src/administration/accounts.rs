//! Accounts: list, make, change, give a password, remove.

use access::{Member, Permission, SALT_BYTES};
use hyper::Method;
use serde_json::{Value, json};
use store::{Account, AccountRefusal, Resource};

use super::paging::{self, Rows, Slice};
use super::status::Invalid;
use super::update_mask::UpdateMask;
use super::{Asked, Unfit, documents, ok};
use crate::answer::Answer;
use crate::audit::AuditDetail;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Longest name of an account.
const NAME_BYTES_MAX: usize = 256;
/// Longest description.
const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Most groups of an account.
const GROUPS_MAX: usize = 100;
/// Longest password; longer ones are refused by the hash as well.
const PASSWORD_BYTES_MAX: usize = access::PASSWORD_BYTES_MAX;
/// Policies that are named when an account is removed that was in them.
const POLICIES_TOLD_MAX: usize = 100;
/// Attempts at a change while others change the same account.
const UPDATES_MAX: usize = 8;

/// What can be changed of an account.
const SETTABLE: [&str; 3] = ["description", "groups", "disabled"];

pub(crate) async fn collection(asked: &Asked<'_>, body: &mut Arriving) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET => {
            asked
                .authorise(Permission::ListAccounts, &Resource::Registry)
                .await?;
            paging::list(asked, "accounts", &All { asked }).await
        }
        Method::POST => {
            asked
                .authorise(Permission::ManageAccounts, &Resource::Registry)
                .await?;
            create(asked, body).await
        }
        _ => Err(asked.call.refuse_method("GET, POST")),
    }
}

pub(crate) async fn one(asked: &Asked<'_>, name: &str, body: &mut Arriving) -> Result<Answer, Refusal> {
    let needed = match *asked.method() {
        Method::GET => Permission::ListAccounts,
        Method::PATCH | Method::DELETE => Permission::ManageAccounts,
        _ => return Err(asked.call.refuse_method("GET, PATCH, DELETE")),
    };
    asked.authorise(needed, &Resource::Registry).await?;
    match *asked.method() {
        Method::PATCH => patch(asked, name, body).await,
        Method::DELETE => {
            refuse_last(asked, name).await?;
            delete(asked, name).await
        }
        _ => Ok(ok(&document(&existing(asked, name).await?))),
    }
}

/// Without accounts and issuers nobody could log in any more. Should somebody else remove another one at this moment, the
/// registry is closed all the same.
async fn refuse_last(asked: &Asked<'_>, name: &str) -> Result<(), Refusal> {
    let accounts = asked.registry.metadata().accounts(None, 2).await?;
    match accounts.as_slice() {
        [last] if name_of(&last.member) == name && asked.registry.options().access.issuers.is_empty() => {
            Err(Unfit::precondition(format!(
                "{name} is the last account: without any, nobody could log in; to let everybody read again, stop the server and use \
                 `lightship account reopen --data DIR`"
            )))
        }
        _ => Ok(()),
    }
}

async fn delete(asked: &Asked<'_>, name: &str) -> Result<Answer, Refusal> {
    let (actor, now) = (asked.actor(), asked.registry.now());
    let metadata = asked.registry.metadata();
    let changed = metadata.delete_account(name, &actor, now).await??;
    asked.registry.forget_access();
    let names: Vec<String> = changed
        .iter()
        .take(POLICIES_TOLD_MAX)
        .map(ToString::to_string)
        .collect();
    let mut answer = ok(&json!({"policiesChanged": names, "policiesChangedCount": changed.len()}));
    if !names.is_empty() {
        let detail = format!("its bindings went from the policies of {}", names.join(", "));
        answer.extensions_mut().insert(AuditDetail(detail));
    }
    Ok(answer)
}

/// Every account.
struct All<'a> {
    asked: &'a Asked<'a>,
}

impl Rows for All<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let metadata = self.asked.registry.metadata();
        let accounts = metadata.accounts(after.as_deref(), limit).await?;
        let row = |account: &Account| (name_of(&account.member).to_owned(), document(account));
        Ok(Slice::of_rows(accounts.iter().map(row).collect(), limit))
    }
}

/// The account, or a refusal that it is not there.
pub(crate) async fn existing(asked: &Asked<'_>, name: &str) -> Result<Account, Refusal> {
    let found = asked.registry.metadata().account(name).await?;
    found.ok_or_else(|| Unfit::not_found(format!("account {name}")))
}

fn name_of(member: &Member) -> &str {
    match member {
        Member::User(name) | Member::ServiceAccount(name) => name,
        _ => "",
    }
}

fn document(account: &Account) -> Value {
    let groups: Vec<String> = account.groups.iter().map(ToString::to_string).collect();
    json!({
        "name": format!("accounts/{}", name_of(&account.member)),
        "member": account.member.to_string(),
        "description": account.description,
        "groups": groups,
        "disabled": account.disabled,
        "hasPassword": account.password_hash.is_some(),
        "createTime": documents::time(account.created),
        "updateTime": documents::time(account.updated),
    })
}

async fn create(asked: &Asked<'_>, body: &mut Arriving) -> Result<Answer, Refusal> {
    let given = asked.document(body).await?;
    let member: Member = documents::text(&given, "member", NAME_BYTES_MAX)?
        .parse()
        .map_err(|error| Invalid::new("member", format!("{error}")))?;
    if name_of(&member).is_empty() {
        return Err(Invalid::new("member", "an account is a user: or a serviceAccount:").into());
    }
    // Helpers of Container Registry have user names of their own, a colon ends a user name, and the rest would not be
    // found, or be taken for another, where the name stands in a path.
    if name_of(&member).starts_with('_')
        || name_of(&member).contains([':', '/', '%'])
        || matches!(name_of(&member), "oauth2accesstoken" | "." | "..")
    {
        return Err(Invalid::new(
            "member",
            "the name begins with _, has a colon, slash or %, means a token, or is dots",
        )
        .into());
    }
    let now = asked.registry.now();
    let mut account = Account {
        member,
        description: String::new(),
        password_hash: password_hash(asked, &given).await?,
        groups: Vec::new(),
        disabled: false,
        generation: 0,
        created: now,
        updated: now,
    };
    change(
        &mut account,
        &given,
        &UpdateMask::of(&Default::default(), &given, &SETTABLE)?,
    )?;
    let metadata = asked.registry.metadata();
    metadata.create_account(&account, &asked.actor()).await??;
    asked.registry.forget_access();
    Ok(ok(&document(&account)))
}

async fn patch(asked: &Asked<'_>, name: &str, body: &mut Arriving) -> Result<Answer, Refusal> {
    let given = asked.document(body).await?;
    let mask = UpdateMask::of(&asked.call.query, &given, &SETTABLE)?;
    update(asked, name, |account| change(account, &given, &mask)).await
}

/// Gives a password, or takes it away where none is given.
pub(crate) async fn set_password(
    asked: &Asked<'_>,
    name: &str,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    if *asked.method() != Method::POST {
        return Err(asked.call.refuse_method("POST"));
    }
    asked
        .authorise(Permission::ManageAccounts, &Resource::Registry)
        .await?;
    let given = asked.document(body).await?;
    existing(asked, name).await?;
    let hash = password_hash(asked, &given).await?;
    update(asked, name, |account| {
        account.password_hash.clone_from(&hash);
        Ok(())
    })
    .await
}

/// Changes an account as it is now: what somebody else changed of it at the same moment stays changed.
async fn update(
    asked: &Asked<'_>,
    name: &str,
    change: impl Fn(&mut Account) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let metadata = asked.registry.metadata();
    for _ in 0..UPDATES_MAX {
        let mut account = existing(asked, name).await?;
        change(&mut account)?;
        account.updated = asked.registry.now();
        match metadata.update_account(&account, &asked.actor()).await? {
            Err(AccountRefusal::Changed { .. }) => continue,
            updated => updated?,
        }
        asked.registry.forget_access();
        return Ok(ok(&document(&account)));
    }
    Err(AccountRefusal::Changed {
        name: name.to_owned(),
    }
    .into())
}

fn change(account: &mut Account, given: &Value, mask: &UpdateMask) -> Result<(), Refusal> {
    if mask.has("description") {
        account.description = documents::text(given, "description", DESCRIPTION_BYTES_MAX)?.to_owned();
    }
    if mask.has("disabled") {
        account.disabled = documents::flag(given, "disabled")?;
    }
    if mask.has("groups") {
        account.groups = documents::texts(given, "groups", GROUPS_MAX)?
            .iter()
            .map(|text| match text.parse() {
                Ok(group @ Member::Group(_)) => Ok(group),
                _ => Err(Invalid::new("groups", format!("{text:?} is no group:NAME"))),
            })
            .collect::<Result<_, _>>()?;
    }
    Ok(())
}

async fn password_hash(asked: &Asked<'_>, given: &Value) -> Result<Option<String>, Refusal> {
    let password = documents::text(given, "password", PASSWORD_BYTES_MAX)?.to_owned();
    if password.is_empty() {
        return Ok(None);
    }
    let mut salt = [0; SALT_BYTES];
    asked.registry.entropy().fill(&mut salt);
    let hashed = asked
        .registry
        .authentication()
        .hash_password(password, salt)
        .await?;
    hashed
        .map(Some)
        .map_err(|error| Invalid::new("password", format!("{error}")).into())
}

impl From<AccountRefusal> for Refusal {
    fn from(refusal: AccountRefusal) -> Refusal {
        match refusal {
            AccountRefusal::Exists { name } => Unfit::Exists {
                resource: format!("account {name}"),
            }
            .into(),
            AccountRefusal::KeyExists { name, id } => Unfit::Exists {
                resource: format!("key {id} of account {name}"),
            }
            .into(),
            refusal @ AccountRefusal::Changed { .. } => Unfit::Aborted {
                reason: format!("{refusal}; repeat the change"),
            }
            .into(),
            refusal @ AccountRefusal::LastAdministrator { .. } => Unfit::precondition(refusal.to_string()),
            AccountRefusal::Unknown { name } => Unfit::not_found(format!("account {name}")),
            AccountRefusal::KeyUnknown { name, id } => {
                Unfit::not_found(format!("key {id} of account {name}"))
            }
        }
    }
}
