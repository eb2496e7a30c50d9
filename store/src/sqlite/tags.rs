//! Tags: names of manifests within a package.

use oci::{Digest, Tag};
use rusqlite::{Connection, OptionalExtension, params};

use super::failed;
use super::manifests::{Place, row_of};
use super::transitions::{self, OWNED_SINCE};
use super::values::{from_immutable_tags, limit as column_limit, package_id, parsed, time};
use crate::{EventKind, ImmutableTags, PackagePath, PutRefusal, StoreError, TagMove};

/// Whether a tag is set, immutable, and names something else than `to`.
pub(super) fn is_fixed(
    connection: &Connection,
    place: &Place<'_>,
    tag: &Tag,
    to: Option<&Digest>,
) -> Result<bool, StoreError> {
    if named(connection, place.id, tag)?.is_none_or(|now| Some(&now) == to) {
        return Ok(false);
    }
    Ok(immutable(connection, place.id)?.contains(tag.as_str()))
}

/// Which tags are immutable in a package.
pub(super) fn immutable(connection: &Connection, package: i64) -> Result<ImmutableTags, StoreError> {
    let patterns: String = connection
        .prepare_cached(
            "SELECT immutable_tags FROM repository WHERE id = (SELECT repository FROM package WHERE id = ?1)",
        )
        .and_then(|mut statement| statement.query_row([package], |row| row.get(0)))
        .map_err(failed("look up immutable tags"))?;
    from_immutable_tags(&patterns)
}

/// Which tags are immutable in a repository.
pub(super) fn immutable_in(connection: &Connection, repository: i64) -> Result<ImmutableTags, StoreError> {
    let patterns: String = connection
        .prepare_cached("SELECT immutable_tags FROM repository WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([repository], |row| row.get(0)))
        .map_err(failed("look up immutable tags"))?;
    from_immutable_tags(&patterns)
}

/// A tag of a package that is immutable, if it has one.
pub(super) fn fixed_of_package(connection: &Connection, package: i64) -> Result<Option<Tag>, StoreError> {
    let immutable = immutable(connection, package)?;
    if immutable == ImmutableTags::None {
        return Ok(None);
    }
    let mut statement = connection
        .prepare_cached("SELECT name FROM tag WHERE package = ?1 ORDER BY name")
        .map_err(failed("list tags"))?;
    let names = statement
        .query_map([package], |row| row.get::<_, String>(0))
        .map_err(failed("list tags"))?;
    for name in names {
        let name = name.map_err(failed("list tags"))?;
        if immutable.contains(&name) {
            return parsed("a tag", &name).map(Some);
        }
    }
    Ok(None)
}

/// Sets a tag on the manifest in row `to.0`; an event is written only when that changes something. Who sets it on what it names
/// already says all the same that it does, which counts while it may still be compared with an old registry.
pub(super) fn set(
    connection: &Connection,
    place: &Place<'_>,
    tag: &Tag,
    to: (i64, &Digest),
) -> Result<(), StoreError> {
    let from = named(connection, place.id, tag)?;
    if from.as_ref() == Some(to.1) {
        return transitions::said_again(connection, place, tag);
    }
    leave(connection, place, tag)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO tag (package, name, manifest, updated)
             VALUES (?1, ?2, ?3, max(?4, {OWNED_SINCE}))
             ON CONFLICT (package, name) DO UPDATE SET manifest = excluded.manifest, updated = excluded.updated"
        ))
        .and_then(|mut statement| statement.execute(params![place.id, tag.as_str(), to.0, time(place.now)]))
        .map_err(failed("set a tag"))?;
    let (tag, to) = (tag.clone(), *to.1);
    place.tell(connection, &EventKind::TagSet { tag, from, to })
}

pub(super) fn move_to(
    connection: &Connection,
    place: &Place<'_>,
    tag_move: &TagMove,
) -> Result<Result<(), PutRefusal>, StoreError> {
    let TagMove { tag, to } = tag_move;
    let Some(row) = row_of(connection, place.id, to)? else {
        return Ok(Err(PutRefusal::ManifestUnknown { digest: *to }));
    };
    if is_fixed(connection, place, tag, Some(to))? {
        return Ok(Err(PutRefusal::TagImmutable { tag: tag.clone() }));
    }
    set(connection, place, tag, (row, to))?;
    place.renew(connection, Some(row))?;
    Ok(Ok(()))
}

pub(super) fn delete(
    connection: &Connection,
    place: &Place<'_>,
    tag: &Tag,
) -> Result<Result<bool, PutRefusal>, StoreError> {
    let Some(from) = named(connection, place.id, tag)? else {
        return Ok(Ok(false));
    };
    if is_fixed(connection, place, tag, None)? {
        return Ok(Err(PutRefusal::TagImmutable { tag: tag.clone() }));
    }
    leave(connection, place, tag)?;
    connection
        .prepare_cached("DELETE FROM tag WHERE package = ?1 AND name = ?2")
        .and_then(|mut statement| statement.execute(params![place.id, tag.as_str()]))
        .map_err(failed("delete a tag"))?;
    place.renew(connection, None)?;
    place.tell(
        connection,
        &EventKind::TagDeleted {
            tag: tag.clone(),
            from,
        },
    )?;
    Ok(Ok(true))
}

pub(super) fn list(
    connection: &Connection,
    package: &PackagePath,
    after: &str,
    limit: usize,
) -> Result<Option<Vec<Tag>>, StoreError> {
    let Some(id) = package_id(connection, package)? else {
        return Ok(None);
    };
    let rows: Vec<String> = connection
        .prepare_cached("SELECT name FROM tag WHERE package = ?1 AND name > ?2 ORDER BY name LIMIT ?3")
        .and_then(|mut statement| {
            statement
                .query_map(params![id, after, column_limit(limit)], |row| row.get(0))?
                .collect()
        })
        .map_err(failed("list tags"))?;
    rows.iter()
        .map(|tag| parsed("a tag", tag))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

pub(super) fn of_manifest(connection: &Connection, manifest: i64) -> Result<Vec<Tag>, StoreError> {
    let rows: Vec<String> = connection
        .prepare_cached("SELECT name FROM tag WHERE manifest = ?1 ORDER BY name")
        .and_then(|mut statement| statement.query_map([manifest], |row| row.get(0))?.collect())
        .map_err(failed("list the tags of a manifest"))?;
    rows.iter().map(|tag| parsed("a tag", tag)).collect()
}

/// Notes when a manifest loses a tag: a policy for untagged ones counts from there.
fn leave(connection: &Connection, place: &Place<'_>, tag: &Tag) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE manifest SET updated = max(updated, ?3)
             WHERE id = (SELECT manifest FROM tag WHERE package = ?1 AND name = ?2)",
        )
        .and_then(|mut statement| statement.execute(params![place.id, tag.as_str(), time(place.now)]))
        .map(drop)
        .map_err(failed("set a tag"))
}

/// What a tag names.
pub(super) fn named(connection: &Connection, package: i64, tag: &Tag) -> Result<Option<Digest>, StoreError> {
    let digest: Option<String> = connection
        .prepare_cached(
            "SELECT manifest.digest FROM tag JOIN manifest ON manifest.id = tag.manifest
             WHERE tag.package = ?1 AND tag.name = ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![package, tag.as_str()], |row| row.get(0))
                .optional()
        })
        .map_err(failed("look up a tag"))?;
    digest.map(|digest| parsed("a digest", &digest)).transpose()
}
