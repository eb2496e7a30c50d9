//! Reading blobs at a pace that leaves the disk to others.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use oci::{Algorithm, Digest, Hasher};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::ScrubOptions;
use crate::files::run_blocking;
use crate::{Advance, BlobContent, ByteRange, Extent, StoreError, Watch};

/// What is read between two looks at the pace; whoever gives up waits for no more than this.
const PIECE_BYTES: usize = 1 << 20;

pub(super) struct Reading {
    bytes_per_second: Option<NonZeroU64>,
    watch: Option<Watch>,
    total: Extent,
    /// Whole blobs.
    done: Extent,
    /// When the next piece may be read.
    free: Instant,
}

/// A file, and what its first bytes hash to.
struct Hashed {
    file: File,
    hasher: Hasher,
    piece: Vec<u8>,
}

impl Reading {
    pub(super) fn new(options: &ScrubOptions, total: Extent) -> Reading {
        Reading {
            bytes_per_second: options.bytes_per_second,
            watch: options.watch.clone(),
            total,
            done: Extent::default(),
            free: Instant::now(),
        }
    }

    /// A blob is done, whether it could be read or not.
    pub(super) fn done(&mut self, bytes: u64) {
        self.done.objects += 1;
        self.done.bytes = self.done.bytes.saturating_add(bytes);
        self.tell(0);
    }

    fn tell(&self, further_bytes: u64) {
        let Some(watch) = &self.watch else { return };
        let mut done = self.done;
        done.bytes = done.bytes.saturating_add(further_bytes);
        watch(Advance {
            done,
            total: self.total,
        });
    }

    /// The digest of all that is read; none where only a client can read it.
    pub(super) async fn digest_of(
        &mut self,
        content: BlobContent,
        algorithm: Algorithm,
    ) -> Result<Option<Digest>, StoreError> {
        let failed = |source| StoreError::io("read an object", source);
        match content {
            BlobContent::File { file, range } => self.hash_file(file, range, algorithm).await.map(Some),
            BlobContent::Stream(stream) => {
                let hashed = self.hash_stream(stream, algorithm).await;
                hashed.map(Some).map_err(failed)
            }
            BlobContent::Redirect(_) => Ok(None),
        }
    }

    async fn hash_file(
        &mut self,
        file: File,
        range: ByteRange,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError> {
        let mut hashed = Hashed {
            file,
            hasher: Hasher::new(algorithm),
            piece: Vec::new(),
        };
        let mut at = range.start;
        while at < range.end {
            let rest = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let count = rest.min(PIECE_BYTES);
            hashed = run_blocking(move || {
                hashed.piece.resize(count, 0);
                let read = hashed.file.read_exact_at(&mut hashed.piece, at);
                read.map_err(|source| StoreError::io("read an object", source))?;
                hashed.hasher.update(&hashed.piece);
                Ok(hashed)
            })
            .await?;
            at += count as u64;
            self.rest_after(count, at - range.start).await;
        }
        Ok(hashed.hasher.finish())
    }

    async fn hash_stream(
        &mut self,
        mut stream: Pin<Box<dyn AsyncRead + Send>>,
        algorithm: Algorithm,
    ) -> io::Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        let mut piece = vec![0; PIECE_BYTES];
        let mut read = 0;
        loop {
            let count = stream.read(&mut piece).await?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(piece.get(..count).unwrap_or_default());
            read += count as u64;
            self.rest_after(count, read).await;
        }
    }

    /// Waits until what was read just now is within the pace. Time in which nothing was read is not made up for.
    async fn rest_after(&mut self, count: usize, of_blob: u64) {
        self.tell(of_blob);
        let Some(rate) = self.bytes_per_second else {
            return;
        };
        let now = Instant::now();
        self.free = self.free.max(now) + time_of(count as u64, rate);
        tokio::time::sleep(self.free - now).await;
    }
}

/// How long so many bytes take.
fn time_of(bytes: u64, per_second: NonZeroU64) -> Duration {
    const NANOSECONDS: u128 = 1_000_000_000;
    let time = u128::from(bytes) * NANOSECONDS / u128::from(per_second.get());
    Duration::from_nanos(u64::try_from(time).unwrap_or(u64::MAX)).min(REST_MAX)
}

/// However slow it is to be: what the sum of two times can hold.
const REST_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_bytes_in_a_second() {
        let time = |bytes, rate| time_of(bytes, NonZeroU64::new(rate).unwrap());
        assert_eq!(time(1 << 20, 1 << 22), Duration::from_millis(250));
        assert_eq!(time(0, 1), Duration::ZERO);
        assert_eq!(time(u64::MAX, 1), REST_MAX);
    }
}
