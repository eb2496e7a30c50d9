//! Once somebody with an account administers the registry, somebody always does: no change takes the last one away.

use access::{Member, Principal, Role};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::failed;
use super::values::{parsed, time};
use crate::{Resource, StoreError};

/// Does `change`, unless nobody would administer the registry after it who did before: then nothing of it stays.
///
/// Both looks and the change are in one write transaction, so that of two changes at once, each of which would leave the
/// other's account, the second is refused.
pub(super) fn unless_nobody_is_left<T, R>(
    connection: &Connection,
    now: Timestamp,
    refusal: impl FnOnce() -> R,
    change: impl FnOnce() -> Result<Result<T, R>, StoreError>,
) -> Result<Result<T, R>, StoreError> {
    let was_administered = is_administered(connection, now)?;
    connection
        .execute_batch("SAVEPOINT guarded")
        .map_err(failed("begin"))?;
    let changed = change()?;
    let leaves_nobody = was_administered && changed.is_ok() && !is_administered(connection, now)?;
    let (end, outcome) = match leaves_nobody {
        true => ("ROLLBACK TO guarded; RELEASE guarded", Err(refusal())),
        false => ("RELEASE guarded", changed),
    };
    connection.execute_batch(end).map_err(failed("end"))?;
    Ok(outcome)
}

/// Whether an account that can log in has the administrator's role on the registry, by itself or by a group.
fn is_administered(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let error = failed("look for administrators");
    let (registry, role) = (Resource::Registry.to_string(), Role::Administrator.to_string());
    let members: Vec<String> = connection
        .prepare_cached("SELECT member FROM binding WHERE resource = ?1 AND role = ?2")
        .and_then(|mut statement| statement.query_map([registry, role], |row| row.get(0))?.collect())
        .map_err(&error)?;
    let members = members
        .iter()
        .map(|member| parsed("a member", member))
        .collect::<Result<Vec<Member>, _>>()?;
    // Most are accounts, and each of these is one look-up.
    let (accounts, sets): (Vec<_>, Vec<_>) = members
        .into_iter()
        .partition(|member| matches!(member, Member::User(_) | Member::ServiceAccount(_)));
    for account in &accounts {
        if can_log_in(connection, account, now)? {
            return Ok(true);
        }
    }
    match sets.is_empty() {
        true => Ok(false),
        false => one_is_in(connection, &sets, now),
    }
}

/// It is not disabled, and has a password or, at `?1`, a key that counts.
const ENABLED: &str = "account.disabled = 0 AND (account.password_hash IS NOT NULL OR EXISTS (
    SELECT 1 FROM account_key WHERE account_key.account = account.name AND account_key.disabled = 0
    AND (account_key.expires IS NULL OR account_key.expires > ?1)))";

fn can_log_in(connection: &Connection, account: &Member, now: Timestamp) -> Result<bool, StoreError> {
    let (Member::User(name) | Member::ServiceAccount(name)) = account else {
        return Ok(false);
    };
    connection
        .prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM account WHERE name = ?2 AND member = ?3 AND {ENABLED})"
        ))
        .and_then(|mut statement| {
            statement.query_row(params![time(now), name, account.to_string()], |row| row.get(0))
        })
        .map_err(failed("look for administrators"))
}

/// Whether an account that can log in is in one of these sets.
fn one_is_in(connection: &Connection, sets: &[Member], now: Timestamp) -> Result<bool, StoreError> {
    let error = failed("look for administrators");
    let mut statement = connection
        .prepare_cached(&format!("SELECT member, groups FROM account WHERE {ENABLED}"))
        .map_err(&error)?;
    let mut rows = statement.query(params![time(now)]).map_err(&error)?;
    while let Some(row) = rows.next().map_err(&error)? {
        let member: String = row.get(0).map_err(&error)?;
        let groups: String = row.get(1).map_err(&error)?;
        let groups = super::accounts::from_groups(&groups, &member)?;
        let principal = Principal::member(parsed("a member", &member)?, groups);
        if sets.iter().any(|set| principal.is(set)) {
            return Ok(true);
        }
    }
    Ok(false)
}
