//! What was resolved: exact packages and where they come from.
//!
//! A lock names no host. Its text has one line for each package and one for each platform of an
//! image, sorted, so that what an update changed can be read in a diff.

mod difference;
mod ids;
mod merge;
mod satisfy;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::release::{Architecture, Release};

pub use difference::{Difference, PackageChange, PlatformChange};
pub use ids::{IdKind, UnknownId};
pub(crate) use merge::{ImagePart, LockParts};
pub(crate) use satisfy::hex;
pub use satisfy::{Misfit, specification_digest};
pub use text::{IMAGES_MAX, LOCK_BYTES_MAX, LOCK_VERSION, LockError, PACKAGES_MAX};

/// The exact packages of a set of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The version of the program that wrote it, such as `0.1.0`.
    pub written_by: String,
    /// The id of the compression, [`archive::Encoder::id`].
    pub encoder: String,
    /// The id of everything that generates or rewrites files.
    pub emulation: String,
    /// The suites that were read, sorted by name and suite.
    pub archives: Vec<LockedArchive>,
    /// Every package of every image, sorted by name, architecture and version.
    pub packages: Vec<LockedPackage>,
    /// The images, sorted by name and variant.
    pub images: Vec<LockedImage>,
}

/// One suite of one archive at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedArchive {
    /// `debian`, `debian-security`, or the name that a specification gives it.
    pub name: String,
    /// The suite, such as `trixie-updates`.
    pub suite: String,
    /// The date in its signed release file.
    #[serde(with = "rfc3339")]
    pub date: Timestamp,
    /// SHA-256 of the release file with its signatures, in hex.
    pub inrelease_sha256: String,
    /// Fingerprints of the keys that signed it and are trusted.
    pub signers: Vec<String>,
    /// SHA-256 in hex of the key file of an additional archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<String>,
    /// SHA-256 of every (uncompressed) package index that was read, by `main/binary-amd64`.
    pub indexes: BTreeMap<String, String>,
}

impl LockedArchive {
    /// How packages refer to it: name and suite.
    pub fn id(&self) -> String {
        format!("{} {}", self.name, self.suite)
    }
}

/// One package file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Debian's architecture, or `all`.
    pub architecture: String,
    /// Version.
    pub version: String,
    /// [`LockedArchive::id`] of where it comes from.
    pub archive: String,
    /// Path below the archive's base URI.
    pub path: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The source package.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
}

/// One variant of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// Name of the image.
    pub name: String,
    /// Name of the variant.
    pub variant: String,
    /// The release.
    pub release: Release,
    /// [`specification_digest`] of the plan, in hex.
    pub specification: String,
    /// For each architecture, positions in [`Lock::packages`], ascending.
    pub platforms: BTreeMap<Architecture, Vec<usize>>,
}

impl Lock {
    /// The newest release date in it: `created` of images and the time of generated files.
    pub fn date(&self) -> Option<Timestamp> {
        self.archives.iter().map(|archive| archive.date).max()
    }

    /// The locked form of an image.
    pub fn image(&self, name: &str, variant: &str) -> Option<&LockedImage> {
        self.images
            .iter()
            .find(|image| image.name == name && image.variant == variant)
    }

    /// The packages of an image for an architecture, sorted by name; none if it is not locked for it.
    pub fn packages_of(
        &self,
        image: &LockedImage,
        architecture: Architecture,
    ) -> Option<Vec<&LockedPackage>> {
        let positions = image.platforms.get(&architecture)?;
        positions
            .iter()
            .map(|position| self.packages.get(*position))
            .collect()
    }

    /// The archive that a package comes from.
    pub fn archive_of(&self, package: &LockedPackage) -> Option<&LockedArchive> {
        self.archives
            .iter()
            .find(|archive| archive.id() == package.archive)
    }
}

mod rfc3339 {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(date: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
