//! Promises about repositories and events.

use std::time::Duration;

use oci::RepositoryName;

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{
    Actor, CleanupAction, CleanupCondition, CleanupMatch, CleanupPolicy, Committed, EventKind, ImmutableTags,
    InPackage, PackagePath, PutRefusal, Reference, Repository, RepositoryRefusal, Resource, SettingsError,
    TAG_PATTERNS_MAX, TagState,
};

pub(crate) async fn a_repository_is_made_once_and_found_by_name(world: MetadataWorld) {
    let store = &world.store;
    let mut made = repository("r");
    made.quota_bytes = Some(5);
    made.immutable_tags = ImmutableTags::Matching(vec!["v*".to_owned()]);
    assert_eq!(store.repository(&made.path).await.unwrap(), None);
    assert_eq!(store.create_repository(&made, ann()).await.unwrap(), Ok(()));
    let path = made.path.clone();
    assert_eq!(
        store.create_repository(&repository("r"), ann()).await.unwrap(),
        Err(RepositoryRefusal::Exists { path })
    );
    assert_eq!(store.repository(&made.path).await.unwrap(), Some(made));
}

pub(crate) async fn repositories_are_listed_page_by_page_by_project_or_all(world: MetadataWorld) {
    let store = &world.store;
    let mut paths = Vec::new();
    for (project, id) in [("b", "one"), ("a", "two"), ("b", "gcr.io"), ("c", "x")] {
        let path = format!("projects/{project}/locations/l/repositories/{id}");
        let mut made = repository("r");
        made.path = path.parse().unwrap();
        store.create_repository(&made, ann()).await.unwrap().unwrap();
        paths.push(path);
    }
    paths.sort();
    let names = |found: Vec<Repository>| -> Vec<String> {
        found.iter().map(|found| found.path.to_string()).collect()
    };
    assert_eq!(names(store.repositories(None, None, 9).await.unwrap()), paths);
    let second = paths[1].parse().unwrap();
    assert_eq!(
        names(store.repositories(None, Some(&second), 1).await.unwrap()),
        paths[2..3]
    );
    let project = "b".parse().unwrap();
    assert_eq!(
        names(store.repositories(Some(&project), None, 9).await.unwrap()),
        paths[1..3]
    );
    assert_eq!(
        names(
            store
                .repositories(Some(&project), Some(&second), 9)
                .await
                .unwrap()
        ),
        paths[2..3]
    );
}

/// One of each kind.
fn policies() -> Vec<CleanupPolicy> {
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let condition = CleanupCondition {
        tag_state: TagState::Tagged,
        tag_prefixes: texts(["v", "\"x"]),
        version_prefixes: texts(["sha256:a", "sha256:b"]),
        package_prefixes: texts(["a/", "b"]),
        older_than: Some(Duration::from_secs(86_400)),
        newer_than: Some(Duration::ZERO),
        unused_for: Some(Duration::from_secs(7)),
    };
    let of = |id: &str, action, matches| CleanupPolicy {
        id: id.to_owned(),
        action,
        matches,
    };
    let untagged = CleanupCondition {
        tag_state: TagState::Untagged,
        ..CleanupCondition::default()
    };
    let recent = CleanupMatch::MostRecent {
        package_prefixes: texts(["a", "b"]),
        keep_count: 7,
    };
    vec![
        of("z", CleanupAction::Delete, CleanupMatch::Condition(condition)),
        of("a", CleanupAction::Delete, CleanupMatch::Condition(untagged)),
        of(
            "any",
            CleanupAction::Keep,
            CleanupMatch::Condition(CleanupCondition::default()),
        ),
        of("recent", CleanupAction::Keep, recent),
    ]
}

pub(crate) async fn settings_are_replaced_and_the_rest_stays(world: MetadataWorld) {
    let world = world.plain().await;
    let mut changed = repository("r");
    changed.description = "other".to_owned();
    changed.labels = [("a".to_owned(), "\"b".to_owned())].into();
    changed.immutable_tags = ImmutableTags::All;
    changed.quota_bytes = Some(7);
    changed.cleanup = policies();
    changed.cleanup_dry_run = true;
    changed.updated = at(30);
    let mut asked = changed.clone();
    asked.created = at(29);
    assert_eq!(
        world.store.update_repository(&asked, ann()).await.unwrap(),
        Ok(())
    );
    assert_eq!(
        world.store.repository(&changed.path).await.unwrap(),
        Some(changed)
    );
    let unknown = repository("unknown");
    assert_eq!(
        world.store.update_repository(&unknown, ann()).await.unwrap(),
        Err(RepositoryRefusal::Unknown { path: unknown.path })
    );
}

pub(crate) async fn a_deleted_repository_takes_everything_along(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, digest) = (package("a"), blob(b"x", 1).digest);
    world.commit(&a, &blob(b"x", 1)).await;
    let image = manifest("m", &[(digest, Reference::Blob)], &["t"]);
    world.put(&a, &image).await.unwrap();
    let bob = Actor("user:bob".to_owned());
    let delete = || world.store.delete_repository(&a.repository, &bob, at(90));
    assert_eq!(delete().await.unwrap(), Ok(()));
    assert_eq!(world.store.blob(&a, &digest).await.unwrap(), None);
    assert_eq!(world.store.tagged(&a, &tag("t")).await.unwrap(), None);
    assert_eq!(world.store.manifest(&a, &image.digest).await.unwrap(), None);
    assert_eq!(
        world.store.packages_with_blob(&digest, None, 9).await.unwrap(),
        []
    );
    let path = a.repository.clone();
    assert_eq!(delete().await.unwrap(), Err(RepositoryRefusal::Unknown { path }));
    assert_eq!(world.put(&a, &image).await, Err(PutRefusal::RepositoryUnknown));
    assert_eq!(
        world.commit(&a, &blob(b"x", 1)).await,
        Committed::RepositoryUnknown
    );
    // One of the same name begins empty, and knows nothing of quotas used before.
    let world = world.with(ImmutableTags::None, Some(1)).await;
    assert_eq!(world.store.tags(&a, None, 9).await.unwrap(), None);
    assert_eq!(world.commit(&a, &blob(b"y", 1)).await, Committed::Kept);
}

fn names(found: &[RepositoryName]) -> Vec<&str> {
    found.iter().map(RepositoryName::as_str).collect()
}

pub(crate) async fn settings_without_bounds_are_refused(world: MetadataWorld) {
    let store = &world.store;
    let mut asked = repository("r");
    asked.immutable_tags = ImmutableTags::Matching(vec!["*a".to_owned(); TAG_PATTERNS_MAX]);
    store.create_repository(&asked, ann()).await.unwrap().unwrap();
    asked.immutable_tags = ImmutableTags::Matching(vec!["*a".to_owned(); TAG_PATTERNS_MAX + 1]);
    let error = SettingsError::TooMany {
        what: "patterns of immutable tags",
        actual: TAG_PATTERNS_MAX + 1,
        limit: TAG_PATTERNS_MAX,
    };
    let refusal = |path| Err(RepositoryRefusal::Settings { path, error });
    let updated = store.update_repository(&asked, ann()).await.unwrap();
    assert_eq!(updated, (refusal.clone())(asked.path.clone()));
    asked.path = repository("new").path;
    let created = store.create_repository(&asked, ann()).await.unwrap();
    assert_eq!(created, refusal(asked.path.clone()));
    assert_eq!(store.repository(&asked.path).await.unwrap(), None);
}

pub(crate) async fn a_repository_tells_what_it_holds(world: MetadataWorld) {
    let world = world.with(ImmutableTags::None, Some(10)).await;
    let (a, b) = (package("a"), package("b"));
    world.commit(&a, &blob(b"1234", 1)).await;
    world.commit(&b, &blob(b"1234", 2)).await;
    let image = manifest("image", &[], &["t"]);
    world.put(&a, &image).await.unwrap();
    assert_eq!(world.size().await, 9);
    let over = PutRefusal::OverQuota { quota_bytes: 10 };
    assert_eq!(world.put(&b, &image).await, Err(over));
    assert_eq!(world.store.tagged(&b, &tag("t")).await.unwrap(), None);
    // What is there already costs nothing.
    world.put(&a, &manifest("image", &[], &["other"])).await.unwrap();
    let deleted = world.store.delete_manifest(&a, &image.digest, ann(), at(30));
    assert_eq!(deleted.await.unwrap(), Ok(true));
    assert_eq!(world.size().await, 4);
    world.put(&b, &image).await.unwrap();
    let removed = [InPackage {
        package: b.clone(),
        digest: image.digest,
    }];
    let t = tag("t");
    let untag = world.store.delete_tag(&b, &t, ann(), at(30));
    untag.await.unwrap().unwrap();
    let remove = world.store.remove_untagged(&removed, at(99), ann(), at(99));
    assert_eq!(remove.await.unwrap(), 1);
    let digest = blob(b"1234", 1).digest;
    for package in [&a, &b] {
        let unlink = world.store.unlink_blob(package, &digest);
        assert!(unlink.await.unwrap());
    }
    assert_eq!(world.size().await, 0);
}

fn elsewhere(project: &str, id: &str) -> PackagePath {
    PackagePath {
        repository: format!("projects/{project}/locations/l/repositories/{id}")
            .parse()
            .unwrap(),
        name: "a".parse().unwrap(),
    }
}

pub(crate) async fn a_quota_of_a_project_counts_all_its_repositories(world: MetadataWorld) {
    let (here, there, other) = (
        elsewhere("p", "one"),
        elsewhere("p", "two"),
        elsewhere("q", "one"),
    );
    for package in [&here, &there, &other] {
        let made = Repository::new(package.repository.clone(), at(1));
        world
            .store
            .create_repository(&made, ann())
            .await
            .unwrap()
            .unwrap();
    }
    let project = "p".parse().unwrap();
    let set = |quota| world.store.set_project_quota(&project, quota, ann(), at(2));
    set(Some(10)).await.unwrap();
    assert_eq!(world.commit(&here, &blob(b"123456", 1)).await, Committed::Kept);
    let over = Committed::OverQuota { quota_bytes: 10 };
    // Each repository counts by itself, since each could be all that is left.
    assert_eq!(world.commit(&there, &blob(b"123456", 2)).await, over);
    let digest = blob(b"123456", 1).digest;
    let mount = world.store.mount_blob(&there, &here, &digest, at(20));
    assert!(!mount.await.unwrap());
    assert_eq!(
        world.commit(&other, &blob(b"123456", 3)).await,
        Committed::Superseded
    );
    let refused = world.put(&there, &manifest("12345", &[], &[])).await;
    assert_eq!(refused, Err(PutRefusal::OverQuota { quota_bytes: 10 }));
    world.put(&there, &manifest("1234", &[], &[])).await.unwrap();
    let size = async || world.store.project(&project).await.unwrap().size_bytes;
    assert_eq!(size().await, 10);
    let deleted = world.store.delete_repository(&here.repository, ann(), at(3));
    deleted.await.unwrap().unwrap();
    assert_eq!(size().await, 4);
    // One that is too small for what is there refuses only what would add to it.
    set(Some(1)).await.unwrap();
    assert!(matches!(
        world.commit(&there, &blob(b"x", 4)).await,
        Committed::OverQuota { quota_bytes: 1 }
    ));
    set(None).await.unwrap();
    assert_eq!(world.commit(&there, &blob(b"x", 4)).await, Committed::Kept);
    let last = world.store.events(0, 99).await.unwrap().pop().unwrap();
    assert_eq!(
        (last.resource, last.kind),
        (Resource::Project(project), EventKind::ProjectUpdated)
    );
}

pub(crate) async fn projects_are_those_with_a_repository_or_a_quota(world: MetadataWorld) {
    let store = &world.store;
    let names = async |after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(|name| name.parse().unwrap());
        let found = store.projects(after.as_ref(), limit).await.unwrap();
        found.iter().map(|project| project.id.to_string()).collect()
    };
    for (project, id) in [("b", "one"), ("b", "two"), ("c", "one")] {
        let made = Repository::new(elsewhere(project, id).repository, at(1));
        store.create_repository(&made, ann()).await.unwrap().unwrap();
    }
    let set = async |project: &str, quota| {
        let project = project.parse().unwrap();
        let set = store.set_project_quota(&project, quota, ann(), at(2));
        set.await.unwrap();
    };
    set("a", Some(7)).await;
    set("b", Some(8)).await;
    assert_eq!(names(None, 9).await, ["a", "b", "c"]);
    assert_eq!(names(Some("a"), 1).await, ["b"]);
    for (project, id) in [("b", "one"), ("b", "two"), ("c", "one")] {
        let path = elsewhere(project, id).repository;
        let deleted = store.delete_repository(&path, ann(), at(3));
        deleted.await.unwrap().unwrap();
    }
    assert_eq!(names(None, 9).await, ["a", "b"]);
    set("a", None).await;
    set("d", None).await;
    assert_eq!(names(None, 9).await, ["b"]);
    let unknown = store.project(&"d".parse().unwrap()).await.unwrap();
    assert_eq!((unknown.quota_bytes, unknown.size_bytes), (None, 0));
}

pub(crate) async fn pushes_at_once_do_not_exceed_a_quota_together(world: MetadataWorld) {
    const QUOTA_BYTES: u64 = 100;
    let world = world.with(ImmutableTags::None, Some(QUOTA_BYTES)).await;
    let mut pushes = tokio::task::JoinSet::new();
    for number in 0..64_u32 {
        let store = std::sync::Arc::clone(&world.store);
        pushes.spawn(async move {
            let package = package(if number % 2 == 0 { "a" } else { "b" });
            let blob = blob(format!("{number:07}").as_bytes(), number);
            store.commit_blob(&package, &blob, ann()).await.unwrap()
        });
    }
    let answers = pushes.join_all().await;
    let kept = answers.iter().filter(|answer| **answer == Committed::Kept);
    assert_eq!((kept.count() as u64, world.size().await), (QUOTA_BYTES / 7, 98));
}

pub(crate) async fn packages_below_a_name_do_not_include_its_neighbours(world: MetadataWorld) {
    let world = world.plain().await;
    let path = repository("r").path;
    for name in ["a", "a-b/c", "a.b", "a/b", "a/c/d", "a0", "ab", "b/a"] {
        world
            .put(&package(name), &manifest(name, &[], &[]))
            .await
            .unwrap();
    }
    let below = "a".parse().unwrap();
    let found = world
        .store
        .packages_below(&path, Some(&below), None, 9)
        .await
        .unwrap();
    assert_eq!(names(&found), ["a/b", "a/c/d"]);
    let rest = world
        .store
        .packages_below(&path, Some(&below), Some(&found[0]), 9)
        .await
        .unwrap();
    assert_eq!(names(&rest), ["a/c/d"]);
    let all = world.store.packages_below(&path, None, None, 99).await.unwrap();
    assert_eq!(all.len(), 8);
}

pub(crate) async fn events_are_in_order_and_tell_who_and_when(world: MetadataWorld) {
    let world = world.plain().await;
    let a: PackagePath = package("a");
    let image = manifest("m", &[], &["t"]);
    let digest = image.digest;
    world.put(&a, &image).await.unwrap();
    world.put(&a, &image).await.unwrap();
    let bob = Actor("user:bob".to_owned());
    world
        .store
        .delete_manifest(&a, &digest, &bob, at(40))
        .await
        .unwrap()
        .unwrap();
    world
        .store
        .delete_repository(&a.repository, &bob, at(50))
        .await
        .unwrap()
        .unwrap();
    let all = world.store.events(0, 99).await.unwrap();
    let here = Resource::Repository(a.repository.clone());
    assert!(all.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert!(all.iter().all(|event| event.resource == here));
    let told: Vec<_> = all
        .iter()
        .map(|event| (event.time, event.actor.clone(), event.kind.clone()))
        .collect();
    let t = tag("t");
    let set = EventKind::TagSet {
        tag: t.clone(),
        from: None,
        to: digest,
    };
    assert_eq!(
        told,
        [
            (at(1), ann().clone(), EventKind::RepositoryCreated),
            (at(20), ann().clone(), EventKind::ManifestPut { digest }),
            (at(20), ann().clone(), set),
            (
                at(40),
                bob.clone(),
                EventKind::TagDeleted { tag: t, from: digest }
            ),
            (at(40), bob.clone(), EventKind::ManifestDeleted { digest }),
            (at(50), bob, EventKind::RepositoryDeleted),
        ]
    );
    assert_eq!((&all[0].package, &all[1].package), (&None, &Some(a)));
    let after = world.store.events(all[1].sequence, 2).await.unwrap();
    assert_eq!(after, all[2..4]);
}
