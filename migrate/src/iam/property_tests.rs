//! Nobody gets more than they had and nobody loses anything, but for what is listed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PULL: u8 = 1;
const LIST: u8 = 2;
const PUSH: u8 = 4;
const DELETE: u8 = 8;

/// What roles of a bucket and a project let do, written down once more and by hand.
const ROLES: [(&str, u8); 8] = [
    ("roles/storage.objectViewer", PULL | LIST),
    ("roles/storage.objectCreator", PUSH),
    ("roles/storage.objectAdmin", PULL | LIST | PUSH | DELETE),
    ("roles/storage.legacyObjectReader", PULL),
    ("roles/storage.legacyBucketReader", LIST),
    ("roles/storage.legacyBucketWriter", LIST | PUSH | DELETE),
    ("roles/storage.hmacKeyAdmin", 0),
    ("projects/p/roles/odd", PULL | DELETE),
];

const BASIC: [(&str, &str); 3] = [
    ("roles/viewer", "projectViewer:p"),
    ("roles/editor", "projectEditor:p"),
    ("roles/owner", "projectOwner:p"),
];

const PEOPLE: [&str; 8] = [
    "user:a",
    "user:b",
    "serviceAccount:c",
    "group:d",
    "allUsers",
    "allAuthenticatedUsers",
    "domain:example.com",
    "deleted:user:e?uid=1",
];

type Bound = (usize, BTreeSet<usize>);

/// Bindings as (role, members); of the bucket, whose members go on with the three convenience members, and of the project,
/// whose roles go on with the three basic ones.
fn bound(roles: usize, members: usize) -> impl Strategy<Value = Vec<Bound>> {
    prop::collection::vec((0..roles, prop::collection::btree_set(0..members, 0..4)), 0..6)
}

fn member(number: usize) -> &'static str {
    PEOPLE
        .get(number)
        .copied()
        .unwrap_or_else(|| BASIC[number - PEOPLE.len()].1)
}

fn role(number: usize) -> &'static str {
    ROLES
        .get(number)
        .map_or_else(|| BASIC[number - ROLES.len()].0, |(name, _)| name)
}

fn document(bound: &[Bound]) -> Value {
    let binding = |(number, members): &Bound| {
        let members: Vec<_> = members.iter().map(|number| member(*number)).collect();
        json!({"role": role(*number), "members": members})
    };
    json!({"bindings": bound.iter().map(binding).collect::<Vec<_>>()})
}

/// What each member could do with the objects of the bucket. Basic roles count through convenience members alone.
fn had(of_bucket: &[Bound], of_project: &[Bound]) -> BTreeMap<&'static str, u8> {
    let mut had: BTreeMap<&'static str, u8> = BTreeMap::new();
    let mut give = |member: &'static str, powers: u8| *had.entry(member).or_default() |= powers;
    for (number, members) in of_bucket {
        let powers = ROLES[*number].1;
        for bound in members {
            give(member(*bound), powers);
            if let Some(basic) = bound.checked_sub(PEOPLE.len()) {
                let in_role = of_project.iter().filter(|(role, _)| *role == ROLES.len() + basic);
                in_role
                    .flat_map(|(_, members)| members)
                    .for_each(|number| give(member(*number), powers));
            }
        }
    }
    for (number, members) in of_project.iter().filter(|(number, _)| *number < ROLES.len()) {
        members
            .iter()
            .for_each(|bound| give(member(*bound), ROLES[*number].1));
    }
    had
}

fn powers(powers: Powers) -> u8 {
    let of = [
        (Powers::PULL, PULL),
        (Powers::LIST, LIST),
        (Powers::PUSH, PUSH),
        (Powers::DELETE, DELETE),
    ];
    let held = of.iter().filter(|(power, _)| !powers.within(*power).is_empty());
    held.fold(0, |all, (_, bit)| all | bit)
}

/// What is listed as such for a member, or for a convenience member by whom it had it.
fn listed(access: &Access, kinds: &[ListedKind], member: &str, conveniences: &[&str]) -> u8 {
    let is_about = |listed: &&Listed| {
        kinds.contains(&listed.kind)
            && (listed.subject == member || conveniences.contains(&listed.subject.as_str()))
    };
    access
        .listed
        .iter()
        .filter(is_about)
        .fold(0, |all, listed| all | powers(listed.powers))
}

proptest! {
    #[test]
    fn nobody_gets_more_and_nobody_loses_but_what_is_listed(
        of_bucket in bound(ROLES.len(), PEOPLE.len() + BASIC.len()),
        of_project in bound(ROLES.len() + BASIC.len(), PEOPLE.len()),
        is_dropping in any::<bool>(),
    ) {
        let convenience = if is_dropping { Convenience::Drop } else { Convenience::Expand };
        let mut request = Request::new(convenience);
        let file = |name: &str, document: Value| PolicyFile { name: name.to_owned(), scope: None, document };
        request.policies.push(file("artifacts.p.appspot.com", document(&of_bucket)));
        request.project_policies.push(file("p", document(&of_project)));
        let odd = json!({"name": "projects/p/roles/odd", "includedPermissions": ["storage.objects.get", "storage.objects.delete"]});
        request.roles.push(file("odd", odd));
        let found = translate(&request).unwrap();
        let access = &found[0];

        let had = had(&of_bucket, &of_project);
        let of = |member: &str| had.get(member).copied().unwrap_or_default();
        let has: BTreeMap<String, u8> = access
            .grants
            .iter()
            .map(|grant| (grant.member.to_string(), powers(Powers::of_role(grant.role))))
            .collect();
        prop_assert_eq!(has.len(), access.grants.len(), "one role for each member");
        for name in PEOPLE {
            let shared = if name == "allUsers" { 0 } else { of("allUsers") };
            let known = if name.starts_with("all") { 0 } else { of("allAuthenticatedUsers") };
            let (before, now) = (of(name) | shared | known, has.get(name).copied().unwrap_or_default());
            let gained = listed(access, &[ListedKind::Gained], name, &[]);
            prop_assert_eq!(now & !before & !gained, 0, "{} gets more: {:?}", name, access);
            let through: Vec<&str> = BASIC
                .iter()
                .enumerate()
                .filter(|(basic, _)| of_project.iter().any(|(role, members)| {
                    let is_in = |number: &usize| [name, "allUsers", "allAuthenticatedUsers"].contains(&member(*number));
                    *role == ROLES.len() + basic && members.iter().any(is_in)
                }))
                .map(|(_, (_, convenience))| *convenience)
                .collect();
            let kinds = [ListedKind::Lost, ListedKind::Dropped, ListedKind::Unresolved];
            let lost = listed(access, &kinds, name, &through);
            // What is lost on one way may come back with the role that another way makes.
            prop_assert_eq!(gained & before & !lost, 0, "{} is said to get what it had: {:?}", name, access);
            prop_assert_eq!(of(name) & !now & !lost, 0, "{} loses: {:?}", name, access);
        }
    }
}
