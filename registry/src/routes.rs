//! Which operation a request asks for: the contents page of the protocol.
//!
//! | | |
//! |---|---|
//! | `/v2/` | [`Operation::Ping`] |
//! | `/v2/token` | [`Operation::Token`] |
//! | `/v2/_catalog` | [`Operation::Catalog`] |
//! | `/v2/NAME/blobs/DIGEST` | [`Operation::Blob`] |
//! | `/v2/NAME/blobs/uploads/` | [`Operation::Uploads`] |
//! | `/v2/NAME/blobs/uploads/SESSION` | [`Operation::Upload`] |
//! | `/v2/NAME/manifests/REFERENCE` | [`Operation::Manifest`] |
//! | `/v2/NAME/tags/list` | [`Operation::Tags`] |
//! | `/v2/NAME/referrers/DIGEST` | [`Operation::Referrers`] |
//! | `/v1/…`, `/lightship/…` | [`Operation::Administration`], read further in `administration::routes` |
//! | `/healthz`, `/readyz`, `/metrics` | for operators |
//!
//! Names contain slashes, so a path is read from its end.
//!
//! Spec: distribution-spec "Endpoints".

use std::fmt;

use access::Permission;
use oci::{Digest, DigestError, Tag};

use crate::administration;
use crate::call::TOKEN_PATH;
use crate::percent::decoded_segment;

/// Longest path that is looked at.
const PATH_BYTES_MAX: usize = 2048;

/// What a request is about. Names are parsed where it is known which host they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Whether this is a registry.
    Ping,
    /// A token to be shown with other requests.
    Token,
    /// Names of packages.
    Catalog,
    /// A blob.
    Blob {
        /// Of which package.
        name: String,
        /// Which.
        digest: Digest,
    },
    /// Uploads of a package: the place to begin one.
    Uploads {
        /// Of which package.
        name: String,
    },
    /// An upload that was begun.
    Upload {
        /// Of which package.
        name: String,
        /// Which.
        session: String,
    },
    /// A manifest.
    Manifest {
        /// Of which package.
        name: String,
        /// Which.
        reference: Reference,
    },
    /// Tags of a package.
    Tags {
        /// Of which package.
        name: String,
    },
    /// Manifests that refer to another.
    Referrers {
        /// Of which package.
        name: String,
        /// To which they refer.
        digest: Digest,
    },
    /// Administration, which has routes of its own.
    Administration,
    /// Whether the process lives.
    Health,
    /// Whether it can serve.
    Ready,
    /// Numbers for Prometheus.
    Metrics,
}

/// By what a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By tag.
    Tag(Tag),
    /// By digest.
    Digest(Digest),
}

impl Reference {
    /// What somebody has to be allowed who deletes what it names.
    pub(crate) fn removal_permission(&self) -> Permission {
        match self {
            Reference::Tag(_) => Permission::DeleteTag,
            Reference::Digest(_) => Permission::DeleteArtifacts,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Tag(tag) => tag.fmt(text),
            Reference::Digest(digest) => digest.fmt(text),
        }
    }
}

/// Why a path is no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nothing is there.
    #[error("there is nothing at this path")]
    Unknown,
    /// A digest is none.
    #[error("the digest is malformed")]
    Digest(#[from] DigestError),
    /// A reference is neither a tag nor a digest.
    #[error("the reference is neither a tag nor a digest")]
    Reference,
}

impl Operation {
    /// The name of the package that it is about.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Manifest { name, .. }
            | Self::Tags { name }
            | Self::Referrers { name, .. } => Some(name),
            Self::Ping
            | Self::Token
            | Self::Catalog
            | Self::Administration
            | Self::Health
            | Self::Ready
            | Self::Metrics => None,
        }
    }

    /// Whether it is for operators, who need no account for it.
    pub(crate) fn is_for_operators(&self) -> bool {
        matches!(self, Self::Health | Self::Ready | Self::Metrics)
    }
}

/// Reads a path.
///
/// # Errors
/// See [`RouteError`].
pub fn route(path: &str) -> Result<Operation, RouteError> {
    if administration::is_at(path) {
        return Ok(Operation::Administration);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(RouteError::Unknown);
    }
    let rest = match path {
        "/healthz" => return Ok(Operation::Health),
        "/readyz" => return Ok(Operation::Ready),
        "/metrics" => return Ok(Operation::Metrics),
        "/v2" | "/v2/" => return Ok(Operation::Ping),
        TOKEN_PATH => return Ok(Operation::Token),
        "/v2/_catalog" => return Ok(Operation::Catalog),
        _ => path.strip_prefix("/v2/").ok_or(RouteError::Unknown)?,
    };
    let decoded: Vec<String>;
    let segments: Vec<&str> = if rest.contains('%') {
        let parts = rest.split('/').map(decoded_segment).collect::<Option<_>>();
        decoded = parts.ok_or(RouteError::Unknown)?;
        decoded.iter().map(String::as_str).collect()
    } else {
        rest.split('/').collect()
    };
    let name = |segments: &[&str]| segments.join("/");
    match segments.as_slice() {
        [of @ .., "tags", "list"] if !of.is_empty() => Ok(Operation::Tags { name: name(of) }),
        [of @ .., "blobs", "uploads"] | [of @ .., "blobs", "uploads", ""] if !of.is_empty() => {
            Ok(Operation::Uploads { name: name(of) })
        }
        [of @ .., "blobs", "uploads", session] if !of.is_empty() => Ok(Operation::Upload {
            name: name(of),
            session: (*session).to_owned(),
        }),
        [of @ .., "blobs", digest] if !of.is_empty() => Ok(Operation::Blob {
            name: name(of),
            digest: digest.parse()?,
        }),
        [of @ .., "referrers", digest] if !of.is_empty() => Ok(Operation::Referrers {
            name: name(of),
            digest: digest.parse()?,
        }),
        [of @ .., "manifests", reference] if !of.is_empty() => Ok(Operation::Manifest {
            name: name(of),
            reference: manifest_reference(reference)?,
        }),
        _ => Err(RouteError::Unknown),
    }
}

/// A tag has no colon, a digest has one.
fn manifest_reference(text: &str) -> Result<Reference, RouteError> {
    if text.contains(':') {
        return Ok(Reference::Digest(text.parse()?));
    }
    text.parse()
        .map(Reference::Tag)
        .map_err(|_| RouteError::Reference)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_with_the_words_of_the_protocol_are_read_from_the_end() {
        let manifest = route("/v2/a/manifests/blobs/manifests/latest").unwrap();
        let Operation::Manifest { name, reference } = manifest else {
            panic!("{manifest:?}")
        };
        assert_eq!(name, "a/manifests/blobs");
        assert_eq!(reference, Reference::Tag("latest".parse().unwrap()));
        let upload = route("/v2/tags/list/blobs/uploads/x").unwrap();
        assert!(
            matches!(upload, Operation::Upload { name, session } if name == "tags/list" && session == "x")
        );
    }

    #[test]
    fn encoded_paths_are_the_same_and_parts_stay_parts() {
        let encoded = DIGEST.replace(':', "%3A");
        assert_eq!(
            route(&format!("/v2/a%62/blobs/{encoded}")),
            route(&format!("/v2/ab/blobs/{DIGEST}"))
        );
        assert_eq!(route("/v2/a%2Fb/manifests/x"), Err(RouteError::Unknown));
        assert_eq!(route("/v2/a/blobs%2Fuploads/"), Err(RouteError::Unknown));
    }

    #[test]
    fn malformed_digests_and_references_are_told_apart_from_unknown_paths() {
        assert!(matches!(
            route("/v2/a/blobs/sha256:bad"),
            Err(RouteError::Digest(_))
        ));
        assert!(matches!(
            route("/v2/a/manifests/sha256:bad"),
            Err(RouteError::Digest(_))
        ));
        assert_eq!(route("/v2/a/manifests/.hidden"), Err(RouteError::Reference));
        for path in [
            "/",
            "/v3/",
            "/v2/a",
            "/v2/tags/list",
            "/v2/manifests/x",
            "/v2/a/tags/list/x",
        ] {
            assert_eq!(route(path), Err(RouteError::Unknown), "{path}");
        }
        assert_eq!(
            route(&format!("/v2/{}/tags/list", "a".repeat(3000))),
            Err(RouteError::Unknown)
        );
    }

    proptest! {
        #[test]
        fn what_a_client_writes_is_what_is_read(name in "[a-z0-9]{1,4}(/[a-z0-9]{1,4}){0,3}", tag in "[a-z_][a-zA-Z0-9._-]{0,9}") {
            let expected = Operation::Manifest { name: name.clone(), reference: Reference::Tag(tag.parse().unwrap()) };
            prop_assert_eq!(route(&format!("/v2/{name}/manifests/{tag}")).unwrap(), expected);
            let expected = Operation::Blob { name: name.clone(), digest: DIGEST.parse().unwrap() };
            prop_assert_eq!(route(&format!("/v2/{name}/blobs/{DIGEST}")).unwrap(), expected);
            prop_assert_eq!(route(&format!("/v2/{name}/tags/list")).unwrap(), Operation::Tags { name });
        }

        #[test]
        fn any_path_has_an_answer(path in "\\PC{0,80}") {
            let _ = route(&path);
            let _ = route(&format!("/v2/{path}"));
        }
    }
}
