//! Why a build failed.

use std::{error::Error, io, path::PathBuf};

use super::source::SourceError;
use crate::{
    contents::ContentsError,
    emulation::EmulationError,
    layers::{CutError, LayerError},
    lock::UnknownId,
    release::Architecture,
    sbom::InventoryError,
    tree::TreeError,
};

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The lock does not have the image.
    #[error("the lock has no image {name} ({variant}) for {architecture}")]
    NotLocked {
        /// Name of the image.
        name: String,
        /// Its variant.
        variant: String,
        /// The architecture.
        architecture: Architecture,
    },
    /// The lock asks for what only another release has.
    #[error(transparent)]
    UnknownId(#[from] UnknownId),
    /// The lock is not usable.
    #[error("the lock's entry of package {package} is damaged")]
    LockedPackage {
        /// The package.
        package: String,
    },
    /// A package or archive cannot be had.
    #[error("cannot fetch {name}")]
    Fetch {
        /// The package or address.
        name: String,
        /// Why.
        #[source]
        source: Box<SourceError>,
    },
    /// A package cannot be used.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The files do not make one tree.
    #[error("cannot lay out the files of {image}")]
    Tree {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: TreeError,
    },
    /// What maintainer scripts make cannot be made.
    #[error("cannot complete the files of {image}")]
    Emulate {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: EmulationError,
    },
    /// The tree cannot be cut into layers.
    #[error("cannot cut {image} into layers")]
    Cut {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: CutError,
    },
    /// A layer cannot be made.
    #[error("cannot make a layer of {image}")]
    Layer {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: LayerError,
    },
    /// A bill of materials cannot be made.
    #[error("cannot make the bill of materials of {image}")]
    Sbom {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: InventoryError,
    },
    /// A document cannot be serialised.
    #[error("cannot write a document of {image}")]
    Document {
        /// The image and platform.
        image: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The cache does not work.
    #[error("cannot use the cache")]
    Cache(#[from] cache::CacheError),
    /// An output refuses.
    #[error("cannot write {image} to {output}")]
    Output {
        /// The image.
        image: String,
        /// The output.
        output: String,
        /// Why.
        #[source]
        source: Box<client::SinkError>,
    },
    /// A file beside the outputs cannot be written.
    #[error("cannot write {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No threads can be started.
    #[error("cannot start threads")]
    Threads(#[source] io::Error),
    /// Part of the cache was damaged; it has been dropped and has to be made again.
    #[error("{0}")]
    Damaged(Damage),
    /// The build was given up since another image failed.
    #[error("given up after another failure")]
    GivenUp,
}

/// What was found damaged in the cache, and dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in the cache was damaged and has been dropped")]
pub struct Damage {
    /// A package, layer or document.
    pub what: String,
}

impl BuildError {
    /// Whether the same build can do better now, since something damaged was dropped from the cache.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => return true,
            // Its `source` would be that of the inner error.
            Self::Contents(error) => return error.is_damage(),
            _ => {}
        }
        let mut next: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = next {
            if error
                .downcast_ref::<ContentsError>()
                .is_some_and(ContentsError::is_damage)
            {
                return true;
            }
            // An I/O error hides what it was made of from `source`.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inner
                .map(|inner| inner as &(dyn Error + 'static))
                .or_else(|| error.source());
        }
        false
    }
}
