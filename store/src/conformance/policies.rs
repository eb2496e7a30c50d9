//! Promises about policies.

use access::{Member, Policy, Role};

use super::accounts::account;
use super::{MetadataWorld, ann, at, repository};
use crate::{EventKind, PolicyRefusal, Resource};

fn readers(names: &[&str]) -> Policy {
    let member = |name: &&str| (Role::Reader, Member::User((*name).to_owned()));
    Policy::new(names.iter().map(member))
}

fn repository_resource() -> Resource {
    Resource::Repository(repository("r").path)
}

async fn set(world: &MetadataWorld, resource: &Resource, policy: &Policy) -> Result<Policy, PolicyRefusal> {
    world
        .store
        .set_policy(resource, policy, ann(), at(3))
        .await
        .unwrap()
}

pub(crate) async fn a_policy_is_set_and_read_again(world: MetadataWorld) {
    let resource = Resource::Project("p".parse().unwrap());
    let none = world.store.policy(&resource).await.unwrap();
    assert!(none.bindings().is_empty() && none.etag.is_some());
    let first = set(&world, &resource, &readers(&["a", "b"])).await.unwrap();
    assert_eq!(first.bindings(), readers(&["a", "b"]).bindings());
    assert_eq!(world.store.policy(&resource).await.unwrap(), first);
    let second = set(&world, &resource, &readers(&["b"])).await.unwrap();
    assert_eq!(world.store.policy(&resource).await.unwrap(), second);
    assert_eq!(second.bindings(), readers(&["b"]).bindings());
    let other = world.store.policy(&Resource::Registry).await.unwrap();
    assert!(other.bindings().is_empty());
    let event = world.store.events(0, 9).await.unwrap().pop().unwrap();
    assert_eq!((event.resource, event.kind), (resource, EventKind::PolicySet));
}

pub(crate) async fn of_two_writers_who_read_the_same_the_second_is_told(world: MetadataWorld) {
    let resource = Resource::Registry;
    let read = world.store.policy(&resource).await.unwrap();
    let with = |names: &[&str]| {
        let mut policy = readers(names);
        policy.etag.clone_from(&read.etag);
        policy
    };
    let first = set(&world, &resource, &with(&["a"])).await.unwrap();
    assert_ne!(first.etag, read.etag);
    let second = set(&world, &resource, &with(&["b"])).await;
    assert_eq!(
        second,
        Err(PolicyRefusal::Changed {
            resource: resource.clone()
        })
    );
    assert_eq!(world.store.policy(&resource).await.unwrap(), first);
    // Whoever read nothing means what they say.
    set(&world, &resource, &readers(&["c"])).await.unwrap();
}

pub(crate) async fn policies_that_say_something_are_listed(world: MetadataWorld) {
    let project = Resource::Project("p".parse().unwrap());
    for resource in [&Resource::Registry, &project, &repository_resource()] {
        set(&world, resource, &readers(&["a"])).await.unwrap();
    }
    set(&world, &project, &readers(&[])).await.unwrap();
    let names = |found: Vec<(Resource, Policy)>| -> Vec<String> {
        found.iter().map(|(resource, _)| resource.to_string()).collect()
    };
    let all = world.store.policies(None, 9).await.unwrap();
    let listed = [repository_resource().to_string(), "registry".to_owned()];
    assert_eq!(all[0].1.bindings(), readers(&["a"]).bindings());
    let after = all[0].0.clone();
    assert_eq!(names(all), listed);
    let rest = world.store.policies(Some(&after), 1).await.unwrap();
    assert_eq!(names(rest), listed[1..]);
}

pub(crate) async fn a_repository_that_is_gone_leaves_no_rights(world: MetadataWorld) {
    let world = world.plain().await;
    let resource = repository_resource();
    set(&world, &resource, &readers(&["a"])).await.unwrap();
    let path = repository("r").path;
    let before = world.store.access_generation().await.unwrap();
    world
        .store
        .delete_repository(&path, ann(), at(9))
        .await
        .unwrap()
        .unwrap();
    assert!(world.store.access_generation().await.unwrap() > before);
    let policy = world.store.policy(&resource).await.unwrap();
    assert!(policy.bindings().is_empty());
}

pub(crate) async fn a_deleted_account_leaves_no_rights_to_a_later_one_of_its_name(world: MetadataWorld) {
    let store = &world.store;
    let project = Resource::Project("p".parse().unwrap());
    store
        .create_account(&account("user:bob"), ann())
        .await
        .unwrap()
        .unwrap();
    let both = set(&world, &repository_resource(), &readers(&["bob", "eve"]))
        .await
        .unwrap();
    set(&world, &Resource::Registry, &readers(&["bob"]))
        .await
        .unwrap();
    let other = set(&world, &project, &readers(&["eve"])).await.unwrap();
    let begun = store.events(0, 99).await.unwrap().len();

    let changed = store.delete_account("bob", ann(), at(9)).await.unwrap().unwrap();
    assert_eq!(changed, [repository_resource(), Resource::Registry]);
    let left = store.policy(&repository_resource()).await.unwrap();
    assert_eq!(left.bindings(), readers(&["eve"]).bindings());
    assert_ne!(left.etag, both.etag);
    // Whoever read it with him in does not put him back.
    let late = set(&world, &repository_resource(), &both).await;
    assert!(matches!(late, Err(PolicyRefusal::Changed { .. })), "{late:?}");
    let registry = store.policy(&Resource::Registry).await.unwrap();
    assert!(registry.bindings().is_empty());
    assert_eq!(store.policy(&project).await.unwrap(), other);

    let events = store.events(0, 99).await.unwrap().split_off(begun);
    let told: Vec<_> = events
        .into_iter()
        .map(|event| (event.resource, event.kind))
        .collect();
    let account = "bob".to_owned();
    let removed = || EventKind::BindingsRemoved {
        account: account.clone(),
    };
    let name = account.clone();
    assert_eq!(
        told,
        [
            (Resource::Registry, EventKind::AccountDeleted { name }),
            (repository_resource(), removed()),
            (Resource::Registry, removed()),
        ]
    );
}

pub(crate) async fn the_access_generation_grows_with_every_change_of_rights(world: MetadataWorld) {
    let store = &world.store;
    let mut seen = vec![store.access_generation().await.unwrap()];
    set(&world, &Resource::Registry, &readers(&["a"])).await.unwrap();
    seen.push(store.access_generation().await.unwrap());
    store
        .create_account(&account("user:bob"), ann())
        .await
        .unwrap()
        .unwrap();
    seen.push(store.access_generation().await.unwrap());
    let bob = store.account("bob").await.unwrap().unwrap();
    store.update_account(&bob, ann()).await.unwrap().unwrap();
    seen.push(store.access_generation().await.unwrap());
    store.delete_account("bob", ann(), at(9)).await.unwrap().unwrap();
    seen.push(store.access_generation().await.unwrap());
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}
