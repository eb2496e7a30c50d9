//! What the members of one repository had, with the reasons.

use std::collections::BTreeMap;

use access::Member;

use super::named::Named;
use super::powers::Powers;
use super::translate::{Grant, Listed, ListedKind};

/// Most reasons that are kept for one member.
const REASONS_MAX: usize = 8;

/// What is gathered for one repository.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    members: BTreeMap<Member, Had>,
    listed: Vec<Listed>,
}

#[derive(Debug, Default)]
struct Had {
    powers: Powers,
    because: Vec<String>,
}

impl Gathered {
    /// Notes what a member had, when it is one that can be carried, and lists it when not.
    pub(super) fn add(&mut self, text: &str, powers: Powers, because: &str) {
        match Named::read(text) {
            Named::Member(member) => {
                let had = self.members.entry(member).or_default();
                had.powers = had.powers.and(powers);
                if had.because.len() < REASONS_MAX && !had.because.iter().any(|other| other == because) {
                    had.because.push(because.to_owned());
                }
            }
            Named::Deleted => {
                let why = format!("the account is gone; it had {because}");
                self.list(ListedKind::Dropped, text, powers, why);
            }
            Named::Convenience(..) | Named::Unresolved => {
                let why = format!("no policy here can name it; it had {because}");
                self.list(ListedKind::Unresolved, text, powers, why);
            }
        }
    }

    pub(super) fn list(&mut self, kind: ListedKind, subject: &str, powers: Powers, why: String) {
        let listed = Listed {
            kind,
            subject: subject.to_owned(),
            powers,
            why,
        };
        if !self.listed.contains(&listed) {
            self.listed.push(listed);
        }
    }

    /// Roles for what was gathered; what a role does not carry, and what it gives beyond, is listed.
    pub(super) fn into_grants(mut self) -> (Vec<Grant>, Vec<Listed>) {
        let of = |member: &Member| self.members.get(member).map_or(Powers::NONE, |had| had.powers);
        let everybody = of(&Member::AllUsers);
        let known = of(&Member::AllAuthenticatedUsers).and(everybody);
        let mut grants = Vec::new();
        for (member, had) in std::mem::take(&mut self.members) {
            let shared = match member {
                Member::AllUsers | Member::AllAuthenticatedUsers => everybody,
                _ => known,
            };
            let role = had.powers.role();
            let given = role.map_or(Powers::NONE, Powers::of_role);
            let name = member.to_string();
            let lost = had.powers.without(given);
            if !lost.is_empty() {
                self.list(
                    ListedKind::Lost,
                    &name,
                    lost,
                    "no role here carries it".to_owned(),
                );
            }
            let Some(role) = role else { continue };
            let gained = given.without(had.powers.and(shared));
            if !gained.is_empty() {
                let why = format!("{role} is the smallest role that has what it had");
                self.list(ListedKind::Gained, &name, gained, why);
            }
            if matches!(member, Member::Group(_)) {
                let why = "who is in it must be said here: groups of accounts, or an issuer's `groups_claim`";
                self.list(ListedKind::Group, &name, had.powers, why.to_owned());
            }
            grants.push(Grant {
                member,
                role,
                because: had.because,
            });
        }
        (grants, self.listed)
    }
}
