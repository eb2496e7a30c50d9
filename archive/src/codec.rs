//! Decompression that is bounded in output and memory and reads every member of a stream.

use std::io::{self, BufReader, Read};

use liblzma::stream::Stream;

/// Most memory the xz decoder may use, in bytes: enough for `xz -9` (65 MiB), and no more.
pub const XZ_MEMORY_BYTES_MAX: u64 = 80 << 20;

/// Largest window of a Zstandard frame, as a power of two: 128 MiB, what every other reader takes.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not compressed.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// xz, with any number of streams.
    Xz,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// The decompressed stream is longer than allowed. Wrapped in an [`io::Error`] by [`decode`]'s
/// reader; [`LimitExceeded::within`] finds it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit_bytes} bytes after decompression")]
pub struct LimitExceeded {
    /// The limit that was given to [`decode`].
    pub limit_bytes: u64,
}

impl LimitExceeded {
    /// The limit error inside `error`, if that is what it is.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<Self> {
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
            .copied()
    }
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Xz, Self::Zstd, Self::Bzip2];

    /// The codec of a file name suffix (`""`, `".gz"`, `".xz"`, `".zst"`, `".bz2"`); `None` for any other.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.suffix() == suffix)
    }

    /// The suffix of file names, with its dot; empty for [`Codec::None`].
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
        }
    }

    /// The codec whose magic number `start` begins with; [`Codec::None`] when it is none of them.
    /// Six bytes are enough.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or a skippable frame, with which seekable formats begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }
}

/// Decompresses `input`: all its members, streams or frames, until it ends.
///
/// The reader fails with an error that wraps [`LimitExceeded`] once more than `limit_bytes` come
/// out, with `InvalidData` or `InvalidInput` for damaged input (checksums are checked), and with
/// `UnexpectedEof` for input that ends early, an empty compressed input included. Memory: at most
/// [`XZ_MEMORY_BYTES_MAX`], or two to the power of [`ZSTD_WINDOW_LOG_MAX`], and some buffers.
pub fn decode<'r>(codec: Codec, input: impl Read + Send + 'r, limit_bytes: u64) -> Box<dyn Read + Send + 'r> {
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    match codec {
        Codec::None => Limited::boxed(input, limit_bytes),
        Codec::Gzip => Limited::boxed(flate2::bufread::MultiGzDecoder::new(input), limit_bytes),
        Codec::Bzip2 => Limited::boxed(bzip2::bufread::MultiBzDecoder::new(input), limit_bytes),
        Codec::Xz => match Stream::new_stream_decoder(XZ_MEMORY_BYTES_MAX, liblzma::stream::CONCATENATED) {
            Ok(stream) => Limited::boxed(
                liblzma::bufread::XzDecoder::new_stream(input, stream),
                limit_bytes,
            ),
            Err(error) => Box::new(Failed(Some(error.into()))),
        },
        Codec::Zstd => match zstd_decoder(input) {
            Ok(decoder) => Limited::boxed(decoder, limit_bytes),
            Err(error) => Box::new(Failed(Some(error))),
        },
    }
}

fn zstd_decoder<'r, R: Read + Send + 'r>(input: BufReader<R>) -> io::Result<impl Read + Send + 'r> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Counts what a decoder yields and fails when it is too much.
struct Limited<R> {
    inner: R,
    yielded_bytes: u64,
    limit_bytes: u64,
}

impl<R: Read> Limited<R> {
    fn boxed<'r>(inner: R, limit_bytes: u64) -> Box<dyn Read + Send + 'r>
    where
        R: Send + 'r,
    {
        Box::new(Self {
            inner,
            yielded_bytes: 0,
            limit_bytes,
        })
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.yielded_bytes += read as u64;
        if self.yielded_bytes > self.limit_bytes {
            return Err(io::Error::other(LimitExceeded {
                limit_bytes: self.limit_bytes,
            }));
        }
        Ok(read)
    }
}

/// A decoder that could not be made: says so when it is read.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self
            .0
            .take()
            .unwrap_or_else(|| io::Error::other("decoder is unusable")))
    }
}

const BUFFER_BYTES: usize = 128 << 10;
