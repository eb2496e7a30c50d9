//! What Google's roles let people do with images.
//!
//! Source: Cloud Storage's documentation, "IAM roles for Cloud Storage" and "IAM permissions"; Artifact Registry's,
//! "Roles and permissions".

use std::collections::BTreeMap;

use access::Role;
use serde::Deserialize;
use serde_json::Value;

use super::powers::Powers;
use super::refusal::Refusal;

/// Most permissions of a role that are read; Google's own limit is 3,000.
pub(super) const PERMISSIONS_MAX: usize = 10_000;

/// A basic role of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Basic {
    Viewer,
    Editor,
    Owner,
}

/// What a role means for images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It gives these powers.
    Gives(Powers),
    /// It is a basic role, which gives what the side's kind says.
    Basic(Basic),
    /// One that was made by somebody, and of which nothing is known.
    Custom,
    /// One of storage or of registries that is not known here.
    Unknown,
    /// One of another service.
    Elsewhere,
}

impl Basic {
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Viewer => "roles/viewer",
            Self::Editor => "roles/editor",
            Self::Owner => "roles/owner",
        }
    }

    /// What it is on a repository of a registry, and the most that it is anywhere.
    pub(super) fn powers(self) -> Powers {
        Powers::of_role(match self {
            Self::Viewer => Role::Reader,
            Self::Editor => Role::Writer,
            Self::Owner => Role::RepositoryAdministrator,
        })
    }
}

/// Roles as their definitions say, where these were given.
#[derive(Debug, Default)]
pub(super) struct Roles {
    defined: BTreeMap<String, Powers>,
}

impl Roles {
    /// Takes the definition of a role, as `gcloud iam roles describe ROLE --format json` writes it.
    pub(super) fn define(&mut self, file: &str, document: &Value) -> Result<(), Refusal> {
        let unusable = || Refusal::RoleFile {
            file: file.to_owned(),
        };
        let definition = Definition::deserialize(document).map_err(|_| unusable())?;
        if definition.name.is_empty() || definition.included_permissions.len() > PERMISSIONS_MAX {
            return Err(unusable());
        }
        let permissions = definition.included_permissions.iter().map(String::as_str);
        self.defined.insert(definition.name, of_permissions(permissions));
        Ok(())
    }

    pub(super) fn meaning(&self, role: &str) -> Meaning {
        if let Some(powers) = self.defined.get(role) {
            return Meaning::Gives(*powers);
        }
        for basic in [Basic::Viewer, Basic::Editor, Basic::Owner] {
            if role == basic.role() {
                return Meaning::Basic(basic);
            }
        }
        if let Some((_, powers)) = PREDEFINED.iter().find(|(name, _)| *name == role) {
            return Meaning::Gives(*powers);
        }
        if role.starts_with(ARTIFACT_REGISTRY) {
            let known = role.parse::<Role>();
            return known.map_or(Meaning::Unknown, |role| Meaning::Gives(Powers::of_role(role)));
        }
        match role {
            _ if role.starts_with("roles/storage.") => Meaning::Unknown,
            _ if role.starts_with("roles/") => Meaning::Elsewhere,
            _ => Meaning::Custom,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    name: String,
    /// Google leaves it out when there are none.
    #[serde(default)]
    included_permissions: Vec<String>,
}

fn of_permissions<'p>(permissions: impl Iterator<Item = &'p str>) -> Powers {
    let power = |permission: &str| PERMISSIONS.iter().find(|(name, _)| *name == permission);
    let found = permissions.filter_map(power);
    found.fold(Powers::NONE, |all, (_, powers)| all.and(*powers))
}

const ARTIFACT_REGISTRY: &str = "roles/artifactregistry.";

const PERMISSIONS: [(&str, Powers); 12] = [
    ("storage.objects.get", Powers::PULL),
    ("storage.objects.list", Powers::LIST),
    ("storage.objects.create", Powers::PUSH),
    ("storage.objects.delete", Powers::DELETE),
    ("storage.buckets.setIamPolicy", Powers::POLICY),
    ("artifactregistry.repositories.downloadArtifacts", Powers::PULL),
    ("artifactregistry.tags.list", Powers::LIST),
    ("artifactregistry.packages.list", Powers::LIST),
    ("artifactregistry.repositories.uploadArtifacts", Powers::PUSH),
    ("artifactregistry.repositories.deleteArtifacts", Powers::DELETE),
    ("artifactregistry.repositories.createOnPush", Powers::MAKE),
    ("artifactregistry.repositories.setIamPolicy", Powers::POLICY),
];

const READ: Powers = Powers::PULL.and(Powers::LIST);
const ALL: Powers = READ.and(Powers::PUSH).and(Powers::DELETE);

const PREDEFINED: [(&str, Powers); 15] = [
    ("roles/storage.admin", ALL.and(Powers::POLICY)),
    ("roles/storage.objectAdmin", ALL),
    ("roles/storage.objectUser", ALL),
    ("roles/storage.folderAdmin", ALL),
    ("roles/storage.objectViewer", READ),
    ("roles/storage.objectCreator", Powers::PUSH),
    ("roles/storage.legacyObjectReader", Powers::PULL),
    ("roles/storage.legacyObjectOwner", Powers::PULL),
    ("roles/storage.legacyBucketReader", Powers::LIST),
    (
        "roles/storage.legacyBucketWriter",
        Powers::LIST.and(Powers::PUSH).and(Powers::DELETE),
    ),
    (
        "roles/storage.legacyBucketOwner",
        Powers::LIST
            .and(Powers::PUSH)
            .and(Powers::DELETE)
            .and(Powers::POLICY),
    ),
    ("roles/storage.bucketViewer", Powers::NONE),
    ("roles/storage.hmacKeyAdmin", Powers::NONE),
    ("roles/storage.insightsCollectorService", Powers::NONE),
    ("roles/browser", Powers::NONE),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_role_of_storage_lets_do_decides_its_role_here() {
        let roles = Roles::default();
        for (role, expected) in [
            ("roles/storage.objectViewer", Some(Role::Reader)),
            ("roles/storage.legacyObjectReader", Some(Role::Reader)),
            ("roles/storage.legacyBucketReader", Some(Role::Reader)),
            ("roles/storage.objectCreator", Some(Role::Writer)),
            (
                "roles/storage.legacyBucketWriter",
                Some(Role::RepositoryAdministrator),
            ),
            (
                "roles/storage.legacyBucketOwner",
                Some(Role::RepositoryAdministrator),
            ),
            ("roles/storage.objectUser", Some(Role::RepositoryAdministrator)),
            ("roles/storage.admin", Some(Role::RepositoryAdministrator)),
            ("roles/storage.hmacKeyAdmin", None),
            (
                "roles/artifactregistry.createOnPushWriter",
                Some(Role::CreateOnPushWriter),
            ),
        ] {
            let Meaning::Gives(powers) = roles.meaning(role) else {
                panic!("{role} is not known");
            };
            assert_eq!(powers.role(), expected, "{role}");
        }
    }

    #[test]
    fn a_role_that_is_not_known_is_told_from_one_of_another_service() {
        let mut roles = Roles::default();
        assert_eq!(roles.meaning("roles/storage.new"), Meaning::Unknown);
        assert_eq!(roles.meaning("roles/artifactregistry.new"), Meaning::Unknown);
        assert_eq!(roles.meaning("roles/compute.admin"), Meaning::Elsewhere);
        assert_eq!(roles.meaning("roles/editor"), Meaning::Basic(Basic::Editor));
        let custom = "projects/p/roles/puller";
        assert_eq!(roles.meaning(custom), Meaning::Custom);
        let definition =
            json!({"name": custom, "includedPermissions": ["storage.objects.get", "storage.buckets.get"]});
        roles.define("puller.json", &definition).unwrap();
        assert_eq!(roles.meaning(custom), Meaning::Gives(Powers::PULL));
        for wrong in [json!([]), json!({"name": ""}), json!({"includedPermissions": []})] {
            assert!(roles.define("x", &wrong).is_err(), "{wrong}");
        }
    }
}
