//! One layer's bytes on all cores: members of a fixed length, compressed apart, joined in order.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::mpsc::{Receiver, sync_channel},
};

use archive::{Encoder, Hashing};
use rayon::ThreadPool;
use sha2::{Digest, Sha256};

/// A writer that compresses what it is given, by members, on the threads of a pool.
///
/// Members are handed to the pool as they fill and are waited for in order. At most `window` of them
/// are under way, which bounds the memory; and only the thread that writes ever waits, never one of
/// the pool, so any number of these can share a pool without blocking each other for good.
pub(super) struct Compressor<'p, W> {
    encoder: Encoder,
    pool: &'p ThreadPool,
    window: usize,
    /// Input of the member that is being filled.
    member: Vec<u8>,
    under_way: VecDeque<Receiver<Result<Vec<u8>, archive::EncodeError>>>,
    members: u64,
    out: Hashing<W>,
    unpacked_sha256: Sha256,
    unpacked_bytes: u64,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Compressed<W> {
    pub(super) out: W,
    pub(super) sha256: [u8; 32],
    pub(super) bytes: u64,
    pub(super) unpacked_sha256: [u8; 32],
    pub(super) unpacked_bytes: u64,
}

impl<'p, W: Write> Compressor<'p, W> {
    pub(super) fn new(encoder: Encoder, pool: &'p ThreadPool, window: usize, out: W) -> Self {
        Self {
            encoder,
            pool,
            window: window.max(1),
            member: Vec::new(),
            under_way: VecDeque::new(),
            members: 0,
            out: Hashing::new(out),
            unpacked_sha256: Sha256::new(),
            unpacked_bytes: 0,
        }
    }

    /// Compresses the last member and waits for all.
    pub(super) fn finish(mut self) -> io::Result<Compressed<W>> {
        // A stream without input is one empty member.
        if !self.member.is_empty() || self.members == 0 {
            self.start_member()?;
        }
        while !self.under_way.is_empty() {
            self.write_member()?;
        }
        let (out, sha256, bytes) = self.out.finish();
        let unpacked_sha256 = self.unpacked_sha256.finalize().into();
        Ok(Compressed {
            out,
            sha256,
            bytes,
            unpacked_sha256,
            unpacked_bytes: self.unpacked_bytes,
        })
    }

    fn start_member(&mut self) -> io::Result<()> {
        if self.under_way.len() >= self.window {
            self.write_member()?;
        }
        let input = std::mem::take(&mut self.member);
        let (encoder, (sender, receiver)) = (self.encoder, sync_channel(1));
        // Started before it is hashed here, so that both are done at the same time.
        let shared = std::sync::Arc::new(input);
        let for_pool = shared.clone();
        self.pool.spawn_fifo(move || {
            let mut out = Vec::new();
            let result = encoder.encode_member(&for_pool, &mut out).map(|()| out);
            drop(for_pool);
            // Nobody waits any more when the layer was given up.
            let _ = sender.send(result);
        });
        self.under_way.push_back(receiver);
        self.unpacked_sha256.update(shared.as_slice());
        self.unpacked_bytes += shared.len() as u64;
        self.members += 1;
        Ok(())
    }

    fn write_member(&mut self) -> io::Result<()> {
        let Some(receiver) = self.under_way.pop_front() else {
            return Ok(());
        };
        // The sender is gone without a word only when the pool's thread panicked.
        let member = receiver
            .recv()
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        self.out.write_all(&member)
    }
}

impl<W: Write> Write for Compressor<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let member_bytes = self.encoder.member_bytes();
        if self.member.is_empty() {
            self.member
                .reserve_exact(member_bytes.min(bytes.len().max(member_bytes)));
        }
        let room = member_bytes - self.member.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.member.extend_from_slice(taken);
        if self.member.len() == member_bytes {
            self.start_member()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use archive::{Codec, decode};

    use super::*;

    fn compress(
        encoder: Encoder,
        threads: usize,
        window: usize,
        input: &[u8],
        step: usize,
    ) -> Compressed<Vec<u8>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let mut compressor = Compressor::new(encoder, &pool, window, Vec::new());
        for part in input.chunks(step) {
            compressor.write_all(part).unwrap();
        }
        compressor.finish().unwrap()
    }

    fn input(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Two bits of noise in a byte, so that it compresses, but not to nothing.
            (state >> 30) as u8 + b'a'
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads_window_or_write_sizes() {
        for encoder in Encoder::ALL {
            let input = input(encoder.member_bytes() * 3 + 17);
            let one = compress(encoder, 1, 1, &input, input.len());
            for (threads, window, step) in [(1, 3, 1 << 20), (4, 2, 4097), (2, 9, 65_536)] {
                let other = compress(encoder, threads, window, &input, step);
                assert_eq!(other.sha256, one.sha256);
                assert!(other.out == one.out);
            }
            assert_eq!(<[u8; 32]>::from(Sha256::digest(&one.out)), one.sha256);
            assert_eq!(<[u8; 32]>::from(Sha256::digest(&input)), one.unpacked_sha256);
            assert_eq!(
                (one.bytes, one.unpacked_bytes),
                (one.out.len() as u64, input.len() as u64)
            );
        }
    }

    #[test]
    fn what_was_compressed_decompresses_to_the_input() {
        for (encoder, codec) in [(Encoder::Gzip, Codec::Gzip), (Encoder::Zstd, Codec::Zstd)] {
            for length in [0, 1, encoder.member_bytes(), encoder.member_bytes() + 1] {
                let input = input(length);
                let compressed = compress(encoder, 2, 2, &input, 100_000);
                let mut back = Vec::new();
                decode(codec, &compressed.out[..], 1 << 30)
                    .read_to_end(&mut back)
                    .unwrap();
                assert!(back == input, "{encoder} {length}");
            }
        }
    }

    #[test]
    fn many_streams_share_a_pool_of_one_thread() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let input = input(3 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut compressor = Compressor::new(Encoder::Gzip, &pool, 1, Vec::new());
                    compressor.write_all(&input).unwrap();
                    compressor.finish().unwrap();
                });
            }
        });
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut compressor = Compressor::new(Encoder::Gzip, &pool, 2, Full);
        let result = compressor
            .write_all(&input(8 << 20))
            .and_then(|()| compressor.finish().map(drop));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
