//! What goes wrong, on either side.

use std::time::{Duration, Instant};

use migrate::failure::FailureKind;
use testkit::registry::{Trouble, Ways};

use transport::Floor;

use crate::world::{World, bytes, image, image_with, index, plain};

fn status(status: u16, headers: &[(&str, &str)]) -> Trouble {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Trouble::Status(status, headers.iter().map(owned).collect())
}

/// Ten images that are whole, and five that are not, each in another way.
fn fill_with_damage(world: &World) {
    let old = &mut *world.old.content();
    for number in 0..10 {
        let tag = format!("v{number}");
        image(old, "a", Some(&tag), &[tag.as_bytes()]);
    }
    let lost = image(old, "a", Some("lost-blob"), &[b"lost"])
        .image()
        .unwrap()
        .layers[0]
        .digest;
    old.blobs.remove(&lost.to_string());
    let other = image(old, "a", Some("other-bytes"), &[b"right"])
        .image()
        .unwrap()
        .layers[0]
        .digest;
    old.blobs.insert(other.to_string(), b"wrong".to_vec());
    let short = image(old, "a", Some("short"), &[b"length"])
        .image()
        .unwrap()
        .layers[0]
        .digest;
    old.blobs.insert(short.to_string(), b"len".to_vec());
    let child = image(old, "a", None, &[b"child"]);
    index(old, "a", Some("lost-child"), vec![child.descriptor()]);
    old.manifests.remove(&format!("a/{}", child.digest()));
    let broken = image(old, "a", Some("other-manifest"), &[b"m"]).digest();
    old.manifests.get_mut(&format!("a/{broken}")).unwrap().1 = b"{}".to_vec();
}

#[tokio::test]
async fn what_is_damaged_is_listed_and_stops_nothing_else() {
    let world = World::plain();
    fill_with_damage(&world);
    let report = world.run().await;
    let mut failed: Vec<(&str, FailureKind)> = report
        .failures
        .iter()
        .map(|failure| (failure.reference.as_str(), failure.kind))
        .collect();
    failed.sort();
    let expected = [
        "lost-blob",
        "lost-child",
        "other-bytes",
        "other-manifest",
        "short",
    ];
    assert_eq!(failed, expected.map(|tag| (tag, FailureKind::Damaged)));
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.digest.is_some() && failure.repository == "a")
    );
    assert_eq!(report.tags_set, 10);
    let has_tag = |tag: &&str| world.new.content().tag("a", tag).is_some();
    assert!(!expected.iter().any(has_tag), "a damaged image has no tag");
    let again = world.run().await;
    assert_eq!((again.tags_same, again.failures.len()), (10, 5));
    // A plan finds it before anything is copied.
    let plan = world.plan().await;
    let found: Vec<&str> = plan
        .failures
        .iter()
        .map(|failure| failure.reference.as_str())
        .collect();
    assert_eq!(
        found,
        ["lost-blob", "lost-child", "other-manifest", "short"],
        "not what only reading tells"
    );
}

#[tokio::test]
async fn docker_s_first_schema_is_refused_by_name() {
    let world = World::plain();
    {
        let old = &mut *world.old.content();
        image(old, "a", Some("good"), &[b"x"]);
        let schema1 = br#"{"schemaVersion":1,"name":"a","tag":"old","fsLayers":[],"history":[]}"#;
        let entry = (
            "application/vnd.docker.distribution.manifest.v1+prettyjws".to_owned(),
            schema1.to_vec(),
        );
        let digest = oci::Digest::sha256_of(schema1);
        old.manifests.insert("a/old".to_owned(), entry.clone());
        old.manifests.insert(format!("a/{digest}"), entry);
    }
    let report = world.run().await;
    assert_eq!(report.tags_set, 1);
    assert_eq!(
        (report.failures.len(), report.failures[0].kind),
        (1, FailureKind::Schema1)
    );
    assert_eq!(report.failures[0].reference, "old");
    assert!(
        report.failures[0].error.contains("schema 1"),
        "{}",
        report.failures[0].error
    );
}

#[tokio::test]
async fn a_tag_that_is_moved_while_it_is_copied_is_noticed_and_settled() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("latest"), &[b"before"]);
    image(&mut world.old.content(), "a", Some("gone"), &[b"gone"]);
    world.old.before("GET /v2/a/blobs/", |content| {
        image_with(content, ("a", Some("latest")), b"{\"n\":2}", &[b"after"]);
        content.manifests.remove("a/gone");
    });
    let report = world.run().await;
    assert_eq!(report.failures, []);
    let now = world.old.content().tag("a", "latest").unwrap();
    assert_eq!(world.new.content().tag("a", "latest"), Some(now.clone()));
    assert_eq!(world.new.content().tag("a", "gone"), None);
    let moved: Vec<(&str, Option<String>)> = report
        .moved
        .iter()
        .map(|moved| (moved.tag.as_str(), moved.now.map(|digest| digest.to_string())))
        .collect();
    assert!(
        moved.contains(&("latest", Some(now))) && moved.contains(&("gone", None)),
        "{moved:?}"
    );
}

#[tokio::test]
async fn a_side_that_is_busy_is_asked_again_later() {
    let world = World::plain();
    for number in 0..6 {
        let tag = format!("v{number}");
        image(
            &mut world.old.content(),
            "a",
            Some(&tag),
            &[
                tag.as_bytes(),
                &bytes(number, 300_000 * (1 + number as usize % 5)),
            ],
        );
    }
    for code in [429, 503, 500, 502] {
        world.old.trouble("HEAD /v2/a/manifests/", status(code, &[]));
        world.old.trouble("GET /v2/a/manifests/", status(code, &[]));
        world.old.trouble("GET /v2/a/blobs/", status(code, &[]));
        world.new.trouble("POST /v2/a/blobs/uploads/", status(code, &[]));
        world.new.trouble("PATCH /v2/a/blobs/uploads/", status(code, &[]));
        world.new.trouble("PUT /v2/a/blobs/uploads/", status(code, &[]));
        world.new.trouble("PUT /v2/a/manifests/", status(code, &[]));
    }
    world
        .old
        .trouble("GET /v2/_catalog", status(429, &[("Retry-After", "0")]));
    world.old.trouble("GET /v2/a/tags/list", status(503, &[]));
    world.new.trouble("GET /v2/a/tags/list", status(503, &[]));
    let report = world.run().await;
    assert_eq!(report.failures, []);
    world.assert_same();
}

#[tokio::test]
async fn what_a_quota_refuses_for_good_is_listed_as_that() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("1"), &[b"x"]);
    for _ in 0..64 {
        world.new.trouble("POST /v2/a/blobs/uploads/", status(429, &[]));
    }
    let report = world.run().await;
    let failure = &report.failures[0];
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Quota, 3));
    assert!(failure.error.contains("429"), "{}", failure.error);
}

#[tokio::test]
async fn blobs_that_break_off_go_on_where_they_broke() {
    for ranges in [true, false] {
        let world = World::between(Ways { ranges, ..plain() }, Ways::default());
        let layer = bytes(5, 1_500_000);
        image(&mut world.old.content(), "a", Some("1"), &[&layer]);
        let path = format!("GET /v2/a/blobs/{}", oci::Digest::sha256_of(&layer));
        world.old.trouble(&path, Trouble::Cut(300_000));
        world.old.trouble(&path, Trouble::Cut(300_000));
        let report = world.run().await;
        assert_eq!(report.failures, []);
        world.assert_same();
        let asked = world.old.requests(&path);
        assert_eq!(asked.len(), 3);
        assert!(asked[1].contains("range=bytes="), "{asked:?}");
        let new = world.new.content();
        let whole: usize = new.blobs.values().map(Vec::len).sum();
        assert_eq!(new.received, whole as u64);
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_goes_on_where_it_broke() {
    let world = World::plain();
    let layer = bytes(5, 1_500_000);
    image(&mut world.old.content(), "a", Some("1"), &[&layer]);
    world
        .new
        .trouble("PATCH /v2/a/blobs/uploads/", Trouble::Drop(400_000));
    let report = world.run().await;
    assert_eq!(report.failures, []);
    world.assert_same();
    let new = world.new.content();
    let whole: usize = new.blobs.values().map(Vec::len).sum();
    assert_eq!(new.received, whole as u64, "a byte was sent twice");
}

#[tokio::test]
async fn a_blob_that_breaks_off_in_a_single_request_is_sent_again_by_itself() {
    let world = World::plain();
    let layer = bytes(5, 100_000);
    image(&mut world.old.content(), "a", Some("1"), &[&layer]);
    let path = format!(
        "POST /v2/a/blobs/uploads/?digest={}",
        oci::Digest::sha256_of(&layer)
    );
    world.new.trouble(&path, Trouble::Drop(40_000));
    world.new.trouble(&path, status(503, &[]));
    assert_eq!(world.run().await.failures, []);
    world.assert_same();
    assert_eq!(world.new.requests(&path).len(), 3);
}

#[tokio::test]
async fn a_registry_that_takes_no_blob_in_a_single_request_is_tried_with_small_ones_only() {
    let world = World::between(plain(), plain());
    image(&mut world.old.content(), "a", Some("1"), &[&bytes(1, 900_000)]);
    image(&mut world.old.content(), "b", Some("1"), &[b"small", b"smaller"]);
    assert_eq!(world.run().await.failures, []);
    world.assert_same();
    let tried = world.new.requests("POST /v2/");
    let tried = tried.iter().filter(|line| line.contains("?digest=")).count();
    // Those that are on their way before the first is answered.
    assert!((1..=5).contains(&tried), "{tried}");
    assert_eq!(world.new.requests("PUT /v2/a/blobs/uploads/").len(), 2);
}

#[tokio::test]
async fn where_uploads_cannot_go_on_only_that_blob_is_sent_again() {
    let world = World::between(
        plain(),
        Ways {
            offsets: false,
            ..Ways::default()
        },
    );
    for number in 0..3 {
        let tag = format!("v{number}");
        image(
            &mut world.old.content(),
            "a",
            Some(&tag),
            &[&bytes(number, 1_500_000)],
        );
    }
    world
        .new
        .trouble("PATCH /v2/a/blobs/uploads/", Trouble::Drop(400_000));
    assert_eq!(world.run().await.failures, []);
    world.assert_same();
    let new = world.new.content();
    let whole: usize = new.blobs.values().map(Vec::len).sum();
    assert_eq!(new.received, whole as u64 + 400_000);
}

#[tokio::test]
async fn another_endpoint_is_asked_when_one_does_not_answer() {
    let mut world = World::plain();
    let other = testkit::registry::FakeRegistry::start(plain());
    for content in [&mut *world.old.content(), &mut *other.content()] {
        for number in 0..4 {
            let tag = format!("v{number}");
            image(content, "a", Some(&tag), &[&bytes(number, 300_000)]);
        }
    }
    world.endpoints.push(other.host());
    // One blob is lost at the first, and it has trouble for a while.
    let lost = oci::Digest::sha256_of(&bytes(2, 300_000)).to_string();
    world.old.content().blobs.remove(&lost);
    for _ in 0..3 {
        world.old.trouble("GET /v2/a/manifests/", status(503, &[]));
    }
    let report = world.run().await;
    assert_eq!(report.failures, []);
    assert_eq!(report.tags_set, 4);
    assert!(!other.requests(&format!("GET /v2/a/blobs/{lost}")).is_empty());
    assert!(world.new.content().blobs.contains_key(&lost));
}

#[tokio::test]
async fn what_the_destination_has_lost_since_is_sent_again() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("1"), &[b"shared", b"one"]);
    world.run().await;
    {
        // A collection, or somebody who began anew.
        let new = &mut *world.new.content();
        new.blobs.clear();
        new.links.clear();
        new.manifests.clear();
    }
    image(&mut world.old.content(), "a", Some("2"), &[b"shared", b"two"]);
    let report = world.run().await;
    assert_eq!(report.failures, []);
    world.assert_same();
}

#[tokio::test]
async fn tags_that_differ_are_left_when_that_is_wanted() {
    let mut world = World::plain();
    image(&mut world.old.content(), "a", Some("1"), &[b"old"]);
    let there = image(&mut world.new.content(), "a", Some("1"), &[b"new"])
        .digest()
        .to_string();
    world.keep_differing = true;
    world.run().await;
    assert_eq!(world.new.content().tag("a", "1"), Some(there));
    world.keep_differing = false;
    world.run().await;
    world.assert_same();
}

#[tokio::test]
async fn what_the_destination_counts_as_its_own_is_left_there_and_no_failure() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("v1"), &[b"one"]);
    let kept = image(&mut world.old.content(), "a", Some("v2"), &[b"two"]).digest();
    for reference in ["v2".to_owned(), kept.to_string()] {
        let put = format!("PUT /v2/a/manifests/{reference}");
        world.new.trouble(&put, Trouble::Refused(409, "DENIED"));
    }
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.kept_there), (0, 1));
    assert!(world.new.content().tag("a", "v1").is_some());
    assert_eq!(world.new.content().tag("a", "v2"), None);
}

#[tokio::test]
async fn a_tag_that_the_destination_keeps_takes_none_of_its_neighbours_along() {
    let world = World::plain();
    let subject = image(&mut world.old.content(), "a", Some("v01"), &[b"one"]);
    for number in 2..=14 {
        let tag = format!("v{number:02}");
        world.old.content().add_manifest("a", Some(&tag), &subject);
    }
    // The first ten go in one request; the destination has v03 for its own.
    let at_once = format!("PUT /v2/a/manifests/{}?tag=v01", subject.digest());
    world.new.trouble(&at_once, Trouble::Refused(409, "DENIED"));
    world
        .new
        .trouble("PUT /v2/a/manifests/v03", Trouble::Refused(409, "DENIED"));
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.kept_there), (0, 1));
    let new = world.new.content();
    let missing: Vec<String> = (1..=14)
        .map(|number| format!("v{number:02}"))
        .filter(|tag| new.tag("a", tag).is_none())
        .collect();
    assert_eq!(missing, ["v03"]);
}

#[tokio::test]
async fn another_conflict_is_a_failure() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("v1"), &[b"one"]);
    for _ in 0..64 {
        world.new.trouble("PUT /v2/a/manifests/", status(409, &[]));
    }
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.kept_there), (1, 0));
}

#[tokio::test]
async fn what_comes_a_byte_at_a_time_is_given_up_and_the_rest_is_copied() {
    let mut world = World::plain();
    world.floor = Floor {
        window: Duration::from_millis(300),
        bytes: 1000,
        ..Floor::default()
    };
    let (manifest, blob) = {
        let old = &mut *world.old.content();
        for number in 0..5 {
            image(old, "a", Some(&format!("v{number}")), &[&[number]]);
        }
        let slow = image(old, "a", Some("slow-blob"), &[&bytes(1, 3000)]);
        let manifest = image(old, "a", Some("slow-manifest"), &[b"m"]).digest();
        (manifest, slow.image().unwrap().layers[0].digest)
    };
    // More often than they are asked for.
    for _ in 0..20 {
        let drip = || Trouble::Drip(Duration::from_millis(20));
        world
            .old
            .trouble(&format!("GET /v2/a/manifests/{manifest}"), drip());
        world.old.trouble(&format!("GET /v2/a/blobs/{blob}"), drip());
    }
    let begun = Instant::now();
    let report = world.run().await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let failed = report.failures.iter();
    let mut failed: Vec<_> = failed
        .map(|failure| (failure.reference.as_str(), failure.kind))
        .collect();
    failed.sort();
    let expected = ["slow-blob", "slow-manifest"];
    assert_eq!(failed, expected.map(|tag| (tag, FailureKind::Unreachable)));
    assert_eq!(report.tags_set, 5);
    // Each try costs minutes where the floor is the usual one.
    let asked = world.old.requests(&format!("GET /v2/a/manifests/{manifest}"));
    assert!(asked.len() <= 6, "{asked:?}");
}
