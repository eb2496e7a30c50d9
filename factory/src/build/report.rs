//! What a build did.

use oci::{Digest, Platform};

use super::BuildError;

/// What a build did.
#[derive(Debug)]
pub struct BuildReport {
    /// The images that were built, in the order of the request.
    pub images: Vec<ImageReport>,
    /// The images that failed, in the order of the request.
    pub failures: Vec<Failure>,
    /// Layers of the images, each counted once.
    pub layers: LayerCounts,
    /// What is not as it should be, though the images could be made; each is said once.
    pub warnings: Vec<String>,
}

/// One image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReport {
    /// Name without variant.
    pub name: String,
    /// The variant.
    pub variant: String,
    /// Digest of what its tag names.
    pub digest: Digest,
    /// Its platforms in the order of the request.
    pub platforms: Vec<PlatformReport>,
    /// Where it was written, with its tag.
    pub outputs: Vec<String>,
}

/// One platform of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformReport {
    /// The platform.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its compressed layers.
    pub compressed_bytes: u64,
    /// Bytes of its uncompressed layers.
    pub unpacked_bytes: u64,
}

/// Layers by how they came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerCounts {
    /// Made in this run.
    pub built: u64,
    /// Found in the cache.
    pub reused: u64,
}

/// One image that failed.
#[derive(Debug)]
pub struct Failure {
    /// Name without variant.
    pub name: String,
    /// The variant.
    pub variant: String,
    /// Why.
    pub error: BuildError,
}
