//! Promises about who administers a registry, and about whether it asks everybody who they are.

use access::{Member, Policy, Role};

use super::accounts::{account, key};
use super::{MetadataWorld, ann, at};
use crate::{Account, AccountRefusal, EventKind, PolicyRefusal, Resource};

async fn create(world: &MetadataWorld, account: &Account) {
    world.store.create_account(account, ann()).await.unwrap().unwrap();
}

fn administered_by(members: &[&str]) -> Policy {
    let member = |member: &&str| (Role::Administrator, member.parse().unwrap());
    Policy::new(members.iter().map(member))
}

async fn set(world: &MetadataWorld, members: &[&str]) -> Result<Policy, PolicyRefusal> {
    let policy = administered_by(members);
    world
        .store
        .set_policy(&Resource::Registry, &policy, ann(), at(3))
        .await
        .unwrap()
}

async fn change(
    world: &MetadataWorld,
    name: &str,
    change: impl FnOnce(&mut Account),
) -> Result<(), AccountRefusal> {
    let mut account = world.store.account(name).await.unwrap().unwrap();
    change(&mut account);
    world.store.update_account(&account, ann()).await.unwrap()
}

fn is_last<T>(outcome: &Result<T, AccountRefusal>) -> bool {
    matches!(outcome, Err(AccountRefusal::LastAdministrator { .. }))
}

pub(crate) async fn no_change_takes_the_last_administrator_away(world: MetadataWorld) {
    let store = &world.store;
    for name in ["user:root", "user:second", "user:other"] {
        create(&world, &account(name)).await;
    }
    set(&world, &["user:root", "user:second", "user:gone"])
        .await
        .unwrap();
    change(&world, "second", |second| second.disabled = true)
        .await
        .unwrap();
    let before = (
        store.account("root").await.unwrap(),
        store.policy(&Resource::Registry).await.unwrap(),
        store.events(0, 99).await.unwrap(),
    );
    assert!(is_last(
        &change(&world, "root", |root| root.disabled = true).await
    ));
    assert!(is_last(
        &change(&world, "root", |root| root.password_hash = None).await
    ));
    assert!(is_last(
        &store.delete_account("root", ann(), at(9)).await.unwrap()
    ));
    for members in [
        &["user:other@x", "serviceAccount:root"][..],
        &["user:second"],
        &[],
    ] {
        assert_eq!(set(&world, members).await, Err(PolicyRefusal::LastAdministrator));
    }
    let after = (
        store.account("root").await.unwrap(),
        store.policy(&Resource::Registry).await.unwrap(),
        store.events(0, 99).await.unwrap(),
    );
    assert_eq!(after, before, "a refused change leaves nothing behind");
    // Everything else of him can be changed, and he can hand over.
    change(&world, "root", |root| root.description = "new".to_owned())
        .await
        .unwrap();
    set(&world, &["user:other"]).await.unwrap();
    store.delete_account("root", ann(), at(9)).await.unwrap().unwrap();
}

pub(crate) async fn whoever_administers_by_a_group_counts_and_who_cannot_log_in_does_not(
    world: MetadataWorld,
) {
    let store = &world.store;
    let ops = |name: &str| Account {
        groups: vec![Member::Group("ops".to_owned())],
        ..account(name)
    };
    create(&world, &account("user:root")).await;
    create(&world, &ops("user:bob")).await;
    let robot = Account {
        password_hash: None,
        ..ops("serviceAccount:robot")
    };
    create(&world, &robot).await;
    set(&world, &["group:ops"]).await.unwrap();
    // The robot has neither a password nor a key.
    assert!(is_last(&change(&world, "bob", |bob| bob.groups.clear()).await));
    // With one it counts until that expires, at 99.
    store
        .create_key(&key("robot", "k"), ann())
        .await
        .unwrap()
        .unwrap();
    change(&world, "bob", |bob| bob.groups.clear()).await.unwrap();
    assert!(is_last(
        &store.delete_key("robot", "k", ann(), at(98)).await.unwrap()
    ));
    set(&world, &["allAuthenticatedUsers"]).await.unwrap();
    store
        .delete_key("robot", "k", ann(), at(98))
        .await
        .unwrap()
        .unwrap();
    for name in ["bob", "robot"] {
        store.delete_account(name, ann(), at(9)).await.unwrap().unwrap();
    }
    assert!(is_last(
        &store.delete_account("root", ann(), at(9)).await.unwrap()
    ));
}

pub(crate) async fn of_two_who_remove_each_other_at_once_one_stays(world: MetadataWorld) {
    let store = &world.store;
    for round in 0..8 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        for name in [&one, &other] {
            create(&world, &account(&format!("user:{name}"))).await;
        }
        set(&world, &[&format!("user:{one}"), &format!("user:{other}")])
            .await
            .unwrap();
        let (first, second) = match round % 2 {
            0 => tokio::join!(
                async { store.delete_account(&one, ann(), at(9)).await.unwrap().map(drop) },
                async {
                    store
                        .delete_account(&other, ann(), at(9))
                        .await
                        .unwrap()
                        .map(drop)
                },
            ),
            _ => tokio::join!(change(&world, &one, |one| one.disabled = true), async {
                store
                    .delete_account(&other, ann(), at(9))
                    .await
                    .unwrap()
                    .map(drop)
            },),
        };
        assert_eq!(u8::from(is_last(&first)) + u8::from(is_last(&second)), 1);
        assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1);
    }
}

pub(crate) async fn who_never_administered_may_go(world: MetadataWorld) {
    let store = &world.store;
    create(&world, &account("user:bob")).await;
    set(&world, &["principal://pool/subject/root"]).await.unwrap();
    change(&world, "bob", |bob| bob.disabled = true).await.unwrap();
    set(&world, &[]).await.unwrap();
    store.delete_account("bob", ann(), at(9)).await.unwrap().unwrap();
}

pub(crate) async fn a_registry_that_was_closed_stays_so_until_it_is_reopened(world: MetadataWorld) {
    let store = &world.store;
    assert!(!store.is_closed().await.unwrap());
    create(&world, &account("user:bob")).await;
    assert!(store.is_closed().await.unwrap());
    store.delete_account("bob", ann(), at(9)).await.unwrap().unwrap();
    assert!(store.is_closed().await.unwrap());
    create(&world, &account("user:root")).await;
    set(&world, &["user:root", "allUsers"]).await.unwrap();
    let before = store.access_generation().await.unwrap();
    // The last administrator goes too: this is the operator's own decision.
    assert_eq!(store.reopen(ann(), at(10)).await.unwrap(), 1);
    assert!(!store.is_closed().await.unwrap());
    assert_eq!(store.account("root").await.unwrap(), None);
    let left = store.policy(&Resource::Registry).await.unwrap();
    assert_eq!(left.bindings(), administered_by(&["allUsers"]).bindings());
    let between = store.access_generation().await.unwrap();
    assert!(between > before);
    // An issuer closes it as an account does, and only once.
    for _ in 0..2 {
        store.close(ann(), at(11)).await.unwrap();
    }
    assert!(store.is_closed().await.unwrap());
    assert!(store.access_generation().await.unwrap() > between);
    let events = store.events(0, 99).await.unwrap();
    let kinds: Vec<_> = events.into_iter().rev().map(|event| event.kind).collect();
    assert_eq!(
        kinds[..2],
        [EventKind::RegistryClosed, EventKind::RegistryReopened]
    );
    assert_eq!(store.reopen(ann(), at(12)).await.unwrap(), 0);
    assert!(!store.is_closed().await.unwrap());
}
