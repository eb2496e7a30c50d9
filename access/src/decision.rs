//! Whether somebody may, and why.

use crate::{Member, Permission, Policy, Principal, Role};

/// A policy and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Level<'l> {
    /// The resource's name, for the explanation.
    pub name: &'l str,
    /// What is bound on it.
    pub policy: &'l Policy,
}

/// The binding that allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The resource on which it stands.
    pub level: String,
    /// The role it gives.
    pub role: Role,
    /// To whom.
    pub member: Member,
}

/// The first binding of the policies, read in the order given, that gives `principal` the permission.
///
/// Policies only add: the chain of a repository is those of the registry, its project and itself.
#[must_use]
pub fn decide(principal: &Principal, permission: Permission, chain: &[Level<'_>]) -> Option<Reason> {
    chain.iter().find_map(|level| {
        let mut pairs = level.policy.pairs();
        let (role, member) = pairs.find(|(role, member)| role.allows(permission) && principal.is(member))?;
        Some(Reason {
            level: level.name.to_owned(),
            role,
            member: member.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_above_allows_below_and_says_so() {
        let above = Policy::new([(Role::Writer, Member::Group("dev".to_owned()))]);
        let own = Policy::new([(Role::Reader, Member::AllUsers)]);
        let chain = [
            Level {
                name: "registry",
                policy: &above,
            },
            Level {
                name: "repository",
                policy: &own,
            },
        ];
        let dev = Principal::member(Member::User("ann".to_owned()), [Member::Group("dev".to_owned())]);
        let reason = decide(&dev, Permission::UploadArtifacts, &chain).unwrap();
        assert_eq!((reason.level.as_str(), reason.role), ("registry", Role::Writer));
        let other = Principal::member(Member::User("bob".to_owned()), []);
        assert_eq!(decide(&other, Permission::UploadArtifacts, &chain), None);
        assert_eq!(
            decide(&other, Permission::DownloadArtifacts, &chain)
                .unwrap()
                .level,
            "repository"
        );
    }
}
