//! The bytes of blobs, read once and compared with their digests.

use std::collections::BTreeSet;
use std::io::{self, Read};

use client::BlobRead;
use oci::{Descriptor, Digest, Hasher};
use tokio::io::AsyncReadExt as _;

use super::side::{Side, told};

/// Bytes of a blob that are held at a time.
const PIECE_BYTES: usize = 256 << 10;

/// What was hashed already: content is the same in every repository of a registry.
#[derive(Debug, Default)]
pub(super) struct Hashed {
    blobs: BTreeSet<Digest>,
}

impl Hashed {
    /// Reads a blob and says what is wrong with it, and how many bytes came; nothing of one that was read before.
    pub(super) async fn check(&mut self, side: &Side, blob: &Descriptor) -> Option<(u64, Option<String>)> {
        if !self.blobs.insert(blob.digest) {
            return None;
        }
        let read = match side.source.blob(blob).await {
            Ok(read) => read,
            Err(error) => return Some((0, Some(told(&error)))),
        };
        let hasher = Hasher::new(blob.digest.algorithm());
        Some(match hash(read, hasher, blob.size).await {
            Err(error) => (0, Some(told(&error))),
            Ok((bytes, digest)) if digest == blob.digest => (bytes, None),
            Ok((bytes, digest)) => (bytes, Some(format!("its digest is {digest}"))),
        })
    }
}

/// At most one byte more than it should have is read.
async fn hash(read: BlobRead, mut hasher: Hasher, size: u64) -> io::Result<(u64, Digest)> {
    let most = size.saturating_add(1);
    let BlobRead::Stream(stream) = read else {
        let runtime = tokio::runtime::Handle::current();
        let mut reader = read.into_reader(&runtime).take(most);
        let hashing = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE_BYTES];
            let mut bytes = 0;
            loop {
                let length = reader.read(&mut piece)?;
                if length == 0 {
                    return Ok((bytes, hasher.finish()));
                }
                bytes += length as u64;
                hasher.update(piece.get(..length).unwrap_or_default());
            }
        });
        return hashing.await.map_err(io::Error::other)?;
    };
    let mut stream = stream.take(most);
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok((bytes, hasher.finish()));
        }
        bytes += length as u64;
        hasher.update(piece.get(..length).unwrap_or_default());
    }
}
