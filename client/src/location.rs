//! Where an image is, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use oci::{Reference, ReferenceError, RepositoryName, Tag};

use crate::Selector;

/// An image, or a place for one:
/// `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:REF]`, or
/// `[registry:|docker://]HOST[:PORT]/NAME[:TAG|@DIGEST]`, which ends in `/` when it is a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory with an OCI layout.
    OciLayout {
        /// The directory.
        dir: PathBuf,
        /// The name of the image in it.
        tag: Option<Tag>,
    },
    /// A tar archive of an OCI layout.
    OciArchive {
        /// The archive.
        file: PathBuf,
        /// The name of the image in it.
        tag: Option<Tag>,
    },
    /// An archive as `docker save` writes it.
    DockerArchive {
        /// The archive.
        file: PathBuf,
        /// The name of the image in it, such as `cc:nonroot`.
        reference: Option<String>,
    },
    /// A repository of a registry.
    Registry(Reference),
    /// A part of a registry's names, for several images: `HOST[:PORT]/[NAME/]`.
    RegistryPrefix {
        /// The host, with its port if one was given.
        host: String,
        /// What names begin with.
        prefix: Option<RepositoryName>,
    },
}

/// Why a text is not a [`Location`].
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// Nothing follows the name of the medium.
    #[error("{text:?} names no file or directory")]
    NoPath {
        /// The text.
        text: String,
    },
    /// It begins with something that is not a medium.
    #[error("{medium:?} is not a medium; there are oci, oci-archive, docker-archive and registry")]
    Medium {
        /// What stands before the colon.
        medium: String,
    },
    /// It is none of the media, and not a reference either.
    #[error(
        "{text:?} is not an image: write oci:DIR, oci-archive:FILE, docker-archive:FILE or HOST/NAME:TAG, NAME in small letters"
    )]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it as a reference.
        source: ReferenceError,
    },
    /// What follows a layout is not a tag.
    #[error("{tag:?} in {text:?} is not a tag: letters, digits, `_`, `.` and `-`, at most 128")]
    Tag {
        /// The text.
        text: String,
        /// What stands where a tag does.
        tag: String,
    },
    /// What follows a docker archive is not a name.
    #[error("{reference:?} is not the name of an image in a docker archive, such as \"cc:nonroot\"")]
    DockerReference {
        /// The name.
        reference: String,
    },
}

impl Location {
    /// Which of the images there is meant.
    #[must_use]
    pub fn selector(&self) -> Selector {
        match self {
            Self::Registry(reference) => match (reference.digest(), reference.tag()) {
                (Some(digest), _) => Selector::Digest(*digest),
                (None, Some(tag)) => Selector::Tag(tag.to_string()),
                (None, None) => Selector::Tag("latest".to_owned()),
            },
            _ => self.name().map_or(Selector::Only, Selector::Tag),
        }
    }

    /// The name that an image has or gets there, if one was given.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::OciLayout { tag, .. } | Self::OciArchive { tag, .. } => tag.as_ref().map(Tag::to_string),
            Self::DockerArchive { reference, .. } => reference.clone(),
            Self::Registry(reference) => reference.tag().map(Tag::to_string),
            Self::RegistryPrefix { .. } => None,
        }
    }

    /// Whether only an image of a single platform fits there.
    #[must_use]
    pub fn takes_one_platform(&self) -> bool {
        matches!(self, Self::DockerArchive { .. })
    }

    /// Whether several images fit there under names of their own.
    #[must_use]
    pub fn takes_several(&self) -> bool {
        match self {
            Self::OciLayout { tag, .. } | Self::OciArchive { tag, .. } => tag.is_none(),
            Self::RegistryPrefix { .. } => true,
            Self::DockerArchive { .. } | Self::Registry(_) => false,
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(rest) = text
            .strip_prefix("docker://")
            .or_else(|| text.strip_prefix("registry:"))
        {
            return parse_registry(text, rest);
        }
        let (medium, rest) = match text.split_once(':') {
            Some((medium, rest)) if !medium.contains(['/', '.', '[']) => (medium, rest),
            _ => return parse_registry(text, text),
        };
        let no_path = || LocationError::NoPath {
            text: text.to_owned(),
        };
        match medium {
            "oci" => {
                let (path, tag) = split_tag(text, rest)?;
                let dir = path_of(path).ok_or_else(no_path)?;
                Ok(Self::OciLayout { dir, tag })
            }
            "oci-archive" => {
                let (path, tag) = split_tag(text, rest)?;
                let file = path_of(path).ok_or_else(no_path)?;
                Ok(Self::OciArchive { file, tag })
            }
            "docker-archive" => {
                let (path, reference) = split_docker_reference(rest);
                let file = path_of(path).ok_or_else(no_path)?;
                match reference {
                    Some(reference) if !is_docker_reference(reference) => {
                        Err(LocationError::DockerReference {
                            reference: reference.to_owned(),
                        })
                    }
                    reference => Ok(Self::DockerArchive {
                        file,
                        reference: reference.map(str::to_owned),
                    }),
                }
            }
            // `localhost:5000/name` has its port there.
            _ if rest.starts_with(|first: char| first.is_ascii_digit()) => parse_registry(text, text),
            _ => Err(LocationError::Medium {
                medium: medium.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (medium, path, name) = match self {
            Self::OciLayout { dir, .. } => ("oci", dir, self.name()),
            Self::OciArchive { file, .. } => ("oci-archive", file, self.name()),
            Self::DockerArchive { file, .. } => ("docker-archive", file, self.name()),
            Self::Registry(reference) => return write!(formatter, "{reference}"),
            Self::RegistryPrefix { host, prefix } => {
                write!(formatter, "{host}/")?;
                return prefix
                    .as_ref()
                    .map_or(Ok(()), |prefix| write!(formatter, "{prefix}/"));
            }
        };
        write!(formatter, "{medium}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(formatter, ":{name}"))
    }
}

fn parse_registry(text: &str, rest: &str) -> Result<Location, LocationError> {
    let error = |source| LocationError::Reference {
        text: text.to_owned(),
        source,
    };
    let Some(prefix) = rest.strip_suffix('/') else {
        return rest.parse().map(Location::Registry).map_err(error);
    };
    if let Some((host, name)) = prefix.split_once('/') {
        let reference: Reference = format!("{host}/{name}").parse().map_err(error)?;
        if reference.tag().is_none() && reference.digest().is_none() {
            return Ok(Location::RegistryPrefix {
                host: reference.host().to_owned(),
                prefix: Some(reference.name().clone()),
            });
        }
    } else if let Ok(reference) = format!("{prefix}/x").parse::<Reference>() {
        return Ok(Location::RegistryPrefix {
            host: reference.host().to_owned(),
            prefix: None,
        });
    }
    Err(error(ReferenceError::NoHost {
        text: text.to_owned(),
    }))
}

/// `PATH[:TAG]`: a last part with a slash belongs to the path; any other is meant as a tag, and not silently made the
/// name of a directory when it is none.
fn split_tag<'t>(text: &str, rest: &'t str) -> Result<(&'t str, Option<Tag>), LocationError> {
    match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => match tag.parse() {
            Ok(parsed) => Ok((path, Some(parsed))),
            Err(_) => Err(LocationError::Tag {
                text: text.to_owned(),
                tag: tag.to_owned(),
            }),
        },
        _ => Ok((rest, None)),
    }
}

/// `FILE[:NAME[:TAG]]`, as skopeo has it: the file's name has no colon.
fn split_docker_reference(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((path, reference)) => (path, Some(reference)),
        None => (text, None),
    }
}

fn path_of(text: &str) -> Option<PathBuf> {
    Some(text).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// `[HOST[:PORT]/]NAME[:TAG]`
fn is_docker_reference(text: &str) -> bool {
    text.parse::<Reference>()
        .is_ok_and(|reference| reference.digest().is_none())
        || format!("localhost/{text}")
            .parse::<Reference>()
            .is_ok_and(|reference| reference.digest().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match text.parse::<Location>() {
            Ok(location) => format!("{location:?}"),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(expected), "{text}: {shown}");
    }

    #[test]
    fn reads_every_medium() {
        check("oci:out", r#"OciLayout { dir: "out", tag: None }"#);
        check(
            "oci:out:nonroot",
            r#"OciLayout { dir: "out", tag: Some("nonroot") }"#,
        );
        check("oci:a:b/c", r#"OciLayout { dir: "a:b/c", tag: None }"#);
        check(
            "oci:/a/b.c:1.0",
            r#"OciLayout { dir: "/a/b.c", tag: Some("1.0") }"#,
        );
        check(
            "oci-archive:a.tar:x",
            r#"OciArchive { file: "a.tar", tag: Some("x") }"#,
        );
        check(
            "docker-archive:a.tar:cc:nonroot",
            r#"DockerArchive { file: "a.tar", reference: Some("cc:nonroot") }"#,
        );
        check(
            "docker-archive:a.tar:r.example:5000/cc:nonroot",
            r#"reference: Some("r.example:5000/cc:nonroot")"#,
        );
        check("docker-archive:a.tar", "reference: None");
        for text in [
            "localhost:5000/a:b",
            "docker://localhost:5000/a:b",
            "registry:localhost:5000/a:b",
        ] {
            check(
                text,
                r#"Registry(Reference { host: "localhost:5000", name: "a", tag: Some("b")"#,
            );
        }
        check("gcr.io/distroless/cc", r#"Registry(Reference { host: "gcr.io""#);
        check("[::1]:5000/a", r#"Registry(Reference { host: "[::1]:5000""#);
        check("a.b/c/", r#"RegistryPrefix { host: "a.b", prefix: Some("c") }"#);
        check(
            "localhost:5000/",
            r#"RegistryPrefix { host: "localhost:5000", prefix: None }"#,
        );
    }

    #[test]
    fn says_what_is_wrong_with_others() {
        check("oci:", "names no file or directory");
        check("oci::latest", "names no file or directory");
        check("oci:a:b c", r#""b c" in "oci:a:b c" is not a tag"#);
        check("oci-archive:a:", r#""" in "oci-archive:a:" is not a tag"#);
        check("dir:x", "is not a medium");
        check("docker-daemon:x", "is not a medium");
        check("cc-debian13", "write oci:DIR");
        check("docker-archive:a:B", "is not the name of an image");
        check("a.b/c:d/", "is not an image");
        check("", "is not an image");
        check("/", "is not an image");
    }

    #[test]
    fn says_what_fits() {
        let fits = |text: &str| {
            let location: Location = text.parse().unwrap();
            (location.takes_several(), location.takes_one_platform())
        };
        assert_eq!(fits("oci:a"), (true, false));
        assert_eq!(fits("oci-archive:a:b"), (false, false));
        assert_eq!(fits("docker-archive:a"), (false, true));
        assert_eq!(fits("a.b/"), (true, false));
        assert_eq!(fits("a.b/c"), (false, false));
    }

    #[test]
    fn selects_by_name_or_the_only_one() {
        let selector = |text: &str| text.parse::<Location>().unwrap().selector();
        assert_eq!(selector("oci:a"), Selector::Only);
        assert_eq!(selector("oci:a:b"), Selector::Tag("b".to_owned()));
        assert_eq!(selector("a.b/c"), Selector::Tag("latest".to_owned()));
        let digest = oci::Digest::sha256_of(b"");
        assert_eq!(selector(&format!("a.b/c:d@{digest}")), Selector::Digest(digest));
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(
            text in "(oci|oci-archive|docker-archive):[a-zA-Z0-9./_-]{1,12}(:[a-z0-9]{1,8})?",
        ) {
            let location: Location = text.parse().unwrap();
            prop_assert_eq!(location.to_string(), text);
        }

        #[test]
        fn never_panics(text in "(oci:|docker-archive:|registry:)?[a-z:/@.\\[\\]é]{0,16}") {
            let _ = text.parse::<Location>();
        }
    }
}
