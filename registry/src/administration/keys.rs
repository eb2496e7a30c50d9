//! Keys of accounts. Only public halves come here: whoever makes a key pair keeps the private one.

use access::{KEY_TEXT_BYTES_MAX, Permission, PublicKey};
use hyper::Method;
use jiff::Timestamp;
use oci::Digest;
use serde_json::{Value, json};
use store::{AccountKey, Resource};

use super::status::Invalid;
use super::{Asked, Unfit, accounts, documents, nothing, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Most keys of an account.
const KEYS_MAX: usize = 100;
/// Longest name of a key.
const ID_BYTES_MAX: usize = 128;
/// Characters of a name that we make, as many as Google's have.
const OWN_ID_CHARACTERS: usize = 40;
/// Longest time in a body.
const TIME_BYTES_MAX: usize = 64;

pub(crate) async fn collection(
    asked: &Asked<'_>,
    account: &str,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET => {
            asked
                .authorise(Permission::ListAccounts, &Resource::Registry)
                .await?;
            accounts::existing(asked, account).await?;
            let keys = asked.registry.metadata().keys(account).await?;
            let documents: Vec<Value> = keys.iter().map(document).collect();
            Ok(ok(&json!({"keys": documents})))
        }
        Method::POST => {
            asked
                .authorise(Permission::ManageAccounts, &Resource::Registry)
                .await?;
            accounts::existing(asked, account).await?;
            create(asked, account, body).await
        }
        _ => Err(asked.call.refuse_method("GET, POST")),
    }
}

pub(crate) async fn one(asked: &Asked<'_>, (account, id): (&str, &str)) -> Result<Answer, Refusal> {
    let metadata = asked.registry.metadata();
    match *asked.method() {
        Method::GET => {
            asked
                .authorise(Permission::ListAccounts, &Resource::Registry)
                .await?;
            let keys = metadata.keys(account).await?;
            let found = keys.iter().find(|key| key.id == id);
            let key = found.ok_or_else(|| Unfit::not_found(format!("key {id} of account {account}")))?;
            Ok(ok(&document(key)))
        }
        Method::DELETE => {
            asked
                .authorise(Permission::ManageAccounts, &Resource::Registry)
                .await?;
            let (actor, now) = (asked.actor(), asked.registry.now());
            metadata.delete_key(account, id, &actor, now).await??;
            asked.registry.forget_access();
            Ok(nothing())
        }
        _ => Err(asked.call.refuse_method("GET, DELETE")),
    }
}

fn document(key: &AccountKey) -> Value {
    json!({
        "name": format!("accounts/{}/keys/{}", key.account, key.id),
        "publicKey": key.public_key,
        "createTime": documents::time(key.created),
        "expireTime": key.expires.map(documents::time),
        "disabled": key.disabled,
    })
}

async fn create(asked: &Asked<'_>, account: &str, body: &mut Arriving) -> Result<Answer, Refusal> {
    let given = asked.document(body).await?;
    let text = documents::text(&given, "publicKey", KEY_TEXT_BYTES_MAX)?;
    if text.contains("PRIVATE KEY") {
        let problem = "it has a private key in it, which must not leave its owner; send the public half";
        return Err(Invalid::new("publicKey", problem).into());
    }
    let bad = |error| Invalid::new("publicKey", format!("{error}"));
    let public_key = PublicKey::import(text).map_err(bad)?.key.to_pem().map_err(bad)?;
    let id = match documents::text(&given, "id", ID_BYTES_MAX)? {
        "" => own_id(&public_key),
        id if is_id(id) => id.to_owned(),
        _ => return Err(Invalid::new("id", "it is not letters, digits, -, _ and .").into()),
    };
    if asked.registry.metadata().keys(account).await?.len() >= KEYS_MAX {
        return Err(Unfit::precondition(format!(
            "an account has at most {KEYS_MAX} keys"
        )));
    }
    let expires = match documents::text(&given, "expireTime", TIME_BYTES_MAX)? {
        "" => None,
        text => {
            let time = text.parse::<Timestamp>();
            Some(time.map_err(|_| Invalid::new("expireTime", "it is no time of RFC 3339"))?)
        }
    };
    let key = AccountKey {
        id,
        account: account.to_owned(),
        public_key,
        created: asked.registry.now(),
        expires,
        disabled: false,
    };
    let metadata = asked.registry.metadata();
    metadata.create_key(&key, &asked.actor()).await??;
    asked.registry.forget_access();
    Ok(ok(&document(&key)))
}

fn is_id(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The beginning of the public half's digest.
fn own_id(public_key: &str) -> String {
    let digest = Digest::sha256_of(public_key.as_bytes()).to_string();
    let hex = digest.split(':').next_back().unwrap_or_default();
    hex.chars().take(OWN_ID_CHARACTERS).collect()
}
