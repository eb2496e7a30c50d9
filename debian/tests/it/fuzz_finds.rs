//! Inputs that fuzzing kept because each reaches code that the others do not, replayed with the checks of
//! the fuzz targets. `docs/fuzzing.md` says where they come from.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;

use archive::tar::{EntryKind, Limits, Reader};
use archive::{Codec, decode};
use debian::Version;
use debian::control::{Paragraph, parse_paragraphs};
use debian::index::PackageIndex;
use debian::keyring::Keyring;
use debian::package;
use debian::relation::Relations;

/// Calls `check` with every input of a target; there must be some.
fn replay(target: &str, mut check: impl FnMut(&[u8])) {
    let path = format!(
        "{}/tests/fixtures/fuzz-{target}.tar.gz",
        env!("CARGO_MANIFEST_DIR")
    );
    let file = std::fs::File::open(path).unwrap();
    let mut reader = Reader::new(decode(Codec::Gzip, file, 16 << 20), Limits::default());
    let mut inputs = 0;
    while let Some(_entry) = reader.next_entry().unwrap() {
        let mut input = Vec::new();
        reader.content().read_to_end(&mut input).unwrap();
        check(&input);
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs of {target}");
}

fn replay_text(target: &str, mut check: impl FnMut(&str)) {
    replay(target, |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            check(text);
        }
    });
}

#[test]
fn versions_that_fuzzing_found_keep_their_order() {
    let mut all: Vec<Version> = Vec::new();
    replay_text("version", |text| {
        all.extend(text.lines().filter_map(|line| line.parse().ok()))
    });
    all.sort();
    for (at, left) in all.iter().enumerate() {
        assert_eq!(left.to_string().parse::<Version>().as_ref(), Ok(left));
        for right in &all[at..] {
            assert_eq!((left <= right, right >= left), (true, true), "{left} and {right}");
        }
    }
}

#[test]
fn relations_that_fuzzing_found_are_printed_as_they_are_parsed() {
    replay_text("relation", |text| {
        if let Ok(relations) = text.parse::<Relations>() {
            let printed = relations.to_string();
            assert_eq!(printed.parse::<Relations>().unwrap(), relations, "{printed}");
        }
    });
}

#[test]
fn control_files_that_fuzzing_found_keep_their_bytes() {
    replay("control", |input| {
        for paragraph in parse_paragraphs(input).unwrap_or_default() {
            assert_eq!(Paragraph::parse(paragraph.raw()).unwrap(), paragraph);
        }
    });
}

#[test]
fn indexes_that_fuzzing_found_have_no_path_outside_the_pool() {
    replay("index", |input| {
        let Ok(index) = PackageIndex::parse(input.to_vec()) else {
            return;
        };
        for record in index.iter().flatten() {
            assert!(
                !record.filename.starts_with('/') && !record.filename.split('/').any(|part| part == "..")
            );
        }
    });
}

#[test]
fn packages_that_fuzzing_found_yield_only_harmless_entries() {
    let limits = package::Limits {
        data_bytes_max: 4 << 20,
        ..package::Limits::default()
    };
    replay("deb", |input| {
        let Ok(deb) = package::open(input, &limits) else {
            return;
        };
        let mut data = deb.data();
        while let Ok(Some(entry)) = data.next_entry() {
            assert!(entry.path.components().all(|part| part != b".." && part != b"."));
            let device = matches!(
                entry.kind,
                EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo
            );
            assert!(!device, "{entry:?}");
        }
    });
}

#[test]
fn signed_files_that_fuzzing_found_are_all_refused() {
    let keyring = Keyring::debian().unwrap();
    let at = "2026-11-23T00:00:00Z".parse().unwrap();
    replay("in_release", |input| {
        assert!(keyring.verify_inrelease(input, at).is_err());
        let _ = Keyring::parse(input);
    });
}
