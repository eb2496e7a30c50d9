//! An OCI layout or a docker archive as an origin.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use client::registry::{ListedManifest, Misnamed, TagListing};
use client::{BlobRead, Location, RangeReader, Selector, Source, SourceError};
use oci::{Digest, Manifest, Reference, RepositoryName, Tag};
use tokio::io::AsyncReadExt;
use transport::Bytes;

use super::registry::unusable;
use super::{Origin, OriginRepository, PieceSource, Pieces, PlaceName, Repositories};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// Read from a file at a time, in bytes.
const PIECE_BYTES: usize = 256 << 10;

/// A layout or archive. Images that are named `NAME:TAG` lie in the repository NAME, without the host that some tools
/// write before it; those with a tag alone in one that is called as the directory or file is.
pub struct LocalOrigin {
    source: Arc<dyn Source>,
    tags: BTreeMap<RepositoryName, BTreeMap<String, Digest>>,
    /// Names of images that are none of those.
    misnamed: Misnamed,
}

impl LocalOrigin {
    /// Opens a layout or archive.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub async fn open(name: &PlaceName) -> Result<Self, PlaceError> {
        let (location, path) = match name {
            PlaceName::Layout(dir) => (
                Location::OciLayout {
                    dir: dir.clone(),
                    tag: None,
                },
                dir,
            ),
            PlaceName::DockerArchive(file) => (
                Location::DockerArchive {
                    file: file.clone(),
                    reference: None,
                },
                file,
            ),
            PlaceName::Registry { .. } => {
                return Err(PlaceError::NotLocal {
                    place: name.to_string(),
                });
            }
        };
        let source: Arc<dyn Source> = Arc::from(location.open_source()?);
        let own = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
        let own = own.and_then(|stem| stem.parse::<RepositoryName>().ok());
        let mut tags: BTreeMap<RepositoryName, BTreeMap<String, Digest>> = BTreeMap::new();
        let mut misnamed = Misnamed::default();
        for (name, descriptor) in source.tags().await? {
            match split(&name, own.as_ref()) {
                Some((repository, tag)) => {
                    tags.entry(repository).or_default().insert(tag, descriptor.digest);
                }
                None => misnamed.note(&name),
            }
        }
        Ok(Self {
            source,
            tags,
            misnamed,
        })
    }
}

/// `[HOST/]NAME:TAG`, or a tag alone.
fn split(name: &str, own: Option<&RepositoryName>) -> Option<(RepositoryName, String)> {
    if let Ok(tag) = name.parse::<Tag>() {
        return Some((own?.clone(), tag.to_string()));
    }
    let (path, tag) = name.rsplit_once(':')?;
    let tag: Tag = tag.parse().ok()?;
    let bare = match path.split_once('/') {
        Some((host, rest)) if Reference::looks_like_host(host) => rest,
        _ => path,
    };
    Some((bare.parse().ok()?, tag.to_string()))
}

#[async_trait]
impl Origin for LocalOrigin {
    async fn repositories(&self) -> Result<Option<Repositories>, PlaceError> {
        let listed = self
            .tags
            .iter()
            .map(|(name, tags)| (name.clone(), Some(listing(tags))));
        Ok(Some(Repositories {
            named: listed.collect(),
            misnamed: self.misnamed.clone(),
        }))
    }

    fn repository(&self, name: &RepositoryName) -> Result<Arc<dyn OriginRepository>, PlaceError> {
        Ok(Arc::new(Repository {
            source: Arc::clone(&self.source),
            tags: self.tags.get(name).cloned().unwrap_or_default(),
        }))
    }
}

fn listing(tags: &BTreeMap<String, Digest>) -> TagListing {
    let mut manifests: BTreeMap<Digest, ListedManifest> = BTreeMap::new();
    for (tag, digest) in tags {
        let entry = manifests.entry(*digest).or_insert_with(|| ListedManifest {
            media_type: None,
            tags: Vec::new(),
            uploaded_ms: None,
        });
        entry.tags.push(tag.clone());
    }
    TagListing {
        tags: tags.keys().cloned().collect(),
        manifests: Some(manifests),
        children: None,
        misnamed: Misnamed::default(),
    }
}

struct Repository {
    source: Arc<dyn Source>,
    tags: BTreeMap<String, Digest>,
}

#[async_trait]
impl OriginRepository for Repository {
    async fn listing(&self) -> Result<Option<TagListing>, PlaceError> {
        Ok(Some(listing(&self.tags)))
    }

    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, PlaceError> {
        Ok(self.tags.get(tag).copied())
    }

    async fn manifest(&self, digest: &Digest) -> Result<Manifest, PlaceError> {
        let descriptor = self.source.resolve(&Selector::Digest(*digest)).await;
        let descriptor = descriptor.map_err(|error| missing_manifest(digest, error))?;
        let manifest = self.source.manifest(&descriptor).await;
        manifest.map_err(|error| missing_manifest(digest, error))
    }

    async fn find_blob(&self, blob: &BlobEntry) -> Result<(), PlaceError> {
        self.open(blob).await.map(drop)
    }

    async fn blob(&self, blob: &BlobEntry, from: u64) -> Result<Pieces, PlaceError> {
        let (start, source): (u64, Box<dyn PieceSource>) = match self.open(blob).await? {
            BlobRead::File { file, offset, length } => {
                let skipped = from.min(length);
                let reader = RangeReader::new(file, offset + skipped, length - skipped);
                (skipped, Box::new(FilePieces(Some(reader))))
            }
            BlobRead::Bytes(bytes) => (0, Box::new(StreamPieces(Box::pin(std::io::Cursor::new(bytes))))),
            BlobRead::Stream(stream) => (0, Box::new(StreamPieces(stream))),
        };
        Ok(Pieces { start, source })
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Digest>, PlaceError> {
        let found = self.source.referrers(digest).await?;
        Ok(found.into_iter().map(|found| found.digest).collect())
    }
}

impl Repository {
    async fn open(&self, blob: &BlobEntry) -> Result<BlobRead, PlaceError> {
        let descriptor = oci::Descriptor::new(oci::MediaType::OCI_LAYER_TAR, blob.digest, blob.size);
        self.source.blob(&descriptor).await.map_err(|error| match error {
            SourceError::Missing { digest } => PlaceError::Missing { what: "blob", digest },
            SourceError::Size {
                digest,
                expected,
                actual,
            } => PlaceError::Size {
                digest,
                expected,
                actual,
            },
            other => other.into(),
        })
    }
}

fn missing_manifest(digest: &Digest, error: SourceError) -> PlaceError {
    match error {
        SourceError::Missing { .. } | SourceError::NotFound { .. } => PlaceError::Missing {
            what: "manifest",
            digest: *digest,
        },
        SourceError::Digest { expected, actual } => PlaceError::Digest {
            what: "manifest",
            expected,
            actual,
        },
        SourceError::Manifest { digest, source } => unusable(&digest, source),
        other => other.into(),
    }
}

/// Part of a file; read where blocking does not matter.
struct FilePieces(Option<RangeReader>);

#[async_trait]
impl PieceSource for FilePieces {
    async fn next(&mut self) -> Result<Option<Bytes>, PlaceError> {
        let Some(mut reader) = self.0.take() else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; PIECE_BYTES];
            let count = std::io::Read::read(&mut reader, &mut buffer)?;
            buffer.truncate(count);
            Ok::<_, std::io::Error>((reader, buffer))
        });
        let read = read
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (reader, buffer) = read.map_err(io)?;
        if buffer.is_empty() {
            return Ok(None);
        }
        self.0 = Some(reader);
        Ok(Some(buffer.into()))
    }
}

struct StreamPieces(std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>);

#[async_trait]
impl PieceSource for StreamPieces {
    async fn next(&mut self) -> Result<Option<Bytes>, PlaceError> {
        let mut buffer = vec![0; PIECE_BYTES];
        let count = self.0.read(&mut buffer).await.map_err(io)?;
        buffer.truncate(count);
        Ok(Some(Bytes::from(buffer)).filter(|piece| !piece.is_empty()))
    }
}

fn io(source: std::io::Error) -> PlaceError {
    PlaceError::Read { source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_lead_to_repositories() {
        let own: RepositoryName = "out".parse().unwrap();
        let check = |name: &str, expected: Option<(&str, &str)>| {
            let found = split(name, Some(&own));
            let found = found.as_ref().map(|(name, tag)| (name.as_str(), tag.as_str()));
            assert_eq!(found, expected, "{name}");
        };
        check("v1", Some(("out", "v1")));
        check("team/app:v1", Some(("team/app", "v1")));
        check("docker.io/library/debian:12", Some(("library/debian", "12")));
        check("localhost:5000/a:b", Some(("a", "b")));
        check("a:b/c", None);
        check("UP:v1", None);
    }
}
