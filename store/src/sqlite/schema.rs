//! The tables, and how an older file becomes a current one.
//!
//! Times are microseconds since 1970, digests `ALGORITHM:HEX`. One shape for SQLite and for a shared database: no
//! trigger, nothing that only SQLite has but `WITHOUT ROWID`.

use rusqlite::Connection;

use super::failed;
use crate::StoreError;

/// The format that this program writes, kept in the file's `user_version`. Step N brings format N to N + 1.
const STEPS: [&str; 5] = [FIRST, SECOND, THIRD, FOURTH, FIFTH];

const FIRST: &str = "
CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    format TEXT NOT NULL,
    mode TEXT NOT NULL,
    description TEXT NOT NULL,
    labels TEXT NOT NULL,
    immutable_tags TEXT NOT NULL,
    quota_bytes INTEGER,
    linked_bytes INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;
CREATE INDEX repository_by_project ON repository (project, path);

CREATE TABLE package (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (repository, name)
) STRICT;

-- Bytes, once per digest, and the object that holds them.
CREATE TABLE blob (
    digest TEXT PRIMARY KEY,
    storage_key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may read a blob.
CREATE TABLE link (
    package INTEGER NOT NULL REFERENCES package ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blob,
    PRIMARY KEY (package, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_by_digest ON link (digest, package);

CREATE TABLE manifest (
    id INTEGER PRIMARY KEY,
    package INTEGER NOT NULL REFERENCES package ON DELETE CASCADE,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    subject TEXT,
    size_bytes INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (package, digest)
) STRICT;
CREATE INDEX manifest_by_subject ON manifest (package, subject, digest) WHERE subject IS NOT NULL;

-- What a manifest names: 'blob', 'sparse-blob' or 'child'. The package is the manifest's: a look from the digest's side then reads
-- rows of one package alone, however many others share a layer.
CREATE TABLE reference (
    manifest INTEGER NOT NULL REFERENCES manifest ON DELETE CASCADE,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    package INTEGER NOT NULL,
    PRIMARY KEY (manifest, digest, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_by_digest ON reference (digest, package, kind);

CREATE TABLE tag (
    package INTEGER NOT NULL REFERENCES package ON DELETE CASCADE,
    name TEXT NOT NULL,
    manifest INTEGER NOT NULL REFERENCES manifest ON DELETE CASCADE,
    updated INTEGER NOT NULL,
    PRIMARY KEY (package, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_manifest ON tag (manifest, name);

-- Names and not numbers, since what it tells of may be gone.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    repository TEXT NOT NULL,
    package TEXT,
    tag TEXT,
    from_digest TEXT,
    to_digest TEXT
) STRICT;
CREATE INDEX event_by_tag ON event (repository, package, tag, sequence) WHERE tag IS NOT NULL;
";

const SECOND: &str = "
-- A name, whatever its kind, belongs to one account. The generation is the access generation of its last change.
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    member TEXT NOT NULL,
    description TEXT NOT NULL,
    password_hash TEXT,
    groups TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_key (
    account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
    id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    disabled INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The generation is the access generation of its last change, and its etag.
CREATE TABLE policy (
    resource TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE binding (
    resource TEXT NOT NULL REFERENCES policy ON DELETE CASCADE,
    role TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (resource, role, member)
) STRICT, WITHOUT ROWID;

-- One row: grows with every change of an account, a key or a policy.
CREATE TABLE access_generation (
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO access_generation VALUES (1);

CREATE TABLE usage (
    manifest INTEGER PRIMARY KEY REFERENCES manifest ON DELETE CASCADE,
    pulls INTEGER NOT NULL DEFAULT 0,
    last_pull INTEGER,
    pushes INTEGER NOT NULL DEFAULT 0,
    last_push INTEGER
) STRICT;

ALTER TABLE event ADD COLUMN account TEXT;
ALTER TABLE event ADD COLUMN key TEXT;
";

const THIRD: &str = "
ALTER TABLE repository ADD COLUMN cleanup TEXT NOT NULL DEFAULT '[]';
ALTER TABLE repository ADD COLUMN cleanup_dry_run INTEGER NOT NULL DEFAULT 0;

-- From now on manifests count as well.
UPDATE repository SET linked_bytes = linked_bytes + (
    SELECT ifnull(sum(length(manifest.bytes)), 0) FROM package JOIN manifest ON manifest.package = package.id
    WHERE package.repository = repository.id);

-- What the repositories of a project hold together, kept with every change.
CREATE TABLE project (
    name TEXT PRIMARY KEY,
    quota_bytes INTEGER,
    linked_bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO project (name, linked_bytes) SELECT project, sum(linked_bytes) FROM repository GROUP BY project;

ALTER TABLE package ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE package ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE package SET
    created = ifnull((SELECT min(manifest.created) FROM manifest WHERE manifest.package = package.id),
                     (SELECT repository.created FROM repository WHERE repository.id = package.repository)),
    updated = ifnull((SELECT max(manifest.updated) FROM manifest WHERE manifest.package = package.id),
                     (SELECT repository.created FROM repository WHERE repository.id = package.repository));

CREATE INDEX manifest_by_created ON manifest (package, created, digest);
";

const FOURTH: &str = "
-- A row once the registry asks everybody who they are. It stays when accounts and issuers go.
CREATE TABLE closed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL
) STRICT;
INSERT INTO closed (one, since) SELECT 1, created FROM account ORDER BY created LIMIT 1;

CREATE INDEX binding_by_member ON binding (member, resource);
";

const FIFTH: &str = "
-- How far a repository has replaced an old registry. Its tombstones and debts go with it.
CREATE TABLE transition (
    repository INTEGER PRIMARY KEY REFERENCES repository ON DELETE CASCADE,
    old TEXT NOT NULL,
    state TEXT NOT NULL,
    reads_percent INTEGER NOT NULL,
    pushes TEXT NOT NULL,
    error_limit_percent INTEGER,
    since INTEGER NOT NULL,
    owned_since INTEGER,
    generation INTEGER NOT NULL
) STRICT;

-- What was deleted here and must not come back from the old side. Names, since the package may be gone.
CREATE TABLE tombstone (
    repository INTEGER NOT NULL REFERENCES transition ON DELETE CASCADE,
    package TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (repository, package, reference)
) STRICT, WITHOUT ROWID;

-- What the old side lacks.
CREATE TABLE debt (
    repository INTEGER NOT NULL REFERENCES transition ON DELETE CASCADE,
    package TEXT NOT NULL,
    reference TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (repository, package, reference)
) STRICT, WITHOUT ROWID;

ALTER TABLE event ADD COLUMN detail TEXT;
-- Where the content comes from, for the modes that say more than their name: a document of ours.
ALTER TABLE repository ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
CREATE INDEX repository_by_mode ON repository (mode, path) WHERE mode <> 'standard';
";

/// Makes the tables, or the steps that an older file lacks, in one transaction.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), StoreError> {
    let error = failed("bring the database up to date");
    let transaction = connection.transaction().map_err(&error)?;
    let found: u32 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&error)?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in STEPS.iter().skip(found as usize) {
        transaction.execute_batch(step).map_err(&error)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(&error)?;
    transaction.commit().map_err(&error)
}

/// Fails for a file of a newer format.
pub(super) fn check_format(connection: &Connection) -> Result<(), StoreError> {
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed("read the format of the database"))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_every_older_format_is_brought_up_to_date() {
        let newest = u32::try_from(STEPS.len()).unwrap();
        for format in 1..newest {
            let mut connection = Connection::open_in_memory().unwrap();
            for step in &STEPS[..format as usize] {
                connection.execute_batch(step).unwrap();
            }
            connection.pragma_update(None, "user_version", format).unwrap();
            connection
                .execute(
                    "INSERT INTO event (time, actor, kind, repository) VALUES (1, 'a', 'policy-set', 'registry')",
                    [],
                )
                .unwrap();
            bring_up_to_date(&mut connection).unwrap();
            let version: u32 = connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap();
            let kept: i64 = connection
                .query_row("SELECT count(*) FROM event WHERE account IS NULL", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!((version, kept), (newest, 1));
        }
    }

    #[test]
    fn a_registry_that_had_an_account_is_closed() {
        for (account, expected) in [
            ("", 0),
            (
                "INSERT INTO account VALUES ('a', 'user:a', '', NULL, '[]', 0, 1, 5, 6);",
                1,
            ),
        ] {
            let mut connection = Connection::open_in_memory().unwrap();
            for step in [FIRST, SECOND, THIRD, account, "PRAGMA user_version = 3;"] {
                connection.execute_batch(step).unwrap();
            }
            bring_up_to_date(&mut connection).unwrap();
            let closed: i64 = connection
                .query_row("SELECT count(*) FROM closed", [], |row| row.get(0))
                .unwrap();
            assert_eq!(closed, expected);
        }
    }

    #[test]
    fn repositories_of_an_older_file_are_standard_ones() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in [FIRST, SECOND, THIRD, FOURTH] {
            connection.execute_batch(step).unwrap();
        }
        connection
            .execute_batch(
                "INSERT INTO repository (id, path, project, format, mode, description, labels, immutable_tags, created,
                     updated)
                 VALUES (1, 'projects/p/locations/l/repositories/r', 'p', 'docker', 'standard', '', '{}', '[]', 5, 5);
                 PRAGMA user_version = 4;",
            )
            .unwrap();
        bring_up_to_date(&mut connection).unwrap();
        let (mode, origin): (String, String) = connection
            .query_row("SELECT mode, origin FROM repository", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        let mode = super::super::modes::from_columns(&mode, &origin).unwrap();
        assert_eq!(mode, crate::Mode::Standard);
    }

    #[test]
    fn what_an_older_file_holds_is_counted() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(FIRST).unwrap();
        connection
            .execute_batch(
                "INSERT INTO repository (id, path, project, format, mode, description, labels, immutable_tags,
                     linked_bytes, created, updated)
                 VALUES (1, 'one', 'p', 'docker', 'standard', '', '{}', '[]', 100, 5, 5),
                        (2, 'two', 'p', 'docker', 'standard', '', '{}', '[]', 20, 6, 6);
                 INSERT INTO package (id, repository, name) VALUES (1, 1, 'a'), (2, 1, 'empty');
                 INSERT INTO manifest (package, digest, media_type, size_bytes, created, updated, bytes)
                 VALUES (1, 'd', 'm', 100, 8, 9, x'0102'), (1, 'e', 'm', 100, 7, 8, x'03');
                 PRAGMA user_version = 1;",
            )
            .unwrap();
        bring_up_to_date(&mut connection).unwrap();
        let number = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(number("SELECT linked_bytes FROM repository WHERE id = 1"), 103);
        assert_eq!(number("SELECT linked_bytes FROM repository WHERE id = 2"), 20);
        assert_eq!(number("SELECT linked_bytes FROM project WHERE name = 'p'"), 123);
        assert_eq!(number("SELECT created FROM package WHERE id = 1"), 7);
        assert_eq!(number("SELECT updated FROM package WHERE id = 1"), 9);
        assert_eq!(number("SELECT updated FROM package WHERE id = 2"), 5);
    }
}
