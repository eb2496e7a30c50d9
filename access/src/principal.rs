//! Who asks.

use std::collections::BTreeSet;
use std::fmt;

use crate::Member;

/// Who asks, and in which sets they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    identity: Identity,
    sets: BTreeSet<Member>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody showed a credential.
    Anonymous,
    /// The registry itself: what it publishes, collects and cleans up. May everything.
    Registry,
    /// Somebody whose credential was taken.
    Member(Member),
}

impl Principal {
    /// Somebody without a credential.
    #[must_use]
    pub fn anonymous() -> Principal {
        Principal {
            identity: Identity::Anonymous,
            sets: BTreeSet::new(),
        }
    }

    /// The registry itself.
    #[must_use]
    pub fn registry() -> Principal {
        Principal {
            identity: Identity::Registry,
            sets: BTreeSet::new(),
        }
    }

    /// Somebody with a credential, in these groups and sets.
    #[must_use]
    pub fn member(member: Member, sets: impl IntoIterator<Item = Member>) -> Principal {
        Principal {
            identity: Identity::Member(member),
            sets: sets.into_iter().collect(),
        }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The groups and sets.
    pub fn sets(&self) -> impl Iterator<Item = &Member> {
        self.sets.iter()
    }

    /// Whether a binding to `member` is one to this principal.
    #[must_use]
    pub fn is(&self, member: &Member) -> bool {
        match (&self.identity, member) {
            (_, Member::AllUsers) => true,
            (Identity::Anonymous, _) => false,
            (_, Member::AllAuthenticatedUsers) => true,
            (Identity::Member(own), other) => own == other || self.sets.contains(other),
            (Identity::Registry, _) => false,
        }
    }

    /// Whether a credential was shown and taken.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.identity != Identity::Anonymous
    }
}

/// As events and audit logs name them.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Identity::Anonymous => formatter.write_str("allUsers"),
            Identity::Registry => formatter.write_str("lightship"),
            Identity::Member(member) => member.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_in_its_sets_and_in_no_other() {
        let group = |name: &str| Member::Group(name.to_owned());
        let ann = Principal::member(Member::User("ann".to_owned()), [group("ops")]);
        for member in [
            Member::User("ann".to_owned()),
            group("ops"),
            Member::AllUsers,
            Member::AllAuthenticatedUsers,
        ] {
            assert!(ann.is(&member), "{member}");
        }
        for member in [
            Member::User("bob".to_owned()),
            Member::ServiceAccount("ann".to_owned()),
            group("dev"),
            Member::Principal("ann".to_owned()),
        ] {
            assert!(!ann.is(&member), "{member}");
        }
        assert!(Principal::anonymous().is(&Member::AllUsers));
        assert!(!Principal::anonymous().is(&Member::AllAuthenticatedUsers));
    }
}
