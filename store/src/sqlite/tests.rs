use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, MediaType, Tag};

use super::*;
use crate::{
    Actor, Blob, Committed, Content, EventKind, Events, Format, ImmutableTags, ManifestReference, Mode,
    NewManifest, PackagePath, PutRefusal, Reference, ReferrerQuery, Repositories, Repository,
    RepositoryRefusal, TagMove,
};

struct World {
    store: SqliteMetadata,
    _directory: tempfile::TempDir,
}

async fn world(immutable_tags: ImmutableTags, quota_bytes: Option<u64>) -> World {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
    let repository = Repository {
        path: package("a").repository,
        format: Format::Docker,
        mode: Mode::Standard,
        description: String::new(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        immutable_tags,
        quota_bytes,
        created: at(0),
        updated: at(0),
    };
    store
        .create_repository(&repository, &actor())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.repository(&repository.path).await.unwrap(),
        Some(repository)
    );
    World {
        store,
        _directory: directory,
    }
}

fn package(name: &str) -> PackagePath {
    PackagePath {
        repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn actor() -> Actor {
    Actor("user:ann".to_owned())
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// The key that the `number`th upload of these bytes would have.
fn blob(content: &[u8], number: u32) -> Blob {
    let digest = Digest::sha256_of(content);
    Blob {
        digest,
        size: content.len() as u64,
        key: format!("{digest}.{number:032x}").parse().unwrap(),
        last_seen: at(10),
    }
}

fn manifest(content: &'static str, references: &[(Digest, Reference)], tags: &[&str]) -> NewManifest {
    NewManifest {
        digest: Digest::sha256_of(content.as_bytes()),
        bytes: Bytes::from_static(content.as_bytes()),
        media_type: MediaType::OCI_MANIFEST,
        artifact_type: None,
        subject: None,
        references: references
            .iter()
            .map(|(digest, kind)| ManifestReference {
                digest: *digest,
                kind: *kind,
            })
            .collect(),
        size_bytes: 7,
        tags: tags.iter().map(|text| tag(text)).collect(),
    }
}

impl World {
    async fn put(&self, package: &PackagePath, manifest: &NewManifest) -> Result<(), PutRefusal> {
        self.store
            .put_manifest(package, manifest, &actor(), at(20))
            .await
            .unwrap()
    }

    async fn commit(&self, package: &PackagePath, blob: &Blob) -> Committed {
        self.store.commit_blob(package, blob, &actor()).await.unwrap()
    }
}

#[test]
fn a_newer_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.sqlite");
    drop(SqliteMetadata::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(matches!(
        SqliteMetadata::open(&path),
        Err(StoreError::Newer { found: 99, known: 1 })
    ));
}

#[tokio::test]
async fn a_blob_is_seen_by_those_alone_who_link_it() {
    let world = world(ImmutableTags::None, None).await;
    let (a, b) = (package("a"), package("b"));
    let first = blob(b"bytes", 1);
    assert_eq!(world.commit(&a, &first).await, Committed::Kept);
    assert_eq!(
        world.store.blob(&a, &first.digest).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(world.store.blob(&b, &first.digest).await.unwrap(), None);
    // The second upload's object is not the one that counts.
    assert_eq!(world.commit(&b, &blob(b"bytes", 2)).await, Committed::Superseded);
    assert_eq!(
        world.store.blob(&b, &first.digest).await.unwrap().unwrap().key,
        first.key
    );
    assert_eq!(
        world
            .store
            .packages_with_blob(&first.digest, None, 9)
            .await
            .unwrap(),
        [a.clone(), b.clone()]
    );
    assert_eq!(
        world
            .store
            .packages_with_blob(&first.digest, Some(&a), 9)
            .await
            .unwrap(),
        [b.clone()]
    );
    assert!(world.store.unlink_blob(&a, &first.digest).await.unwrap());
    assert!(!world.store.unlink_blob(&a, &first.digest).await.unwrap());
    assert!(
        !world
            .store
            .mount_blob(&package("c"), &a, &first.digest, at(30))
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .mount_blob(&package("c"), &b, &first.digest, at(30))
            .await
            .unwrap()
    );
    let seen = world
        .store
        .blob(&package("c"), &first.digest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.last_seen, at(30));
    assert!(!world.store.touch_blob(&a, &first.digest, at(40)).await.unwrap());
    assert!(world.store.touch_blob(&b, &first.digest, at(40)).await.unwrap());
}

#[tokio::test]
async fn a_quota_counts_each_blob_of_a_repository_once() {
    let world = world(ImmutableTags::None, Some(10)).await;
    let (a, b) = (package("a"), package("b"));
    assert_eq!(world.commit(&a, &blob(b"123456", 1)).await, Committed::Kept);
    assert_eq!(world.commit(&b, &blob(b"123456", 2)).await, Committed::Superseded);
    assert_eq!(
        world.commit(&b, &blob(b"12345", 3)).await,
        Committed::OverQuota { quota_bytes: 10 }
    );
    assert_eq!(
        world.store.blob(&b, &blob(b"12345", 3).digest).await.unwrap(),
        None
    );
    assert_eq!(world.commit(&b, &blob(b"1234", 4)).await, Committed::Kept);
    for package in [&a, &b] {
        world
            .store
            .unlink_blob(package, &blob(b"123456", 1).digest)
            .await
            .unwrap();
    }
    assert_eq!(world.commit(&b, &blob(b"12345", 5)).await, Committed::Kept);
}

#[tokio::test]
async fn a_manifest_names_only_what_its_own_package_has() {
    let world = world(ImmutableTags::None, None).await;
    let (a, b) = (package("a"), package("b"));
    let layer = blob(b"layer", 1);
    world.commit(&a, &layer).await;
    let image = manifest("image", &[(layer.digest, Reference::Blob)], &["v1", "latest"]);
    assert_eq!(
        world.put(&b, &image).await,
        Err(PutRefusal::BlobUnknown { digest: layer.digest })
    );
    assert_eq!(world.store.manifest(&b, &image.digest).await.unwrap(), None);
    // Nobody sees a package where a push was refused.
    assert_eq!(world.store.tags(&b, None, 9).await.unwrap(), None);
    assert_eq!(world.put(&a, &image).await, Ok(()));
    let index = |kind| manifest("index", &[(image.digest, kind)], &["all"]);
    assert_eq!(
        world.put(&b, &index(Reference::Child)).await,
        Err(PutRefusal::ManifestUnknown { digest: image.digest })
    );
    assert_eq!(world.put(&b, &index(Reference::SparseChild)).await, Ok(()));
    assert_eq!(world.put(&a, &index(Reference::Child)).await, Ok(()));
    let stored = world.store.tagged(&a, &tag("v1")).await.unwrap().unwrap();
    assert_eq!((stored.digest, stored.bytes), (image.digest, image.bytes.clone()));
    assert_eq!(
        world.store.parents(&a, &image.digest, 9).await.unwrap(),
        [index(Reference::Child).digest]
    );
    assert_eq!(
        world.store.tags(&a, Some("all"), 1).await.unwrap(),
        Some(vec![tag("latest")])
    );
    assert_eq!(
        world.store.tags(&package("unknown"), None, 9).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_tag_remembers_what_it_named() {
    let world = world(ImmutableTags::Matching(vec!["v*".to_owned()]), None).await;
    let a = package("a");
    let (one, two) = (
        manifest("1", &[], &["latest", "v1"]),
        manifest("2", &[], &["latest"]),
    );
    for manifest in [&one, &two, &two] {
        world.put(&a, manifest).await.unwrap();
    }
    let refused = world.put(&a, &manifest("3", &[], &["v1"])).await;
    assert_eq!(refused, Err(PutRefusal::TagImmutable { tag: tag("v1") }));
    assert_eq!(
        world
            .store
            .manifest(&a, &manifest("3", &[], &[]).digest)
            .await
            .unwrap(),
        None
    );
    let back = TagMove {
        tag: tag("latest"),
        to: one.digest,
    };
    world
        .store
        .move_tag(&a, &back, &actor(), at(50))
        .await
        .unwrap()
        .unwrap();
    let history = world.store.tag_history(&a, &tag("latest"), 9).await.unwrap();
    let kinds: Vec<_> = history
        .iter()
        .map(|event| (event.time, event.kind.clone()))
        .collect();
    let set = |from: Option<Digest>, to: Digest| EventKind::TagSet {
        tag: tag("latest"),
        from,
        to,
    };
    assert_eq!(
        kinds,
        [
            (at(50), set(Some(two.digest), one.digest)),
            (at(20), set(Some(one.digest), two.digest)),
            (at(20), set(None, one.digest)),
        ]
    );
    let fixed = world
        .store
        .delete_manifest(&a, &one.digest, &actor(), at(60))
        .await
        .unwrap();
    assert_eq!(fixed, Err(PutRefusal::TagImmutable { tag: tag("v1") }));
    assert_eq!(
        world
            .store
            .delete_manifest(&a, &two.digest, &actor(), at(60))
            .await
            .unwrap(),
        Ok(true)
    );
    assert_eq!(
        world
            .store
            .delete_manifest(&a, &two.digest, &actor(), at(60))
            .await
            .unwrap(),
        Ok(false)
    );
    assert_eq!(
        world
            .store
            .delete_tag(&a, &tag("latest"), &actor(), at(60))
            .await
            .unwrap(),
        Ok(true)
    );
    assert_eq!(
        world.store.tags(&a, None, 9).await.unwrap(),
        Some(vec![tag("v1")])
    );
    let all = world.store.events(0, 99).await.unwrap();
    assert!(all.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(all.first().unwrap().kind, EventKind::RepositoryCreated);
}

#[tokio::test]
async fn referrers_are_found_by_subject_and_kind_page_by_page() {
    let world = world(ImmutableTags::None, None).await;
    let a = package("a");
    let subject = Digest::sha256_of(b"not there");
    for (content, kind) in [("1", "sbom"), ("2", "signature"), ("3", "sbom")] {
        let mut referrer = manifest(content, &[], &[]);
        referrer.subject = Some(subject);
        referrer.artifact_type = Some(kind.to_owned());
        world.put(&a, &referrer).await.unwrap();
    }
    let query = |artifact_type, limit| ReferrerQuery {
        subject: &subject,
        artifact_type,
        after: None,
        limit,
    };
    let all = world.store.referrers(&a, &query(None, 9)).await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(
        world
            .store
            .referrers(&a, &query(Some("sbom"), 9))
            .await
            .unwrap()
            .len(),
        2
    );
    let rest = ReferrerQuery {
        after: Some(&all[0].digest),
        ..query(None, 9)
    };
    assert_eq!(world.store.referrers(&a, &rest).await.unwrap(), all[1..]);
    let versions = world.store.versions(&a, None, 2).await.unwrap();
    assert_eq!((versions.len(), versions[0].size_bytes), (2, 8));
}

#[tokio::test]
async fn a_deleted_repository_takes_everything_along() {
    let world = world(ImmutableTags::None, None).await;
    let a = package("a");
    world.commit(&a, &blob(b"x", 1)).await;
    world
        .put(
            &a,
            &manifest("m", &[(blob(b"x", 1).digest, Reference::Blob)], &["t"]),
        )
        .await
        .unwrap();
    assert_eq!(
        world.store.packages(&a.repository, None, 9).await.unwrap(),
        ["a".parse().unwrap()]
    );
    world
        .store
        .delete_repository(&a.repository, &actor(), at(90))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.store.blob(&a, &blob(b"x", 1).digest).await.unwrap(), None);
    assert_eq!(world.store.tagged(&a, &tag("t")).await.unwrap(), None);
    assert_eq!(
        world
            .store
            .delete_repository(&a.repository, &actor(), at(90))
            .await
            .unwrap(),
        Err(RepositoryRefusal::Unknown {
            path: a.repository.clone()
        })
    );
    assert_eq!(
        world.put(&a, &manifest("n", &[], &[])).await,
        Err(PutRefusal::RepositoryUnknown)
    );
}

#[tokio::test]
async fn many_writes_at_once_are_all_answered_and_one_failure_is_its_own() {
    let world = world(ImmutableTags::None, None).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..300_u32 {
        let store = world.store.clone();
        calls.spawn(async move {
            let content: &'static str = Box::leak(format!("m{number}").into_boxed_str());
            let missing = Digest::sha256_of(b"missing");
            let references: &[_] = if number % 3 == 0 {
                &[(missing, Reference::Blob)]
            } else {
                &[]
            };
            let manifest = manifest(content, references, &["latest"]);
            store
                .put_manifest(&package("a"), &manifest, &actor(), at(20))
                .await
                .unwrap()
                .is_ok()
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|stored| **stored).count(), 200);
    assert_eq!(
        world
            .store
            .versions(&package("a"), None, 999)
            .await
            .unwrap()
            .len(),
        200
    );
}
