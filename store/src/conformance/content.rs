//! Promises about blobs, manifests and tags.

use oci::{Algorithm, Digest, MediaType};

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{
    Committed, EventKind, ImmutableTags, NewManifest, PutRefusal, Reference, ReferrerQuery, Removal, TagMove,
    VersionQuery,
};

pub(crate) async fn a_blob_is_seen_by_those_alone_who_link_it(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b, first) = (package("a"), package("b"), blob(b"bytes", 1));
    assert_eq!(world.commit(&a, &first).await, Committed::Kept);
    assert_eq!(
        world.store.blob(&a, &first.digest).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(world.store.blob(&b, &first.digest).await.unwrap(), None);
    assert!(!world.store.touch_blob(&b, &first.digest, at(40)).await.unwrap());
    // The second upload's object is not the one that counts, and it renews the blob.
    let mut second = blob(b"bytes", 2);
    second.last_seen = at(30);
    assert_eq!(world.commit(&b, &second).await, Committed::Superseded);
    let seen = world.store.blob(&b, &first.digest).await.unwrap().unwrap();
    assert_eq!((seen.key, seen.last_seen), (first.key.clone(), at(30)));
    assert!(world.store.touch_blob(&b, &first.digest, at(40)).await.unwrap());
    // A clock that is behind does not make it older.
    assert!(world.store.touch_blob(&b, &first.digest, at(35)).await.unwrap());
    let seen = world.store.blob(&a, &first.digest).await.unwrap().unwrap();
    assert_eq!(seen.last_seen, at(40));
    assert!(world.store.unlink_blob(&a, &first.digest).await.unwrap());
    assert!(!world.store.unlink_blob(&a, &first.digest).await.unwrap());
    assert_eq!(world.store.blob(&a, &first.digest).await.unwrap(), None);
    assert!(world.store.blob(&b, &first.digest).await.unwrap().is_some());
}

pub(crate) async fn a_mount_needs_a_link_at_its_source(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b, c) = (package("a"), package("b"), package("c"));
    let digest = blob(b"bytes", 1).digest;
    let mount = |to, from| world.store.mount_blob(to, from, &digest, at(30));
    world.commit(&a, &blob(b"bytes", 1)).await;
    assert!(!mount(&c, &b).await.unwrap());
    assert_eq!(world.store.blob(&c, &digest).await.unwrap(), None);
    assert!(mount(&b, &a).await.unwrap());
    assert!(mount(&b, &a).await.unwrap(), "once more is no error");
    assert_eq!(
        world.store.blob(&b, &digest).await.unwrap().unwrap().last_seen,
        at(30)
    );
    world.store.unlink_blob(&a, &digest).await.unwrap();
    assert!(!mount(&c, &a).await.unwrap());
    assert!(mount(&c, &b).await.unwrap());
    let with = |after, limit| world.store.packages_with_blob(&digest, after, limit);
    assert_eq!(with(None, 9).await.unwrap(), [b.clone(), c.clone()]);
    assert_eq!(with(None, 1).await.unwrap(), vec![b.clone()]);
    assert_eq!(with(Some(&b), 9).await.unwrap(), vec![c.clone()]);
    let mut nowhere = c.clone();
    nowhere.repository = "projects/p/locations/l/repositories/none".parse().unwrap();
    assert!(!mount(&nowhere, &b).await.unwrap());
}

pub(crate) async fn a_quota_counts_each_blob_of_a_repository_once(world: MetadataWorld) {
    let world = world.with(ImmutableTags::None, Some(10)).await;
    let (a, b) = (package("a"), package("b"));
    assert_eq!(world.commit(&a, &blob(b"123456", 1)).await, Committed::Kept);
    assert_eq!(world.commit(&b, &blob(b"123456", 2)).await, Committed::Superseded);
    let over = Committed::OverQuota { quota_bytes: 10 };
    assert_eq!(world.commit(&b, &blob(b"12345", 3)).await, over);
    assert_eq!(
        world.store.blob(&b, &blob(b"12345", 3).digest).await.unwrap(),
        None
    );
    assert_eq!(world.commit(&b, &blob(b"1234", 4)).await, Committed::Kept);
    world
        .store
        .unlink_blob(&a, &blob(b"123456", 1).digest)
        .await
        .unwrap();
    // The other package has it still.
    assert_eq!(world.commit(&b, &blob(b"1", 5)).await, over);
    world
        .store
        .unlink_blob(&b, &blob(b"123456", 1).digest)
        .await
        .unwrap();
    assert_eq!(world.commit(&b, &blob(b"12345", 6)).await, Committed::Kept);
}

pub(crate) async fn a_manifest_names_only_what_its_own_package_has(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b, layer) = (package("a"), package("b"), blob(b"layer", 1));
    world.commit(&a, &layer).await;
    world.commit(&b, &blob(b"other", 1)).await;
    let image = manifest("image", &[(layer.digest, Reference::Blob)], &["v1", "latest"]);
    assert_eq!(
        world.put(&b, &image).await,
        Err(PutRefusal::BlobUnknown { digest: layer.digest })
    );
    assert_eq!(world.store.manifest(&b, &image.digest).await.unwrap(), None);
    assert_eq!(world.store.tags(&b, None, 9).await.unwrap(), Some(vec![]));
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
    assert_eq!(world.store.manifest(&b, &image.digest).await.unwrap(), None);
    assert_eq!(world.store.tagged(&b, &tag("v1")).await.unwrap(), None);
}

pub(crate) async fn a_refused_push_leaves_nothing_behind(world: MetadataWorld) {
    let world = world.with(ImmutableTags::None, Some(3)).await;
    let (a, b) = (package("a"), package("b"));
    let image = manifest("image", &[(blob(b"x", 1).digest, Reference::Blob)], &["t"]);
    let seen = || world.store.tags(&a, None, 9);
    assert!(world.put(&a, &image).await.is_err());
    assert_eq!(seen().await.unwrap(), None);
    assert!(matches!(
        world.commit(&a, &blob(b"four", 1)).await,
        Committed::OverQuota { .. }
    ));
    assert!(
        !world
            .store
            .mount_blob(&a, &b, &image.digest, at(30))
            .await
            .unwrap()
    );
    let tag_move = TagMove {
        tag: tag("t"),
        to: image.digest,
    };
    assert_eq!(
        world.store.move_tag(&a, &tag_move, ann(), at(30)).await.unwrap(),
        Err(PutRefusal::ManifestUnknown { digest: image.digest })
    );
    assert_eq!(seen().await.unwrap(), None);
    assert_eq!(world.store.events(0, 9).await.unwrap().len(), 1);
}

pub(crate) async fn a_manifest_keeps_its_bytes_and_its_digest(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let mut image = manifest("{ \"odd\":  1}\n", &[], &["t"]);
    image.digest = Digest::of(Algorithm::Sha512, &image.bytes);
    image.media_type = MediaType::DOCKER_MANIFEST;
    image.artifact_type = Some("text/x".to_owned());
    world.put(&a, &image).await.unwrap();
    let by_tag = world.store.tagged(&a, &tag("t")).await.unwrap().unwrap();
    let by_digest = world.store.manifest(&a, &image.digest).await.unwrap().unwrap();
    assert_eq!(by_tag, by_digest);
    assert_eq!(
        (
            by_tag.digest,
            by_tag.bytes,
            by_tag.media_type,
            by_tag.artifact_type
        ),
        (image.digest, image.bytes, image.media_type, image.artifact_type)
    );
}

pub(crate) async fn an_immutable_tag_is_neither_moved_nor_removed(world: MetadataWorld) {
    let world = world
        .with(ImmutableTags::Matching(vec!["v*".to_owned()]), None)
        .await;
    let (a, store) = (package("a"), &world.store);
    let (one, two) = (manifest("1", &[], &["v1", "latest"]), manifest("2", &[], &["v1"]));
    world.put(&a, &one).await.unwrap();
    world.put(&a, &one).await.unwrap();
    let refused = || PutRefusal::TagImmutable { tag: tag("v1") };
    assert_eq!(world.put(&a, &two).await, Err(refused()));
    assert_eq!(store.manifest(&a, &two.digest).await.unwrap(), None);
    world.put(&a, &manifest("2", &[], &["latest"])).await.unwrap();
    let to = |to| TagMove { tag: tag("v1"), to };
    assert_eq!(
        store.move_tag(&a, &to(two.digest), ann(), at(30)).await.unwrap(),
        Err(refused())
    );
    assert_eq!(
        store.move_tag(&a, &to(one.digest), ann(), at(30)).await.unwrap(),
        Ok(())
    );
    assert_eq!(
        store.delete_tag(&a, &tag("v1"), ann(), at(30)).await.unwrap(),
        Err(refused())
    );
    assert_eq!(
        store
            .delete_manifest(&a, &one.digest, ann(), at(30))
            .await
            .unwrap(),
        Err(refused())
    );
    assert_eq!(
        store.tagged(&a, &tag("v1")).await.unwrap().unwrap().digest,
        one.digest
    );
    assert_eq!(
        store
            .delete_manifest(&a, &two.digest, ann(), at(30))
            .await
            .unwrap(),
        Ok(true)
    );
}

pub(crate) async fn a_tag_remembers_what_it_named(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, store) = (package("a"), &world.store);
    let (one, two) = (manifest("1", &[], &["latest"]), manifest("2", &[], &["latest"]));
    for image in [&one, &two, &two] {
        world.put(&a, image).await.unwrap();
    }
    let back = TagMove {
        tag: tag("latest"),
        to: one.digest,
    };
    for second in [50, 60] {
        store
            .move_tag(&a, &back, ann(), at(second))
            .await
            .unwrap()
            .unwrap();
    }
    let (latest, actor) = (tag("latest"), ann());
    let delete = |second| store.delete_tag(&a, &latest, actor, at(second));
    assert_eq!(delete(70).await.unwrap(), Ok(true));
    assert_eq!(delete(80).await.unwrap(), Ok(false));
    let history = store.tag_history(&a, &latest, 9).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|event| (event.time, event.kind.clone()))
        .collect();
    let set = |from: Option<Digest>, to: Digest| EventKind::TagSet {
        tag: tag("latest"),
        from,
        to,
    };
    let deleted = EventKind::TagDeleted {
        tag: tag("latest"),
        from: one.digest,
    };
    assert_eq!(
        told,
        [
            (at(70), deleted),
            (at(50), set(Some(two.digest), one.digest)),
            (at(20), set(Some(one.digest), two.digest)),
            (at(20), set(None, one.digest)),
        ]
    );
    assert_eq!(store.tag_history(&a, &latest, 1).await.unwrap(), history[..1]);
    assert_eq!(store.tag_history(&package("b"), &latest, 9).await.unwrap(), []);
    assert!(store.manifest(&a, &one.digest).await.unwrap().is_some());
}

pub(crate) async fn tags_are_listed_page_by_page_in_bytewise_order(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, store) = (package("a"), &world.store);
    world
        .put(
            &a,
            &manifest("1", &[], &["b", "a", "Z", "_x", "a.1", "a-1", "a1"]),
        )
        .await
        .unwrap();
    let list = |after, limit| store.tags(&a, after, limit);
    let all = list(None, 99).await.unwrap().unwrap();
    let texts: Vec<&str> = all.iter().map(oci::Tag::as_str).collect();
    assert_eq!(texts, ["Z", "_x", "a", "a-1", "a.1", "a1", "b"]);
    assert_eq!(list(Some("a"), 2).await.unwrap().unwrap(), all[3..5]);
    // A tag that is not there is a place in the order all the same.
    assert_eq!(list(Some("a0"), 9).await.unwrap().unwrap(), all[5..]);
    assert_eq!(list(None, 0).await.unwrap(), Some(vec![]));
    assert_eq!(store.tags(&package("unknown"), None, 9).await.unwrap(), None);
}

pub(crate) async fn referrers_are_found_by_subject_and_kind_page_by_page(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, subject) = (package("a"), Digest::sha256_of(b"not there"));
    for (content, kind) in [("1", "sbom"), ("2", "signature"), ("3", "sbom")] {
        let mut referrer = manifest(content, &[], &[]);
        referrer.subject = Some(subject);
        referrer.artifact_type = Some(kind.to_owned());
        world.put(&a, &referrer).await.unwrap();
    }
    world.put(&a, &manifest("4", &[], &[])).await.unwrap();
    let query = |artifact_type, after, limit| ReferrerQuery {
        subject: &subject,
        artifact_type,
        after,
        limit,
    };
    let all = world.store.referrers(&a, &query(None, None, 9)).await.unwrap();
    assert_eq!(all.len(), 3);
    let sboms = world
        .store
        .referrers(&a, &query(Some("sbom"), None, 9))
        .await
        .unwrap();
    assert!(
        sboms.len() == 2
            && sboms
                .iter()
                .all(|found| found.artifact_type.as_deref() == Some("sbom"))
    );
    let rest = query(None, Some(&all[0].digest), 1);
    assert_eq!(world.store.referrers(&a, &rest).await.unwrap(), all[1..2]);
    assert_eq!(
        world
            .store
            .referrers(&package("b"), &query(None, None, 9))
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn a_deleted_package_takes_everything_along(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b) = (package("a"), package("a/b"));
    let (shared, own) = (blob(b"shared", 1), blob(b"own", 1));
    for package in [&a, &b] {
        world.commit(package, &shared).await;
    }
    world.commit(&a, &own).await;
    let image = manifest("m", &[(own.digest, Reference::Blob)], &["t"]);
    world.put(&a, &image).await.unwrap();
    world.put(&b, &manifest("n", &[], &["t"])).await.unwrap();
    assert_eq!(world.size().await, 6 + 3 + 1 + 1);
    let delete = || world.store.delete_package(&a, ann(), at(40));
    assert_eq!(delete().await.unwrap(), Ok(true));
    assert_eq!(delete().await.unwrap(), Ok(false));
    assert_eq!(world.size().await, 6 + 1);
    assert_eq!(world.store.tagged(&a, &tag("t")).await.unwrap(), None);
    assert_eq!(world.store.blob(&a, &shared.digest).await.unwrap(), None);
    assert!(world.store.blob(&b, &shared.digest).await.unwrap().is_some());
    assert!(world.store.tagged(&b, &tag("t")).await.unwrap().is_some());
    let last = world.store.events(0, 99).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.package), (EventKind::PackageDeleted, Some(a)));
}

pub(crate) async fn an_immutable_tag_keeps_its_package(world: MetadataWorld) {
    let patterns = ImmutableTags::Matching(vec!["v*".to_owned()]);
    let world = world.with(patterns, None).await;
    let a = package("a");
    for (content, name) in [("1", "latest"), ("2", "v1")] {
        world.put(&a, &manifest(content, &[], &[name])).await.unwrap();
    }
    let delete = || world.store.delete_package(&a, ann(), at(40));
    let refusal = PutRefusal::TagImmutable { tag: tag("v1") };
    assert_eq!(delete().await.unwrap(), Err(refusal));
    assert!(world.store.tagged(&a, &tag("latest")).await.unwrap().is_some());
    let mutable = repository("r");
    world
        .store
        .update_repository(&mutable, ann())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(delete().await.unwrap(), Ok(true));
}

pub(crate) async fn parents_are_indexes_and_referrers(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, image) = (package("a"), manifest("image", &[], &[]));
    world.put(&a, &image).await.unwrap();
    let index = manifest("index", &[(image.digest, Reference::Child)], &[]);
    let mut referrer = manifest("referrer", &[], &[]);
    referrer.subject = Some(image.digest);
    for parent in [&index, &referrer] {
        world.put(&a, parent).await.unwrap();
    }
    let mut expected = [index.digest, referrer.digest];
    expected.sort();
    let parents = |limit| world.store.parents(&a, &image.digest, limit);
    assert_eq!(parents(9).await.unwrap(), expected);
    assert_eq!(parents(1).await.unwrap(), expected[..1]);
    world
        .store
        .delete_manifest(&a, &index.digest, ann(), at(30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(parents(9).await.unwrap(), [referrer.digest]);
}

pub(crate) async fn manifests_are_found_by_a_blob_that_they_name(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b) = (package("a"), package("b"));
    let layer = blob(b"layer", 1);
    world.commit(&a, &layer).await;
    let named = manifest("named", &[(layer.digest, Reference::Blob)], &[]);
    let sparse = manifest("sparse", &[(layer.digest, Reference::SparseBlob)], &[]);
    // A child of that digest is no blob.
    let child = manifest("child", &[(layer.digest, Reference::SparseChild)], &[]);
    for image in [&named, &sparse, &child] {
        world.put(&a, image).await.unwrap();
    }
    world.put(&b, &sparse).await.unwrap();
    let found = async |package: &crate::PackagePath, limit| {
        let found = world.store.manifests_with_blob(package, &layer.digest, limit);
        let mut digests: Vec<Digest> = found.await.unwrap().iter().map(|found| found.digest).collect();
        digests.sort();
        digests
    };
    let mut both = [named.digest, sparse.digest];
    both.sort();
    assert_eq!(found(&a, 9).await, both);
    assert_eq!(found(&a, 1).await.len(), 1);
    assert_eq!(found(&b, 9).await, [sparse.digest]);
    assert_eq!(found(&package("unknown"), 9).await, []);
}

pub(crate) async fn what_is_held_is_removed_only_by_who_says_so(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, image) = (package("a"), manifest("image", &[], &["t", "s"]));
    world.put(&a, &image).await.unwrap();
    let index = manifest("index", &[(image.digest, Reference::Child)], &[]);
    let mut referrer = manifest("referrer", &[], &[]);
    referrer.subject = Some(image.digest);
    for parent in [&index, &referrer] {
        world.put(&a, parent).await.unwrap();
    }
    let remove = async |digest: Digest| {
        let removed = world.store.delete_unheld_manifest(&a, &digest, ann(), at(30));
        removed.await.unwrap()
    };
    for name in ["s", "t"] {
        assert_eq!(remove(image.digest).await, Removal::Tagged(tag(name)));
        let untagged = world.store.delete_tag(&a, &tag(name), ann(), at(30)).await;
        assert_eq!(untagged.unwrap(), Ok(true));
    }
    assert_eq!(remove(image.digest).await, Removal::ChildOf(index.digest));
    assert_eq!(remove(index.digest).await, Removal::Removed);
    assert_eq!(remove(image.digest).await, Removal::SubjectOf(referrer.digest));
    assert_eq!(remove(referrer.digest).await, Removal::Removed);
    assert!(world.store.manifest(&a, &image.digest).await.unwrap().is_some());
    assert_eq!(remove(image.digest).await, Removal::Removed);
    assert_eq!(remove(image.digest).await, Removal::Unknown);
    let (b, digest) = (package("b"), image.digest);
    let elsewhere = world.store.delete_unheld_manifest(&b, &digest, ann(), at(30));
    assert_eq!(elsewhere.await.unwrap(), Removal::Unknown);
    let events = world.store.events(0, 99).await.unwrap();
    assert_eq!(events.last().unwrap().kind, EventKind::ManifestDeleted { digest });
}

pub(crate) async fn many_writes_at_once_are_all_answered_and_one_failure_is_its_own(world: MetadataWorld) {
    let world = world.plain().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..300_u32 {
        let store = std::sync::Arc::clone(&world.store);
        let a = package("a");
        calls.spawn(async move {
            let missing = (Digest::sha256_of(b"missing"), Reference::Blob);
            let references: &[_] = if number % 3 == 0 { &[missing] } else { &[] };
            let image: NewManifest = manifest(&format!("m{number}"), references, &["latest"]);
            let put = store.put_manifest(&a, &image, ann(), at(20));
            put.await.unwrap().is_ok()
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|stored| **stored).count(), 200);
    let query = VersionQuery {
        limit: 999,
        ..VersionQuery::default()
    };
    let versions = world.store.versions(&package("a"), &query).await.unwrap().items;
    assert_eq!(versions.len(), 200);
    let tagged = versions.iter().filter(|version| !version.tags.is_empty());
    assert_eq!(tagged.count(), 1);
}
