//! The bytes of a blob, wherever they are.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;

/// The bytes of a blob that a source gives and a sink takes. They are not verified: who keeps them,
/// does that.
pub enum BlobRead {
    /// Part of an open file. The file may be shared with other readers, so it is read at offsets
    /// ([`RangeReader`]), never through its own position.
    File {
        /// The file.
        file: File,
        /// Where the blob begins, in bytes.
        offset: u64,
        /// Its length, in bytes.
        length: u64,
    },
    /// Bytes that arrive from elsewhere.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

/// Reads a blob, blocking; made by [`BlobRead::into_reader`].
pub type BlobReader = Box<dyn Read + Send>;

impl BlobRead {
    /// A blob that is a whole file.
    ///
    /// # Errors
    /// When the file's length cannot be found out.
    pub fn whole_file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::File {
            file,
            offset: 0,
            length,
        })
    }

    /// A blocking reader of the bytes. One of a stream may not be read on a thread that drives
    /// asynchronous tasks: use `spawn_blocking`.
    #[must_use]
    pub fn into_reader(self, runtime: &Handle) -> BlobReader {
        match self {
            Self::File { file, offset, length } => Box::new(RangeReader::new(file, offset, length)),
            Self::Stream(stream) => Box::new(BlockingStream {
                stream,
                runtime: runtime.clone(),
            }),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        }
    }

    /// All the bytes.
    ///
    /// # Errors
    /// With kind `InvalidData` when there are more than `limit_bytes`; when they cannot be read.
    pub async fn read_all(self, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::File { file, offset, length } => {
                let reader = RangeReader::new(file, offset, length);
                reader
                    .take(limit_bytes.saturating_add(1))
                    .read_to_end(&mut bytes)?;
            }
            Self::Stream(stream) => {
                let mut limited = stream.take(limit_bytes.saturating_add(1));
                limited.read_to_end(&mut bytes).await?;
            }
            Self::Bytes(all) => bytes = all,
        }
        if bytes.len() as u64 > limit_bytes {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("more than {limit_bytes} bytes"),
            ));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for BlobRead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { offset, length, .. } => write!(formatter, "File({offset}+{length})"),
            Self::Stream(_) => formatter.write_str("Stream"),
            Self::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
        }
    }
}

/// Reads part of a file by offset, so that several readers can share one file.
#[derive(Debug)]
pub struct RangeReader {
    file: File,
    offset: u64,
    left: u64,
}

impl RangeReader {
    /// A reader of `length` bytes from `offset`.
    #[must_use]
    pub fn new(file: File, offset: u64, length: u64) -> Self {
        Self {
            file,
            offset,
            left: length,
        }
    }
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..most).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let read = self.file.read_at(room, self.offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads a stream from a thread that may block.
struct BlockingStream {
    stream: Pin<Box<dyn AsyncRead + Send>>,
    runtime: Handle,
}

impl Read for BlockingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.read(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_read_up_to_the_limit() {
        let stream = || BlobRead::Stream(Box::pin(&b"12345"[..]));
        assert_eq!(stream().read_all(5).await.unwrap(), b"12345");
        assert_eq!(
            stream().read_all(4).await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let bytes = || BlobRead::Bytes(b"12345".to_vec());
        assert_eq!(bytes().read_all(5).await.unwrap(), b"12345");
        assert!(bytes().read_all(4).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.write_at(b"0123456789", 0).unwrap();
        let part = |offset, length| BlobRead::File {
            file: file.try_clone().unwrap(),
            offset,
            length,
        };
        assert_eq!(part(2, 3).read_all(3).await.unwrap(), b"234");
        let error = part(8, 3).read_all(3).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
