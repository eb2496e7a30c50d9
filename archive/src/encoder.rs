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

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// Text-like input that compresses, the same everywhere: words picked by a linear congruential generator.
    fn sample(length: usize) -> Vec<u8> {
        let words = [
            "libc",
            "usr/share/doc",
            "\0\0\0\0\0\0\0\0",
            "ELF",
            "copyright",
            "\n",
            "x86_64",
            "Debian",
        ];
        let mut state = 1_u64;
        let mut sample = Vec::with_capacity(length + 16);
        while sample.len() < length {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            sample.extend_from_slice(words[(state >> 61) as usize].as_bytes());
            sample.push((state >> 40) as u8);
        }
        sample.truncate(length);
        sample
    }

    fn encoded(encoder: Encoder, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let members = input.chunks(encoder.member_bytes());
        members.for_each(|member| encoder.encode_member(member, &mut out).unwrap());
        out
    }

    fn check_golden(encoder: Encoder, length: usize, bytes: usize, sha256: &str) {
        let out = encoded(encoder, &sample(length));
        let digest: String = Sha256::digest(&out)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            (out.len(), digest.as_str()),
            (bytes, sha256),
            "{encoder}, {length} bytes"
        );
    }

    // If one of these fails, the encoder's output has changed: layers of old locks would get other
    // digests. That takes a new id beside the old one, not new figures here.
    #[test]
    fn gzip_output_is_what_its_id_promises() {
        check_golden(
            Encoder::Gzip,
            100,
            85,
            "e7a35904bf7e5810b12765b18ba4a9bec3d933a1c6e1afef4e847b09aa58ca87",
        );
        check_golden(
            Encoder::Gzip,
            3_000_000,
            941_368,
            "849fca8ff95bf6fc2e46b4afc6135851a1f491c212cafbfbd9ed5be4b128471b",
        );
    }

    #[test]
    fn zstd_output_is_what_its_id_promises() {
        check_golden(
            Encoder::Zstd,
            100,
            87,
            "b2664743eb2141d419afa793e82a3d7dc7645ab561fd1ddc2d3e673061eb210a",
        );
        check_golden(
            Encoder::Zstd,
            9_000_000,
            2_717_770,
            "c408611ff08d17d46f7fb69f1db2635a0c4b7c5316fa2a69494c8ffffb0d4749",
        );
    }

    #[test]
    fn an_empty_stream_is_one_fixed_member() {
        let mut gzip = Vec::new();
        Encoder::Gzip.encode_member(b"", &mut gzip).unwrap();
        assert_eq!(
            gzip,
            [
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        let mut zstd = Vec::new();
        Encoder::Zstd.encode_member(b"", &mut zstd).unwrap();
        assert_eq!(zstd, [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
    }

    #[test]
    fn members_are_appended_and_do_not_depend_on_their_neighbours() {
        for encoder in Encoder::ALL {
            let mut alone = Vec::new();
            encoder.encode_member(b"second", &mut alone).unwrap();
            let mut both = b"before".to_vec();
            encoder.encode_member(b"first", &mut both).unwrap();
            encoder.encode_member(b"second", &mut both).unwrap();
            assert!(both.starts_with(b"before") && both.ends_with(&alone));
        }
    }

    #[test]
    fn ids_name_the_version_that_is_built_in() {
        assert_eq!(zstd::zstd_safe::version_string(), "1.5.7");
        for encoder in Encoder::ALL {
            assert_eq!(Encoder::from_id(encoder.id()), Ok(encoder));
        }
        assert!(Encoder::from_id("gzip-9").is_err());
    }
}
