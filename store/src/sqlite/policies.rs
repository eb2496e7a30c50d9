//! Policies by resource.

use access::Policy;
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::administrators::unless_nobody_is_left;
use super::events::{self, Told};
use super::values::{limit as column_limit, parsed, time};
use super::{SqliteMetadata, failed};
use crate::{Actor, EventKind, Policies, PolicyRefusal, Resource, StoreError};

#[async_trait]
impl Policies for SqliteMetadata {
    async fn policy(&self, resource: &Resource) -> Result<Policy, StoreError> {
        self.look_up(|connection| read(connection, &resource.to_string()))
    }

    async fn set_policy(
        &self,
        resource: &Resource,
        policy: &Policy,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<Policy, PolicyRefusal>, StoreError> {
        let (resource, policy, actor) = (resource.clone(), policy.clone(), actor.clone());
        self.write(move |connection| {
            let last = || PolicyRefusal::LastAdministrator;
            unless_nobody_is_left(connection, now, last, || {
                set(connection, &resource, policy, (&actor, now))
            })
        })
        .await
    }

    async fn policies(
        &self,
        after: Option<&Resource>,
        limit: usize,
    ) -> Result<Vec<(Resource, Policy)>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(move |connection| {
            let names: Vec<String> = connection
                .prepare_cached(
                    "SELECT resource FROM policy WHERE resource > ?1
                       AND EXISTS (SELECT 1 FROM binding WHERE binding.resource = policy.resource)
                     ORDER BY resource LIMIT ?2",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map(params![after, column_limit(limit)], |row| row.get(0))?
                        .collect()
                })
                .map_err(failed("list policies"))?;
            let policy = |name: String| Ok((parsed("a resource", &name)?, read(connection, &name)?));
            names.into_iter().map(policy).collect()
        })
        .await
    }

    async fn access_generation(&self) -> Result<u64, StoreError> {
        self.look_up(|connection| {
            let generation: i64 = connection
                .prepare_cached("SELECT generation FROM access_generation")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(failed("read the access generation"))?;
            Ok(generation.unsigned_abs())
        })
    }
}

/// The next access generation.
pub(super) fn next_generation(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("UPDATE access_generation SET generation = generation + 1 RETURNING generation")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed("count a change of rights"))
}

/// Removes the policy of a resource that is gone.
pub(super) fn forget(connection: &Connection, resource: &Resource) -> Result<(), StoreError> {
    let forgotten = connection
        .prepare_cached("DELETE FROM policy WHERE resource = ?1")
        .and_then(|mut statement| statement.execute([resource.to_string()]))
        .map_err(failed("forget a policy"))?;
    if forgotten > 0 {
        next_generation(connection)?;
    }
    Ok(())
}

/// Takes `member` out of every policy; the resources of those it was in.
pub(super) fn forget_member(
    connection: &Connection,
    member: &str,
    now: Timestamp,
) -> Result<Vec<Resource>, StoreError> {
    let error = failed("take somebody out of policies");
    let names: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT resource FROM binding WHERE member = ?1 ORDER BY resource")
        .and_then(|mut statement| statement.query_map([member], |row| row.get(0))?.collect())
        .map_err(&error)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    connection
        .execute("DELETE FROM binding WHERE member = ?1", [member])
        .map_err(&error)?;
    let generation = next_generation(connection)?;
    let mut renew = connection
        .prepare_cached("UPDATE policy SET generation = ?2, updated = ?3 WHERE resource = ?1")
        .map_err(&error)?;
    for name in &names {
        renew
            .execute(params![name, generation, time(now)])
            .map_err(&error)?;
    }
    names.iter().map(|name| parsed("a resource", name)).collect()
}

fn read(connection: &Connection, resource: &str) -> Result<Policy, StoreError> {
    let rows: Vec<(String, String)> = connection
        .prepare_cached("SELECT role, member FROM binding WHERE resource = ?1")
        .and_then(|mut statement| {
            statement
                .query_map([resource], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(failed("read a policy"))?;
    let pairs = rows
        .iter()
        .map(|(role, member)| Ok((parsed("a role", role)?, parsed("a member", member)?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let mut policy = Policy::new(pairs);
    policy.etag = Some(etag(generation(connection, resource)?));
    Ok(policy)
}

/// Of a policy that was never set: 0.
fn generation(connection: &Connection, resource: &str) -> Result<i64, StoreError> {
    let found = connection
        .prepare_cached("SELECT generation FROM policy WHERE resource = ?1")
        .and_then(|mut statement| statement.query_row([resource], |row| row.get(0)).optional())
        .map_err(failed("read a policy"))?;
    Ok(found.unwrap_or(0))
}

/// Sixteen hexadecimal digits are also Base64, which Google's clients decode and encode again.
fn etag(generation: i64) -> String {
    format!("{generation:016x}")
}

fn set(
    connection: &Connection,
    resource: &Resource,
    mut policy: Policy,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<Policy, PolicyRefusal>, StoreError> {
    let name = resource.to_string();
    let so_far = etag(generation(connection, &name)?);
    if policy.etag.as_ref().is_some_and(|read| *read != so_far) {
        let resource = resource.clone();
        return Ok(Err(PolicyRefusal::Changed { resource }));
    }
    let error = failed("set a policy");
    let generation = next_generation(connection)?;
    connection
        .prepare_cached(
            "INSERT INTO policy (resource, generation, updated) VALUES (?1, ?2, ?3)
             ON CONFLICT (resource) DO UPDATE SET generation = excluded.generation, updated = excluded.updated",
        )
        .and_then(|mut statement| statement.execute(params![name, generation, time(now)]))
        .map_err(&error)?;
    connection
        .prepare_cached("DELETE FROM binding WHERE resource = ?1")
        .and_then(|mut statement| statement.execute([&name]))
        .map_err(&error)?;
    let mut insert = connection
        .prepare_cached("INSERT INTO binding (resource, role, member) VALUES (?1, ?2, ?3)")
        .map_err(&error)?;
    for (role, member) in policy.pairs() {
        insert
            .execute(params![name, role.to_string(), member.to_string()])
            .map_err(&error)?;
    }
    events::tell(connection, &Told::of(resource, actor, now), &EventKind::PolicySet)?;
    policy.etag = Some(etag(generation));
    Ok(Ok(policy))
}
