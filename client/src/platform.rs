//! One platform of an image that has several.

use oci::{Descriptor, Parsed, Platform};

use crate::copy::INDEX_DEPTH_MAX;
use crate::{Source, SourceError};

/// Why the manifest of a platform cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The image is not there for that platform.
    #[error("image is not for {wanted}; it is for {}", .available.join(", "))]
    NotFound {
        /// The platform.
        wanted: Platform,
        /// Those that it has.
        available: Vec<String>,
    },
    /// Indexes lie within indexes too deep.
    #[error("image has indexes within indexes, more than {INDEX_DEPTH_MAX} deep")]
    TooDeep,
    /// The source failed.
    #[error("image cannot be read")]
    Source(#[from] SourceError),
}

/// The platform that this program runs on.
#[must_use]
pub fn host_platform() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "aarch64" => ("arm64", Some("v8")),
        "arm" => ("arm", Some("v7")),
        "x86" => ("386", None),
        "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform::linux(architecture, variant)
}

/// The descriptor of the image manifest for `wanted` (else this machine's platform) that
/// `descriptor` leads to. An image that is not an index is taken as it is when no platform is
/// asked for; so is an index of a single image.
///
/// # Errors
/// When there is none, or the source fails.
pub async fn select_platform(
    source: &dyn Source,
    descriptor: &Descriptor,
    wanted: Option<&Platform>,
) -> Result<Descriptor, SelectError> {
    let host = host_platform();
    let mut current = descriptor.clone();
    for _ in 0..=INDEX_DEPTH_MAX {
        let manifest = source.manifest(&current).await?;
        let Parsed::Index(index) = manifest.parsed() else {
            return Ok(current);
        };
        let images: Vec<&Descriptor> = index.manifests.iter().filter(|entry| is_image(entry)).collect();
        let platform = wanted.unwrap_or(&host);
        let matching = |entry: &&&Descriptor| {
            entry
                .platform
                .as_ref()
                .is_some_and(|theirs| theirs.satisfies(platform))
        };
        current = match (images.iter().find(matching), images.as_slice()) {
            (Some(found), _) => (*found).clone(),
            (None, [single]) if wanted.is_none() || single.platform.is_none() => (*single).clone(),
            (None, _) => {
                let name = |entry: &&Descriptor| {
                    let platform = entry.platform.as_ref();
                    platform.map_or_else(|| entry.digest.to_string(), Platform::to_string)
                };
                return Err(SelectError::NotFound {
                    wanted: platform.clone(),
                    available: images.iter().map(name).collect(),
                });
            }
        };
    }
    Err(SelectError::TooDeep)
}

/// Whether an entry of an index is an image to run: buildkit puts attestations beside them, for the
/// platform `unknown/unknown`.
fn is_image(entry: &Descriptor) -> bool {
    let unknown = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" || platform.architecture == "unknown");
    entry.media_type.is_manifest() && !unknown
}
