//! How places are named on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use oci::{Reference, ReferenceError, RepositoryName};

/// The name of a place: `HOST[:PORT][/PREFIX]`, `oci:DIR` or `docker-archive:FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceName {
    /// A registry, or what is below a prefix there.
    Registry {
        /// The host, with its port if one was given.
        host: String,
        /// What names begin with.
        prefix: Option<RepositoryName>,
    },
    /// An OCI layout directory.
    Layout(PathBuf),
    /// An archive of `docker save`.
    DockerArchive(PathBuf),
}

/// Why a text is not a [`PlaceName`].
#[derive(Debug, thiserror::Error)]
pub enum PlaceNameError {
    /// No path follows.
    #[error("{text:?} names no file or directory")]
    NoPath {
        /// The text.
        text: String,
    },
    /// It is no registry.
    #[error("{text:?} is not a place: write HOST[:PORT][/PREFIX], oci:DIR or docker-archive:FILE")]
    Registry {
        /// The text.
        text: String,
        /// Why not.
        source: ReferenceError,
    },
    /// It names one image.
    #[error("{text:?} names a single image: a place has neither tag nor digest")]
    Image {
        /// The text.
        text: String,
    },
}

impl PlaceName {
    /// What names begin with there.
    #[must_use]
    pub fn prefix(&self) -> Option<&RepositoryName> {
        match self {
            Self::Registry { prefix, .. } => prefix.as_ref(),
            _ => None,
        }
    }
}

impl FromStr for PlaceName {
    type Err = PlaceNameError;

    fn from_str(text: &str) -> Result<Self, PlaceNameError> {
        let path = |path: &str| match path {
            "" => Err(PlaceNameError::NoPath {
                text: text.to_owned(),
            }),
            path => Ok(PathBuf::from(path)),
        };
        if let Some(dir) = text.strip_prefix("oci:") {
            return path(dir).map(Self::Layout);
        }
        if let Some(file) = text.strip_prefix("docker-archive:") {
            return path(file).map(Self::DockerArchive);
        }
        let bare = text.strip_prefix("docker://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let (whole, has_prefix) = match bare.contains('/') {
            true => (bare.to_owned(), true),
            false => (format!("{bare}/x"), false),
        };
        let reference: Reference = whole.parse().map_err(|source| PlaceNameError::Registry {
            text: text.to_owned(),
            source,
        })?;
        if reference.tag().is_some() || reference.digest().is_some() {
            return Err(PlaceNameError::Image {
                text: text.to_owned(),
            });
        }
        Ok(Self::Registry {
            host: reference.host().to_owned(),
            prefix: has_prefix.then(|| reference.name().clone()),
        })
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { host, prefix: None } => formatter.write_str(host),
            Self::Registry {
                host,
                prefix: Some(prefix),
            } => write!(formatter, "{host}/{prefix}"),
            Self::Layout(dir) => write!(formatter, "oci:{}", dir.display()),
            Self::DockerArchive(file) => write!(formatter, "docker-archive:{}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match text.parse::<PlaceName>() {
            Ok(name) => format!("{name:?}"),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(expected), "{text}: {shown}");
    }

    #[test]
    fn reads_every_kind_of_place() {
        check(
            "localhost:5000",
            r#"Registry { host: "localhost:5000", prefix: None }"#,
        );
        check(
            "gcr.io/proj/",
            r#"Registry { host: "gcr.io", prefix: Some("proj") }"#,
        );
        check(
            "docker://a.b:1/c/d",
            r#"Registry { host: "a.b:1", prefix: Some("c/d") }"#,
        );
        check("oci:out/x", r#"Layout("out/x")"#);
        check("docker-archive:a.tar", r#"DockerArchive("a.tar")"#);
    }

    #[test]
    fn says_what_is_wrong_with_others() {
        check("oci:", "names no file or directory");
        check("a.b/c:v1", "names a single image");
        check("", "is not a place");
        check("a.b/UP", "is not a place");
        check("plain", "is not a place");
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(text in "(oci:[a-z/]{1,8}|docker-archive:[a-z/]{1,8}|[a-z]{1,5}\\.[a-z]{2}(:[1-9][0-9]{0,3})?(/[a-z]{1,5}){0,3})") {
            let name: PlaceName = text.parse().unwrap();
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
