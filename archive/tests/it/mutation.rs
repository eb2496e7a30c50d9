//! Damaged archives give errors, never a panic, an endless loop or a path outside.

use std::io::Read;

use archive::tar::{EndOfArchive, Limits, Reader};
use archive::{Codec, ar, decode};
use proptest::prelude::*;

use crate::fixture;

fn limits() -> Limits {
    Limits {
        content_bytes_max: 1 << 20,
        entries_max: 1000,
        ..Limits::default()
    }
}

fn walk_tar(bytes: &[u8]) {
    let mut reader = Reader::new(bytes, limits()).with_end(EndOfArchive::Optional);
    let mut buffer = [0; 100];
    while let Ok(Some(entry)) = reader.next_entry() {
        assert!(
            !entry.path.as_bytes().starts_with(b"/") && !entry.path.components().any(|part| part == b"..")
        );
        let _ = reader.content().read(&mut buffer);
    }
}

fn walk_ar(bytes: &[u8]) {
    let mut reader = ar::Reader::new(bytes);
    while let Ok(Some(member)) = reader.next_member() {
        assert!(!member.name.contains('/'));
        let _ = reader.content().read(&mut [0; 10]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_tar_archives_are_survived(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        mend in any::<bool>(),
    ) {
        let mut bytes = fixture(["gnu.tar.gz", "pax.tar.gz", "base-256.tar.gz", "v7.tar.gz"][which]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
            // Most changes of a header fall to its checksum: mend it, to get further.
            if mend {
                let start = at / 512 * 512;
                let block = &mut bytes[start..start + 512];
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
        walk_tar(&bytes);
    }

    #[test]
    fn any_bytes_are_survived_by_every_reader(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        walk_tar(&bytes);
        walk_ar(&bytes);
        walk_ar(&[b"!<arch>\n", &bytes[..]].concat());
        for codec in Codec::ALL {
            let _ = decode(codec, &bytes[..], 1 << 20).read_to_end(&mut Vec::new());
        }
    }
}
