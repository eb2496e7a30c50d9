//! How often what is pulled and pushed.

use async_trait::async_trait;
use oci::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::manifests::row_of;
use super::values::{from_size, from_time, package_id, size, time};
use super::{SqliteMetadata, failed};
use crate::{Counted, PackagePath, Statistics, StoreError, Usage};

#[async_trait]
impl Statistics for SqliteMetadata {
    async fn add_usage(&self, usages: &[Usage]) -> Result<(), StoreError> {
        let usages = usages.to_vec();
        self.write(move |connection| usages.iter().try_for_each(|usage| add(connection, usage)))
            .await
    }

    async fn usage(&self, package: &PackagePath, digests: &[Digest]) -> Result<Vec<Usage>, StoreError> {
        let (package, digests) = (package.clone(), digests.to_vec());
        self.read(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            for digest in digests {
                found.extend(of_version(connection, (&package, id), digest)?);
            }
            Ok(found)
        })
        .await
    }
}

fn add(connection: &Connection, usage: &Usage) -> Result<(), StoreError> {
    let Some(package) = package_id(connection, &usage.package)? else {
        return Ok(());
    };
    let Some(manifest) = row_of(connection, package, &usage.digest)? else {
        return Ok(());
    };
    let count = |counted: Option<Counted>| counted.map_or(0, |counted| size(counted.count));
    let last = |counted: Option<Counted>| counted.map(|counted| time(counted.last));
    // Two batches may come in the wrong order; `max` of nothing and something is something only through `ifnull`.
    connection
        .prepare_cached(
            "INSERT INTO usage (manifest, pulls, last_pull, pushes, last_push) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (manifest) DO UPDATE SET
               pulls = pulls + excluded.pulls,
               last_pull = max(ifnull(last_pull, excluded.last_pull), ifnull(excluded.last_pull, last_pull)),
               pushes = pushes + excluded.pushes,
               last_push = max(ifnull(last_push, excluded.last_push), ifnull(excluded.last_push, last_push))",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                manifest,
                count(usage.pulls),
                last(usage.pulls),
                count(usage.pushes),
                last(usage.pushes)
            ])
        })
        .map(drop)
        .map_err(failed("count use"))
}

fn of_version(
    connection: &Connection,
    (package, id): (&PackagePath, i64),
    digest: Digest,
) -> Result<Option<Usage>, StoreError> {
    type Columns = (i64, Option<i64>, i64, Option<i64>);
    let row: Option<Columns> = connection
        .prepare_cached(
            "SELECT pulls, last_pull, pushes, last_push FROM usage JOIN manifest ON manifest.id = usage.manifest
             WHERE manifest.package = ?1 AND manifest.digest = ?2",
        )
        .and_then(|mut statement| {
            let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            statement
                .query_row(params![id, digest.to_string()], columns)
                .optional()
        })
        .map_err(failed("read counts of use"))?;
    let Some((pulls, last_pull, pushes, last_push)) = row else {
        return Ok(None);
    };
    let counted = |count: i64, last: Option<i64>| -> Result<Option<Counted>, StoreError> {
        let Some(last) = last else { return Ok(None) };
        Ok(Some(Counted {
            count: from_size(count)?,
            last: from_time(last)?,
        }))
    };
    Ok(Some(Usage {
        package: package.clone(),
        digest,
        pulls: counted(pulls, last_pull)?,
        pushes: counted(pushes, last_push)?,
    }))
}
