//! Promises about repositories and events.

use oci::RepositoryName;

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{
    Actor, Committed, EventKind, ImmutableTags, PackagePath, PutRefusal, Reference, Repository,
    RepositoryRefusal, Resource,
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

pub(crate) async fn settings_are_replaced_and_the_rest_stays(world: MetadataWorld) {
    let world = world.plain().await;
    let mut changed = repository("r");
    changed.description = "other".to_owned();
    changed.labels = [("a".to_owned(), "\"b".to_owned())].into();
    changed.immutable_tags = ImmutableTags::All;
    changed.quota_bytes = Some(7);
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

pub(crate) async fn packages_are_listed_once_they_have_a_manifest(world: MetadataWorld) {
    let world = world.plain().await;
    let path = repository("r").path;
    world.commit(&package("b"), &blob(b"x", 1)).await;
    assert_eq!(world.store.packages(&path, None, 9).await.unwrap(), []);
    for name in ["c", "a", "b", "a/b"] {
        world
            .put(&package(name), &manifest(name, &[], &[]))
            .await
            .unwrap();
    }
    let all = world.store.packages(&path, None, 9).await.unwrap();
    assert_eq!(names(&all), ["a", "a/b", "b", "c"]);
    let rest = world.store.packages(&path, Some(&all[1]), 1).await.unwrap();
    assert_eq!(names(&rest), ["b"]);
    let unknown = repository("unknown").path;
    assert_eq!(world.store.packages(&unknown, None, 9).await.unwrap(), []);
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
