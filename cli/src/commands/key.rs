//! `lightship key`: keys of accounts, whose private halves stay with their owners.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use access::{KEY_SEED_BYTES, KEY_TEXT_BYTES_MAX, PublicKey, new_key_file};
use clap::{Args, Subcommand};
use serde_json::json;
use store::Entropy as _;

use crate::administration::{Administered, RegistryOption, VerbFormat, encoded, last, table, text, time};
use crate::arguments::Format;
use crate::failure::{Failure, Kind, Outcome};
use crate::server::SystemEntropy;
use crate::settings::Settings;
use crate::{output, runtime};

/// Make and look after the keys of accounts on a running registry
///
/// A key file goes where Container Registry's clients take one: user name _json_key, the file as the password. The
/// registry only ever has the public half, and proves the private one by a signature.
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
    /// List the keys of an account
    List {
        /// The account's name
        account: String,
    },
    /// Make a key pair here, write the key file, and give the registry the public half
    Create {
        /// The account's name
        account: String,
        /// The key file to write; it must not exist, and only its owner may read it
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// When the key stops to count, as 2027-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Give the registry the public half of a key that is in use already
    Import {
        /// The account's name
        account: String,
        /// A public key or certificate in PEM, or a key file, of which only the public half is sent
        file: PathBuf,
        /// The key's name [default: the key file's private_key_id, else the beginning of its digest]
        #[arg(long)]
        id: Option<String>,
    },
    /// Remove a key
    Delete {
        /// The account's name
        account: String,
        /// The key's name
        id: String,
    },
}

/// What its documents are called by.
const COMMAND: &str = "key";

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let format = arguments.format.format;
    let server = arguments.registry.open(None, settings)?;
    runtime::block_on(async {
        match arguments.verb {
            Verb::List { account } => {
                let attempted = format!("list the keys of {account}");
                let found = server.list(&attempted, &keys_of(&account), "keys").await?;
                let rows: Vec<Vec<String>> = found
                    .iter()
                    .map(|key| {
                        let id = last(text(key, "name")).to_owned();
                        vec![id, time(key, "createTime"), time(key, "expireTime")]
                    })
                    .collect();
                output::report(COMMAND, format, &json!({"keys": found}), || {
                    table(&["KEY", "CREATED", "EXPIRES"], &rows)
                })
            }
            Verb::Create {
                account,
                output,
                expires,
            } => create(&server, &account, (&output, expires), format).await,
            Verb::Import { account, file, id } => import(&server, &account, (&file, id), format).await,
            Verb::Delete { account, id } => {
                let path = format!("{}/{}", keys_of(&account), encoded(&id));
                server
                    .delete(&format!("delete key {id} of {account}"), &path)
                    .await?;
                output::report(COMMAND, format, &json!({"deleted": id}), || {
                    format!("deleted {id}\n")
                })
            }
        }
    })?
}

fn keys_of(account: &str) -> String {
    format!("/lightship/v1/accounts/{}/keys", encoded(account))
}

async fn create(
    server: &Administered,
    account: &str,
    (file, expires): (&Path, Option<String>),
    format: Format,
) -> Result<Outcome, Failure> {
    let (mut seed, mut name) = ([0; KEY_SEED_BYTES], [0; KEY_NAME_BYTES]);
    SystemEntropy.fill(&mut seed);
    SystemEntropy.fill(&mut name);
    let id: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let bug = |error| Failure::bug("cannot make a key", error);
    let made = new_key_file(account, &id, &seed).map_err(bug)?;
    write(file, &made.json)?;
    let body = json!({"id": id, "publicKey": made.public_key.to_pem().map_err(bug)?, "expireTime": expires});
    let sent = server
        .post(&format!("give {account} a key"), &keys_of(account), &body)
        .await;
    let key = sent.inspect_err(|_| {
        // A key that the registry does not have is of no use to anybody.
        drop(fs::remove_file(file));
    })?;
    let shown = file.display().to_string();
    output::report(COMMAND, format, &json!({"key": key, "file": shown}), || {
        format!(
            "{id}: the key file is {shown}; log in with user name _json_key and the file as the password\n"
        )
    })
}

/// Bytes of a key's name, twenty as Google's have.
const KEY_NAME_BYTES: usize = 20;

/// Writes a file that nobody but its owner reads, and that was not there.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let attempt = || format!("cannot write {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(Kind::Usage, attempt(), error)
            .hint("a key file is never written over; name another with -o FILE"),
        _ => Failure::outside(attempt(), error),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| Failure::outside(attempt(), error))
}

async fn import(
    server: &Administered,
    account: &str,
    (file, id): (&Path, Option<String>),
    format: Format,
) -> Result<Outcome, Failure> {
    let attempt = || format!("cannot read {}", file.display());
    let size = fs::metadata(file)
        .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?
        .len();
    if size > KEY_TEXT_BYTES_MAX as u64 {
        return Err(Failure::usage(format!(
            "{} is too large for a key",
            file.display()
        )));
    }
    let content = fs::read_to_string(file).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    // The private half of a key file stays here.
    let bad = |error| Failure::new(Kind::Usage, format!("{} is no key", file.display()), error);
    let imported = PublicKey::import(&content).map_err(bad)?;
    if let Some(other) = imported.account.as_deref().filter(|other| *other != account) {
        output::talk(&format!(
            "warning: the key file is of {other}, and its users say so when they log in"
        ));
    }
    let public_key = imported.key.to_pem().map_err(bad)?;
    let body = json!({"id": id.or(imported.id), "publicKey": public_key});
    let key = server
        .post(&format!("give {account} a key"), &keys_of(account), &body)
        .await?;
    let name = last(text(&key, "name")).to_owned();
    output::report(COMMAND, format, &json!({"key": key}), || format!("{name}\n"))
}
