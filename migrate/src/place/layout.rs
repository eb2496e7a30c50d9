//! An OCI layout directory as a target: images of every repository in one directory, named `REPOSITORY:TAG`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use client::registry::{ListedManifest, TagListing};
use client::{BlobRead, Location, Sink};
use oci::{Descriptor, Digest, Manifest, MediaType, RepositoryName};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use transport::Bytes;

use super::{LocalOrigin, Mount, Origin, PlaceName, Sending, Target, TargetRepository};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// Pieces of a blob that wait to be written.
const PIECES_WAITING: usize = 4;

/// A layout, for writing.
pub struct LayoutTarget {
    sink: Arc<dyn Sink>,
    /// What had a name there when it was opened.
    tags: BTreeMap<RepositoryName, TagListing>,
}

impl LayoutTarget {
    /// Opens a layout; creates it where there is none.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn open(dir: &Path) -> Result<Self, PlaceError> {
        let location = Location::OciLayout {
            dir: PathBuf::from(dir),
            tag: None,
        };
        let sink: Arc<dyn Sink> = Arc::from(location.open_sink()?);
        let there = LocalOrigin::open(&PlaceName::Layout(dir.to_owned())).await?;
        let there = there.repositories().await?.unwrap_or_default();
        let tags = there
            .named
            .into_iter()
            .filter_map(|(name, listing)| Some((name, listing?)));
        Ok(Self {
            sink,
            tags: tags.collect(),
        })
    }
}

#[async_trait]
impl Target for LayoutTarget {
    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn TargetRepository>, PlaceError> {
        Ok(Arc::new(Repository {
            sink: Arc::clone(&self.sink),
            name: name.clone(),
            listing: self.tags.get(name).cloned(),
        }))
    }

    fn is_durable_at_once(&self) -> bool {
        false
    }

    async fn settle(&self) -> Result<(), PlaceError> {
        Ok(self.sink.finish().await?)
    }
}

struct Repository {
    sink: Arc<dyn Sink>,
    name: RepositoryName,
    listing: Option<TagListing>,
}

#[async_trait]
impl TargetRepository for Repository {
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
        Ok(self.listing.clone())
    }

    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError> {
        let listed = self
            .listing
            .iter()
            .flat_map(|listing| listing.manifests.iter().flatten());
        let mut named = listed
            .filter(|(_, manifest): &(_, &ListedManifest)| manifest.tags.iter().any(|name| name == tag));
        Ok(named.next().map(|(digest, _)| *digest))
    }

    async fn has_blob(&self, blob: &BlobEntry) -> Result<bool, PlaceError> {
        Ok(self.sink.has_blob(&descriptor(blob)).await?)
    }

    /// All repositories lie in one directory.
    async fn mount(&self, blob: &BlobEntry, _: &RepositoryName) -> Result<Mount, PlaceError> {
        Ok(match self.has_blob(blob).await? {
            true => Mount::Done,
            false => Mount::Send(None),
        })
    }

    async fn put_blob(&self, sending: &mut Sending) -> Result<(), PlaceError> {
        let blob = *sending.feed.blob();
        sending.feed.go_to(0);
        let (pump, pieces) = mpsc::channel(PIECES_WAITING);
        let stream = BlobRead::Stream(Box::pin(Arriving {
            pieces,
            piece: Bytes::new(),
        }));
        let descriptor = descriptor(&blob);
        let put = self.sink.put_blob(&descriptor, stream);
        let (put, fed) = tokio::join!(put, sending.feed.pour_into(pump));
        fed?;
        Ok(put?)
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[String]) -> Result<(), PlaceError> {
        if tags.is_empty() {
            return Ok(self.sink.put_manifest(manifest, None).await?);
        }
        for tag in tags {
            let name = format!("{}:{tag}", self.name);
            self.sink.put_manifest(manifest, Some(&name)).await?;
        }
        Ok(())
    }
}

fn descriptor(blob: &BlobEntry) -> Descriptor {
    Descriptor::new(MediaType::OCI_LAYER_TAR, blob.digest, blob.size)
}

/// Pieces as a stream.
struct Arriving {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    piece: Bytes,
}

impl AsyncRead for Arriving {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(context)) {
                Some(next) => self.piece = next?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.piece.len().min(buffer.remaining());
        let taken = self.piece.split_to(count);
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}
