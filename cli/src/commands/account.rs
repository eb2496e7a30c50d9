//! `lightship account`: who may log in.

mod offline;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use transport::Method;

use crate::administration::{Administered, RegistryOption, VerbFormat, encoded, last, table, text, time};
use crate::arguments::Format;
use crate::commands::iam;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{output, prompt, runtime};

/// Make and look after accounts: who may log in to a registry
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: VerbFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List accounts
    List,
    Create(CreateArguments),
    /// Show an account
    Show {
        /// The name that it logs in with
        name: String,
    },
    /// Take no credential of an account any more
    Disable {
        /// The name that it logs in with
        name: String,
    },
    /// Take an account's credentials again
    Enable {
        /// The name that it logs in with
        name: String,
    },
    /// Give an account another password
    Password {
        /// The name that it logs in with
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove an account with its keys and with what policies bind to it
    Delete {
        /// The name that it logs in with
        name: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    Reopen(ReopenArguments),
}

/// Remove every account of a data directory that no server uses, and let everybody read again
///
/// A registry that ever had an account or an issuer asks everybody who they are, also when these are gone. This ends that.
/// Keys go with the accounts, and so does what policies bind to them; images stay.
#[derive(Debug, Args)]
struct ReopenArguments {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Do it
    #[arg(long)]
    yes: bool,
}

/// What its documents are called by.
const COMMAND: &str = "account";

/// Make an account, on a running registry or in a data directory that no server uses
///
/// The first administrator is made with --admin --data DIR: a running server makes none for those whom it does not know.
/// As soon as there is an account, the registry asks everybody who they are, and policies decide what they may. The
/// password is asked for, or read from standard input with --password-stdin.
#[derive(Debug, Args)]
struct CreateArguments {
    /// The name to log in with
    name: String,
    /// Let it administer the whole registry
    #[arg(long)]
    admin: bool,
    /// Make serviceAccount:NAME, for a program, instead of user:NAME; it needs no password where it has a key
    #[arg(long)]
    service_account: bool,
    /// A group that it is in; may be given several times
    #[arg(long = "group", value_name = "NAME", conflicts_with = "data")]
    groups: Vec<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The data directory; without it, a running registry is asked
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    if let Verb::Create(create) = &arguments.verb
        && let Some(data) = &create.data
    {
        if arguments.registry.registry.is_some() {
            return Err(
                Failure::usage("an account is made on a registry or in a data directory, not both")
                    .hint("leave out --registry or --data"),
            );
        }
        return offline::create(create, (data, arguments.format.format), settings);
    }
    let format = arguments.format.format;
    if let Verb::Reopen(reopen) = &arguments.verb {
        return offline::reopen(reopen, format, settings);
    }
    let server = arguments.registry.open(None, settings)?;
    // Before anything waits for an answer: people type slowly.
    let password = match &arguments.verb {
        Verb::Create(create) if create.service_account && !create.password_stdin => None,
        Verb::Create(CreateArguments { password_stdin, .. }) | Verb::Password { password_stdin, .. } => {
            Some(prompt::password(*password_stdin)?)
        }
        _ => None,
    };
    runtime::block_on(act(&server, arguments.verb, password, format))?
}

async fn act(
    server: &Administered,
    verb: Verb,
    password: Option<String>,
    format: Format,
) -> Result<Outcome, Failure> {
    match verb {
        Verb::List => {
            let found = server.list("list accounts", ACCOUNTS, "accounts").await?;
            let rows: Vec<Vec<String>> = found.iter().map(row).collect();
            let head = ["ACCOUNT", "STATE", "GROUPS", "UPDATED", "DESCRIPTION"];
            output::report(COMMAND, format, &json!({"accounts": found}), || {
                table(&head, &rows)
            })
        }
        Verb::Create(create) => made(server, &create, password, format).await,
        Verb::Show { name } => {
            let account = server
                .get(&format!("show account {name}"), &path_of(&name))
                .await?;
            shown(&account, format)
        }
        Verb::Disable { name } => set_disabled(server, &name, true, format).await,
        Verb::Enable { name } => set_disabled(server, &name, false, format).await,
        Verb::Password { name, .. } => {
            let path = format!("{}:setPassword", path_of(&name));
            let attempted = format!("set the password of {name}");
            let account = server
                .post(&attempted, &path, &json!({"password": password}))
                .await?;
            shown(&account, format)
        }
        Verb::Delete { name, yes: false } => Err(Failure::usage(format!(
            "account {name} on {} would be removed with its keys",
            server.host()
        ))
        .hint("say --yes if that is meant, or `lightship account disable`")),
        Verb::Delete { name, .. } => {
            let told = server
                .delete(&format!("delete account {name}"), &path_of(&name))
                .await?;
            let changed = told.get("policiesChanged").cloned().unwrap_or_else(|| json!([]));
            let document = json!({"deleted": name, "policiesChanged": changed});
            output::report(COMMAND, format, &document, || deleted(&name, &changed))
        }
        // Without a server: see `run`.
        Verb::Reopen(_) => Ok(Outcome::Done),
    }
}

fn deleted(name: &str, changed: &Value) -> String {
    let names = changed.as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    match names.is_empty() {
        true => format!("deleted {name}\n"),
        false => format!("deleted {name}, also from the policies of {}\n", names.join(", ")),
    }
}

const ACCOUNTS: &str = "/lightship/v1/accounts";

fn path_of(name: &str) -> String {
    format!("{ACCOUNTS}/{}", encoded(name))
}

fn row(account: &Value) -> Vec<String> {
    let groups = account["groups"].as_array().into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(Value::as_str).collect();
    let state = match account["disabled"].as_bool() {
        Some(true) => "disabled",
        _ => "enabled",
    };
    vec![
        text(account, "member").to_owned(),
        state.to_owned(),
        groups.join(","),
        time(account, "updateTime"),
        text(account, "description").to_owned(),
    ]
}

fn shown(account: &Value, format: Format) -> Result<Outcome, Failure> {
    let head = ["ACCOUNT", "STATE", "GROUPS", "UPDATED", "DESCRIPTION"];
    output::report(COMMAND, format, &json!({"account": account}), || {
        table(&head, &[row(account)])
    })
}

async fn made(
    server: &Administered,
    create: &CreateArguments,
    password: Option<String>,
    format: Format,
) -> Result<Outcome, Failure> {
    let member = offline::member(&create.name, create.service_account)?.to_string();
    let group = |name: &String| match name.strip_prefix("group:") {
        Some(_) => name.clone(),
        None => format!("group:{name}"),
    };
    let body = json!({
        "member": member,
        "description": create.description,
        "groups": create.groups.iter().map(group).collect::<Vec<_>>(),
        "password": password,
    });
    let attempted = format!("create account {}", create.name);
    let account = server.post(&attempted, ACCOUNTS, &body).await?;
    if create.admin {
        iam::bind(server, "registry", "roles/artifactregistry.admin", &member).await?;
    }
    shown(&account, format)
}

async fn set_disabled(
    server: &Administered,
    name: &str,
    disabled: bool,
    format: Format,
) -> Result<Outcome, Failure> {
    let attempted = format!(
        "{} account {}",
        if disabled { "disable" } else { "enable" },
        last(name)
    );
    let path = path_of(name);
    let query = [("updateMask", "disabled")];
    let body = json!({"disabled": disabled});
    let account = server
        .ask(Method::Patch, (&attempted, &path), &query, Some(&body))
        .await?;
    shown(&account, format)
}
