//! Where the content of files is read from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archive::EntryPath;
use client::RangeReader;

use super::layer::{LayerFile, ScannedEntry};
use super::{FileFacts, Layers, ReadError};

/// Largest file that is kept, in bytes. Package records, copyright files and configuration are small;
/// programs and libraries are not.
pub(super) const SMALL_BYTES_MAX: u64 = 256 << 10;

/// Most bytes that are kept, all files together.
const KEPT_BYTES_MAX: u64 = 1 << 30;

/// The small files of an image in one unnamed temporary file, and the layers for the others.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    kept: Arc<Kept>,
    layers: Layers,
}

#[derive(Debug)]
struct Kept {
    file: File,
    end: AtomicU64,
}

impl Contents {
    pub(super) fn new(layers: Layers) -> io::Result<Self> {
        Ok(Self {
            kept: Arc::new(Kept {
                file: tempfile::tempfile()?,
                end: AtomicU64::new(0),
            }),
            layers,
        })
    }

    /// The layer of that number.
    pub(super) fn layer(&self, number: usize) -> Option<&LayerFile> {
        self.layers.get(number)
    }

    /// Writes the content of a regular file to `out`.
    pub(super) fn copy(
        &self,
        path: &EntryPath,
        facts: &FileFacts,
        out: &mut dyn Write,
    ) -> Result<(), ReadError> {
        let io_error = |source| ReadError::Io {
            path: path.clone(),
            source,
        };
        if let Some(kept_at) = facts.kept_at {
            let file = self.kept.file.try_clone().map_err(io_error)?;
            let mut reader = RangeReader::new(file, kept_at, facts.size);
            return io::copy(&mut reader, out).map(drop).map_err(io_error);
        }
        let layer = self
            .layer(facts.layer)
            .ok_or_else(|| io_error(io::ErrorKind::NotFound.into()))?;
        let mut reader = layer.reader().map_err(io_error)?;
        for _ in 0..=facts.entry {
            let entry = reader.next_entry().map_err(|source| ReadError::Layer {
                path: path.clone(),
                source,
            })?;
            if entry.is_none() {
                return Err(io_error(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        io::copy(&mut reader.content(), out).map(drop).map_err(io_error)
    }

    /// Content that is kept; `None` when it has to be read from its layer.
    pub(super) fn kept(&self, facts: &FileFacts) -> Option<io::Result<impl Read + use<>>> {
        let kept_at = facts.kept_at?;
        let file = self.kept.file.try_clone();
        Some(file.map(|file| RangeReader::new(file, kept_at, facts.size)))
    }
}

/// Gathers the small files of one layer, so that they are written in large pieces.
pub(super) struct Keeper<'c> {
    contents: &'c Contents,
    buffer: Vec<u8>,
    /// Entries whose content is in the buffer, and where.
    waiting: Vec<(usize, usize)>,
}

impl<'c> Keeper<'c> {
    const BUFFER_BYTES: usize = 4 << 20;

    pub(super) fn new(contents: &'c Contents) -> Self {
        Self {
            contents,
            buffer: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Keeps the content of the entry that will be at `position` in `entries`.
    pub(super) fn keep(
        &mut self,
        position: usize,
        content: &[u8],
        entries: &mut [ScannedEntry],
    ) -> io::Result<()> {
        if self.buffer.len() + content.len() > Self::BUFFER_BYTES {
            self.flush(entries)?;
        }
        self.waiting.push((position, self.buffer.len()));
        self.buffer.extend_from_slice(content);
        Ok(())
    }

    /// Writes what has been gathered and notes in `entries` where it is.
    pub(super) fn flush(&mut self, entries: &mut [ScannedEntry]) -> io::Result<()> {
        let kept = &self.contents.kept;
        let length = self.buffer.len() as u64;
        let start = kept.end.fetch_add(length, Ordering::Relaxed);
        if start.saturating_add(length) <= KEPT_BYTES_MAX {
            kept.file.write_all_at(&self.buffer, start)?;
            for (position, offset) in self.waiting.drain(..) {
                if let Some(entry) = entries.get_mut(position) {
                    entry.kept_at = Some(start + offset as u64);
                }
            }
        }
        self.waiting.clear();
        self.buffer.clear();
        Ok(())
    }
}
