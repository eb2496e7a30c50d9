//! The crate against archives made by the tools that everybody uses, and against damaged ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoding;
mod fuzz_finds;
mod limits;
mod mutation;
mod round_trip;
mod tools;

use std::io::{Cursor, Read};

use archive::tar::{Entry, Limits, ReadError, Reader};
use archive::{Codec, decode};

/// An entry and its content.
type Whole = (Entry, Vec<u8>);

/// Reads an archive to its end.
fn read_all(bytes: &[u8], limits: Limits) -> Result<Vec<Whole>, ReadError> {
    let mut reader = Reader::new(bytes, limits);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let offset = reader.position();
        let mut content = Vec::new();
        reader
            .content()
            .read_to_end(&mut content)
            .map_err(|error| ReadError {
                entry: all.len() as u64 + 1,
                offset,
                problem: archive::tar::ReadProblem::Io(error),
            })?;
        all.push((entry, content));
    }
    Ok(all)
}

/// A fixture, decompressed by what its name says.
fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let codec = Codec::sniff(&bytes);
    let mut content = Vec::new();
    decode(codec, Cursor::new(bytes), 16 << 20)
        .read_to_end(&mut content)
        .unwrap();
    content
}

/// The whole chain of an error, as people see it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
