//! Archives that fuzzing kept because each reaches code that the others do not: what is read of one can
//! be written, and is then read as the same.

use archive::tar::{EndOfArchive, Entry, Limits, Reader, Writer};
use std::io::Read;

use crate::{Whole, fixture, read_all};

#[test]
fn archives_that_fuzzing_found_are_written_as_they_were_read() {
    let inputs = read_all(&fixture("fuzz-tar.tar.gz"), Limits::default()).unwrap();
    assert!(inputs.len() > 100);
    for (Entry { path, .. }, input) in inputs {
        for bytes in [mended(&input), input] {
            let all: Vec<Whole> = whole_entries(&bytes).into_iter().filter(is_writable).collect();
            let mut writer = Writer::new(Vec::new());
            all.iter()
                .for_each(|(entry, content)| writer.append(entry, &mut &content[..]).unwrap());
            let written = writer.finish().unwrap();
            assert_eq!(
                read_all(&written, Limits::default()).unwrap(),
                all,
                "input {path}"
            );
        }
    }
}

/// Every entry that is whole, up to the first damage.
fn whole_entries(bytes: &[u8]) -> Vec<Whole> {
    let mut reader = Reader::new(bytes, Limits::default()).with_end(EndOfArchive::Optional);
    let mut all = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut content = Vec::new();
        if reader.content().read_to_end(&mut content).is_err() {
            break;
        }
        all.push((entry, content));
    }
    all
}

/// A root that is no directory, for one, can be read but not written.
fn is_writable((entry, content): &Whole) -> bool {
    Writer::new(std::io::sink())
        .append(entry, &mut &content[..])
        .is_ok()
}

/// As the fuzz target does: every block that is not zero gets the checksum that it has as a header.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for block in bytes
        .chunks_exact_mut(512)
        .filter(|block| block.iter().any(|byte| *byte != 0))
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    bytes
}
