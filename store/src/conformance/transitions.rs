//! Promises about transitions, tombstones and debts.

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{
    EventKind, InTransition, KeptFromOld, OnlyThere, PackagePath, Pushes, PutRefusal, Reference, Transition,
    TransitionRefusal, TransitionState,
};

fn transition(state: TransitionState, generation: u64) -> Transition {
    Transition {
        old: "old.example:5000/team".parse().unwrap(),
        state,
        pushes: Pushes::Both,
        error_limit_percent: Some(5),
        since: at(30),
        owned_since: state.owns_tags().then(|| at(29)),
        generation,
    }
}

async fn set(world: &MetadataWorld, state: TransitionState) {
    let found = world.store.transitions().await.unwrap();
    let generation = found.first().map_or(0, |(_, transition)| transition.generation);
    let (path, next) = (repository("r").path, transition(state, generation));
    let set = world.store.set_transition(&path, &next, ann());
    set.await.unwrap().unwrap();
}

async fn graves(world: &MetadataWorld) -> Vec<String> {
    let found = world
        .store
        .tombstones(&repository("r").path, None, 99)
        .await
        .unwrap();
    found
        .into_iter()
        .map(|stone| format!("{}:{}", stone.package, stone.reference))
        .collect()
}

async fn keep(world: &MetadataWorld, package: &PackagePath, content: &str, by: Option<&str>) -> KeptFromOld {
    let (manifest, by) = (manifest(content, &[], &[]), by.map(tag));
    let kept = world
        .store
        .keep_from_old(package, &manifest, by.as_ref(), ann(), at(40));
    kept.await.unwrap()
}

pub(crate) async fn a_transition_is_changed_by_who_knows_it_as_it_is(world: MetadataWorld) {
    let world = world.plain().await;
    let path = repository("r").path;
    assert!(world.store.transitions().await.unwrap().is_empty());
    let canary = TransitionState::PartialAndCopying { reads_percent: 10 };
    set(&world, canary).await;
    let found = world.store.transitions().await.unwrap();
    assert_eq!(found, [(path.clone(), transition(canary, 1))]);
    let late = transition(TransitionState::Enabled, 0);
    let stale = world.store.set_transition(&path, &late, ann());
    let changed = TransitionRefusal::Changed { path: path.clone() };
    assert_eq!(stale.await.unwrap(), Err(changed));
    let nowhere = repository("none").path;
    let unknown = world.store.set_transition(&nowhere, &late, ann());
    assert!(matches!(
        unknown.await.unwrap(),
        Err(TransitionRefusal::RepositoryUnknown { .. })
    ));
    assert!(world.store.finish_transition(&path, ann(), at(50)).await.unwrap());
    assert!(!world.store.finish_transition(&path, ann(), at(50)).await.unwrap());
    assert!(world.store.transitions().await.unwrap().is_empty());
    let events = world.store.events(0, 99).await.unwrap();
    let kinds: Vec<EventKind> = events.into_iter().skip(1).map(|event| event.kind).collect();
    let state = "partial-and-copying 10 %".to_owned();
    assert_eq!(
        kinds,
        [EventKind::TransitionSet { state }, EventKind::TransitionFinished]
    );
}

pub(crate) async fn what_is_deleted_here_leaves_a_tombstone_while_this_side_owns_the_tags(
    world: MetadataWorld,
) {
    let world = world.plain().await;
    let a = package("a");
    let (one, two) = (manifest("one", &[], &["v1", "v2"]), manifest("two", &[], &["w"]));
    for put in [&one, &two] {
        world.put(&a, put).await.unwrap();
    }
    let delete_tag = |name: &str| {
        let (store, name, a) = (world.store.clone(), tag(name), a.clone());
        async move { store.delete_tag(&a, &name, ann(), at(31)).await.unwrap().unwrap() }
    };
    set(&world, TransitionState::PartialAndCopying { reads_percent: 50 }).await;
    assert!(delete_tag("v1").await);
    assert!(graves(&world).await.is_empty(), "the old side owns the tags");
    set(&world, TransitionState::EnabledAndCopying).await;
    assert!(delete_tag("v2").await);
    world
        .store
        .delete_manifest(&a, &two.digest, ann(), at(32))
        .await
        .unwrap()
        .unwrap();
    let layer = blob(b"layer", 1);
    world.commit(&a, &layer).await;
    world.store.unlink_blob(&a, &layer.digest).await.unwrap();
    let mut expected = vec![format!("a:{}", two.digest), format!("a:{}", layer.digest)];
    expected.sort();
    expected.extend(["a:v2".to_owned(), "a:w".to_owned()]);
    assert_eq!(graves(&world).await, expected);
    assert!(world.store.is_entombed(&a, "w").await.unwrap());
    assert!(!world.store.is_entombed(&package("b"), "w").await.unwrap());
    let after = InTransition {
        package: a.name.clone(),
        reference: "v2".to_owned(),
    };
    let rest = world
        .store
        .tombstones(&a.repository, Some(&after), 9)
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    // What is pushed again is there again.
    world.put(&a, &two).await.unwrap();
    world.commit(&a, &blob(b"layer", 2)).await;
    assert_eq!(graves(&world).await, ["a:v2"]);
    set(&world, TransitionState::Disabled).await;
    assert!(
        graves(&world).await.is_empty(),
        "the old side owns the tags again"
    );
}

pub(crate) async fn a_package_that_is_deleted_does_not_come_back_from_the_old_side(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let one = manifest("one", &[], &["v1"]);
    world.put(&a, &one).await.unwrap();
    set(&world, TransitionState::EnabledAndCopying).await;
    assert!(
        world
            .store
            .delete_package(&a, ann(), at(31))
            .await
            .unwrap()
            .unwrap()
    );
    assert_eq!(keep(&world, &a, "one", Some("v1")).await, KeptFromOld::Deleted);
    assert_eq!(keep(&world, &a, "other", Some("v1")).await, KeptFromOld::Deleted);
    assert_eq!(keep(&world, &a, "other", Some("v2")).await, KeptFromOld::Kept);
}

pub(crate) async fn a_tag_that_was_pushed_here_is_not_moved_by_the_old_side(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    set(&world, TransitionState::EnabledAndCopying).await;
    let ours = manifest("ours", &[], &["v1"]);
    world.put(&a, &ours).await.unwrap();
    assert_eq!(
        keep(&world, &a, "theirs", Some("v1")).await,
        KeptFromOld::TagNames(ours.digest)
    );
    assert_eq!(keep(&world, &a, "theirs", None).await, KeptFromOld::Kept);
    assert_eq!(keep(&world, &a, "theirs", Some("v2")).await, KeptFromOld::Kept);
    assert_eq!(keep(&world, &a, "theirs", Some("v2")).await, KeptFromOld::Kept);
    let missing = blob(b"missing", 1).digest;
    let broken = manifest("broken", &[(missing, Reference::Blob)], &[]);
    let kept = world
        .store
        .keep_from_old(&a, &broken, None, ann(), at(40))
        .await
        .unwrap();
    assert_eq!(
        kept,
        KeptFromOld::Refused(PutRefusal::BlobUnknown { digest: missing })
    );
}

pub(crate) async fn what_is_owed_is_remembered_until_it_is_repaid(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, path) = (package("a"), repository("r").path);
    world.store.owe(&a, "v1", at(31)).await.unwrap();
    let debts = |after: Option<InTransition>| {
        let (store, path) = (world.store.clone(), path.clone());
        async move {
            let found = store.debts(&path, after.as_ref(), 9).await.unwrap();
            found.into_iter().map(|debt| debt.reference).collect::<Vec<_>>()
        }
    };
    assert!(
        debts(None).await.is_empty(),
        "without a transition nobody is owed anything"
    );
    set(&world, TransitionState::EnabledAndCopying).await;
    for reference in ["v1", "v2", "v1"] {
        world.store.owe(&a, reference, at(32)).await.unwrap();
    }
    assert_eq!(debts(None).await, ["v1", "v2"]);
    world.store.repaid(&a, "v1").await.unwrap();
    assert_eq!(debts(None).await, ["v2"]);
    world.store.finish_transition(&path, ann(), at(33)).await.unwrap();
    assert!(debts(None).await.is_empty());
}

pub(crate) async fn a_tag_is_settled_only_while_it_names_what_was_seen(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let (one, two, three) = (
        manifest("one", &[], &["v1"]),
        manifest("two", &[], &[]),
        manifest("three", &[], &["v1"]),
    );
    world.put(&a, &one).await.unwrap();
    world.put(&a, &two).await.unwrap();
    let v1 = tag("v1");
    let settle = |from, to| world.store.settle_tag(&a, &v1, (from, to), ann(), at(40));
    assert!(settle(one.digest, two.digest).await.unwrap());
    assert!(!settle(one.digest, two.digest).await.unwrap());
    // Somebody pushed meanwhile.
    world.put(&a, &three).await.unwrap();
    assert!(!settle(two.digest, one.digest).await.unwrap());
    let now = world.store.tagged(&a, &v1).await.unwrap().unwrap();
    assert_eq!(now.digest, three.digest);
    assert!(!settle(three.digest, blob(b"none", 1).digest).await.unwrap());
}

pub(crate) async fn a_tag_that_is_set_again_on_what_it_names_is_said_anew_by_a_push_alone(
    world: MetadataWorld,
) {
    let world = world.plain().await;
    let (a, v1) = (package("a"), tag("v1"));
    let one = manifest("one", &[], &["v1"]);
    let updated = async || {
        let entry = world.store.tag_entry(&a, &v1).await.unwrap();
        entry.unwrap().updated
    };
    let push = async |second| {
        let put = world.store.put_manifest(&a, &one, ann(), at(second));
        put.await.unwrap().unwrap();
    };
    push(20).await;
    push(21).await;
    assert_eq!(updated().await, at(20), "nobody asks without a transition");
    set(&world, TransitionState::EnabledAndCopying).await;
    assert_eq!(keep(&world, &a, "one", Some("v1")).await, KeptFromOld::Kept);
    assert_eq!(updated().await, at(20), "the old side's word is no push");
    // The clock of whoever pushes may be behind that of who made the step.
    push(22).await;
    assert_eq!(updated().await, at(29));
    push(41).await;
    assert_eq!(updated().await, at(41));
    let other = manifest("other", &[], &["v1"]);
    let put = world.store.put_manifest(&a, &other, ann(), at(23));
    put.await.unwrap().unwrap();
    assert_eq!(updated().await, at(29));
}

pub(crate) async fn who_owns_the_tags_is_decided_where_what_came_is_stored(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, v1) = (package("a"), tag("v1"));
    let named = async || world.store.tagged(&a, &v1).await.unwrap().unwrap().digest;
    let ours = manifest("ours", &[], &["v1"]);
    world.put(&a, &ours).await.unwrap();
    // The other side's word counts without a transition, and before this side owns the tags.
    assert_eq!(keep(&world, &a, "first", Some("v1")).await, KeptFromOld::Kept);
    let canary = TransitionState::PartialAndCopying { reads_percent: 10 };
    set(&world, canary).await;
    assert_eq!(keep(&world, &a, "theirs", Some("v1")).await, KeptFromOld::Kept);
    let theirs = manifest("theirs", &[], &[]).digest;
    assert_eq!(named().await, theirs);
    set(&world, TransitionState::EnabledAndCopying).await;
    let kept = keep(&world, &a, "moved", Some("v1")).await;
    assert_eq!((kept, named().await), (KeptFromOld::TagNames(theirs), theirs));
}

pub(crate) async fn what_only_the_old_side_has_is_deleted_by_a_tombstone(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, theirs) = (package("a"), manifest("theirs", &[], &[]));
    let of_tag = |name: &str| OnlyThere::Tag {
        tag: tag(name),
        digest: theirs.digest,
    };
    let entomb = async |what: OnlyThere| {
        let entombed = world.store.entomb(&a, &what, ann(), at(35));
        entombed.await.unwrap().unwrap()
    };
    assert!(!entomb(of_tag("v1")).await, "there is no transition");
    set(&world, TransitionState::PartialAndCopying { reads_percent: 50 }).await;
    assert!(!entomb(of_tag("v1")).await, "the old side owns the tags");
    set(&world, TransitionState::EnabledAndCopying).await;
    for _ in 0..2 {
        assert!(entomb(of_tag("v1")).await);
    }
    assert_eq!(keep(&world, &a, "theirs", Some("v1")).await, KeptFromOld::Deleted);
    assert_eq!(keep(&world, &a, "theirs", Some("v2")).await, KeptFromOld::Kept);
    assert!(entomb(OnlyThere::Manifest(theirs.digest)).await);
    assert_eq!(keep(&world, &a, "theirs", Some("v3")).await, KeptFromOld::Deleted);
    assert_eq!(keep(&world, &a, "other", None).await, KeptFromOld::Kept);
    assert!(entomb(OnlyThere::Package).await);
    assert!(world.store.is_entombed(&a, "anything").await.unwrap());
    assert!(!world.store.is_entombed(&package("b"), "anything").await.unwrap());
    assert_eq!(keep(&world, &a, "further", None).await, KeptFromOld::Deleted);
    // A push is of here.
    world.put(&a, &manifest("ours", &[], &["v9"])).await.unwrap();
    let events = world.store.events(0, 99).await.unwrap();
    let deleted = events.iter().filter(|event| {
        matches!(
            event.kind,
            EventKind::TagDeleted { .. } | EventKind::ManifestDeleted { .. }
        )
    });
    assert_eq!(deleted.count(), 2, "each is told once");
}
