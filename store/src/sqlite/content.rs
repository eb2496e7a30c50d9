//! What packages hold: each call of the trait, and where its work is done.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::{Digest, RepositoryName, Tag};
use rusqlite::Connection;

use super::listing::package_names;
use super::manifests::Place;
use super::values::{package_id, repository_id};
use super::{SqliteMetadata, blobs, manifests, tags, transitions};
use crate::{
    Actor, Blob, Committed, Content, NewManifest, PackagePath, PutRefusal, ReferrerQuery, Removal,
    RepositoryPath, StoreError, StoredManifest, TagMove,
};

#[async_trait]
impl Content for SqliteMetadata {
    async fn blob(&self, package: &PackagePath, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        self.look_up(|connection| blobs::blob(connection, package, digest))
    }

    async fn touch_blob(
        &self,
        package: &PackagePath,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (package, digest) = (package.clone(), *digest);
        self.write(move |connection| blobs::touch(connection, &package, &digest, now))
            .await
    }

    async fn commit_blob(
        &self,
        package: &PackagePath,
        blob: &Blob,
        _: &Actor,
    ) -> Result<Committed, StoreError> {
        let (package, blob) = (package.clone(), blob.clone());
        self.write(move |connection| blobs::commit(connection, &package, &blob))
            .await
    }

    async fn mount_blob(
        &self,
        package: &PackagePath,
        from: &PackagePath,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (package, from, digest) = (package.clone(), from.clone(), *digest);
        self.write(move |connection| blobs::mount(connection, (&package, &from), &digest, now))
            .await
    }

    async fn packages_with_blob(
        &self,
        digest: &Digest,
        after: Option<&PackagePath>,
        limit: usize,
    ) -> Result<Vec<PackagePath>, StoreError> {
        let (digest, after) = (*digest, after.cloned());
        self.read(move |connection| blobs::packages_with(connection, &digest, after.as_ref(), limit))
            .await
    }

    async fn unlink_blob(&self, package: &PackagePath, digest: &Digest) -> Result<bool, StoreError> {
        let (package, digest) = (package.clone(), *digest);
        self.write(move |connection| {
            if let Some(id) = package_id(connection, &package)? {
                transitions::bury(connection, id, &digest.to_string())?;
            }
            blobs::unlink(connection, &package, &digest)
        })
        .await
    }

    async fn put_manifest(
        &self,
        package: &PackagePath,
        manifest: &NewManifest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), PutRefusal>, StoreError> {
        let (package, manifest, actor) = (package.clone(), manifest.clone(), actor.clone());
        self.write(move |connection| manifests::put(connection, &package, &manifest, (&actor, now)))
            .await
    }

    async fn manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StoreError> {
        self.look_up(|connection| manifests::by_digest(connection, package, digest))
    }

    async fn tagged(&self, package: &PackagePath, tag: &Tag) -> Result<Option<StoredManifest>, StoreError> {
        self.look_up(|connection| manifests::by_tag(connection, package, tag))
    }

    async fn move_tag(
        &self,
        package: &PackagePath,
        tag_move: &TagMove,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<(), PutRefusal>, StoreError> {
        let tag_move = tag_move.clone();
        self.write_in(
            package,
            (actor, now),
            Err(PutRefusal::ManifestUnknown { digest: tag_move.to }),
            move |connection, place| tags::move_to(connection, place, &tag_move),
        )
        .await
    }

    async fn delete_tag(
        &self,
        package: &PackagePath,
        tag: &Tag,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError> {
        let tag = tag.clone();
        self.write_in(package, (actor, now), Ok(false), move |connection, place| {
            tags::delete(connection, place, &tag)
        })
        .await
    }

    async fn delete_manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError> {
        let digest = *digest;
        self.write_in(package, (actor, now), Ok(false), move |connection, place| {
            manifests::delete(connection, place, &digest)
        })
        .await
    }

    async fn delete_unheld_manifest(
        &self,
        package: &PackagePath,
        digest: &Digest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Removal, StoreError> {
        let digest = *digest;
        let work = move |connection: &Connection, place: &Place<'_>| {
            manifests::delete_unheld(connection, place, &digest)
        };
        self.write_in(package, (actor, now), Removal::Unknown, work).await
    }

    async fn delete_package(
        &self,
        package: &PackagePath,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Result<bool, PutRefusal>, StoreError> {
        self.remove_package(package, (actor, now)).await
    }

    async fn tags(
        &self,
        package: &PackagePath,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<Tag>>, StoreError> {
        let (package, after) = (package.clone(), after.unwrap_or_default().to_owned());
        self.read(move |connection| tags::list(connection, &package, &after, limit))
            .await
    }

    async fn referrers(
        &self,
        package: &PackagePath,
        query: &ReferrerQuery<'_>,
    ) -> Result<Vec<StoredManifest>, StoreError> {
        let (package, subject, after) = (package.clone(), *query.subject, query.after.copied());
        let (artifact_type, limit) = (query.artifact_type.map(str::to_owned), query.limit);
        self.read(move |connection| {
            let query = ReferrerQuery {
                subject: &subject,
                artifact_type: artifact_type.as_deref(),
                after: after.as_ref(),
                limit,
            };
            manifests::referrers(connection, &package, &query)
        })
        .await
    }

    async fn parents(
        &self,
        package: &PackagePath,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        let (package, digest) = (package.clone(), *digest);
        self.read(move |connection| manifests::parents(connection, &package, &digest, limit))
            .await
    }

    async fn manifests_with_blob(
        &self,
        package: &PackagePath,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<StoredManifest>, StoreError> {
        let (package, digest) = (package.clone(), *digest);
        self.read(move |connection| manifests::with_blob(connection, &package, &digest, limit))
            .await
    }

    async fn packages_below(
        &self,
        repository: &RepositoryPath,
        prefix: Option<&RepositoryName>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let (repository, below) = (repository.clone(), prefix.map(ToString::to_string));
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(move |connection| {
            let Some(id) = repository_id(connection, &repository)? else {
                return Ok(Vec::new());
            };
            package_names(connection, id, below.as_deref(), (&after, limit))
        })
        .await
    }
}

impl SqliteMetadata {
    /// Writes in a package that is there; where it is not, the answer is `absent`.
    pub(super) async fn write_in<T: Send + 'static>(
        &self,
        package: &PackagePath,
        (actor, now): (&Actor, Timestamp),
        absent: T,
        work: impl FnOnce(&Connection, &Place<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (package, actor) = (package.clone(), actor.clone());
        self.write(move |connection| {
            let Some(id) = package_id(connection, &package)? else {
                return Ok(absent);
            };
            let (package, actor) = (&package, &actor);
            work(
                connection,
                &Place {
                    id,
                    package,
                    actor,
                    now,
                },
            )
        })
        .await
    }
}
