//! Media types of blobs and manifests.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest media type: two names of RFC 6838 and the slash.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127 + 1 + 127;

/// The media type of a blob or manifest, such as `application/vnd.oci.image.manifest.v1+json`.
///
/// Spec: image-spec "OCI Image Media Types", RFC 6838 section 4.2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MediaType(Cow<'static, str>);

/// A text that is not a media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a media type")]
pub struct MediaTypeError {
    /// The text, cut if it is long.
    pub text: String,
}

impl MediaType {
    /// An image manifest.
    pub const OCI_MANIFEST: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    /// An image index.
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    /// An image configuration.
    pub const OCI_CONFIG: Self = Self::known("application/vnd.oci.image.config.v1+json");
    /// An uncompressed layer.
    pub const OCI_LAYER_TAR: Self = Self::known("application/vnd.oci.image.layer.v1.tar");
    /// A layer compressed with gzip.
    pub const OCI_LAYER_GZIP: Self = Self::known("application/vnd.oci.image.layer.v1.tar+gzip");
    /// A layer compressed with Zstandard.
    pub const OCI_LAYER_ZSTD: Self = Self::known("application/vnd.oci.image.layer.v1.tar+zstd");
    /// The two bytes `{}`, where a blob must be but there is nothing to say.
    pub const OCI_EMPTY: Self = Self::known("application/vnd.oci.empty.v1+json");
    /// Docker's image manifest, schema 2.
    pub const DOCKER_MANIFEST: Self = Self::known("application/vnd.docker.distribution.manifest.v2+json");
    /// Docker's manifest list.
    pub const DOCKER_MANIFEST_LIST: Self =
        Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// Docker's image configuration.
    pub const DOCKER_CONFIG: Self = Self::known("application/vnd.docker.container.image.v1+json");
    /// Docker's layer, compressed with gzip.
    pub const DOCKER_LAYER_GZIP: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar.gzip");
    /// Docker's layer, uncompressed.
    pub const DOCKER_LAYER_TAR: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar");
    /// Docker's layer that is fetched from elsewhere.
    pub const DOCKER_FOREIGN_LAYER: Self =
        Self::known("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    /// Docker's image manifest, schema 1: recognised, to be refused in so many words.
    pub const DOCKER_MANIFEST_V1: Self =
        Self::known("application/vnd.docker.distribution.manifest.v1+prettyjws");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an image manifest, OCI's or Docker's.
    #[must_use]
    pub fn is_image_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// Whether this is an index: OCI's, or Docker's manifest list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_MANIFEST_LIST
    }

    /// Whether this is an image manifest or an index.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        self.is_image_manifest() || self.is_index()
    }

    /// Whether this is the configuration of an image that can be run.
    #[must_use]
    pub fn is_image_config(&self) -> bool {
        *self == Self::OCI_CONFIG || *self == Self::DOCKER_CONFIG
    }

    /// Whether this is a layer of a file system, in any compression.
    #[must_use]
    pub fn is_layer(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.")
    }

    /// Whether blobs of this type may be absent: they are fetched from their own URLs, and are not
    /// meant to be copied.
    #[must_use]
    pub fn is_nondistributable(&self) -> bool {
        *self == Self::DOCKER_FOREIGN_LAYER
            || self
                .0
                .starts_with("application/vnd.oci.image.layer.nondistributable.")
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        match text.split_once('/') {
            Some((kind, subtype)) if is_restricted_name(kind) && is_restricted_name(subtype) => {
                Ok(Self(Cow::Owned(text.to_owned())))
            }
            _ => Err(MediaTypeError {
                text: crate::name::shown(text),
            }),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0.into_owned()
    }
}

impl TryFrom<String> for MediaType {
    type Error = MediaTypeError;

    fn try_from(text: String) -> Result<Self, MediaTypeError> {
        text.parse()
    }
}

/// RFC 6838: `restricted-name`.
fn is_restricted_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() <= 127
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_are_what_they_say() {
        assert!(MediaType::OCI_MANIFEST.is_image_manifest());
        assert!(MediaType::DOCKER_MANIFEST_LIST.is_index());
        assert!(MediaType::OCI_LAYER_ZSTD.is_layer() && MediaType::DOCKER_LAYER_GZIP.is_layer());
        assert!(!MediaType::OCI_CONFIG.is_layer() && MediaType::DOCKER_CONFIG.is_image_config());
        assert!(MediaType::DOCKER_FOREIGN_LAYER.is_nondistributable());
        let parsed: MediaType = "application/vnd.oci.image.index.v1+json".parse().unwrap();
        assert_eq!(parsed, MediaType::OCI_INDEX);
    }

    #[test]
    fn names_are_taken_up_to_their_limit() {
        let name = "a".repeat(127);
        assert!(format!("{name}/{name}").parse::<MediaType>().is_ok());
        assert!(format!("{name}a/{name}").parse::<MediaType>().is_err());
        assert!(format!("{name}/{name}a").parse::<MediaType>().is_err());
    }

    #[test]
    fn refuses_what_is_not_a_media_type() {
        for text in [
            "", "/", "a/", "/b", "a", "a/b/c", "a/b; c=d", "a /b", "a/b\n", "-a/b",
        ] {
            assert!(text.parse::<MediaType>().is_err(), "{text:?} was accepted");
        }
    }
}
