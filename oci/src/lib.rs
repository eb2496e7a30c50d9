//! Values of the OCI image and distribution specifications: no I/O, no async.
//!
//! Everything from outside is parsed into one of these types before anything else sees it, and
//! `FromStr` (or `parse`) is the only door. Revisions followed: image-spec v1.1.1 and
//! distribution-spec 967efdc (2026-07-16), where a doc comment says "Spec:".
//!
//! ```
//! use oci::{Digest, Manifest, Parsed, Reference};
//!
//! let reference: Reference = "registry.example/base/cc:nonroot".parse()?;
//! assert_eq!(reference.name().as_str(), "base/cc");
//!
//! let manifest = Manifest::parse(br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), None)?;
//! assert!(matches!(manifest.parsed(), Parsed::Index(index) if index.manifests.is_empty()));
//! assert_eq!(manifest.digest(), Digest::sha256_of(manifest.bytes()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digest;
mod media_type;
mod name;
mod platform;
mod reference;

mod config;
mod descriptor;
mod json;
mod manifest;

pub use config::{CONFIG_BYTES_MAX, ConfigError, ContainerConfig, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use manifest::{
    ImageIndex, ImageManifest, MANIFEST_BYTES_MAX, MANIFEST_ENTRIES_MAX, Manifest, ManifestError, Parsed,
};
pub use media_type::{MEDIA_TYPE_BYTES_MAX, MediaType, MediaTypeError};
pub use name::{NAME_BYTES_MAX, NameError, RepositoryName, TAG_BYTES_MAX, Tag, TagError};
pub use platform::{PLATFORM_BYTES_MAX, Platform, PlatformError};
pub use reference::{HOST_BYTES_MAX, Reference, ReferenceError};

/// Names of annotations that the image specification defines, as far as we write or read them.
///
/// Spec: image-spec "Pre-Defined Annotation Keys".
pub mod annotation {
    /// The tag of a manifest in the `index.json` of a layout.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// When the image was built, RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
    /// Where the image's source is, a URL.
    pub const SOURCE: &str = "org.opencontainers.image.source";
    /// Name of the image that containerd and docker read from a layout's `index.json`.
    pub const CONTAINERD_IMAGE_NAME: &str = "io.containerd.image.name";
}
