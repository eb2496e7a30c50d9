//! Promises about listings of what packages hold.

use oci::{Digest, RepositoryName};

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{Cursor, Image, Package, PackagePath, StoreError, Version, VersionOrder, VersionQuery, Walk};

pub(crate) async fn packages_are_listed_once_they_have_a_manifest(world: MetadataWorld) {
    let world = world.plain().await;
    let path = repository("r").path;
    world.commit(&package("b"), &blob(b"x", 1)).await;
    assert_eq!(world.store.packages(&path, None, 9).await.unwrap(), []);
    assert_eq!(world.store.package(&package("b")).await.unwrap(), None);
    for name in ["c", "a", "b", "a/b"] {
        world
            .put(&package(name), &manifest(name, &[], &[]))
            .await
            .unwrap();
    }
    let all = world.store.packages(&path, None, 9).await.unwrap();
    let names: Vec<&str> = all.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["a", "a/b", "b", "c"]);
    let rest = world.store.packages(&path, Some(&all[1].name), 1).await.unwrap();
    assert_eq!(rest, all[2..3]);
    // Its blob came at second 10, and its manifest at 20.
    let expected = Package {
        name: "b".parse().unwrap(),
        created: at(10),
        updated: at(20),
    };
    assert_eq!(rest, vec![expected.clone()]);
    let digest = manifest("b", &[], &[]).digest;
    let (b, t) = (package("b"), tag("t"));
    let deleted = world.store.delete_manifest(&b, &digest, ann(), at(30));
    deleted.await.unwrap().unwrap();
    assert_eq!(world.store.package(&package("b")).await.unwrap(), None);
    world
        .put(&package("b"), &manifest("b", &[], &["t"]))
        .await
        .unwrap();
    let untag = world.store.delete_tag(&b, &t, ann(), at(50));
    untag.await.unwrap().unwrap();
    let changed = world.store.package(&package("b")).await.unwrap();
    let updated = at(50);
    assert_eq!(changed, Some(Package { updated, ..expected }));
    let unknown = repository("unknown").path;
    assert_eq!(world.store.packages(&unknown, None, 9).await.unwrap(), []);
}

pub(crate) async fn versions_are_listed_with_their_tags(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    for (content, tags) in [("1", &["x", "b"][..]), ("22", &[]), ("3", &["x"])] {
        let mut image = manifest(content, &[], tags);
        image.subject = (content == "3").then(|| Digest::sha256_of(b"subject"));
        world.put(&a, &image).await.unwrap();
    }
    world
        .store
        .put_manifest(&a, &manifest("22", &[], &[]), ann(), at(70))
        .await
        .unwrap()
        .unwrap();
    let query = VersionQuery {
        limit: 9,
        ..VersionQuery::default()
    };
    let all = world.store.versions(&a, &query).await.unwrap().items;
    assert!(all.windows(2).all(|pair| pair[0].digest < pair[1].digest));
    let of = |content: &str| {
        let digest = manifest(content, &[], &[]).digest;
        let found = all.iter().find(|version| version.digest == digest).unwrap();
        (found.tags.clone(), found.size_bytes, found.created, found.updated)
    };
    assert_eq!(of("1"), (vec![tag("b")], 8, at(20), at(20)));
    assert_eq!(of("22"), (vec![], 9, at(20), at(70)));
    assert_eq!(of("3"), (vec![tag("x")], 8, at(20), at(20)));
    for version in &all {
        let found = world.store.version(&a, &version.digest).await.unwrap();
        assert_eq!(found.as_ref(), Some(version));
        let refers = version.digest == manifest("3", &[], &[]).digest;
        assert_eq!(version.subject, refers.then(|| Digest::sha256_of(b"subject")));
    }
    let unknown = Digest::sha256_of(b"unknown");
    assert_eq!(world.store.version(&a, &unknown).await.unwrap(), None);
    let nowhere = package("b");
    let found = world.store.version(&nowhere, &all[0].digest).await;
    assert_eq!(found.unwrap(), None);
}

pub(crate) async fn sizes_that_nobody_can_have_do_not_hinder_a_listing(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let largest = i64::MAX.unsigned_abs();
    for (content, size_bytes) in [("1", largest - 1), ("2", largest), ("3", u64::MAX)] {
        let mut image = manifest(content, &[], &[]);
        image.size_bytes = size_bytes;
        world.put(&a, &image).await.unwrap();
        let version = world.store.version(&a, &image.digest).await.unwrap();
        assert!(version.unwrap().size_bytes >= largest, "{content}");
    }
    let query = VersionQuery {
        limit: 9,
        ..VersionQuery::default()
    };
    assert_eq!(world.store.versions(&a, &query).await.unwrap().items.len(), 3);
    let walk = Walk { from: None, limit: 9 };
    let images = world.store.images(&repository("r").path, walk).await.unwrap();
    assert_eq!(images.items.len(), 3);
}

pub(crate) async fn versions_come_in_any_order_page_by_page(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    // Some at the same time, and changed in another order than made.
    for (number, (created, updated)) in [(3, 8), (1, 9), (3, 9), (2, 4), (3, 3)].iter().enumerate() {
        for time in [created, updated] {
            let image = manifest(&number.to_string(), &[], &[]);
            let put = world.store.put_manifest(&a, &image, ann(), at(*time));
            put.await.unwrap().unwrap();
        }
    }
    let key = |order, version: &Version| {
        let time = match order {
            VersionOrder::Digest => at(0),
            VersionOrder::Created => version.created,
            VersionOrder::Updated => version.updated,
        };
        (time, version.digest)
    };
    for order in [VersionOrder::Digest, VersionOrder::Created, VersionOrder::Updated] {
        for descending in [false, true] {
            for limit in 1..7 {
                let (mut found, mut from) = (Vec::new(), None);
                loop {
                    let query = VersionQuery {
                        order,
                        descending,
                        from: from.as_ref(),
                        limit,
                    };
                    let page = world.store.versions(&a, &query).await.unwrap();
                    assert!(page.items.len() <= limit);
                    found.extend(page.items);
                    from = page.next;
                    if from.is_none() {
                        break;
                    }
                }
                let keys: Vec<_> = found.iter().map(|version| key(order, version)).collect();
                let mut sorted = keys.clone();
                sorted.sort_unstable();
                if descending {
                    sorted.reverse();
                }
                assert_eq!(
                    (keys.len(), &keys),
                    (5, &sorted),
                    "{order:?} {descending} {limit}"
                );
            }
        }
    }
}

pub(crate) async fn images_of_all_packages_come_page_by_page(world: MetadataWorld) {
    let world = world.plain().await;
    let mut expected: Vec<(RepositoryName, Digest)> = Vec::new();
    for (name, count) in [("c", 3), ("a/b", 2), ("a", 1), ("a-b", 2)] {
        for number in 0..count {
            let image = manifest(&format!("{number}"), &[], &["t"]);
            world.put(&package(name), &image).await.unwrap();
            expected.push((name.parse().unwrap(), image.digest));
        }
    }
    expected.sort_by(|one, other| (one.0.as_str(), one.1).cmp(&(other.0.as_str(), other.1)));
    let other = repository("other");
    world
        .store
        .create_repository(&other, ann())
        .await
        .unwrap()
        .unwrap();
    let elsewhere = PackagePath {
        repository: other.path,
        name: "a".parse().unwrap(),
    };
    world
        .put(&elsewhere, &manifest("elsewhere", &[], &[]))
        .await
        .unwrap();
    for limit in 1..10 {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let walk = Walk {
                from: from.as_ref(),
                limit,
            };
            let page = world.store.images(&repository("r").path, walk).await.unwrap();
            found.extend(page.items);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let places: Vec<_> = found
            .iter()
            .map(|Image { package, version }| (package.clone(), version.digest))
            .collect();
        assert_eq!(places, expected, "{limit}");
        let tagged = found.iter().filter(|image| image.version.tags == [tag("t")]);
        assert_eq!(tagged.count(), 4);
    }
}

pub(crate) async fn tags_are_listed_with_what_they_name(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let (one, two) = (manifest("1", &[], &["b", "a"]), manifest("2", &[], &["c"]));
    world.put(&a, &one).await.unwrap();
    let later = world.store.put_manifest(&a, &two, ann(), at(30));
    later.await.unwrap().unwrap();
    let all = world.store.tag_entries(&a, None, 9).await.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|entry| (entry.tag.as_str(), entry.digest, entry.updated))
        .collect();
    assert_eq!(
        told,
        [
            ("a", one.digest, at(20)),
            ("b", one.digest, at(20)),
            ("c", two.digest, at(30))
        ]
    );
    let rest = world.store.tag_entries(&a, Some(&tag("a")), 1).await.unwrap();
    assert_eq!(rest, all[1..2]);
    let entry = world.store.tag_entry(&a, &tag("c")).await.unwrap();
    assert_eq!(entry.as_ref(), Some(&all[2]));
    assert_eq!(world.store.tag_entry(&a, &tag("d")).await.unwrap(), None);
    let unknown = world.store.tag_entries(&package("b"), None, 9).await.unwrap();
    assert_eq!(unknown, []);
}

pub(crate) async fn a_place_in_another_listing_is_refused(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    world.put(&a, &manifest("1", &[], &[])).await.unwrap();
    for text in ["", "x", "x y", "9 9", "-1"] {
        let cursor = Cursor(text.to_owned());
        let query = VersionQuery {
            from: Some(&cursor),
            limit: 9,
            ..VersionQuery::default()
        };
        let refused = world.store.versions(&a, &query).await;
        assert!(matches!(refused, Err(StoreError::Cursor { .. })), "{text:?}");
    }
    for text in ["", "x"] {
        let cursor = Cursor(text.to_owned());
        let walk = Walk {
            from: Some(&cursor),
            limit: 9,
        };
        let refused = world.store.images(&a.repository, walk).await;
        assert!(matches!(refused, Err(StoreError::Cursor { .. })), "{text:?}");
        let refused = world.store.all_manifests(walk).await;
        assert!(matches!(refused, Err(StoreError::Cursor { .. })), "{text:?}");
    }
}
