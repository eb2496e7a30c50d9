//! Every medium an image can sit in, as a [`Source`] or a [`Sink`], and the [`copy`] between them.
//!
//! A medium is one file or directory here, and nothing else knows which it is: OCI layouts, archives of
//! them, docker's archives, and [registries](registry). Two rules hold for each:
//!
//! - What is read is checked against its descriptor by whoever keeps it: a sink never makes a blob
//!   visible whose bytes do not have the digest and size it was announced with.
//! - What is written becomes visible last, at once, and only when it is durable: a process that is
//!   killed, or a disk that is full, leaves the old content as it was. A registry shows each manifest
//!   when it has it, so the one with a name is put last.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use client::{CopyOptions, Location, Selector, copy};
//!
//! let from: Location = "oci:out:nonroot".parse()?;
//! let to: Location = "docker-archive:image.tar:cc:nonroot".parse()?;
//! let source = from.open_source()?;
//! let sink = to.open_sink()?;
//! let image = source.resolve(&from.selector()).await?;
//! copy(&*source, &image, &*sink, to.name().as_deref(), &CopyOptions::default(), &progress::Silent).await?;
//! sink.finish().await?;
//! # Ok(()) }
//! ```
//!
//! [`registry::Registries`] opens what is on a registry, and everything else too.
//!
//! The calls that read and write need a tokio runtime; those that open only use the file system.

mod location;
mod open;

mod blob;
mod sink;
mod source;

mod copy;
mod platform;

mod docker_archive;
mod layout;
mod oci_archive;
pub mod registry;

mod bounded;
mod companion;
mod spool;
mod tar_index;

pub use blob::{BlobRead, BlobReader, RangeReader};
pub use companion::TagKind;
pub use copy::{
    Copied, CopyError, CopyOptions, INDEX_DEPTH_MAX, MANIFESTS_BYTES_MAX, MANIFESTS_MAX, Referrers, copy,
};
pub use location::{Location, LocationError};
pub use open::OpenError;
pub use platform::{SelectError, host_platform, select_platform};
pub use sink::{BLOB_BYTES_MAX, Sink, SinkError};
pub use source::{Selector, Source, SourceError};
