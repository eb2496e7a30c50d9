//! Names of a registry's resources, in Artifact Registry's shape.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use oci::RepositoryName;

/// Longest identifier of a project, location or repository.
pub const RESOURCE_ID_BYTES_MAX: usize = 128;

/// A text that does not name a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// An identifier has characters that it cannot have.
    #[error("{kind} {text:?} is not lower-case letters, digits, \"-\" and, where allowed, \".\" and \":\"")]
    Malformed {
        /// `project`, `location` or `repository`.
        kind: &'static str,
        /// The text, cut if it is long.
        text: String,
    },
    /// The whole is not `projects/P/locations/L/repositories/R`.
    #[error("{text:?} is not of the form projects/PROJECT/locations/LOCATION/repositories/REPOSITORY")]
    Path {
        /// The text, cut if it is long.
        text: String,
    },
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $punctuation:pat) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ResourceError;

            fn from_str(text: &str) -> Result<Self, ResourceError> {
                let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                let ends = text.bytes().next().is_some_and(alphanumeric) && text.bytes().last().is_some_and(alphanumeric);
                let inner = text.bytes().all(|byte| alphanumeric(byte) || matches!(byte, $punctuation));
                if text.len() > RESOURCE_ID_BYTES_MAX || !ends || !inner || text.contains("..") {
                    return Err(ResourceError::Malformed { kind: $kind, text: shown(text) });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// A project; one of a domain is `example.com:project`.
    ProjectId, "project", b'-' | b'.' | b':' | b'_'
);
identifier!(
    /// A location, such as `us` or `europe-west1`.
    LocationId, "location", b'-'
);
identifier!(
    /// A repository within project and location. Only those of Container Registry's hosts have dots.
    RepositoryId, "repository", b'-' | b'.' | b'_'
);

/// `projects/P/locations/L/repositories/R`: cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPath(Arc<(ProjectId, LocationId, RepositoryId)>);

impl RepositoryPath {
    /// The repository of these three.
    #[must_use]
    pub fn new(project: ProjectId, location: LocationId, id: RepositoryId) -> RepositoryPath {
        RepositoryPath(Arc::new((project, location, id)))
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &ProjectId {
        &self.0.0
    }

    /// The location.
    #[must_use]
    pub fn location(&self) -> &LocationId {
        &self.0.1
    }

    /// The repository within them.
    #[must_use]
    pub fn id(&self) -> &RepositoryId {
        &self.0.2
    }
}

impl FromStr for RepositoryPath {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<RepositoryPath, ResourceError> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "locations", location, "repositories", id] = parts[..] else {
            return Err(ResourceError::Path { text: shown(text) });
        };
        Ok(RepositoryPath::new(
            project.parse()?,
            location.parse()?,
            id.parse()?,
        ))
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (project, location, id) = &*self.0;
        write!(
            formatter,
            "projects/{project}/locations/{location}/repositories/{id}"
        )
    }
}

impl fmt::Debug for RepositoryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RepositoryPath({self})")
    }
}

/// A package: an image name within a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath {
    /// The repository.
    pub repository: RepositoryPath,
    /// The name in it, such as `distroless/cc-debian13`.
    pub name: RepositoryName,
}

impl fmt::Display for PackagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/packages/{}", self.repository, self.name)
    }
}

/// Anything on which a policy can stand, and of which an event can tell. Policies of those above hold below too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `registry`: the whole of it.
    Registry,
    /// `projects/P`: one project.
    Project(ProjectId),
    /// One repository.
    Repository(RepositoryPath),
}

impl Resource {
    /// The resource itself and those above it, from the top.
    #[must_use]
    pub fn chain(&self) -> Vec<Resource> {
        match self {
            Self::Registry => vec![Self::Registry],
            Self::Project(_) => vec![Self::Registry, self.clone()],
            Self::Repository(path) => {
                vec![
                    Self::Registry,
                    Self::Project(path.project().clone()),
                    self.clone(),
                ]
            }
        }
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Resource, ResourceError> {
        match text.strip_prefix("projects/") {
            _ if text == REGISTRY => Ok(Self::Registry),
            Some(project) if !project.contains('/') => Ok(Self::Project(project.parse()?)),
            _ => Ok(Self::Repository(text.parse()?)),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => formatter.write_str(REGISTRY),
            Self::Project(project) => write!(formatter, "projects/{project}"),
            Self::Repository(path) => path.fmt(formatter),
        }
    }
}

const REGISTRY: &str = "registry";

fn shown(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 80;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_again(
            project in "([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z]{2,3}:)?[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?",
            location in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
            id in "[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,5})?",
        ) {
            let text = format!("projects/{project}/locations/{location}/repositories/{id}");
            let path: RepositoryPath = text.parse().unwrap();
            prop_assert_eq!(path.to_string(), text);
            let parts = (path.project().as_str(), path.location().as_str(), path.id().as_str());
            prop_assert_eq!(parts, (&*project, &*location, &*id));
            for resource in Resource::Repository(path).chain() {
                prop_assert_eq!(resource.to_string().parse(), Ok(resource));
            }
        }

        #[test]
        fn no_text_is_parsed_to_something_else(text in "(projects/)?[a-z./:_A-Z0-9-]{0,40}(/locations/u/repositories/r)?") {
            if let Ok(path) = text.parse::<RepositoryPath>() {
                prop_assert_eq!(path.to_string(), &*text);
            }
            if let Ok(project) = text.parse::<ProjectId>() {
                prop_assert_eq!(project.as_str(), &*text);
                prop_assert!(!text.contains(['/', ' ']) && !text.contains(".."));
            }
        }
    }

    #[test]
    fn an_identifier_is_as_long_as_it_may_be_and_no_longer() {
        assert!("a".repeat(RESOURCE_ID_BYTES_MAX).parse::<ProjectId>().is_ok());
        assert!(matches!(
            "a".repeat(RESOURCE_ID_BYTES_MAX + 1).parse::<ProjectId>(),
            Err(ResourceError::Malformed { kind: "project", text }) if text.len() == 80
        ));
    }

    #[test]
    fn what_would_leave_its_place_is_no_identifier() {
        for text in [
            "", ".", "..", "a..b", "-a", "a-", "a/b", "A", "ä", "a b", "a\0", ".a",
        ] {
            assert!(text.parse::<RepositoryId>().is_err(), "{text:?}");
        }
        for text in ["a.b", "a:b", "a_b"] {
            assert!(text.parse::<LocationId>().is_err(), "{text:?}");
        }
        assert!("gcr.io".parse::<RepositoryId>().is_ok());
        assert!("example.com:project".parse::<ProjectId>().is_ok());
    }
}
