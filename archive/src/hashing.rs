//! SHA-256 and the byte count of whatever passes through.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// A writer that computes the SHA-256 and the length of everything written through it.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    sha256: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    /// Starts with nothing written.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            sha256: Sha256::new(),
            bytes: 0,
        }
    }

    /// Bytes written so far.
    pub fn bytes_passed(&self) -> u64 {
        self.bytes
    }

    /// Gives back the inner writer, the SHA-256 and the number of bytes written.
    pub fn finish(self) -> (W, [u8; 32], u64) {
        (self.inner, self.sha256.finalize().into(), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.sha256.update(buffer.get(..written).unwrap_or(buffer));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that computes the SHA-256 and the length of everything read through it.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    sha256: Sha256,
    bytes: u64,
}

impl<R> HashingReader<R> {
    /// Starts with nothing read.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            sha256: Sha256::new(),
            bytes: 0,
        }
    }

    /// Bytes read so far.
    pub fn bytes_passed(&self) -> u64 {
        self.bytes
    }

    /// Gives back the inner reader, the SHA-256 and the number of bytes read.
    pub fn finish(self) -> (R, [u8; 32], u64) {
        (self.inner, self.sha256.finalize().into(), self.bytes)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(buffer.get(..read).unwrap_or(buffer));
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SHA-256 of "abc", FIPS 180-4 example.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn writer_and_reader_hash_what_passes() {
        let mut writer = Hashing::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (inner, digest, bytes) = writer.finish();
        assert_eq!((inner, hex(digest).as_str(), bytes), (b"abc".to_vec(), ABC, 3));

        let mut reader = HashingReader::new(&b"abc"[..]);
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"abc");
        assert_eq!(reader.bytes_passed(), 3);
        assert_eq!(hex(reader.finish().1), ABC);
    }

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
