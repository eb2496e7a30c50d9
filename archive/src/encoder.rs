//! The compressors whose exact output bytes are part of what a lock promises.

use std::fmt;

use libdeflater::{CompressionLvl, Compressor};

/// A compressor pinned by version and level: the same input gives the same bytes on every machine.
///
/// Input is cut into pieces of [`Encoder::member_bytes`], each encoded on its own, so one stream is
/// encoded on all cores and its bytes do not depend on how many there are. The concatenation of the
/// members is a valid stream of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoder {
    /// gzip (RFC 1952) by libdeflate.
    Gzip,
    /// Zstandard (RFC 8878) by the reference library.
    Zstd,
}

/// A lock names an encoder that this release does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("encoder {id:?} is unknown to this release")]
pub struct UnknownEncoder {
    /// The id as it was given.
    pub id: String,
}

/// Encoding failed; with memory to spare it does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("encoder {encoder} refused a member of {input_bytes} bytes")]
pub struct EncodeError {
    /// The encoder.
    pub encoder: Encoder,
    /// Length of the input.
    pub input_bytes: usize,
}

impl Encoder {
    /// Every encoder of this release.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// The name that a lock records: library, its version, level and member length. Anything that
    /// changes the output changes the id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Gzip => "gzip-libdeflate-1.26.1-level6-1MiB",
            Self::Zstd => "zstd-1.5.7-level3-4MiB",
        }
    }

    /// The encoder of that id.
    ///
    /// # Errors
    /// When this release has no such encoder.
    pub fn from_id(id: &str) -> Result<Self, UnknownEncoder> {
        let found = Self::ALL.into_iter().find(|encoder| encoder.id() == id);
        found.ok_or_else(|| UnknownEncoder { id: id.to_owned() })
    }

    /// Bytes of input in one member: every member of a stream but the last has exactly so many.
    #[must_use]
    pub const fn member_bytes(self) -> usize {
        match self {
            Self::Gzip => 1 << 20,
            // Level 3 looks back 2 MiB: shorter frames would lose much of that.
            Self::Zstd => 4 << 20,
        }
    }

    /// Appends one independent member holding `input` to `out`: a gzip member without time and name
    /// (OS 255), or a Zstandard frame with its content size. An empty stream is one empty member.
    ///
    /// # Errors
    /// When the library fails, which it does only for want of memory.
    pub fn encode_member(self, input: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let refused = EncodeError {
            encoder: self,
            input_bytes: input.len(),
        };
        let start = out.len();
        match self {
            Self::Gzip => {
                let level = CompressionLvl::new(6).map_err(|_| refused.clone())?;
                let mut compressor = Compressor::new(level);
                out.resize(start + compressor.gzip_compress_bound(input.len()), 0);
                let room = out.get_mut(start..).unwrap_or_default();
                let written = compressor.gzip_compress(input, room).map_err(|_| refused)?;
                out.truncate(start + written);
            }
            Self::Zstd => {
                out.resize(start + zstd::zstd_safe::compress_bound(input.len()), 0);
                let room = out.get_mut(start..).unwrap_or_default();
                let written = zstd::bulk::compress_to_buffer(input, room, 3).map_err(|_| refused)?;
                out.truncate(start + written);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Encoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}
