//! Package files: read whole, with small limits. Whatever comes out must be harmless. An input that
//! begins with `T` is only the `data.tar` of one.
#![no_main]

use std::collections::BTreeSet;
use std::io::Read;

use archive::EntryPath;
use archive::tar::{Entry, EntryKind, Writer};
use debian::package::{Limits, open};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = Limits {
        control_bytes_max: 1 << 20,
        control_files_max: 20,
        data_bytes_max: 4 << 20,
        entries_max: 1000,
        paths_bytes_max: 1 << 16,
    };
    let made;
    let input = match input.strip_prefix(b"T") {
        Some(data) => {
            made = package_of(data);
            &made[..]
        }
        None => input,
    };
    let Ok(deb) = open(input, &limits) else {
        return;
    };
    let mut data = deb.data();
    let mut paths = BTreeSet::new();
    let mut buffer = [0; 5000];
    while let Ok(Some(entry)) = data.next_entry() {
        assert!(
            entry
                .path
                .components()
                .all(|part| !part.is_empty() && part != b"." && part != b"..")
        );
        assert!(paths.insert(entry.path), "a path came twice");
        match entry.kind {
            EntryKind::File | EntryKind::Directory | EntryKind::Symlink { .. } => {}
            EntryKind::Hardlink { target } => assert!(paths.contains(&target)),
            kind => panic!("a package yielded a {}", kind.name()),
        }
        let _ = data.content().read(&mut buffer);
    }
});

/// A package around this `data.tar`, whose headers get the checksums that chance does not find.
fn package_of(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    for block in data
        .chunks_exact_mut(512)
        .filter(|block| block.iter().any(|byte| *byte != 0))
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    let content = b"Package: x\nVersion: 1\n";
    let entry = Entry::file(
        EntryPath::parse(b"control").expect("a path"),
        0o644,
        content.len() as u64,
    );
    let mut control = Writer::new(Vec::new());
    control.append(&entry, &mut &content[..]).expect("a small file");
    let control = control.finish().expect("a vector takes everything");
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &control),
        ("data.tar", &data),
    ] {
        let header = format!(
            "{name:<16}0           0     0     100644  {:<10}`\n",
            content.len()
        );
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}
