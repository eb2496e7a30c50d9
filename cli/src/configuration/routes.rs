//! Hosts of the configuration, as the registry wants them.

use registry::{HostRoute, Style};
use serde::Deserialize;
use store::RepositoryPath;

use super::section::section;
use super::values::{HostPattern, Text};

/// How names on a host are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StyleName {
    #[default]
    Whole,
    ContainerRegistry,
    ArtifactRegistry,
}

section! {
    /// More hosts, before those of Google; the first that fits counts.
    HostTable {
        /// A name without port, or `*` and what names end in.
        host: Text<HostPattern> = "\"gcr.example\"",
        /// How names on it are read. "whole": as a package of `repository`. "container-registry": PROJECT/IMAGE.
        /// "artifact-registry": PROJECT/REPOSITORY/IMAGE, for a host `*…` whose `*` is the location.
        style: StyleName = "\"container-registry\"",
        /// For "whole" projects/P/locations/L/repositories/R; for "container-registry" R alone.
        repository: Option<String> = "\"gcr.example\"",
        /// For "container-registry".
        location: Option<String> = "\"us\"",
        /// Whether it refuses what Google's registries refuse, as to delete what is tagged or referenced.
        strict: Option<bool> = "false",
        /// Whether a request on another host reaches it by `?ns=`, as containerd asks a mirror.
        namespace: Option<bool> = "true",
    }
}

/// A host that has what its style needs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "HostTable")]
pub(crate) struct HostEntry(pub(crate) HostRoute);

/// Why an entry cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error("the style needs the key `{key}`")]
    Missing { key: &'static str },
    #[error("the style has no use for the key `{key}`")]
    Needless { key: &'static str },
    #[error("the style needs a host that begins with `*`, which is the location")]
    Star,
    #[error("the key `{key}` is malformed: {cause}")]
    Malformed {
        key: &'static str,
        cause: store::ResourceError,
    },
}

impl TryFrom<HostTable> for HostEntry {
    type Error = HostError;

    fn try_from(table: HostTable) -> Result<HostEntry, HostError> {
        let HostTable {
            host: Text(HostPattern(host)),
            style,
            repository,
            location,
            strict,
            namespace,
        } = table;
        let needless = |is_there: bool, key| match is_there {
            true => Err(HostError::Needless { key }),
            false => Ok(()),
        };
        let style = match style {
            StyleName::Whole => {
                needless(location.is_some(), "location")?;
                let path: RepositoryPath = parsed("repository", repository)?;
                Style::Whole(path)
            }
            StyleName::ContainerRegistry => Style::ContainerRegistry {
                location: parsed("location", location)?,
                repository: parsed("repository", repository)?,
            },
            StyleName::ArtifactRegistry => {
                needless(location.is_some(), "location")?;
                needless(repository.is_some(), "repository")?;
                let suffix = host.strip_prefix('*').ok_or(HostError::Star)?.to_owned();
                Style::ArtifactRegistry { suffix }
            }
        };
        Ok(HostEntry(HostRoute {
            host,
            style,
            strict: strict.unwrap_or(false),
            namespace: namespace.unwrap_or(true),
        }))
    }
}

fn parsed<T: std::str::FromStr<Err = store::ResourceError>>(
    key: &'static str,
    text: Option<String>,
) -> Result<T, HostError> {
    text.ok_or(HostError::Missing { key })?
        .parse()
        .map_err(|cause| HostError::Malformed { key, cause })
}
