//! How much is asked: of a run with nothing to do above all.

use testkit::registry::Ways;

use crate::world::{World, image, index, plain, referrer};

const REPOSITORIES: usize = 5;
const TAGS: usize = 20;

fn fill(world: &World) {
    let old = &mut *world.old.content();
    for repository in 0..REPOSITORIES {
        for tag in 0..TAGS {
            let (name, tag) = (format!("p/r{repository}"), format!("v{tag}"));
            let child = image(old, &name, None, &[tag.as_bytes()]);
            index(old, &name, Some(&tag), vec![child.descriptor()]);
        }
    }
}

async fn asked_when_nothing_is_to_do(world: &World) -> (Vec<String>, Vec<String>) {
    fill(world);
    assert_eq!(world.run().await.tags_set, REPOSITORIES * TAGS);
    world.old.content().log.clear();
    world.new.content().log.clear();
    let report = world.run().await;
    assert_eq!((report.tags_same, report.tags_set), (REPOSITORIES * TAGS, 0));
    let asked = (world.old.content().log.clone(), world.new.content().log.clone());
    for line in asked.0.iter().chain(&asked.1) {
        assert!(
            !line.starts_with("GET") || !line.contains("/manifests/"),
            "{line}"
        );
    }
    asked
}

#[tokio::test]
async fn nothing_to_do_costs_one_head_for_each_tag_and_one_list_for_each_repository() {
    for new in [
        plain(),
        Ways {
            google: true,
            ..plain()
        },
    ] {
        let world = World::between(plain(), new);
        let (from, to) = asked_when_nothing_is_to_do(&world).await;
        // The catalogue, and one question whether there is an API of referrers.
        assert_eq!(from.len(), REPOSITORIES * TAGS + REPOSITORIES + 2, "{from:?}");
        assert_eq!(to.len(), REPOSITORIES);
    }
}

#[tokio::test]
async fn google_s_listing_tells_everything_in_one_answer_for_each_repository() {
    for referrers in [false, true] {
        let old = Ways {
            google: true,
            catalog: false,
            referrers,
            ..plain()
        };
        let mut world = World::between(old, plain());
        world.from = Some(format!("{}/p", world.old.host()).parse().unwrap());
        let (from, _) = asked_when_nothing_is_to_do(&world).await;
        // One for the prefix itself.
        assert_eq!(from.len(), REPOSITORIES + 1, "{from:?}");
    }
}

#[tokio::test]
async fn google_s_listing_tells_what_refers_to_an_image_early_or_late() {
    let old = Ways {
        google: true,
        ..Ways::default()
    };
    let world = World::between(old, plain());
    let subject = image(&mut world.old.content(), "a", Some("1"), &[b"x"]);
    referrer(&mut world.old.content(), "a", &subject, b"signature");
    world.run().await;
    world.assert_same();
    let late = referrer(&mut world.old.content(), "a", &subject, b"attestation");
    referrer(
        &mut world.old.content(),
        "a",
        &late,
        b"signature of the attestation",
    );
    let report = world.run().await;
    assert_eq!((report.tags_same, report.manifests_put), (1, 2));
    world.assert_same();
    let asked = world.old.requests("GET");
    assert!(
        !asked.iter().any(|line| line.contains("/referrers/")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn without_a_journal_the_tags_of_the_destination_are_looked_at() {
    let world = World::plain();
    fill(&world);
    world.run().await;
    std::fs::remove_dir_all(world.path("journal")).unwrap();
    world.new.content().log.clear();
    let report = world.run().await;
    assert_eq!((report.tags_same, report.manifests_put), (REPOSITORIES * TAGS, 0));
    assert_eq!(world.new.requests("HEAD").len(), REPOSITORIES * TAGS);
    world.run().await;
    assert_eq!(
        world.new.requests("HEAD").len(),
        REPOSITORIES * TAGS,
        "it is known from then on"
    );
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let world = World::between(Ways { page: 7, ..plain() }, Ways { page: 3, ..plain() });
    fill(&world);
    assert_eq!(world.run().await.tags_set, REPOSITORIES * TAGS);
    assert_eq!(world.run().await.tags_same, REPOSITORIES * TAGS);
    world.assert_same();
}

#[tokio::test]
async fn a_full_copy_reads_each_manifest_and_blob_once() {
    let world = World::plain();
    fill(&world);
    world.run().await;
    for what in ["/manifests/sha256:", "/blobs/"] {
        let mut read: Vec<String> = world.old.requests("GET");
        read.retain(|line| line.contains(what));
        let digests = read
            .iter()
            .filter_map(|line| line.rsplit_once('/'))
            .map(|(_, digest)| digest.to_owned());
        let mut digests: Vec<String> = digests.collect();
        let all = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), all, "{what}");
    }
    // Nothing is looked for in a repository that was not there: an upload is opened and completed.
    assert_eq!(world.new.requests("HEAD").len(), 0);
}
