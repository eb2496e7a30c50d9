//! One side of a move, for reading ([`Origin`]) or for writing ([`Target`]).
//!
//! Each call is as few requests as it can be: who moves a registry knows what is where, and asks nothing twice. Trying
//! again, and how much at once, is the matter of [`pace`](crate::pace).

mod feed;
mod layout;
mod local;
mod name;
mod registry;
mod registry_target;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use client::registry::{Misnamed, TagListing};
use oci::{Digest, Manifest, RepositoryName};
use transport::Bytes;

pub use feed::Feed;
pub use layout::LayoutTarget;
pub use local::LocalOrigin;
pub use name::{PlaceName, PlaceNameError};
pub use registry::RegistryOrigin;
pub use registry_target::RegistryTarget;

use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// Where images come from.
#[async_trait]
pub trait Origin: Send + Sync {
    /// Every repository below the place; nothing when that cannot be listed.
    async fn repositories(&self) -> Result<Option<Repositories>, PlaceError>;

    /// One repository, by its whole name.
    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn OriginRepository>, PlaceError>;
}

/// What is below a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repositories {
    /// The repositories, each with its listing where that came along.
    pub named: BTreeMap<RepositoryName, Option<TagListing>>,
    /// What is listed beside them, and is no name of a repository.
    pub misnamed: Misnamed,
}

/// A repository for reading.
#[async_trait]
pub trait OriginRepository: Send + Sync {
    /// Its tags; nothing when there is no such repository.
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError>;

    /// The digest that a tag names now; nothing when there is no such tag.
    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError>;

    /// A manifest, verified.
    async fn manifest(&self, digest: &Digest) -> Result<Manifest, PlaceError>;

    /// Whether a blob is there with its size, without reading it.
    async fn find_blob(&self, blob: &BlobEntry) -> Result<(), PlaceError>;

    /// A blob from a byte on, not verified.
    async fn blob(&self, blob: &BlobEntry, from: u64) -> Result<Pieces, PlaceError>;

    /// What refers to a manifest, as far as the place tells it otherwise than by tags.
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Digest>, PlaceError>;
}

/// The rest of a blob.
pub struct Pieces {
    /// Where it begins, at the byte that was asked for or before.
    pub start: u64,
    /// The bytes.
    pub source: Box<dyn PieceSource>,
}

/// Gives a blob piece by piece.
#[async_trait]
pub trait PieceSource: Send {
    /// The next piece; nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, PlaceError>;
}

/// Where images go.
#[async_trait]
pub trait Target: Send + Sync {
    /// One repository, by its whole name.
    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn TargetRepository>, PlaceError>;

    /// Whether what is done is kept there at once, so that a journal may say so.
    fn is_durable_at_once(&self) -> bool;

    /// Makes durable and visible what was done until now.
    async fn settle(&self) -> Result<(), PlaceError>;
}

/// What became of a try to have a blob from another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// It is here now.
    Done,
    /// It has to be sent; an upload may be open for it.
    Send(Option<client::registry::UploadSession>),
}

/// A repository for writing.
#[async_trait]
pub trait TargetRepository: Send + Sync {
    /// Its tags; nothing when there is no such repository yet.
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError>;

    /// The digest that a tag names now; nothing when there is no such tag.
    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError>;

    /// Whether a blob is there.
    async fn has_blob(&self, blob: &BlobEntry) -> Result<bool, PlaceError>;

    /// Takes a blob from another repository of the same place.
    async fn mount(&self, blob: &BlobEntry, from: &RepositoryName) -> Result<Mount, PlaceError>;

    /// Sends a blob. After a failure the same `sending` is gone on with, as far as the other side allows.
    async fn put_blob(&self, sending: &mut Sending) -> Result<(), PlaceError>;

    /// Puts a manifest by its digest, and then under these tags.
    async fn put_manifest(&self, manifest: &Manifest, tags: &[String]) -> Result<(), PlaceError>;
}

/// A blob on its way, with what has to be known to go on after a failure.
pub struct Sending {
    /// Its content.
    pub feed: Feed,
    /// The address of the upload that is open for it.
    pub address: Option<String>,
    /// A session that was opened just now, and is empty.
    pub opened: Option<client::registry::UploadSession>,
    /// Hears of the address of an upload before its first byte is sent.
    pub note: Box<dyn Fn(&str) + Send + Sync>,
}
