//! What one operation needs.

use std::fmt;
use std::str::FromStr;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What one operation needs. Names are those of Artifact Registry where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* #[doc = concat!(" `", $text, "`")] $name,)*
        }

        impl Permission {
            /// All of them.
            pub const ALL: &[Permission] = &[$(Permission::$name),*];

            /// Its name in policies' tools and error messages.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Permission::$name => $text),* }
            }
        }
    };
}

permissions! {
    /// See a repository's settings.
    GetRepository = "artifactregistry.repositories.get",
    /// See which repositories there are.
    ListRepositories = "artifactregistry.repositories.list",
    /// Pull manifests and blobs.
    DownloadArtifacts = "artifactregistry.repositories.downloadArtifacts",
    /// Push blobs and manifests.
    UploadArtifacts = "artifactregistry.repositories.uploadArtifacts",
    /// Remove manifests and blobs.
    DeleteArtifacts = "artifactregistry.repositories.deleteArtifacts",
    /// Make a repository.
    CreateRepository = "artifactregistry.repositories.create",
    /// Make a repository by pushing to it.
    CreateRepositoryOnPush = "artifactregistry.repositories.createOnPush",
    /// Change a repository's settings.
    UpdateRepository = "artifactregistry.repositories.update",
    /// Remove a repository with all that is in it.
    DeleteRepository = "artifactregistry.repositories.delete",
    /// See who may do what.
    GetIamPolicy = "artifactregistry.repositories.getIamPolicy",
    /// Say who may do what.
    SetIamPolicy = "artifactregistry.repositories.setIamPolicy",
    /// See a package.
    GetPackage = "artifactregistry.packages.get",
    /// See which packages there are.
    ListPackages = "artifactregistry.packages.list",
    /// Remove a package with all that is in it.
    DeletePackage = "artifactregistry.packages.delete",
    /// See a version.
    GetVersion = "artifactregistry.versions.get",
    /// See which versions there are.
    ListVersions = "artifactregistry.versions.list",
    /// Remove a version.
    DeleteVersion = "artifactregistry.versions.delete",
    /// See a tag.
    GetTag = "artifactregistry.tags.get",
    /// See which tags there are.
    ListTags = "artifactregistry.tags.list",
    /// Set a new tag.
    CreateTag = "artifactregistry.tags.create",
    /// Move a tag.
    UpdateTag = "artifactregistry.tags.update",
    /// Remove a tag.
    DeleteTag = "artifactregistry.tags.delete",
    /// See an image.
    GetDockerImage = "artifactregistry.dockerimages.get",
    /// See which images there are.
    ListDockerImages = "artifactregistry.dockerimages.list",
    /// See who may do what in a project.
    GetProjectPolicy = "resourcemanager.projects.getIamPolicy",
    /// Say who may do what in a project.
    SetProjectPolicy = "resourcemanager.projects.setIamPolicy",
    /// See accounts and their keys.
    ListAccounts = "lightship.accounts.list",
    /// Make, change and remove accounts and their keys.
    ManageAccounts = "lightship.accounts.manage",
    /// Start a collection or a scrub, take a backup.
    Maintain = "lightship.registry.maintain",
}

/// A text that names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no permission that is known here")]
pub struct PermissionError {
    /// The text, cut if it is long.
    text: String,
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Permission, PermissionError> {
        let found = Permission::ALL
            .iter()
            .find(|permission| permission.as_str() == text);
        found.copied().ok_or_else(|| PermissionError {
            text: text.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

const SHOWN_CHARACTERS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_known_by_its_name() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
        assert!("artifactregistry.repositories.GET".parse::<Permission>().is_err());
    }
}
