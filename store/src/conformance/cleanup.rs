//! Promises about cleanup policies.

use std::time::Duration;

use oci::Digest;

use super::{MetadataWorld, ann, at, manifest, package, repository, tag};
use crate::{
    Actor, CleanupAction, CleanupCondition, CleanupMatch, CleanupOptions, CleanupPolicy, CleanupReport,
    EventKind, Expiry, ImmutableTags, InPackage, NewManifest, Reference, TagMove, TagState, VersionQuery,
    Walk, cleanup,
};

/// When cleanups take place: far enough from every push.
const NOW: i64 = 100_000;

fn policy(id: &str, action: CleanupAction, matches: CleanupMatch) -> CleanupPolicy {
    CleanupPolicy {
        id: id.to_owned(),
        action,
        matches,
    }
}

fn delete_all() -> CleanupPolicy {
    let all = CleanupMatch::Condition(CleanupCondition::default());
    policy("all", CleanupAction::Delete, all)
}

fn delete_untagged() -> CleanupPolicy {
    let untagged = CleanupCondition {
        tag_state: TagState::Untagged,
        ..CleanupCondition::default()
    };
    policy(
        "untagged",
        CleanupAction::Delete,
        CleanupMatch::Condition(untagged),
    )
}

fn keep_newest(keep_count: u32) -> CleanupPolicy {
    let package_prefixes = Vec::new();
    let newest = CleanupMatch::MostRecent {
        package_prefixes,
        keep_count,
    };
    policy("newest", CleanupAction::Keep, newest)
}

fn keep_tagged(prefix: &str) -> CleanupPolicy {
    let tagged = CleanupCondition {
        tag_prefixes: vec![prefix.to_owned()],
        ..CleanupCondition::default()
    };
    policy("tagged", CleanupAction::Keep, CleanupMatch::Condition(tagged))
}

impl MetadataWorld {
    async fn cleaning(self, policies: &[CleanupPolicy]) -> MetadataWorld {
        let world = self.plain().await;
        world.set(|made| made.cleanup = policies.to_vec()).await;
        world
    }

    async fn set(&self, change: impl FnOnce(&mut crate::Repository)) {
        let found = self.store.repository(&repository("r").path).await.unwrap();
        let mut changed = found.unwrap();
        change(&mut changed);
        self.store
            .update_repository(&changed, ann())
            .await
            .unwrap()
            .unwrap();
    }

    async fn push(&self, name: &str, image: &NewManifest, second: i64) {
        let package = package(name);
        let put = self.store.put_manifest(&package, image, ann(), at(second));
        put.await.unwrap().unwrap();
    }

    /// What goes by a dry run has to be what goes.
    async fn clean(&self) -> Vec<Digest> {
        let options = |dry_run| CleanupOptions {
            repository: None,
            grace: Duration::from_secs(3600),
            dry_run,
            actor: Actor("lightship".to_owned()),
        };
        let run = async |dry_run| -> CleanupReport {
            let options = options(dry_run);
            cleanup(&*self.store, &options, at(NOW)).await.unwrap()
        };
        let before = self.there().await;
        let (counted, removed) = (run(true).await, run(false).await);
        let sorted = |versions: &[crate::Expired]| -> Vec<Digest> {
            let mut found: Vec<Digest> = versions.iter().map(|expired| expired.version.digest).collect();
            found.sort();
            found
        };
        let gone = sorted(&removed.removed_versions);
        assert_eq!(sorted(&counted.counted_versions), gone);
        assert_eq!(counted.counted, removed.removed);
        let after = self.there().await;
        let lost: Vec<Digest> = before
            .into_iter()
            .filter(|digest| !after.contains(digest))
            .collect();
        assert_eq!(lost, gone);
        gone
    }

    /// What all packages have, in order.
    async fn there(&self) -> Vec<Digest> {
        let walk = Walk {
            from: None,
            limit: 1000,
        };
        let images = self.store.images(&repository("r").path, walk).await.unwrap();
        let mut found: Vec<Digest> = images.items.iter().map(|image| image.version.digest).collect();
        found.sort();
        found
    }
}

fn sorted<const N: usize>(images: [&NewManifest; N]) -> Vec<Digest> {
    let mut digests = images.map(|image| image.digest).to_vec();
    digests.sort();
    digests
}

pub(crate) async fn versions_go_by_the_policies_of_their_repository(world: MetadataWorld) {
    let world = world.cleaning(&[keep_tagged("v"), delete_all()]).await;
    let other = repository("other");
    world
        .store
        .create_repository(&other, ann())
        .await
        .unwrap()
        .unwrap();
    let mut elsewhere = package("a");
    elsewhere.repository = other.path;
    let (kept, tagged, untagged) = (
        manifest("kept", &[], &["v1", "x"]),
        manifest("tagged", &[], &["x2", "y"]),
        manifest("untagged", &[], &[]),
    );
    world.put(&elsewhere, &untagged).await.unwrap();
    for image in [&kept, &tagged, &untagged] {
        world.push("a", image, 20).await;
    }
    assert_eq!(world.clean().await, sorted([&tagged, &untagged]));
    assert!(
        world
            .store
            .version(&elsewhere, &untagged.digest)
            .await
            .unwrap()
            .is_some()
    );
    let tags = world.store.tags(&package("a"), None, 9).await.unwrap();
    assert_eq!(tags, Some(vec![tag("v1"), tag("x")]));
    let mut events = world.store.events(0, 99).await.unwrap();
    events.retain(|event| event.actor == Actor("lightship".to_owned()));
    let deleted = |image: &NewManifest| {
        let kind = EventKind::ManifestDeleted { digest: image.digest };
        events
            .iter()
            .any(|event| event.kind == kind && event.time == at(NOW))
    };
    assert!(deleted(&tagged) && deleted(&untagged));
    let untagged = EventKind::TagDeleted {
        tag: tag("y"),
        from: tagged.digest,
    };
    assert_eq!(events.len(), 4);
    assert!(events.iter().any(|event| event.kind == untagged));
}

pub(crate) async fn the_newest_images_of_each_package_stay_whatever_they_are_made_of(world: MetadataWorld) {
    let world = world.cleaning(&[delete_all(), keep_newest(2)]).await;
    let mut pushed = Vec::new();
    for number in 0..4_i64 {
        let children = [0, 1].map(|child| manifest(&format!("child {number} {child}"), &[], &[]));
        for child in &children {
            world.push("a", child, 20 + number).await;
        }
        let named: Vec<_> = children
            .iter()
            .map(|child| (child.digest, Reference::Child))
            .collect();
        let index = manifest(&format!("index {number}"), &named, &[]);
        world.push("a", &index, 20 + number).await;
        let mut signature = manifest(&format!("signature {number}"), &[], &[]);
        signature.subject = Some(index.digest);
        // Signed much later, and the oldest last.
        world.push("a", &signature, 90 - number).await;
        pushed.push((children, index, signature));
        world
            .push("b", &manifest(&number.to_string(), &[], &[]), number)
            .await;
    }
    let mut expected = sorted([&manifest("0", &[], &[]), &manifest("1", &[], &[])]);
    for (children, index, signature) in &pushed[..2] {
        expected.extend(sorted([&children[0], &children[1], index, signature]));
    }
    expected.sort();
    assert_eq!(world.clean().await, expected);
    assert_eq!(world.clean().await, []);
}

pub(crate) async fn what_an_index_holds_goes_after_it(world: MetadataWorld) {
    let world = world.cleaning(&[delete_untagged()]).await;
    let (alone, shared) = (manifest("alone", &[], &[]), manifest("shared", &[], &[]));
    let kept_child = manifest("kept child", &[], &["own"]);
    let inner = manifest("inner", &[(alone.digest, Reference::Child)], &[]);
    let named = [&inner, &shared, &kept_child].map(|image| (image.digest, Reference::Child));
    let outer = manifest("outer", &named, &["t"]);
    let other = manifest("other", &[(shared.digest, Reference::Child)], &["u"]);
    for image in [&alone, &shared, &kept_child, &inner, &outer, &other] {
        world.push("a", image, 20).await;
    }
    assert_eq!(world.clean().await, []);
    let a = package("a");
    let (t, u) = (tag("t"), tag("u"));
    let untag = world.store.delete_tag(&a, &t, ann(), at(30));
    untag.await.unwrap().unwrap();
    assert_eq!(world.clean().await, sorted([&outer, &inner, &alone]));
    let untag = world.store.delete_tag(&a, &u, ann(), at(30));
    untag.await.unwrap().unwrap();
    assert_eq!(world.clean().await, sorted([&other, &shared]));
}

pub(crate) async fn referrers_go_after_what_they_refer_to(world: MetadataWorld) {
    let world = world.cleaning(&[delete_untagged()]).await;
    let image = manifest("image", &[], &["t"]);
    let (mut first, mut second) = (manifest("first", &[], &[]), manifest("second", &[], &[]));
    first.subject = Some(image.digest);
    second.subject = Some(first.digest);
    let mut lonely = manifest("lonely", &[], &[]);
    lonely.subject = Some(Digest::sha256_of(b"gone"));
    for pushed in [&image, &first, &second, &lonely] {
        world.push("a", pushed, 20).await;
    }
    assert_eq!(world.clean().await, sorted([&lonely]));
    let t = tag("t");
    let a = package("a");
    let untag = world.store.delete_tag(&a, &t, ann(), at(30));
    untag.await.unwrap().unwrap();
    assert_eq!(world.clean().await, sorted([&image, &first, &second]));
}

pub(crate) async fn immutable_tags_and_recent_changes_protect(world: MetadataWorld) {
    let world = world.cleaning(&[delete_all()]).await;
    let patterns = ImmutableTags::Matching(vec!["v*".to_owned()]);
    world.set(|made| made.immutable_tags = patterns).await;
    let (fixed, old) = (manifest("fixed", &[], &["v1", "x"]), manifest("old", &[], &["y"]));
    let (again, young) = (manifest("again", &[], &[]), manifest("young", &[], &[]));
    for image in [&fixed, &old, &again] {
        world.push("a", image, 20).await;
    }
    world.push("a", &again, NOW - 3600).await;
    world.push("a", &young, NOW).await;
    assert_eq!(world.clean().await, sorted([&old]));
    world.set(|made| made.immutable_tags = ImmutableTags::None).await;
    assert_eq!(world.clean().await, sorted([&fixed]));
}

pub(crate) async fn what_is_wanted_again_since_it_was_listed_stays(world: MetadataWorld) {
    let world = world.cleaning(&[delete_untagged(), keep_newest(1)]).await;
    let a = package("a");
    let names = ["child", "tagged", "pushed", "gone", "newest"];
    let images = names.map(|name| manifest(name, &[], &[]));
    for (number, image) in images.iter().enumerate() {
        world.push("a", image, 20 + number as i64).await;
    }
    let expiry = Expiry {
        now: at(NOW),
        changed_before: at(NOW - 10),
    };
    let walk = Walk {
        from: None,
        limit: 100,
    };
    let path = repository("r").path;
    let listed = world.store.expired(&path, expiry, false, walk).await.unwrap();
    assert_eq!(listed.items.len(), 4);
    let [child, tagged, pushed, gone, _] = &images;
    let index = manifest("index", &[(child.digest, Reference::Child)], &["i"]);
    world.push("a", &index, 60).await;
    let tag_move = TagMove {
        tag: tag("t"),
        to: tagged.digest,
    };
    let moved = world.store.move_tag(&a, &tag_move, ann(), at(60));
    moved.await.unwrap().unwrap();
    world.push("a", pushed, NOW - 5).await;
    let asked: Vec<InPackage> = images
        .iter()
        .map(|image| InPackage {
            package: a.clone(),
            digest: image.digest,
        })
        .collect();
    let removed = world.store.remove_expired(&asked, expiry, ann()).await.unwrap();
    let digests: Vec<Digest> = removed.iter().map(|expired| expired.version.digest).collect();
    // The index is the newest now, so that the one before it goes as well.
    assert_eq!(digests, [gone.digest, images[4].digest]);
    assert!(removed.iter().all(|expired| expired.policy == "untagged"));
    // Policies that changed meanwhile count as they are now.
    world.set(|made| made.cleanup = vec![keep_newest(1)]).await;
    let later = Expiry {
        changed_before: at(NOW),
        ..expiry
    };
    assert_eq!(
        world.store.remove_expired(&asked, later, ann()).await.unwrap(),
        []
    );
}

pub(crate) async fn where_policies_only_count_nothing_goes(world: MetadataWorld) {
    let world = world.cleaning(&[delete_all()]).await;
    world.set(|made| made.cleanup_dry_run = true).await;
    let image = manifest("image", &[], &["t", "u"]);
    world.push("a", &image, 20).await;
    let options = CleanupOptions {
        repository: Some(repository("r").path),
        grace: Duration::ZERO,
        dry_run: false,
        actor: ann().clone(),
    };
    let report = cleanup(&*world.store, &options, at(NOW)).await.unwrap();
    assert_eq!((report.repositories, report.removed.versions), (1, 0));
    assert_eq!((report.counted.versions, report.counted.tags), (1, 2));
    assert_eq!(report.counted.bytes, 7 + 5);
    let [counted] = &report.counted_versions[..] else {
        panic!("{report:?}");
    };
    assert_eq!(counted.tags, [tag("t"), tag("u")]);
    let asked = [counted.version.clone()];
    let expiry = Expiry {
        now: at(NOW),
        changed_before: at(NOW),
    };
    assert_eq!(
        world.store.remove_expired(&asked, expiry, ann()).await.unwrap(),
        []
    );
    assert_eq!(world.there().await, [image.digest]);
    // A repository without policies, or one that is gone, has nothing to clean.
    world.set(|made| made.cleanup = Vec::new()).await;
    let report = cleanup(&*world.store, &options, at(NOW)).await.unwrap();
    assert_eq!(report, CleanupReport::default());
    let options = CleanupOptions {
        repository: Some(repository("unknown").path),
        ..options
    };
    let report = cleanup(&*world.store, &options, at(NOW)).await.unwrap();
    assert_eq!(report, CleanupReport::default());
}

pub(crate) async fn a_cleanup_reaches_everything_in_small_parts(world: MetadataWorld) {
    let world = world.cleaning(&[delete_untagged()]).await;
    for number in 0..300 {
        let name = ["a", "b"][number % 2];
        let tags: &[&str] = if number % 10 < 2 { &["t"] } else { &[] };
        world
            .push(name, &manifest(&number.to_string(), &[], tags), 20)
            .await;
    }
    let expiry = Expiry {
        now: at(NOW),
        changed_before: at(NOW),
    };
    let path = repository("r").path;
    let (mut found, mut from) = (0, None);
    loop {
        let walk = Walk {
            from: from.as_ref(),
            limit: 7,
        };
        let page = world.store.expired(&path, expiry, false, walk).await.unwrap();
        assert!(page.items.len() <= 7);
        found += page.items.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found, 298);
    assert_eq!(world.clean().await.len(), 298);
    let query = VersionQuery {
        limit: 9,
        ..VersionQuery::default()
    };
    let rest = world.store.versions(&package("a"), &query).await.unwrap();
    assert_eq!(rest.items.len(), 1);
}
