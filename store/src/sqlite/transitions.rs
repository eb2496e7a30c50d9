//! Transitions, tombstones and debts.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, Tag};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::events::{self, Told};
use super::manifests::{self, Place};
use super::values::{from_time, limit as column_limit, package_id, parsed, repository_id, time};
use super::{SqliteMetadata, failed, tags};
use crate::{
    Actor, EventKind, InTransition, KeptFromOld, NewManifest, OnlyThere, PackagePath, Pushes, PutRefusal,
    RepositoryPath, StoreError, TagMove, Transition, TransitionRefusal, TransitionState, Transitions,
};

/// Of a transition: that this side owns the tags.
macro_rules! owns_tags {
    () => {
        "transition.state IN ('enabled-and-copying', 'enabled')"
    };
}
const OWNS_TAGS: &str = owns_tags!();

/// Since when this side owns the tags of package ?1; the beginning of time when it does not. What is set here from then on is never
/// dated before that, whatever the clock of the server says that sets it.
pub(super) const OWNED_SINCE: &str = concat!(
    "coalesce((SELECT transition.owned_since
               FROM package JOIN transition ON transition.repository = package.repository
               WHERE package.id = ?1 AND ",
    owns_tags!(),
    "), 0)"
);

#[async_trait]
impl Transitions for SqliteMetadata {
    async fn transitions(&self) -> Result<Vec<(RepositoryPath, Transition)>, StoreError> {
        self.look_up(|connection| {
            let rows: Vec<Columns> = connection
                .prepare_cached(
                    "SELECT repository.path, old, state, reads_percent, pushes, error_limit_percent, since, generation,
                        owned_since
                     FROM transition JOIN repository ON repository.id = transition.repository
                     ORDER BY repository.path",
                )
                .and_then(|mut statement| statement.query_map([], columns)?.collect())
                .map_err(failed("list transitions"))?;
            rows.into_iter().map(from_columns).collect()
        })
    }

    async fn set_transition(
        &self,
        path: &RepositoryPath,
        transition: &Transition,
        actor: &Actor,
    ) -> Result<Result<(), TransitionRefusal>, StoreError> {
        let (path, transition, actor) = (path.clone(), transition.clone(), actor.clone());
        self.write(move |connection| set(connection, &path, &transition, &actor))
            .await
    }

    async fn finish_transition(
        &self,
        path: &RepositoryPath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (path, actor) = (path.clone(), actor.clone());
        self.write(move |connection| {
            let removed = connection
                .execute(
                    "DELETE FROM transition WHERE repository = (SELECT id FROM repository WHERE path = ?1)",
                    [path.to_string()],
                )
                .map_err(failed("finish a transition"))?;
            if removed == 0 {
                return Ok(false);
            }
            let told = Told::of_repository(&path, &actor, now);
            events::tell(connection, &told, &EventKind::TransitionFinished)?;
            Ok(true)
        })
        .await
    }

    async fn entomb(
        &self,
        package: &PackagePath,
        what: &OnlyThere,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError> {
        let (package, what, actor) = (package.clone(), what.clone(), actor.clone());
        self.write(move |connection| entomb(connection, &package, &what, (&actor, now)))
            .await
    }

    async fn is_entombed(&self, package: &PackagePath, reference: &str) -> Result<bool, StoreError> {
        self.look_up(|connection| {
            let repository = repository_id(connection, &package.repository)?;
            repository.map_or(Ok(false), |repository| {
                entombed(connection, (repository, package.name.as_str()), reference)
            })
        })
    }

    async fn tombstones(
        &self,
        path: &RepositoryPath,
        after: Option<&InTransition>,
        limit: usize,
    ) -> Result<Vec<InTransition>, StoreError> {
        let (path, after) = (path.clone(), after.cloned());
        self.read(move |connection| list(connection, "tombstone", &path, after.as_ref(), limit))
            .await
    }

    async fn keep_from_old(
        &self,
        package: &PackagePath,
        manifest: &NewManifest,
        tag: Option<&Tag>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<KeptFromOld, StoreError> {
        let (package, manifest, tag) = (package.clone(), manifest.clone(), tag.cloned());
        let actor = actor.clone();
        self.write(move |connection| keep(connection, &package, (&manifest, tag.as_ref()), (&actor, now)))
            .await
    }

    async fn settle_tag(
        &self,
        package: &PackagePath,
        tag: &Tag,
        (from, to): (Digest, Digest),
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (package, tag, actor) = (package.clone(), tag.clone(), actor.clone());
        self.write(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(false);
            };
            if tags::named(connection, id, &tag)? != Some(from) {
                return Ok(false);
            }
            let place = Place {
                id,
                package: &package,
                actor: &actor,
                now,
            };
            Ok(tags::move_to(connection, &place, &TagMove { tag, to })?.is_ok())
        })
        .await
    }

    async fn owe(&self, package: &PackagePath, reference: &str, now: Timestamp) -> Result<(), StoreError> {
        let (package, reference) = (package.clone(), reference.to_owned());
        self.write(move |connection| {
            connection
                .prepare_cached(&format!(
                    "INSERT INTO debt (repository, package, reference, since)
                     SELECT repository, ?2, ?3, ?4 FROM transition
                     WHERE repository = (SELECT id FROM repository WHERE path = ?1) AND {OWNS_TAGS}
                     ON CONFLICT DO NOTHING"
                ))
                .and_then(|mut statement| {
                    let name = package.name.as_str();
                    statement.execute(params![
                        package.repository.to_string(),
                        name,
                        reference,
                        time(now)
                    ])
                })
                .map(drop)
                .map_err(failed("note what the old side lacks"))
        })
        .await
    }

    async fn repaid(&self, package: &PackagePath, reference: &str) -> Result<(), StoreError> {
        let (package, reference) = (package.clone(), reference.to_owned());
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM debt WHERE repository = (SELECT id FROM repository WHERE path = ?1)
                     AND package = ?2 AND reference = ?3",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        package.repository.to_string(),
                        package.name.as_str(),
                        reference
                    ])
                })
                .map(drop)
                .map_err(failed("forget what the old side lacked"))
        })
        .await
    }

    async fn debts(
        &self,
        path: &RepositoryPath,
        after: Option<&InTransition>,
        limit: usize,
    ) -> Result<Vec<InTransition>, StoreError> {
        let (path, after) = (path.clone(), after.cloned());
        self.read(move |connection| list(connection, "debt", &path, after.as_ref(), limit))
            .await
    }
}

type Columns = (
    String,
    String,
    String,
    u8,
    String,
    Option<u8>,
    i64,
    i64,
    Option<i64>,
);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
        row.get(8)?,
    ))
}

fn from_columns(
    (path, old, state, reads_percent, pushes, error_limit_percent, since, generation, owned_since): Columns,
) -> Result<(RepositoryPath, Transition), StoreError> {
    let state = match parsed("the state of a transition", &state)? {
        TransitionState::PartialAndCopying { .. } => TransitionState::PartialAndCopying { reads_percent },
        other => other,
    };
    let transition = Transition {
        old: parsed("an old registry", &old)?,
        state,
        pushes: match pushes.as_str() {
            "both" => Pushes::Both,
            _ => Pushes::One,
        },
        error_limit_percent,
        since: from_time(since)?,
        owned_since: owned_since.map(from_time).transpose()?,
        generation: generation.unsigned_abs(),
    };
    Ok((parsed("a repository", &path)?, transition))
}

fn set(
    connection: &Connection,
    path: &RepositoryPath,
    transition: &Transition,
    actor: &Actor,
) -> Result<Result<(), TransitionRefusal>, StoreError> {
    let Some(repository) = repository_id(connection, path)? else {
        return Ok(Err(TransitionRefusal::RepositoryUnknown { path: path.clone() }));
    };
    let found: Option<i64> = connection
        .query_row(
            "SELECT generation FROM transition WHERE repository = ?1",
            [repository],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed("look up a transition"))?;
    if found.unwrap_or_default().unsigned_abs() != transition.generation {
        return Ok(Err(TransitionRefusal::Changed { path: path.clone() }));
    }
    let pushes = match transition.pushes {
        Pushes::One => "one",
        Pushes::Both => "both",
    };
    connection
        .execute(
            "INSERT INTO transition
             (repository, old, state, reads_percent, pushes, error_limit_percent, since, generation, owned_since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (repository) DO UPDATE SET old = excluded.old, state = excluded.state,
                 reads_percent = excluded.reads_percent, pushes = excluded.pushes,
                 error_limit_percent = excluded.error_limit_percent, since = excluded.since,
                 generation = excluded.generation, owned_since = excluded.owned_since",
            params![
                repository,
                transition.old.to_string(),
                transition.state.name(),
                transition.state.reads_percent(),
                pushes,
                transition.error_limit_percent,
                time(transition.since),
                i64::try_from(transition.generation.saturating_add(1)).unwrap_or(i64::MAX),
                transition.owned_since.map(time),
            ],
        )
        .map_err(failed("set a transition"))?;
    if !transition.state.owns_tags() {
        // The old side owns the tags again: what it has counts, whatever was deleted or pushed here.
        for table in ["tombstone", "debt"] {
            connection
                .execute(
                    &format!("DELETE FROM {table} WHERE repository = ?1"),
                    [repository],
                )
                .map_err(failed("set a transition"))?;
        }
    }
    let told = Told::of_repository(path, actor, transition.since);
    let state = transition.state.to_string();
    events::tell(connection, &told, &EventKind::TransitionSet { state })?;
    Ok(Ok(()))
}

fn keep(
    connection: &Connection,
    package: &PackagePath,
    (manifest, tag): (&NewManifest, Option<&Tag>),
    by: (&Actor, Timestamp),
) -> Result<KeptFromOld, StoreError> {
    let repository = repository_id(connection, &package.repository)?;
    let mut sets = tag;
    if let Some(repository) = repository
        && owns_tags(connection, repository)?
    {
        let at = (repository, package.name.as_str());
        let is_deleted = entombed(connection, at, &manifest.digest.to_string())?
            || tag.map_or(Ok(false), |tag| entombed(connection, at, tag.as_str()))?;
        if is_deleted {
            return Ok(KeptFromOld::Deleted);
        }
        let named = match (tag, package_id(connection, package)?) {
            (Some(tag), Some(id)) => tags::named(connection, id, tag)?,
            _ => None,
        };
        if let Some(now) = named.filter(|now| *now != manifest.digest) {
            return Ok(KeptFromOld::TagNames(now));
        }
        // Nobody here has said anew what a tag names that is set already: it may still have to be compared.
        sets = tag.filter(|_| named.is_none());
    }
    let manifest = NewManifest {
        tags: sets.cloned().into_iter().collect(),
        ..manifest.clone()
    };
    Ok(match manifests::put(connection, package, &manifest, by)? {
        Ok(()) => KeptFromOld::Kept,
        Err(refusal) => KeptFromOld::Refused(refusal),
    })
}

/// Whether this side owns the tags of a repository in transition.
fn owns_tags(connection: &Connection, repository: i64) -> Result<bool, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT 1 FROM transition WHERE repository = ?1 AND {OWNS_TAGS}"
        ))
        .and_then(|mut statement| statement.exists([repository]))
        .map_err(failed("look up a transition"))
}

fn entomb(
    connection: &Connection,
    package: &PackagePath,
    what: &OnlyThere,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<bool, PutRefusal>, StoreError> {
    let Some(repository) = repository_id(connection, &package.repository)? else {
        return Ok(Ok(false));
    };
    if !owns_tags(connection, repository)? {
        return Ok(Ok(false));
    }
    let event = match what {
        OnlyThere::Tag { tag, .. } if tags::immutable_in(connection, repository)?.contains(tag.as_str()) => {
            return Ok(Err(PutRefusal::TagImmutable { tag: tag.clone() }));
        }
        OnlyThere::Tag { tag, digest } => Some(EventKind::TagDeleted {
            tag: tag.clone(),
            from: *digest,
        }),
        OnlyThere::Manifest(digest) => Some(EventKind::ManifestDeleted { digest: *digest }),
        // What is here of a package tells of it when that goes.
        OnlyThere::Package | OnlyThere::Blob(_) => None,
    };
    let left = connection
        .prepare_cached(
            "INSERT INTO tombstone (repository, package, reference) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut statement| {
            statement.execute(params![repository, package.name.as_str(), what.reference()])
        })
        .map_err(failed("leave a tombstone"))?;
    if let Some(event) = event.filter(|_| left > 0) {
        events::tell(connection, &Told::of_package(package, actor, now), &event)?;
    }
    Ok(Ok(true))
}

fn entombed(
    connection: &Connection,
    (repository, package): (i64, &str),
    reference: &str,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT 1 FROM tombstone WHERE repository = ?1 AND package = ?2 AND reference IN (?3, ?4)",
        )
        .and_then(|mut statement| {
            statement.exists(params![repository, package, reference, OnlyThere::WHOLE_PACKAGE])
        })
        .map_err(failed("look up a tombstone"))
}

fn list(
    connection: &Connection,
    table: &'static str,
    path: &RepositoryPath,
    after: Option<&InTransition>,
    limit: usize,
) -> Result<Vec<InTransition>, StoreError> {
    let (package, reference) = match after {
        Some(after) => (after.package.as_str(), after.reference.as_str()),
        None => ("", ""),
    };
    let rows: Vec<(String, String)> = connection
        .prepare_cached(&format!(
            "SELECT package, reference FROM {table}
             WHERE repository = (SELECT id FROM repository WHERE path = ?1) AND (package, reference) > (?2, ?3)
             ORDER BY package, reference LIMIT ?4"
        ))
        .and_then(|mut statement| {
            let values = params![path.to_string(), package, reference, column_limit(limit)];
            statement
                .query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(failed("list what a transition remembers"))?;
    let of = |(package, reference): (String, String)| {
        Ok(InTransition {
            package: parsed("the name of a package", &package)?,
            reference,
        })
    };
    rows.into_iter().map(of).collect()
}

/// Notes when somebody here set a tag on what it names already, while this side owns the tags of its repository: from then on the
/// tag is of here, whatever the old side says.
pub(super) fn said_again(connection: &Connection, place: &Place<'_>, tag: &Tag) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "UPDATE tag SET updated = max(updated, ?3, {OWNED_SINCE})
             WHERE package = ?1 AND name = ?2 AND EXISTS
                 (SELECT 1 FROM package JOIN transition ON transition.repository = package.repository
                  WHERE package.id = ?1 AND {OWNS_TAGS})"
        ))
        .and_then(|mut statement| statement.execute(params![place.id, tag.as_str(), time(place.now)]))
        .map(drop)
        .map_err(failed("set a tag"))
}

/// Leaves or takes away the tombstone of what an event tells of, while this side owns the tags of its repository.
pub(super) fn note(connection: &Connection, place: &Place<'_>, kind: &EventKind) -> Result<(), StoreError> {
    match kind {
        EventKind::TagDeleted { tag, .. } => bury(connection, place.id, tag.as_str()),
        EventKind::ManifestDeleted { digest } => bury(connection, place.id, &digest.to_string()),
        EventKind::TagSet { tag, .. } => unbury(connection, place.id, tag.as_str()),
        EventKind::ManifestPut { digest } => unbury(connection, place.id, &digest.to_string()),
        _ => Ok(()),
    }
}

pub(super) fn bury(connection: &Connection, package: i64, reference: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO tombstone (repository, package, reference)
             SELECT package.repository, package.name, ?2
             FROM package JOIN transition ON transition.repository = package.repository
             WHERE package.id = ?1 AND {OWNS_TAGS}
             ON CONFLICT DO NOTHING"
        ))
        .and_then(|mut statement| statement.execute(params![package, reference]))
        .map(drop)
        .map_err(failed("leave a tombstone"))
}

/// The same for every tag of a manifest that is about to go.
pub(super) fn bury_tags(connection: &Connection, manifest: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO tombstone (repository, package, reference)
             SELECT package.repository, package.name, tag.name
             FROM tag JOIN package ON package.id = tag.package
             JOIN transition ON transition.repository = package.repository
             WHERE tag.manifest = ?1 AND {OWNS_TAGS}
             ON CONFLICT DO NOTHING"
        ))
        .and_then(|mut statement| statement.execute([manifest]))
        .map(drop)
        .map_err(failed("leave a tombstone"))
}

pub(super) fn unbury(connection: &Connection, package: i64, reference: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM tombstone WHERE reference = ?2
             AND (repository, package) = (SELECT repository, name FROM package WHERE id = ?1)",
        )
        .and_then(|mut statement| statement.execute(params![package, reference]))
        .map(drop)
        .map_err(failed("take a tombstone away"))
}
