//! What somebody may do with the images of a repository, in words that both sides have.

use access::{Permission, Role};

/// A set of powers over the images of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Powers(u8);

impl Powers {
    /// None.
    pub const NONE: Powers = Powers(0);
    /// Read objects: pull.
    pub const PULL: Powers = Powers(1);
    /// See which there are.
    pub const LIST: Powers = Powers(1 << 1);
    /// Create objects: push.
    pub const PUSH: Powers = Powers(1 << 2);
    /// Delete objects.
    pub const DELETE: Powers = Powers(1 << 3);
    /// Make a repository by pushing to it.
    pub const MAKE: Powers = Powers(1 << 4);
    /// Everything about the repository, its policy included.
    pub const ADMINISTER: Powers = Powers(1 << 5);
    /// Set the policy of a bucket. No role carries it: that of a registry's administrator is for people to give.
    pub const POLICY: Powers = Powers(1 << 6);

    /// What either has.
    #[must_use]
    pub const fn and(self, other: Powers) -> Powers {
        Powers(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn within(self, other: Powers) -> Powers {
        Powers(self.0 & other.0)
    }

    /// What this has and the other has not.
    #[must_use]
    pub const fn without(self, other: Powers) -> Powers {
        Powers(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What a role of ours gives.
    #[must_use]
    pub fn of_role(role: Role) -> Powers {
        let given = OF_PERMISSIONS
            .iter()
            .filter(|(permission, _)| role.allows(*permission));
        given.fold(Powers::NONE, |all, (_, powers)| all.and(*powers))
    }

    /// The smallest role of ours that gives all of it, but for what no role carries.
    #[must_use]
    pub fn role(self) -> Option<Role> {
        let carried = self.without(Powers::POLICY);
        // Making a repository by a push is nothing for somebody who may not push.
        let pushes = Powers::PUSH.and(Powers::DELETE).and(Powers::ADMINISTER);
        let carried = match carried.within(pushes).is_empty() {
            true => carried.without(Powers::MAKE),
            false => carried,
        };
        let has_all = |role: &Role| carried.without(Powers::of_role(*role)).is_empty();
        Role::ALL
            .into_iter()
            .find(has_all)
            .filter(|_| !carried.is_empty())
    }

    /// In words.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let held = NAMES.iter().filter(|(power, _)| !self.within(*power).is_empty());
        held.map(|(_, name)| *name).collect()
    }
}

const OF_PERMISSIONS: [(Permission, Powers); 6] = [
    (Permission::DownloadArtifacts, Powers::PULL),
    (Permission::ListTags, Powers::LIST),
    (Permission::UploadArtifacts, Powers::PUSH),
    (Permission::DeleteArtifacts, Powers::DELETE),
    (Permission::CreateRepositoryOnPush, Powers::MAKE),
    (Permission::SetIamPolicy, Powers::ADMINISTER),
];

const NAMES: [(Powers, &str); 7] = [
    (Powers::PULL, "pull"),
    (Powers::LIST, "list"),
    (Powers::PUSH, "push"),
    (Powers::DELETE, "delete"),
    (Powers::MAKE, "make repositories by pushing"),
    (Powers::ADMINISTER, "administer"),
    (Powers::POLICY, "set the policy"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_smallest_that_has_every_power() {
        for role in Role::ALL {
            assert_eq!(Powers::of_role(role).role(), Some(role));
        }
        for (powers, role) in [
            (Powers::LIST, Some(Role::Reader)),
            (Powers::PULL, Some(Role::Reader)),
            (Powers::PUSH, Some(Role::Writer)),
            (Powers::DELETE, Some(Role::RepositoryAdministrator)),
            (
                Powers::DELETE.and(Powers::MAKE),
                Some(Role::CreateOnPushRepositoryAdministrator),
            ),
            (Powers::MAKE, None),
            (Powers::MAKE.and(Powers::PULL), Some(Role::Reader)),
            (Powers::POLICY, None),
            (Powers::POLICY.and(Powers::LIST), Some(Role::Reader)),
            (Powers::NONE, None),
        ] {
            assert_eq!(powers.role(), role, "{:?}", powers.names());
        }
    }
}
