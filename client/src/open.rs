//! From a location to the medium.

use std::io;
use std::path::PathBuf;

use crate::docker_archive::{DockerArchiveSink, DockerArchiveSource};
use crate::layout::{LayoutSink, LayoutSource};
use crate::oci_archive::{self, OciArchiveSink};
use crate::registry::HostAuthoritiesError;
use crate::{Location, Sink, Source};

/// Why a location cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or directory cannot be opened.
    #[error("cannot open {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory is not a layout, or an archive does not hold what it should.
    #[error("{} is not {expected}: {problem}", path.display())]
    NotThat {
        /// The directory or archive.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// Why it is not.
        problem: &'static str,
    },
    /// A document in it cannot be read.
    #[error("{} is damaged: {document} cannot be read", path.display())]
    Document {
        /// The directory or archive.
        path: PathBuf,
        /// The document's name in it.
        document: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A document in it is too large.
    #[error("{} is damaged: {document} has more than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The directory or archive.
        path: PathBuf,
        /// The document's name in it.
        document: String,
        /// The most it may have.
        limit_bytes: u64,
    },
    /// An archive names a file that it does not have.
    #[error("{} is damaged: {name} is missing", path.display())]
    Missing {
        /// The archive.
        path: PathBuf,
        /// The name of the missing file.
        name: String,
    },
    /// An archive is damaged.
    #[error("{} is not a tar archive that can be read", path.display())]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: archive::tar::ReadError,
    },
    /// Registries are opened by [`Registries`](crate::registry::Registries).
    #[error("{location} is not a file or directory")]
    OnRegistry {
        /// The location.
        location: String,
    },
    /// A part of a registry's names is not a place for a single image.
    #[error("{location} names no image, only a part of a registry")]
    NoRepository {
        /// The location.
        location: String,
    },
    /// The certificates that vouch for a registry cannot be used.
    #[error(transparent)]
    Authorities(#[from] HostAuthoritiesError),
    /// A registry's host makes no URL.
    #[error("{host} is not a host that can be spoken to")]
    Host {
        /// The host.
        host: String,
        /// Why not.
        source: transport::UrlError,
    },
}

impl Location {
    /// Opens it for reading. The file system is used at once; a compressed archive is decompressed
    /// into an unnamed temporary file.
    ///
    /// # Errors
    /// When it is not there or is not what it should be; [`OpenError::OnRegistry`] for what
    /// [`Registries`](crate::registry::Registries) must open.
    pub fn open_source(&self) -> Result<Box<dyn Source>, OpenError> {
        Ok(match self {
            Self::OciLayout { dir, .. } => Box::new(LayoutSource::open_directory(dir)?),
            Self::OciArchive { file, .. } => Box::new(oci_archive::open_source(file)?),
            Self::DockerArchive { file, .. } => Box::new(DockerArchiveSource::open(file)?),
            Self::Registry(_) | Self::RegistryPrefix { .. } => return Err(self.on_a_registry()),
        })
    }

    /// Opens it for writing. A layout that is not there is created, empty; an archive appears when
    /// the sink is finished, and then replaces one that was there.
    ///
    /// # Errors
    /// When it cannot be created or is something else; [`OpenError::OnRegistry`] for what
    /// [`Registries`](crate::registry::Registries) must open.
    pub fn open_sink(&self) -> Result<Box<dyn Sink>, OpenError> {
        Ok(match self {
            Self::OciLayout { dir, .. } => Box::new(LayoutSink::open(dir)?),
            Self::OciArchive { file, .. } => Box::new(OciArchiveSink::open(file)?),
            Self::DockerArchive { file, .. } => Box::new(DockerArchiveSink::open(file)?),
            Self::Registry(_) | Self::RegistryPrefix { .. } => return Err(self.on_a_registry()),
        })
    }

    fn on_a_registry(&self) -> OpenError {
        let location = self.to_string();
        match self {
            Self::RegistryPrefix { .. } => OpenError::NoRepository { location },
            _ => OpenError::OnRegistry { location },
        }
    }
}
