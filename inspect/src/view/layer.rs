//! One layer: its blob, and one pass through it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use archive::tar::{self, EndOfArchive, Entry, EntryKind};
use archive::{Codec, HashingReader};
use client::{BlobRead, RangeReader, Source};
use oci::{Descriptor, Digest, Hasher};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::contents::{Contents, Keeper, SMALL_BYTES_MAX};
use super::{ENTRIES_MAX, LAYER_BYTES_MAX, LayerFacts, ViewError};

/// The blob of a layer, in a file.
#[derive(Debug)]
pub(super) struct LayerFile {
    descriptor: Descriptor,
    diff_id: Digest,
    file: File,
    offset: u64,
}

/// A layer after its pass.
pub(super) struct Scanned {
    pub(super) facts: LayerFacts,
    pub(super) entries: Vec<ScannedEntry>,
}

/// An entry of a layer, with what is kept of its content.
pub(super) struct ScannedEntry {
    pub(super) entry: Entry,
    pub(super) digest: Option<[u8; 32]>,
    pub(super) kept_at: Option<u64>,
}

/// What a pass reads: decompressed, from the start.
pub(super) type LayerReader = tar::Reader<Box<dyn Read + Send>>;

impl LayerFile {
    /// The blob as a file: the source's own, or a temporary one for what comes from elsewhere.
    pub(super) async fn fetch(
        source: &dyn Source,
        layer: &Descriptor,
        diff_id: Digest,
    ) -> Result<Self, ViewError> {
        let blob_error = |source| ViewError::Blob {
            digest: layer.digest,
            source,
        };
        let (file, offset) = match source.blob(layer).await? {
            BlobRead::File { file, offset, length } if length == layer.size => (file, offset),
            other => {
                let reader = other.into_reader(&Handle::current());
                let limit = layer.size.saturating_add(1);
                let spooled = tokio::task::spawn_blocking(move || spool(reader, limit)).await;
                let (file, length) = spooled
                    .map_err(io::Error::other)
                    .and_then(|file| file)
                    .map_err(blob_error)?;
                if length != layer.size {
                    let message = format!("it has not the {} bytes of its descriptor", layer.size);
                    return Err(blob_error(io::Error::new(io::ErrorKind::InvalidData, message)));
                }
                (file, 0)
            }
        };
        Ok(Self {
            descriptor: layer.clone(),
            diff_id,
            file,
            offset,
        })
    }

    /// Goes through the layer again; it was verified when it was scanned.
    pub(super) fn reader(&self) -> io::Result<LayerReader> {
        let codec = self.codec()?;
        let decoded = archive::decode(codec, self.blob()?, LAYER_BYTES_MAX);
        Ok(tar::Reader::new(decoded, limits()).with_end(EndOfArchive::Optional))
    }

    fn blob(&self) -> io::Result<RangeReader> {
        Ok(RangeReader::new(
            self.file.try_clone()?,
            self.offset,
            self.descriptor.size,
        ))
    }

    /// By its first bytes: media types of layers are not always right, and nobody else minds.
    fn codec(&self) -> io::Result<Codec> {
        let mut start = Vec::new();
        self.blob()?.take(6).read_to_end(&mut start)?;
        Ok(Codec::sniff(&start))
    }

    /// Reads the layer once: lists and hashes what is in it, keeps small files, verifies both digests.
    fn scan(&self, contents: &Contents) -> Result<Scanned, ViewError> {
        let blob_error = |source| ViewError::Blob {
            digest: self.descriptor.digest,
            source,
        };
        let codec = self.codec().map_err(blob_error)?;
        let mut blob = DigestReader::new(self.blob().map_err(blob_error)?, self.descriptor.digest);
        let mut tar = DigestReader::new(archive::decode(codec, &mut blob, LAYER_BYTES_MAX), self.diff_id);
        let result = self.scan_entries(&mut tar, contents);
        let unpacked_bytes = tar.bytes;
        let diff_id = tar.finish();
        // A blob that is damaged is told of first: the rest follows from it.
        let verified = blob.drain().map_err(blob_error).and_then(|()| blob.finish());
        let entries = verified.and(result)?;
        diff_id?;
        Ok(Scanned {
            facts: LayerFacts {
                descriptor: self.descriptor.clone(),
                diff_id: self.diff_id,
                entries: entries.len() as u64,
                unpacked_bytes,
            },
            entries,
        })
    }

    fn scan_entries(
        &self,
        tar: &mut (dyn Read + Send),
        contents: &Contents,
    ) -> Result<Vec<ScannedEntry>, ViewError> {
        let tar_error = |source| ViewError::Layer {
            digest: self.descriptor.digest,
            source,
        };
        let blob_error = |source| ViewError::Blob {
            digest: self.descriptor.digest,
            source,
        };
        let mut reader = tar::Reader::new(tar, limits()).with_end(EndOfArchive::Optional);
        let mut keeper = Keeper::new(contents);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry().map_err(tar_error)? {
            let mut scanned = ScannedEntry {
                entry,
                digest: None,
                kept_at: None,
            };
            if scanned.entry.kind == EntryKind::File {
                let mut content = HashingReader::new(reader.content());
                if scanned.entry.size <= SMALL_BYTES_MAX {
                    let mut small = Vec::with_capacity(usize::try_from(scanned.entry.size).unwrap_or(0));
                    content.read_to_end(&mut small).map_err(blob_error)?;
                    keeper
                        .keep(entries.len(), &small, &mut entries)
                        .map_err(ViewError::Temporary)?;
                } else {
                    io::copy(&mut content, &mut io::sink()).map_err(blob_error)?;
                }
                scanned.digest = Some(content.finish().1);
            }
            entries.push(scanned);
        }
        keeper.flush(&mut entries).map_err(ViewError::Temporary)?;
        Ok(entries)
    }
}

/// Scans all layers, as many at a time as there are processors.
pub(super) async fn scan_all(layers: Vec<LayerFile>) -> Result<(Vec<Scanned>, Contents), ViewError> {
    let layers: Arc<[LayerFile]> = layers.into();
    let contents = Contents::new(Arc::clone(&layers)).map_err(ViewError::Temporary)?;
    let at_once = thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let turns = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for position in 0..layers.len() {
        let (layers, contents, turns) = (Arc::clone(&layers), contents.clone(), Arc::clone(&turns));
        tasks.spawn(async move {
            // The semaphore is never closed; without it there would only be more at once.
            let turn = turns.acquire_owned().await.ok();
            let scanned = tokio::task::spawn_blocking(move || {
                let layer = layers.get(position)?;
                let scanned = layer.scan(&contents);
                drop(turn);
                Some(scanned)
            });
            (position, scanned.await)
        });
    }
    let mut scanned: Vec<Option<Scanned>> = layers.iter().map(|_| None).collect();
    let mut entries = 0;
    while let Some(finished) = tasks.join_next().await {
        let failed = |error| ViewError::Temporary(io::Error::other(error));
        let (position, result) = finished.map_err(failed)?;
        let Some(result) = result.map_err(failed)? else {
            continue;
        };
        let result = result?;
        entries += result.facts.entries;
        if entries > ENTRIES_MAX {
            return Err(ViewError::TooManyEntries);
        }
        if let Some(place) = scanned.get_mut(position) {
            *place = Some(result);
        }
    }
    Ok((scanned.into_iter().flatten().collect(), contents))
}

fn limits() -> tar::Limits {
    tar::Limits {
        content_bytes_max: LAYER_BYTES_MAX,
        ..tar::Limits::default()
    }
}

fn spool(mut reader: client::BlobReader, limit_bytes: u64) -> io::Result<(File, u64)> {
    let mut file = tempfile::tempfile()?;
    let length = io::copy(&mut reader.by_ref().take(limit_bytes), &mut file)?;
    file.flush()?;
    Ok((file, length))
}

/// Hashes what is read, to compare it with a digest.
struct DigestReader<R> {
    inner: R,
    hasher: Hasher,
    expected: Digest,
    bytes: u64,
}

impl<R: Read> DigestReader<R> {
    fn new(inner: R, expected: Digest) -> Self {
        Self {
            inner,
            hasher: Hasher::new(expected.algorithm()),
            expected,
            bytes: 0,
        }
    }

    /// Reads what is left.
    fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }

    fn finish(self) -> Result<(), ViewError> {
        let actual = self.hasher.finish();
        if actual != self.expected {
            return Err(ViewError::Digest {
                expected: self.expected,
                actual,
            });
        }
        Ok(())
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
