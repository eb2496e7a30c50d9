//! What a registry of ours says already, against what is to be carried over.

use std::collections::BTreeMap;

use access::{Member, Policy, Role};

use super::powers::Powers;
use super::translate::Grant;

/// A policy that holds for a repository: its own, or one above it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// What it is of: `registry`, `projects/P`, or the repository.
    pub resource: String,
    /// What it says.
    pub policy: Policy,
}

/// A role that somebody has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub member: Member,
    /// What.
    pub role: Role,
    /// On what it is bound.
    pub resource: String,
}

/// What has to be done, and what is so already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// What is to be given.
    pub add: Vec<Grant>,
    /// What gives somebody already all that is to be carried.
    pub held: Vec<Held>,
    /// What lets somebody do more there than was to be carried. It is never taken away.
    pub more: Vec<Held>,
}

/// Compares grants with the policies that hold for the repository, its own among them.
///
/// A role that is held counts only for the very member that it is bound to: what somebody has because everybody has it
/// may be taken from everybody.
#[must_use]
pub fn difference(grants: &[Grant], holders: &[Holder]) -> Difference {
    let mut there: BTreeMap<&Member, Vec<(Role, &str)>> = BTreeMap::new();
    for holder in holders {
        for (role, member) in holder.policy.pairs() {
            there.entry(member).or_default().push((role, &holder.resource));
        }
    }
    let held = |member: &Member, (role, resource): (Role, &str)| Held {
        member: member.clone(),
        role,
        resource: resource.to_owned(),
    };
    let mut difference = Difference::default();
    for grant in grants {
        let roles = there.get(&grant.member).map_or(&[][..], Vec::as_slice);
        match roles.iter().find(|(role, _)| gives_all_of(*role, grant.role)) {
            Some(found) => difference.held.push(held(&grant.member, *found)),
            None => difference.add.push(grant.clone()),
        }
    }
    let carried: BTreeMap<&Member, Role> = grants.iter().map(|grant| (&grant.member, grant.role)).collect();
    for (member, roles) in there {
        let is_more = |(role, _): &&(Role, &str)| {
            carried
                .get(member)
                .is_none_or(|carried| !gives_all_of(*carried, *role))
        };
        difference
            .more
            .extend(roles.iter().filter(is_more).map(|found| held(member, *found)));
    }
    difference
}

/// The repository's own policy with what is added: one that had less has only the new role. The etag stays.
#[must_use]
pub fn merged(own: &Policy, add: &[Grant]) -> Policy {
    let is_less = |role: Role, member: &Member| {
        add.iter()
            .any(|grant| grant.member == *member && gives_all_of(grant.role, role))
    };
    let kept = own.pairs().filter(|(role, member)| !is_less(*role, member));
    let kept = kept.map(|(role, member)| (role, member.clone()));
    let added = add.iter().map(|grant| (grant.role, grant.member.clone()));
    let mut policy = Policy::new(kept.chain(added));
    policy.etag.clone_from(&own.etag);
    policy
}

fn gives_all_of(role: Role, other: Role) -> bool {
    Powers::of_role(other).without(Powers::of_role(role)).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(member: &str, role: Role) -> Grant {
        Grant {
            member: member.parse().unwrap(),
            role,
            because: Vec::new(),
        }
    }

    fn policy(pairs: &[(Role, &str)]) -> Policy {
        Policy::new(
            pairs
                .iter()
                .map(|(role, member)| (*role, member.parse().unwrap())),
        )
    }

    #[test]
    fn what_is_there_already_is_not_given_again_and_what_is_more_is_told() {
        let holders = [
            Holder {
                resource: "registry".to_owned(),
                policy: policy(&[(Role::Administrator, "user:root"), (Role::Reader, "allUsers")]),
            },
            Holder {
                resource: "projects/p".to_owned(),
                policy: policy(&[(Role::CreateOnPushWriter, "user:a"), (Role::Reader, "user:b")]),
            },
        ];
        let grants = [
            grant("user:a", Role::Writer),
            grant("user:b", Role::Writer),
            grant("user:c", Role::Reader),
        ];
        let found = difference(&grants, &holders);
        let shown = |held: &[Held]| -> Vec<String> {
            let text = |held: &Held| format!("{} {} {}", held.member, held.role.short_name(), held.resource);
            held.iter().map(text).collect()
        };
        assert_eq!(found.add, [grants[1].clone(), grants[2].clone()]);
        assert_eq!(shown(&found.held), ["user:a createOnPushWriter projects/p"]);
        assert_eq!(
            shown(&found.more),
            [
                "user:a createOnPushWriter projects/p",
                "user:root admin registry",
                "allUsers reader registry"
            ]
        );
    }

    #[test]
    fn a_repository_keeps_what_it_has_and_nobody_two_roles_of_which_one_is_less() {
        let mut own = policy(&[
            (Role::Reader, "user:a"),
            (Role::Administrator, "user:b"),
            (Role::Reader, "user:c"),
        ]);
        own.etag = Some("x".to_owned());
        let merged = merged(
            &own,
            &[grant("user:a", Role::Writer), grant("user:b", Role::Reader)],
        );
        let mut expected = policy(&[
            (Role::Writer, "user:a"),
            (Role::Administrator, "user:b"),
            (Role::Reader, "user:b"),
            (Role::Reader, "user:c"),
        ]);
        expected.etag = Some("x".to_owned());
        assert_eq!(merged, expected);
    }
}
