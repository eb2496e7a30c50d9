//! Promises about accounts, keys and secrets.

use access::Member;

use super::{MetadataWorld, ann, at};
use crate::{Account, AccountKey, AccountRefusal, EventKind, Resource};

pub(crate) fn account(member: &str) -> Account {
    Account {
        member: member.parse().unwrap(),
        description: "of tests".to_owned(),
        password_hash: Some("$argon2id$x".to_owned()),
        groups: vec![Member::Group("dev".to_owned())],
        disabled: false,
        generation: 0,
        created: at(1),
        updated: at(1),
    }
}

pub(crate) fn key(account: &str, id: &str) -> AccountKey {
    AccountKey {
        id: id.to_owned(),
        account: account.to_owned(),
        public_key: "-----BEGIN PUBLIC KEY-----".to_owned(),
        created: at(2),
        expires: Some(at(99)),
        disabled: false,
    }
}

async fn generation(world: &MetadataWorld, name: &str) -> u64 {
    world.store.account(name).await.unwrap().unwrap().generation
}

pub(crate) async fn an_account_is_made_once_whatever_its_kind(world: MetadataWorld) {
    let store = &world.store;
    let made = account("user:bob");
    store.create_account(&made, ann()).await.unwrap().unwrap();
    let found = store.account("bob").await.unwrap().unwrap();
    let generation = found.generation;
    assert_eq!(found, Account { generation, ..made });
    for again in ["user:bob", "serviceAccount:bob"] {
        let name = "bob".to_owned();
        assert_eq!(
            store.create_account(&account(again), ann()).await.unwrap(),
            Err(AccountRefusal::Exists { name })
        );
    }
    assert_eq!(store.account("BOB").await.unwrap(), None);
    assert!(store.create_account(&account("group:x"), ann()).await.is_err());
}

pub(crate) async fn accounts_are_listed_page_by_page(world: MetadataWorld) {
    let store = &world.store;
    for name in ["c", "a", "b"] {
        let made = account(&format!("user:{name}"));
        store.create_account(&made, ann()).await.unwrap().unwrap();
    }
    let names = |found: Vec<Account>| -> Vec<String> {
        found.iter().map(|account| account.member.to_string()).collect()
    };
    let first = store.accounts(None, 2).await.unwrap();
    assert_eq!(names(first), ["user:a", "user:b"]);
    assert_eq!(names(store.accounts(Some("b"), 2).await.unwrap()), ["user:c"]);
}

pub(crate) async fn a_changed_account_is_of_a_newer_generation(world: MetadataWorld) {
    let store = &world.store;
    let mut bob = account("user:bob");
    store.create_account(&bob, ann()).await.unwrap().unwrap();
    let first = generation(&world, "bob").await;
    bob.generation = first;
    bob.password_hash = None;
    bob.groups.clear();
    bob.disabled = true;
    bob.updated = at(5);
    store.update_account(&bob, ann()).await.unwrap().unwrap();
    let found = store.account("bob").await.unwrap().unwrap();
    assert!(found.generation > first);
    let generation = found.generation;
    assert_eq!(
        found,
        Account {
            generation,
            ..bob.clone()
        }
    );
    // Who read it before does not take the change back.
    bob.disabled = false;
    let late = store.update_account(&bob, ann()).await.unwrap();
    assert!(matches!(late, Err(AccountRefusal::Changed { .. })));
    assert!(store.account("bob").await.unwrap().unwrap().disabled);
    // Neither an account that is not there nor one of another kind is made by a change.
    for other in ["user:eve", "serviceAccount:bob"] {
        let refused = store.update_account(&account(other), ann()).await.unwrap();
        assert!(matches!(refused, Err(AccountRefusal::Unknown { .. })), "{other}");
    }
    // One that is made anew is not taken for the one before.
    store.delete_account("bob", ann(), at(6)).await.unwrap().unwrap();
    store
        .create_account(&account("user:bob"), ann())
        .await
        .unwrap()
        .unwrap();
    assert!(self::generation(&world, "bob").await > generation);
}

pub(crate) async fn keys_belong_to_an_account_and_go_with_it(world: MetadataWorld) {
    let store = &world.store;
    let unknown = store.create_key(&key("ci", "1"), ann()).await.unwrap();
    assert!(matches!(unknown, Err(AccountRefusal::Unknown { .. })));
    for name in ["ci", "other"] {
        let made = account(&format!("serviceAccount:{name}"));
        store.create_account(&made, ann()).await.unwrap().unwrap();
    }
    let before = generation(&world, "ci").await;
    store.create_key(&key("ci", "2"), ann()).await.unwrap().unwrap();
    store.create_key(&key("ci", "1"), ann()).await.unwrap().unwrap();
    store
        .create_key(&key("other", "1"), ann())
        .await
        .unwrap()
        .unwrap();
    let twice = store.create_key(&key("ci", "1"), ann()).await.unwrap();
    assert!(matches!(twice, Err(AccountRefusal::KeyExists { .. })));
    assert_eq!(store.keys("ci").await.unwrap(), [key("ci", "1"), key("ci", "2")]);
    let between = generation(&world, "ci").await;
    assert!(between > before);
    store.delete_key("ci", "1", ann(), at(8)).await.unwrap().unwrap();
    assert!(generation(&world, "ci").await > between);
    let gone = store.delete_key("ci", "1", ann(), at(8)).await.unwrap();
    assert!(matches!(gone, Err(AccountRefusal::KeyUnknown { .. })));
    assert_eq!(store.keys("ci").await.unwrap(), [key("ci", "2")]);
    assert_eq!(store.keys("other").await.unwrap().len(), 1);
    store.delete_account("ci", ann(), at(9)).await.unwrap().unwrap();
    assert_eq!(store.keys("ci").await.unwrap(), []);
    let gone = store.delete_account("ci", ann(), at(9)).await.unwrap();
    assert!(matches!(gone, Err(AccountRefusal::Unknown { .. })));
}

pub(crate) async fn the_first_secret_of_a_name_stays(world: MetadataWorld) {
    let store = &world.store;
    assert_eq!(store.secret("a", b"first").await.unwrap(), b"first");
    assert_eq!(store.secret("a", b"second").await.unwrap(), b"first");
    assert_eq!(store.secret("b", b"second").await.unwrap(), b"second");
}

pub(crate) async fn events_of_accounts_tell_of_the_registry(world: MetadataWorld) {
    let store = &world.store;
    store
        .create_account(&account("user:bob"), ann())
        .await
        .unwrap()
        .unwrap();
    let bob = store.account("bob").await.unwrap().unwrap();
    store.update_account(&bob, ann()).await.unwrap().unwrap();
    store.create_key(&key("bob", "k"), ann()).await.unwrap().unwrap();
    store.delete_key("bob", "k", ann(), at(8)).await.unwrap().unwrap();
    store.delete_account("bob", ann(), at(9)).await.unwrap().unwrap();
    let events = store.events(0, 99).await.unwrap();
    assert!(events.iter().all(|event| event.resource == Resource::Registry));
    let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let name = || "bob".to_owned();
    let (account, id) = (name(), "k".to_owned());
    assert_eq!(
        kinds,
        [
            EventKind::AccountCreated { name: name() },
            EventKind::AccountUpdated { name: name() },
            EventKind::KeyCreated {
                account: name(),
                id: id.clone()
            },
            EventKind::KeyDeleted { account, id },
            EventKind::AccountDeleted { name: name() },
        ]
    );
}
