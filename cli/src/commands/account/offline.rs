//! `lightship account create` and `reopen` in a data directory that no server uses: how the first administrator is made, and how
//! a registry is opened again.

use std::path::Path;

use access::{Credential, Member, Policy, Role, SALT_BYTES, hash_password};
use serde_json::json;
use store::{
    Account, Accounts as _, Actor, DataDirectory, Entropy as _, Policies as _, Resource, StoreError,
};

use super::{COMMAND, CreateArguments, ReopenArguments};
use crate::arguments::Format;
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::server::{self, SystemEntropy};
use crate::settings::Settings;
use crate::{prompt, runtime};

pub(super) fn create(
    arguments: &CreateArguments,
    (data, format): (&Path, Format),
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let member = member(&arguments.name, arguments.service_account)?;
    let directory = DataDirectory::open(data).map_err(|error| match error {
        StoreError::Locked => {
            Failure::outside(format!("cannot use the data directory {}", data.display()), error)
                .hint("a server uses it: stop it first, an administrator's account is never made through it")
        }
        other => server::cannot_open(data, other),
    })?;
    let password_hash = match arguments.service_account && !arguments.password_stdin {
        true => None,
        false => Some(hash(&prompt::password(arguments.password_stdin)?)?),
    };
    let now = server::now();
    let account = Account {
        member: member.clone(),
        description: arguments.description.clone().unwrap_or_default(),
        password_hash,
        groups: Vec::new(),
        disabled: false,
        generation: 0,
        created: now,
        updated: now,
    };
    runtime::block_on(store_account(&directory, &account, arguments.admin))??;
    let is_administered = arguments.admin || runtime::block_on(is_administered(&directory))??;
    if !is_administered {
        output::talk(
            "warning: the registry asks everybody who they are now, and nobody administers it: make an \
             administrator with --admin",
        );
    }
    if !settings.quiet {
        let role = if arguments.admin {
            ", who administers the registry"
        } else {
            ""
        };
        output::talk(&format!("made {member}{role} in {}", data.display()));
    }
    if format == Format::Json {
        let account = json!({"member": member.to_string(), "description": account.description});
        return output::report(COMMAND, format, &json!({"account": account}), String::new);
    }
    Ok(Outcome::Done)
}

pub(super) fn reopen(
    arguments: &ReopenArguments,
    format: Format,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let data = arguments.data.display();
    if !arguments.yes {
        return Err(Failure::usage(format!(
            "every account in {data} would be removed, and everybody could read everything"
        ))
        .hint("say --yes if that is meant"));
    }
    let directory = server::open_existing(&arguments.data)?;
    let actor = Actor(ACTOR.to_owned());
    let removed = runtime::block_on(directory.metadata().reopen(&actor, server::now()))?;
    let removed = removed.map_err(|error| Failure::outside("cannot reopen the registry", error))?;
    if !settings.quiet {
        output::talk(&format!(
            "{data} asks nobody any more who they are; {removed} accounts were removed"
        ));
    }
    match format {
        Format::Json => output::report(COMMAND, format, &json!({"accountsRemoved": removed}), String::new),
        Format::Text => Ok(Outcome::Done),
    }
}

/// Whether anybody has the role on the whole registry.
async fn is_administered(directory: &DataDirectory) -> Result<bool, Failure> {
    let policy = directory.metadata().policy(&Resource::Registry).await;
    let policy = policy.map_err(|error| Failure::outside("cannot read the registry's policy", error))?;
    Ok(policy.pairs().any(|(role, _)| role == Role::Administrator))
}

async fn store_account(
    directory: &DataDirectory,
    account: &Account,
    is_administrator: bool,
) -> Result<(), Failure> {
    let metadata = directory.metadata();
    let actor = Actor(ACTOR.to_owned());
    let failed = |error| Failure::outside("cannot make the account", error);
    metadata
        .create_account(account, &actor)
        .await
        .map_err(failed)?
        .map_err(|refusal| Failure::new(Kind::Usage, "cannot make the account", refusal))?;
    if !is_administrator {
        return Ok(());
    }
    let policy = metadata.policy(&Resource::Registry).await.map_err(failed)?;
    let so_far = policy.pairs().map(|(role, member)| (role, member.clone()));
    let mut wanted = Policy::new(so_far.chain([(Role::Administrator, account.member.clone())]));
    wanted.etag.clone_from(&policy.etag);
    metadata
        .set_policy(&Resource::Registry, &wanted, &actor, account.created)
        .await
        .map_err(failed)?
        // Nobody else has the directory.
        .map_err(|refusal| Failure::bug("cannot set the registry's policy", refusal))?;
    Ok(())
}

/// As events name whoever works on the directory itself.
const ACTOR: &str = "operator";

pub(super) fn member(name: &str, is_service_account: bool) -> Result<Member, Failure> {
    let kind = if is_service_account {
        "serviceAccount"
    } else {
        "user"
    };
    let shown = shortened(name);
    let member = format!("{kind}:{name}").parse().map_err(|error| {
        Failure::new(
            Kind::Usage,
            format!("{shown:?} cannot be the name of an account"),
            error,
        )
    })?;
    // Logging in with such a name means something else.
    let means_itself = matches!(Credential::of_user(name, ""), Ok(Credential::Password { .. }));
    // And in a path, where administration has it, these would mean another.
    let is_found = !name.contains([':', '/', '%']) && !name.starts_with('_') && !matches!(name, "." | "..");
    if !is_found || !means_itself {
        return Err(Failure::usage(format!(
            "{shown:?} cannot be the name of an account: no name has a colon, slash or %, begins with _ or is dots, and some \
             are those of kinds of tokens"
        )));
    }
    Ok(member)
}

/// What is shown of a name, which may be of any length.
fn shortened(name: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match name.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn hash(password: &str) -> Result<String, Failure> {
    let mut salt = [0; SALT_BYTES];
    SystemEntropy.fill(&mut salt);
    hash_password(password, &salt)
        .map_err(|error| Failure::new(Kind::Usage, "cannot take the password", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_are_refused() {
        assert_eq!(member("ann", false).unwrap(), Member::User("ann".to_owned()));
        let robot = "ci@p.iam.gserviceaccount.com";
        assert_eq!(
            member(robot, true).unwrap(),
            Member::ServiceAccount(robot.to_owned())
        );
        for name in [
            "",
            "a b",
            "a:b",
            "a/b",
            "a%6Eb",
            "..",
            "_json_key",
            "_json_key_base64",
            "_token",
            "_ann",
            "oauth2accesstoken",
        ] {
            assert!(member(name, false).is_err(), "{name}");
        }
    }
}
