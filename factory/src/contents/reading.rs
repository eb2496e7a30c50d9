//! The bytes behind a tree's content, wherever they are.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{ArchiveToRead, PackageSet, PackageToRead, Spool};
use crate::{
    layers::ContentOpener,
    tree::{Content, ContentReader, ContentSource},
};

/// Reads the content of one image's tree from packages, archives, memory and disk.
///
/// Packages and archives have been checked as a whole and are not hashed again; a file on disk is,
/// since its owner may have changed it since the tree was made.
pub struct ImageContents<'s> {
    /// The packages of the run.
    pub set: &'s PackageSet<'s>,
    /// Those of this image, in the order that [`ContentSource::Package`] counts in.
    pub packages: &'s [PackageToRead],
    /// The archives of the plan for this architecture, in its order.
    pub archives: &'s [ArchiveToRead],
}

impl ImageContents<'_> {
    fn spool(&self, source: &ContentSource) -> io::Result<Option<(Arc<Spool>, u64)>> {
        let unknown = || io::Error::other("content names a package or archive that the image does not have");
        Ok(match source {
            ContentSource::Package { package, offset } => {
                let package = self.packages.get(*package).ok_or_else(unknown)?;
                Some((self.set.spool(package).map_err(io::Error::other)?, *offset))
            }
            ContentSource::Archive { archive, offset } => {
                let archive = self.archives.get(*archive).ok_or_else(unknown)?;
                Some((
                    self.set.archive_spool(archive).map_err(io::Error::other)?,
                    *offset,
                ))
            }
            ContentSource::Memory(_) | ContentSource::Disk(_) => None,
        })
    }
}

impl ContentOpener for ImageContents<'_> {
    fn open<'c>(&'c self, content: &'c Content) -> io::Result<Box<dyn Read + 'c>> {
        if let Some((spool, offset)) = self.spool(&content.source)? {
            let buffer_bytes = usize::try_from(content.size)
                .unwrap_or(READ_BYTES)
                .min(READ_BYTES);
            let range = SpoolRange {
                spool,
                offset,
                left: content.size,
            };
            return Ok(Box::new(BufReader::with_capacity(buffer_bytes, range)));
        }
        match &content.source {
            ContentSource::Disk(path) => Ok(Box::new(Verified {
                inner: File::open(path)?,
                hash: Sha256::new(),
                left: content.size,
                content,
            })),
            ContentSource::Memory(bytes) => Ok(Box::new(&bytes[..])),
            ContentSource::Package { .. } | ContentSource::Archive { .. } => Ok(Box::new(io::empty())),
        }
    }
}

impl ContentReader for ImageContents<'_> {
    fn read(&self, content: &Content, limit_bytes: u64) -> io::Result<Vec<u8>> {
        if content.size > limit_bytes {
            let words = format!("{} bytes, at most {limit_bytes} are read", content.size);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(content.size).unwrap_or_default());
        self.open(content)?.read_to_end(&mut bytes)?;
        if Sha256::digest(&bytes).as_slice() != content.digest {
            return Err(changed());
        }
        Ok(bytes)
    }
}

const READ_BYTES: usize = 128 << 10;

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the content changed while the image was built",
    )
}

/// A part of a spool as a reader.
struct SpoolRange {
    spool: Arc<Spool>,
    offset: u64,
    left: u64,
}

impl Read for SpoolRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..length) else {
            return Ok(0);
        };
        self.spool.read_exact_at(buffer, self.offset)?;
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

/// A file on disk that must still be what it was.
struct Verified<'c> {
    inner: File,
    hash: Sha256,
    left: u64,
    content: &'c Content,
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if buffer.is_empty() {
            return Ok(0);
        }
        self.left = self.left.checked_sub(length as u64).ok_or_else(changed)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        // The last byte is not given out before the whole is known to be right: whoever reads exactly
        // `size` bytes never asks for the end.
        if (length == 0 || self.left == 0) && self.content.size > 0 {
            let digest: [u8; 32] = self.hash.clone().finalize().into();
            if self.left != 0 || digest != self.content.digest {
                return Err(changed());
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, path::Path};

    use super::*;

    fn on_disk(bytes: &[u8], claimed: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        let path: Arc<Path> = file.path().into();
        let mut content = Content::memory(claimed);
        content.source = ContentSource::Disk(path);
        let mut verified = Verified {
            inner: File::open(file.path())?,
            hash: Sha256::new(),
            left: content.size,
            content: &content,
        };
        let mut read = vec![0; claimed.len()];
        verified.read_exact(&mut read)?;
        Ok(read)
    }

    #[test]
    fn a_file_on_disk_that_changed_is_noticed() {
        assert_eq!(on_disk(b"same", b"same").unwrap(), b"same");
        for changed in [&b"othe"[..], b"sam"] {
            assert!(on_disk(changed, b"same").is_err(), "{changed:?}");
        }
    }
}
