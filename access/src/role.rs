//! Roles: the sets of permissions that a policy can give.

use std::fmt;
use std::str::FromStr;

use crate::Permission;
use crate::Permission as P;

/// A set of permissions. Each has what the one before it has, but for the two that may also make repositories by
/// pushing.
///
/// Source: Artifact Registry's documentation, "Roles and permissions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `roles/artifactregistry.reader`: pull and list.
    Reader,
    /// `roles/artifactregistry.writer`: also push and move tags, but remove nothing.
    Writer,
    /// `roles/artifactregistry.createOnPushWriter`: a writer whose push makes the repository.
    CreateOnPushWriter,
    /// `roles/artifactregistry.repoAdmin`: also remove artifacts and tags.
    RepositoryAdministrator,
    /// `roles/artifactregistry.createOnPushRepoAdmin`: a repository administrator whose push makes the repository.
    CreateOnPushRepositoryAdministrator,
    /// `roles/artifactregistry.admin`: everything, also repositories and policies; bound on the registry, also accounts
    /// and maintenance.
    Administrator,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no role that is known here: expected roles/artifactregistry. with reader, writer, repoAdmin, admin, \
     createOnPushWriter or createOnPushRepoAdmin"
)]
pub struct RoleError {
    /// The text, cut if it is long.
    text: String,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 6] = [
        Role::Reader,
        Role::Writer,
        Role::CreateOnPushWriter,
        Role::RepositoryAdministrator,
        Role::CreateOnPushRepositoryAdministrator,
        Role::Administrator,
    ];

    /// Whether the role has a permission.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        let reads = READ.contains(&permission);
        let writes = reads || WRITE.contains(&permission);
        let removes = writes || REMOVE.contains(&permission);
        let makes = permission == P::CreateRepositoryOnPush;
        match self {
            Self::Reader => reads,
            Self::Writer => writes,
            Self::CreateOnPushWriter => writes || makes,
            Self::RepositoryAdministrator => removes,
            Self::CreateOnPushRepositoryAdministrator => removes || makes,
            Self::Administrator => true,
        }
    }

    /// Its name without `roles/artifactregistry.`.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::CreateOnPushWriter => "createOnPushWriter",
            Self::RepositoryAdministrator => "repoAdmin",
            Self::CreateOnPushRepositoryAdministrator => "createOnPushRepoAdmin",
            Self::Administrator => "admin",
        }
    }
}

/// With or without `roles/artifactregistry.` before the name.
impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Role, RoleError> {
        let name = text.strip_prefix(PREFIX).unwrap_or(text);
        let found = Role::ALL.into_iter().find(|role| role.short_name() == name);
        found.ok_or_else(|| RoleError {
            text: text.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.short_name())
    }
}

const PREFIX: &str = "roles/artifactregistry.";
const SHOWN_CHARACTERS_MAX: usize = 80;

const READ: [Permission; 11] = [
    P::GetRepository,
    P::ListRepositories,
    P::DownloadArtifacts,
    P::GetPackage,
    P::ListPackages,
    P::GetVersion,
    P::ListVersions,
    P::GetTag,
    P::ListTags,
    P::GetDockerImage,
    P::ListDockerImages,
];
const WRITE: [Permission; 3] = [P::UploadArtifacts, P::CreateTag, P::UpdateTag];
const REMOVE: [Permission; 4] = [
    P::DeleteArtifacts,
    P::DeletePackage,
    P::DeleteVersion,
    P::DeleteTag,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_parsed_with_and_without_their_prefix() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(role.short_name().parse(), Ok(role));
        }
        for text in ["roles/owner", "Reader", "roles/artifactregistry.", ""] {
            assert!(text.parse::<Role>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_writer_removes_nothing_and_nobody_but_an_administrator_sets_policies() {
        for role in [Role::Reader, Role::Writer, Role::CreateOnPushWriter] {
            for permission in REMOVE {
                assert!(!role.allows(permission), "{role} {permission}");
            }
        }
        for role in Role::ALL {
            let administers = role == Role::Administrator;
            for permission in [
                P::SetIamPolicy,
                P::CreateRepository,
                P::DeleteRepository,
                P::ManageAccounts,
                P::Maintain,
            ] {
                assert_eq!(role.allows(permission), administers, "{role} {permission}");
            }
            assert!(role.allows(P::DownloadArtifacts));
            assert_eq!(role.allows(P::UploadArtifacts), role != Role::Reader);
        }
        let makes = Role::ALL.map(|role| role.allows(P::CreateRepositoryOnPush));
        assert_eq!(makes, [false, false, true, false, true, true]);
    }
}
