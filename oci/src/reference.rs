//! Names of images on registries.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::{Digest, DigestError, NameError, RepositoryName, Tag, TagError};

/// Longest host with its port.
pub const HOST_BYTES_MAX: usize = 255;

/// `HOST[:PORT]/NAME[:TAG][@DIGEST]`, with the host always there: no registry is assumed.
///
/// A host is recognised by a dot, a port, or being `localhost`: otherwise `library/nginx` would be
/// taken for a host called `library`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    host: String,
    name: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is not a [`Reference`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Its first part is not a host.
    #[error(
        "image {text:?} does not begin with a registry's host, such as \"registry.example/\" or \"localhost:5000/\""
    )]
    NoHost {
        /// The text, cut if it is long.
        text: String,
    },
    /// The host is not one, or is longer than [`HOST_BYTES_MAX`].
    #[error("{text:?} is not the name or address of a host with an optional port")]
    Host {
        /// The host, cut if it is long.
        text: String,
    },
    /// The name of the repository is malformed.
    #[error("image {text:?} has a malformed name")]
    Name {
        /// The text, cut if it is long.
        text: String,
        /// What is wrong.
        source: NameError,
    },
    /// The tag is malformed.
    #[error("image {text:?} has a malformed tag")]
    Tag {
        /// The text, cut if it is long.
        text: String,
        /// What is wrong.
        source: TagError,
    },
    /// The digest is malformed.
    #[error("image {text:?} has a malformed digest")]
    Digest {
        /// The text, cut if it is long.
        text: String,
        /// What is wrong.
        source: DigestError,
    },
}

impl Reference {
    /// A reference to that repository on `host` (`HOST[:PORT]`), without tag and digest.
    ///
    /// # Errors
    /// When `host` is not one. A single word without a port is taken here, since it stands alone.
    pub fn new(host: &str, name: RepositoryName) -> Result<Self, ReferenceError> {
        Ok(Self {
            host: parse_host(host)?,
            name,
            tag: None,
            digest: None,
        })
    }

    /// The same repository with that tag.
    #[must_use]
    pub fn with_tag(mut self, tag: Option<Tag>) -> Self {
        self.tag = tag;
        self
    }

    /// The same repository with that digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Option<Digest>) -> Self {
        self.digest = digest;
        self
    }

    /// The host, with its port if one was given, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the first part of an image's name is a host: it has a dot or a port, is an address in
    /// brackets, or is `localhost`.
    #[must_use]
    pub fn looks_like_host(part: &str) -> bool {
        part == "localhost" || part.contains(['.', ':', '['])
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let shown = || crate::name::shown(text);
        let (host, rest) = text
            .split_once('/')
            .filter(|(host, _)| Self::looks_like_host(host))
            .ok_or_else(|| ReferenceError::NoHost { text: shown() })?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (name, tag) = match rest.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (rest, None),
        };
        let name = name.parse().map_err(|source| ReferenceError::Name {
            text: shown(),
            source,
        })?;
        let tag = tag.map(str::parse).transpose();
        let digest = digest.map(str::parse).transpose();
        Ok(Self {
            host: parse_host(host)?,
            name,
            tag: tag.map_err(|source| ReferenceError::Tag {
                text: shown(),
                source,
            })?,
            digest: digest.map_err(|source| ReferenceError::Digest {
                text: shown(),
                source,
            })?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.name)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A host name, IPv4 address or bracketed IPv6 address, with an optional port; in lower case.
fn parse_host(text: &str) -> Result<String, ReferenceError> {
    let error = || ReferenceError::Host {
        text: crate::name::shown(text),
    };
    let lower = text.to_ascii_lowercase();
    let (host, port) = match lower.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(error)?;
            address.parse::<Ipv6Addr>().map_err(|_| error())?;
            match rest {
                "" => (None, None),
                _ => (None, Some(rest.strip_prefix(':').ok_or_else(error)?)),
            }
        }
        None => match lower.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(lower.as_str()), None),
        },
    };
    let host_is_good = host.is_none_or(|host| host.split('.').all(is_label));
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if !host_is_good || !port_is_good || text.len() > HOST_BYTES_MAX {
        return Err(error());
    }
    Ok(lower)
}

fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_references_apart() {
        let digest = Digest::sha256_of(b"");
        let text = format!("Registry.example:5000/a/b:1.0@{digest}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.host(), "registry.example:5000");
        assert_eq!(reference.name().as_str(), "a/b");
        assert_eq!(reference.tag().unwrap().as_str(), "1.0");
        assert_eq!(reference.digest(), Some(&digest));
        for text in [
            "localhost/a",
            "127.0.0.1:80/a",
            "[::1]:5000/a:b",
            "[::1]/a",
            "gcr.io/p/i",
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "",
            "a",
            "library/nginx",
            "nginx:1",
            "a.b",
            "a.b/",
            "a.b/A",
            "a.b/a:",
            "a.b/a@",
            "a.b/a@sha256:0",
            "a.b:/a",
            "a.b:0/a",
            "a.b:65536/a",
            "a.b:+1/a",
            "-a.b/a",
            "a..b/a",
            "[::1/a",
            "[x]/a",
            "[::1]x/a",
            "u@a.b/a",
            "https://a.b/a",
            "a.b/a b",
            "a.b/a:b:c",
            "a.b/../a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn hosts_are_taken_up_to_their_limit() {
        let host = |bytes: usize| format!("{}.b/a", "a".repeat(bytes - 2)).parse::<Reference>();
        assert!(host(HOST_BYTES_MAX).is_ok());
        assert!(matches!(
            host(HOST_BYTES_MAX + 1),
            Err(ReferenceError::Host { .. })
        ));
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(
            host in "[a-z0-9]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{0,3})?",
            name in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}",
            tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}"),
            digest in proptest::option::of(any::<[u8; 32]>()),
        ) {
            let reference = Reference::new(&host, name.parse().unwrap())
                .unwrap()
                .with_tag(tag.map(|tag| tag.parse().unwrap()))
                .with_digest(digest.map(Digest::from_sha256));
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }
    }
}
