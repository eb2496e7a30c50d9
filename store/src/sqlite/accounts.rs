//! Accounts, their keys, and the secrets of the server itself.

use access::Member;
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::administrators::unless_nobody_is_left;
use super::events::{self, Told};
use super::policies::{self, next_generation};
use super::values::{from_time, limit as column_limit, parsed, time};
use super::{SqliteMetadata, failed};
use crate::{Account, AccountKey, AccountRefusal, Accounts, Actor, EventKind, Resource, StoreError};

const COLUMNS: &str =
    "name, member, description, password_hash, groups, disabled, generation, created, updated";

#[async_trait]
impl Accounts for SqliteMetadata {
    async fn create_account(
        &self,
        account: &Account,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError> {
        let (account, actor) = (account.clone(), actor.clone());
        self.write(move |connection| create(connection, &account, &actor))
            .await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.look_up(|connection| {
            let found = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))
                .and_then(|mut statement| statement.query_row([name], columns).optional())
                .map_err(failed("look up an account"))?;
            found.map(from_columns).transpose()
        })
    }

    async fn accounts(&self, after: Option<&str>, limit: usize) -> Result<Vec<Account>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |connection| {
            let rows = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM account WHERE name > ?1 ORDER BY name LIMIT ?2"
                ))
                .and_then(|mut statement| {
                    statement
                        .query_map(params![after, column_limit(limit)], columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("list accounts"))?;
            rows.into_iter().map(from_columns).collect()
        })
        .await
    }

    async fn update_account(
        &self,
        account: &Account,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError> {
        let (account, actor) = (account.clone(), actor.clone());
        self.write(move |connection| {
            let name = name_of(&account.member)?;
            let last = || AccountRefusal::LastAdministrator { name };
            unless_nobody_is_left(connection, account.updated, last, || {
                update(connection, &account, &actor)
            })
        })
        .await
    }

    async fn delete_account(
        &self,
        name: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<Vec<Resource>, AccountRefusal>, StoreError> {
        let (name, actor) = (name.to_owned(), actor.clone());
        self.write(move |connection| {
            let last = || AccountRefusal::LastAdministrator { name: name.clone() };
            unless_nobody_is_left(connection, now, last, || delete(connection, &name, (&actor, now)))
        })
        .await
    }

    async fn create_key(
        &self,
        key: &AccountKey,
        actor: &Actor,
    ) -> Result<Result<(), AccountRefusal>, StoreError> {
        let (key, actor) = (key.clone(), actor.clone());
        self.write(move |connection| create_key(connection, key, &actor))
            .await
    }

    async fn keys(&self, account: &str) -> Result<Vec<AccountKey>, StoreError> {
        self.look_up(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT id, public_key, created, expires, disabled FROM account_key WHERE account = ?1 ORDER BY id",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map([account], key_columns)?
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(failed("list keys"))?;
            let key = |columns| from_key_columns(account, columns);
            rows.into_iter().map(key).collect()
        })
    }

    async fn delete_key(
        &self,
        account: &str,
        id: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), AccountRefusal>, StoreError> {
        let (name, id, actor) = (account.to_owned(), id.to_owned(), actor.clone());
        self.write(move |connection| {
            let last = || AccountRefusal::LastAdministrator { name: name.clone() };
            unless_nobody_is_left(connection, now, last, || {
                delete_key(connection, (&name, &id), (&actor, now))
            })
        })
        .await
    }

    async fn is_closed(&self) -> Result<bool, StoreError> {
        self.look_up(|connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM closed)")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(failed("look whether the registry is closed"))
        })
    }

    async fn close(&self, actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        let actor = actor.clone();
        self.write(move |connection| {
            if close(connection, now)? {
                next_generation(connection)?;
                tell(connection, (&actor, now), &EventKind::RegistryClosed)?;
            }
            Ok(())
        })
        .await
    }

    async fn reopen(&self, actor: &Actor, now: Timestamp) -> Result<usize, StoreError> {
        let actor = actor.clone();
        self.write(move |connection| reopen(connection, (&actor, now)))
            .await
    }

    async fn secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, proposal) = (name.to_owned(), proposal.to_owned());
        self.write(move |connection| {
            connection
                .execute(
                    "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    params![name, proposal],
                )
                .and_then(|_| {
                    connection.query_row("SELECT value FROM secret WHERE name = ?1", [&name], |row| {
                        row.get(0)
                    })
                })
                .map_err(failed("keep a secret"))
        })
        .await
    }
}

fn tell(
    connection: &Connection,
    (actor, now): (&Actor, Timestamp),
    kind: &EventKind,
) -> Result<(), StoreError> {
    events::tell(connection, &Told::of(&Resource::Registry, actor, now), kind)
}

/// What follows the kind: the name by which the account is known.
fn name_of(member: &Member) -> Result<String, StoreError> {
    match member {
        Member::User(name) | Member::ServiceAccount(name) => Ok(name.clone()),
        _ => Err(StoreError::Database {
            action: "keep an account",
            reason: format!("{member} is neither a user nor a service account"),
        }),
    }
}

fn is_known(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM account WHERE name = ?1)")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(failed("look up an account"))
}

fn is_account(connection: &Connection, name: &str, member: &Member) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM account WHERE name = ?1 AND member = ?2)")
        .and_then(|mut statement| statement.query_row([name, &member.to_string()], |row| row.get(0)))
        .map_err(failed("look up an account"))
}

fn create(
    connection: &Connection,
    account: &Account,
    actor: &Actor,
) -> Result<Result<(), AccountRefusal>, StoreError> {
    let name = name_of(&account.member)?;
    if is_known(connection, &name)? {
        return Ok(Err(AccountRefusal::Exists { name }));
    }
    connection
        .execute(
            "INSERT INTO account
             (name, member, description, password_hash, groups, disabled, generation, created, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                name,
                account.member.to_string(),
                account.description,
                account.password_hash,
                groups(&account.groups),
                account.disabled,
                next_generation(connection)?,
                time(account.created),
                time(account.updated),
            ],
        )
        .map_err(failed("make an account"))?;
    close(connection, account.created)?;
    let kind = EventKind::AccountCreated { name };
    tell(connection, (actor, account.created), &kind)?;
    Ok(Ok(()))
}

/// Whether the registry was open before.
fn close(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let closed = connection
        .prepare_cached("INSERT INTO closed (one, since) VALUES (1, ?1) ON CONFLICT DO NOTHING")
        .and_then(|mut statement| statement.execute([time(now)]))
        .map_err(failed("close the registry"))?;
    Ok(closed > 0)
}

fn reopen(connection: &Connection, (actor, now): (&Actor, Timestamp)) -> Result<usize, StoreError> {
    let error = failed("reopen the registry");
    let names: Vec<String> = connection
        .prepare_cached("SELECT name FROM account ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(&error)?;
    for name in &names {
        // Each is there: it was listed in this transaction.
        let _ = delete(connection, name, (actor, now))?;
    }
    let opened = connection
        .prepare_cached("DELETE FROM closed")
        .and_then(|mut statement| statement.execute([]))
        .map_err(&error)?;
    if opened > 0 {
        next_generation(connection)?;
        tell(connection, (actor, now), &EventKind::RegistryReopened)?;
    }
    Ok(names.len())
}

fn delete(
    connection: &Connection,
    name: &str,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<Vec<Resource>, AccountRefusal>, StoreError> {
    let member: Option<String> = connection
        .prepare_cached("DELETE FROM account WHERE name = ?1 RETURNING member")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(failed("delete an account"))?;
    let name = name.to_owned();
    let Some(member) = member else {
        return Ok(Err(AccountRefusal::Unknown { name }));
    };
    next_generation(connection)?;
    let kind = EventKind::AccountDeleted { name: name.clone() };
    tell(connection, (actor, now), &kind)?;
    let kind = EventKind::BindingsRemoved { account: name };
    let changed = policies::forget_member(connection, &member, now)?;
    for resource in &changed {
        events::tell(connection, &Told::of(resource, actor, now), &kind)?;
    }
    Ok(Ok(changed))
}

fn delete_key(
    connection: &Connection,
    (account, id): (&str, &str),
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<(), AccountRefusal>, StoreError> {
    let deleted = connection
        .execute(
            "DELETE FROM account_key WHERE account = ?1 AND id = ?2",
            [account, id],
        )
        .map_err(failed("delete a key"))?;
    let (name, id) = (account.to_owned(), id.to_owned());
    if deleted == 0 {
        return Ok(Err(AccountRefusal::KeyUnknown { name, id }));
    }
    renew(connection, &name)?;
    let kind = EventKind::KeyDeleted { account: name, id };
    tell(connection, (actor, now), &kind)?;
    Ok(Ok(()))
}

fn update(
    connection: &Connection,
    account: &Account,
    actor: &Actor,
) -> Result<Result<(), AccountRefusal>, StoreError> {
    let name = name_of(&account.member)?;
    let changed = connection
        .execute(
            "UPDATE account SET description = ?2, password_hash = ?3, groups = ?4, disabled = ?5, updated = ?6
             WHERE name = ?1 AND member = ?7 AND generation = ?8",
            params![
                name,
                account.description,
                account.password_hash,
                groups(&account.groups),
                account.disabled,
                time(account.updated),
                account.member.to_string(),
                i64::try_from(account.generation).unwrap_or(i64::MAX),
            ],
        )
        .map_err(failed("update an account"))?;
    if changed == 0 {
        return Ok(Err(match is_account(connection, &name, &account.member)? {
            true => AccountRefusal::Changed { name },
            false => AccountRefusal::Unknown { name },
        }));
    }
    renew(connection, &name)?;
    let kind = EventKind::AccountUpdated { name };
    tell(connection, (actor, account.updated), &kind)?;
    Ok(Ok(()))
}

fn create_key(
    connection: &Connection,
    key: AccountKey,
    actor: &Actor,
) -> Result<Result<(), AccountRefusal>, StoreError> {
    let error = failed("give an account a key");
    if !is_known(connection, &key.account)? {
        return Ok(Err(AccountRefusal::Unknown { name: key.account }));
    }
    let inserted = connection
        .execute(
            "INSERT INTO account_key (account, id, public_key, created, expires, disabled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![
                key.account,
                key.id,
                key.public_key,
                time(key.created),
                key.expires.map(time),
                key.disabled
            ],
        )
        .map_err(&error)?;
    let (account, id) = (key.account, key.id);
    if inserted == 0 {
        return Ok(Err(AccountRefusal::KeyExists { name: account, id }));
    }
    renew(connection, &account)?;
    let kind = EventKind::KeyCreated { account, id };
    tell(connection, (actor, key.created), &kind)?;
    Ok(Ok(()))
}

/// What was verified of an account before counts no longer.
fn renew(connection: &Connection, name: &str) -> Result<(), StoreError> {
    let generation = next_generation(connection)?;
    connection
        .execute(
            "UPDATE account SET generation = ?2 WHERE name = ?1",
            params![name, generation],
        )
        .map(drop)
        .map_err(failed("update an account"))
}

fn groups(groups: &[Member]) -> String {
    let names: Vec<_> = groups.iter().map(ToString::to_string).collect();
    serde_json::Value::from(names).to_string()
}

/// The groups of `member`.
pub(super) fn from_groups(column: &str, member: &str) -> Result<Vec<Member>, StoreError> {
    let groups: Vec<String> = serde_json::from_str(column).map_err(|_| StoreError::Damaged {
        what: format!("the groups of {member}"),
    })?;
    groups.iter().map(|group| parsed("a group", group)).collect()
}

/// A row of [`COLUMNS`] after the name.
struct Columns {
    member: String,
    description: String,
    password_hash: Option<String>,
    groups: String,
    disabled: bool,
    generation: i64,
    created: i64,
    updated: i64,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        member: row.get(1)?,
        description: row.get(2)?,
        password_hash: row.get(3)?,
        groups: row.get(4)?,
        disabled: row.get(5)?,
        generation: row.get(6)?,
        created: row.get(7)?,
        updated: row.get(8)?,
    })
}

fn from_columns(columns: Columns) -> Result<Account, StoreError> {
    Ok(Account {
        member: parsed("a member", &columns.member)?,
        groups: from_groups(&columns.groups, &columns.member)?,
        generation: columns.generation.unsigned_abs(),
        created: from_time(columns.created)?,
        updated: from_time(columns.updated)?,
        description: columns.description,
        password_hash: columns.password_hash,
        disabled: columns.disabled,
    })
}

type KeyColumns = (String, String, i64, Option<i64>, bool);

fn key_columns(row: &Row<'_>) -> rusqlite::Result<KeyColumns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn from_key_columns(account: &str, columns: KeyColumns) -> Result<AccountKey, StoreError> {
    let (id, public_key, created, expires, disabled) = columns;
    Ok(AccountKey {
        id,
        account: account.to_owned(),
        public_key,
        created: from_time(created)?,
        expires: expires.map(from_time).transpose()?,
        disabled,
    })
}
