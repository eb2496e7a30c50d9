//! What can be wrong with an image, or with what is asked of it.

use std::io;
use std::path::PathBuf;

use archive::{EntryPath, tar};
use client::{SelectError, SourceError};
use oci::{ConfigError, Digest};

use super::{ENTRIES_MAX, LAYERS_MAX, LINKS_MAX};

/// Why an image cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is none for the platform.
    #[error("no image can be chosen")]
    Select(#[from] SelectError),
    /// The source failed.
    #[error("image cannot be read")]
    Source(#[from] SourceError),
    /// It is another kind of artifact.
    #[error("manifest {digest} is not that of an image")]
    NotAnImage {
        /// Its digest.
        digest: Digest,
    },
    /// The configuration cannot be read.
    #[error("configuration of the image cannot be used")]
    Config(#[from] ConfigError),
    /// Manifest and configuration disagree.
    #[error("manifest has {manifest} layers, configuration has {config}")]
    LayerCount {
        /// Layers of the manifest.
        manifest: usize,
        /// Diff IDs of the configuration.
        config: usize,
    },
    /// There are too many layers.
    #[error("image has {actual} layers, at most {LAYERS_MAX} are read")]
    TooManyLayers {
        /// How many.
        actual: usize,
    },
    /// There are too many files.
    #[error("image has more than {ENTRIES_MAX} entries in its layers")]
    TooManyEntries,
    /// A blob cannot be read.
    #[error("blob {digest} cannot be read")]
    Blob {
        /// Its digest.
        digest: Digest,
        /// Why not.
        source: io::Error,
    },
    /// A blob, or the archive inside a layer, is not what its digest says.
    #[error("content of {expected} is damaged: its digest is {actual}")]
    Digest {
        /// The digest it should have: of a blob, or a diff ID.
        expected: Digest,
        /// The digest it has.
        actual: Digest,
    },
    /// A layer is not a tar archive that can be read.
    #[error("layer {digest} cannot be read")]
    Layer {
        /// Its digest.
        digest: Digest,
        /// Why not.
        source: tar::ReadError,
    },
    /// A layer has an entry that cannot be applied.
    #[error("layer {layer} has {path}, {problem}")]
    Entry {
        /// Number of the layer, from 0 at the bottom.
        layer: usize,
        /// The entry.
        path: EntryPath,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Small files cannot be kept.
    #[error("cannot use a temporary file")]
    Temporary(#[source] io::Error),
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such file.
    #[error("{path} does not exist")]
    NotFound {
        /// The path.
        path: EntryPath,
    },
    /// Something on the way is not a directory.
    #[error("{path} does not exist: {component} is not a directory")]
    NotADirectory {
        /// The path.
        path: EntryPath,
        /// What is not a directory.
        component: EntryPath,
    },
    /// Links lead to links.
    #[error("{path} leads through more than {LINKS_MAX} links")]
    TooManyLinks {
        /// The path.
        path: EntryPath,
    },
}

/// Why a file's content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The path leads nowhere.
    #[error("no such file")]
    Resolve(#[from] ResolveError),
    /// It is not a regular file.
    #[error("{path} is not a file but a {kind}")]
    NotAFile {
        /// The path.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// It is too long.
    #[error("{path} has {size} bytes, at most {limit_bytes} are read")]
    TooLarge {
        /// The path.
        path: EntryPath,
        /// Its size.
        size: u64,
        /// The limit that was given.
        limit_bytes: u64,
    },
    /// Reading or passing on failed.
    #[error("content of {path} cannot be read")]
    Io {
        /// The path.
        path: EntryPath,
        /// Why not.
        source: io::Error,
    },
    /// The layer cannot be read again.
    #[error("content of {path} cannot be read")]
    Layer {
        /// The path.
        path: EntryPath,
        /// Why not.
        source: tar::ReadError,
    },
}

/// Why an image cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A file cannot be made.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A layer cannot be read again.
    #[error("layer {layer} cannot be read")]
    Layer {
        /// Number of the layer, from 0 at the bottom.
        layer: usize,
        /// Why not.
        source: tar::ReadError,
    },
}
