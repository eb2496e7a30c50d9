//! The uncompressed files of one package, for random access.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use cache::Cache;

/// Contents up to this size stay in memory; larger ones go to an unnamed file of the cache's file system.
const MEMORY_BYTES_MAX: usize = 128 << 10;

/// The bytes of a package's regular files, one after the other in the order of the package.
///
/// Nothing of it outlives the process: the file has no name.
#[derive(Debug)]
pub struct Spool {
    place: Place,
    length: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

impl Spool {
    /// Reads exactly `buffer.len()` bytes from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range is not inside the spool; else what the file system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.place {
            Place::File(file) => file.read_exact_at(buffer, offset),
            Place::Memory(bytes) => {
                let range = usize::try_from(offset)
                    .ok()
                    .and_then(|start| Some(start..start.checked_add(buffer.len())?))
                    .and_then(|range| bytes.get(range))
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(range);
                Ok(())
            }
        }
    }

    /// Number of bytes held.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Fills a [`Spool`] from front to back.
pub(super) struct SpoolWriter<'c> {
    cache: &'c Cache,
    spool: Spool,
    /// Bytes not yet written to the file.
    pending: Vec<u8>,
}

/// Writes to the file are gathered up to this size.
const WRITE_BYTES: usize = 256 << 10;

impl<'c> SpoolWriter<'c> {
    pub(super) fn new(cache: &'c Cache) -> Self {
        let spool = Spool {
            place: Place::Memory(Vec::new()),
            length: 0,
        };
        Self {
            cache,
            spool,
            pending: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.spool.length
    }

    pub(super) fn finish(mut self) -> io::Result<Spool> {
        self.write_pending()?;
        Ok(self.spool)
    }

    /// What has been written so far, to look at again.
    pub(super) fn written(&mut self) -> io::Result<&Spool> {
        self.write_pending()?;
        Ok(&self.spool)
    }

    fn write_pending(&mut self) -> io::Result<()> {
        if let Place::File(file) = &mut self.spool.place
            && !self.pending.is_empty()
        {
            file.write_all(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }

    fn move_to_file(&mut self) -> io::Result<()> {
        if let Place::Memory(bytes) = &mut self.spool.place {
            self.pending = std::mem::take(bytes);
            self.spool.place = Place::File(self.cache.scratch().map_err(io::Error::other)?);
        }
        Ok(())
    }
}

impl Write for SpoolWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Place::Memory(held) = &mut self.spool.place
            && held.len() + bytes.len() <= MEMORY_BYTES_MAX
        {
            held.extend_from_slice(bytes);
        } else {
            self.move_to_file()?;
            self.pending.extend_from_slice(bytes);
            if self.pending.len() >= WRITE_BYTES {
                self.write_pending()?;
            }
        }
        self.spool.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_memory_and_what_does_not_read_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().to_owned()).unwrap();
        for length in [0, 1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, 5 * WRITE_BYTES + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut writer = SpoolWriter::new(&cache);
            for part in bytes.chunks(10_007) {
                writer.write_all(part).unwrap();
            }
            let spool = writer.finish().unwrap();
            assert_eq!(spool.length(), length as u64);
            assert_eq!(
                matches!(spool.place, Place::Memory(_)),
                length <= MEMORY_BYTES_MAX
            );
            let mut read = vec![0; length];
            spool.read_exact_at(&mut read, 0).unwrap();
            assert!(read == bytes);
            let mut beyond = [0; 2];
            let error = spool
                .read_exact_at(&mut beyond, (length as u64).saturating_sub(1))
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(spool.read_exact_at(&mut beyond, u64::MAX - 1).is_err());
        }
    }
}
