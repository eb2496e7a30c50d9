//! Images of every kind.

use oci::{Descriptor, Manifest, MediaType, Platform};
use testkit::registry::Ways;

use crate::world::{World, bytes, image, index, plain, referrer};

#[tokio::test]
async fn images_of_every_kind_come_across_as_they_are() {
    let world = World::plain();
    {
        let old = &mut *world.old.content();
        let amd64 = image(old, "a/b", None, &[b"shared", b"amd64", b""]);
        let arm64 = image(old, "a/b", Some("arm"), &[b"shared", b"arm64", b""]);
        let inner = index(old, "a/b", None, vec![amd64.descriptor(), arm64.descriptor()]);
        index(
            old,
            "a/b",
            Some("nested"),
            vec![inner.descriptor(), amd64.descriptor()],
        );
        image(old, "c", Some("v1"), &[b"shared", &bytes(1, 3_000_000)]);
        image(old, "c", Some("v2"), &[b"shared", &bytes(1, 3_000_000)]);
        // Cosign's tags, and the list of referrers where there is no API.
        let tag = arm64.digest().to_string().replace(':', "-");
        image(old, "a/b", Some(&format!("{tag}.sig")), &[b"signature"]);
        let signature = referrer(old, "a/b", &arm64, b"bundle");
        index(old, "a/b", Some(&tag), vec![signature.descriptor()]);
    }
    let report = world.run().await;
    assert_eq!(report.failures, []);
    assert_eq!((report.tags_set, report.moved.len()), (6, 0));
    world.assert_same();
}

#[tokio::test]
async fn each_blob_is_sent_once_and_mounted_elsewhere() {
    let world = World::plain();
    for name in ["a", "b", "c/d", "e"] {
        let old = &mut *world.old.content();
        for tag in ["1", "2", "3"] {
            image(
                old,
                name,
                Some(tag),
                &[b"shared", &bytes(7, 200_000), tag.as_bytes()],
            );
        }
    }
    let report = world.run().await;
    assert_eq!(report.failures, []);
    world.assert_same();
    let new = world.new.content();
    let mut completed = new.completed.clone();
    completed.sort();
    completed.dedup();
    assert_eq!(completed.len(), new.completed.len(), "a blob was sent twice");
    let whole: usize = new.blobs.values().map(Vec::len).sum();
    assert_eq!(new.received, whole as u64);
    assert_eq!(report.bytes_sent, whole as u64);
    // The two shared layers and the three of tags, in three more repositories each.
    assert_eq!(report.blobs_mounted, 5 * 3);
    let mounts = new.log.iter().filter(|line| line.contains("mount=")).count();
    assert_eq!(mounts, 5 * 3, "one request for each mount");
}

#[tokio::test]
async fn where_mounts_are_refused_blobs_are_sent_again() {
    let world = World::between(
        plain(),
        Ways {
            mounts: false,
            ..Ways::default()
        },
    );
    for name in ["a", "b"] {
        image(
            &mut world.old.content(),
            name,
            Some("1"),
            &[b"shared", &bytes(7, 200_000)],
        );
    }
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.blobs_mounted), (0, 0));
    world.assert_same();
    // The refused mount has opened the upload that is used: no other is.
    let uploads = world.new.requests("POST /v2/");
    assert_eq!(uploads.len(), report.blobs_sent);
}

#[tokio::test]
async fn a_destination_without_tags_in_the_query_and_without_referrers_gets_both_otherwise() {
    let world = World::between(Ways::default(), plain());
    let (subject, signature) = {
        let old = &mut *world.old.content();
        let subject = image(old, "a", Some("1"), &[b"x"]);
        index(old, "a", Some("2"), vec![subject.descriptor()]);
        let signature = referrer(old, "a", &subject, b"bundle");
        referrer(old, "a", &signature, b"about the signature");
        old.add_manifest("a", Some("also-1"), &subject);
        (subject, signature)
    };
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.tags_set), (0, 3));
    world.assert_same();
    let fallback = subject.digest().to_string().replace(':', "-");
    let new = world.new.content();
    let (_, listed) = &new.manifests[&format!("a/{fallback}")];
    let listed = Manifest::parse(listed.clone(), None).unwrap();
    assert_eq!(listed.index().unwrap().manifests[0].digest, signature.digest());
}

#[tokio::test]
async fn referrers_that_came_later_come_along_later() {
    let world = World::between(Ways::default(), Ways::default());
    let subject = image(&mut world.old.content(), "a", Some("1"), &[b"x"]);
    world.run().await;
    let late = referrer(&mut world.old.content(), "a", &subject, b"cosign v3");
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.tags_same), (0, 1));
    let key = format!("a/{}", late.digest());
    assert!(world.new.content().manifests.contains_key(&key));
    let before = world.new.content().log.len();
    world.run().await;
    let asked = world.new.content().log[before..].to_vec();
    assert!(
        asked.iter().all(|line| line.starts_with("GET /v2/a/tags/list")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn layers_that_are_fetched_elsewhere_are_not_copied() {
    let world = World::plain();
    {
        let old = &mut *world.old.content();
        let config = old.add_blob("a", b"{}");
        let mut foreign = Descriptor::of(MediaType::DOCKER_FOREIGN_LAYER, b"windows");
        foreign.urls.push("https://example.com/layer".to_owned());
        let mut manifest =
            oci::ImageManifest::new(Descriptor::of(MediaType::OCI_CONFIG, b"{}"), vec![foreign]);
        manifest
            .layers
            .push(Descriptor::of(MediaType::OCI_LAYER_GZIP, b"own"));
        old.add_blob("a", b"own");
        old.add_manifest("a", Some("1"), &Manifest::from_image(&manifest));
        assert!(config.starts_with("sha256:"));
    }
    assert_eq!(world.run().await.failures, []);
    world.assert_same();
}

#[tokio::test]
async fn only_the_platforms_that_are_wanted_come_along() {
    let mut world = World::plain();
    let arm64 = {
        let old = &mut *world.old.content();
        let amd64 = image(old, "a", None, &[b"amd64"]);
        let arm64 = image(old, "a", None, &[b"arm64"]);
        let entry = |manifest: &Manifest, name: &str| {
            manifest.descriptor().with_platform(Platform::linux(name, None))
        };
        index(
            old,
            "a",
            Some("1"),
            vec![entry(&amd64, "amd64"), entry(&arm64, "arm64")],
        );
        // A destination that takes indexes that are not whole has it in some other way.
        world.new.content().add_manifest("a", None, &arm64);
        arm64
    };
    world.filter.platforms.push(Platform::linux("amd64", None));
    let report = world.run().await;
    assert_eq!(report.failures, []);
    let layer = arm64.image().unwrap().layers[0].digest;
    let new = world.new.content();
    assert!(!new.blobs.contains_key(&layer.to_string()));
    assert_eq!(new.tag("a", "1"), world.old.content().tag("a", "1"));
}

#[tokio::test]
async fn versions_are_chosen_by_tag_with_what_stands_beside_them() {
    let mut world = World::plain();
    {
        let old = &mut *world.old.content();
        for tag in ["v1", "v2", "rc"] {
            let version = image(old, "a", Some(tag), &[tag.as_bytes()]);
            let beside = version.digest().to_string().replace(':', "-");
            image(
                old,
                "a",
                Some(&format!("{beside}.sig")),
                &[b"signature", tag.as_bytes()],
            );
        }
        image(old, "other", Some("v1"), &[b"other"]);
    }
    let owned = |text: &str| vec![text.to_owned()];
    world.filter = migrate::filter::Filter::new(&owned("a"), &owned("v*"), &owned("v2")).unwrap();
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.tags_set), (0, 2));
    let new = world.new.content();
    assert!(new.tag("a", "v1").is_some() && new.tag("a", "v2").is_none() && new.tag("other", "v1").is_none());
    let beside = new.tag("a", "v1").unwrap().replace(':', "-");
    assert!(new.tag("a", &format!("{beside}.sig")).is_some());
}
