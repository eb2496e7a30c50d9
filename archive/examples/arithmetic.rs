//! What the work of an image costs at the least on one core: `cargo run --release -p archive --example arithmetic -- FILE.deb…`
//!
//! Decodes the data of every package once, hashes it, compresses it as layers are and hashes the result; prints the
//! milliseconds of each step. Half of the total is what two cores need when nothing else is done.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::time::{Duration, Instant};

use archive::{Codec, Encoder, ar};
use sha2::{Digest as _, Sha256};

const LIMIT_BYTES: u64 = 4 << 30;

#[derive(Default)]
struct Cost {
    decode: Duration,
    hash_in: Duration,
    encode: Duration,
    hash_out: Duration,
    bytes_in: u64,
    bytes_out: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut cost = Cost::default();
    for path in std::env::args_os().skip(1) {
        measure(File::open(path)?, &mut cost)?;
    }
    let total = cost.decode + cost.hash_in + cost.encode + cost.hash_out;
    println!(
        "{} bytes of files, {} bytes of layers",
        cost.bytes_in, cost.bytes_out
    );
    for (step, time) in [
        ("decode", cost.decode),
        ("sha256 of the data", cost.hash_in),
        ("gzip", cost.encode),
        ("sha256 of the layers", cost.hash_out),
        ("total on one core", total),
        ("half of it", total / 2),
    ] {
        println!("{step:22} {:9.1} ms", time.as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// Adds what one package costs, a piece of one gzip member at a time.
fn measure(file: File, cost: &mut Cost) -> Result<(), Box<dyn Error>> {
    let mut members = ar::Reader::new(BufReader::new(file));
    let codec = loop {
        let member = members.next_member()?.ok_or("no data member")?;
        let name = String::from_utf8_lossy(member.name.as_ref()).into_owned();
        if let Some(suffix) = name.strip_prefix("data.tar") {
            break Codec::from_suffix(suffix).ok_or("unknown compression")?;
        }
    };
    let mut compressed = Vec::new();
    members.content().read_to_end(&mut compressed)?;
    let mut data = archive::decode(codec, io::Cursor::new(compressed), LIMIT_BYTES);
    let mut piece = vec![0; Encoder::Gzip.member_bytes()];
    let mut out = Vec::new();
    let (mut hash_in, mut hash_out) = (Sha256::new(), Sha256::new());
    loop {
        let start = Instant::now();
        let filled = fill(&mut data, &mut piece)?;
        let decoded = Instant::now();
        hash_in.update(&piece[..filled]);
        let hashed = Instant::now();
        out.clear();
        Encoder::Gzip.encode_member(&piece[..filled], &mut out)?;
        let encoded = Instant::now();
        hash_out.update(&out);
        cost.decode += decoded - start;
        cost.hash_in += hashed - decoded;
        cost.encode += encoded - hashed;
        cost.hash_out += encoded.elapsed();
        cost.bytes_in += filled as u64;
        cost.bytes_out += out.len() as u64;
        if filled < piece.len() {
            return Ok(());
        }
    }
}

fn fill(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
