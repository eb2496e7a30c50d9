//! Every limit of the tar reader, at the limit and one beyond, and the forms that are refused.

use std::io::Read;

use archive::tar::{EndOfArchive, Entry, EntryKind, Limits, ReadProblem, Reader, Writer};
use archive::{COMPONENT_BYTES_MAX, EntryPath, PATH_BYTES_MAX};

use crate::{chain, read_all};

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

/// An archive of files with a content each.
fn archive_of(files: &[(&str, usize)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, size) in files {
        let content = vec![b'x'; *size];
        writer
            .append(&Entry::file(path(name), 0o644, *size as u64), &mut &content[..])
            .unwrap();
    }
    writer.finish().unwrap()
}

fn check(bytes: &[u8], within: Limits, beyond: Limits, expected: &str) {
    let result = read_all(bytes, within);
    assert!(result.is_ok(), "at the limit: {}", chain(&result.unwrap_err()));
    let error = chain(&read_all(bytes, beyond).unwrap_err());
    assert!(error.contains(expected), "{error}");
}

#[test]
fn bounds_the_number_of_entries() {
    let bytes = archive_of(&[("a", 0), ("b", 0)]);
    let limits = |entries_max| Limits {
        entries_max,
        ..Limits::default()
    };
    check(
        &bytes,
        limits(2),
        limits(1),
        "tar entry 2, header at byte 512: more than 1 entries",
    );
}

#[test]
fn bounds_the_content_of_all_files_together() {
    let bytes = archive_of(&[("a", 10), ("b", 20)]);
    let limits = |content_bytes_max| Limits {
        content_bytes_max,
        ..Limits::default()
    };
    check(&bytes, limits(30), limits(29), "more than 29 bytes of content");
}

#[test]
fn bounds_extension_headers_in_length_and_number() {
    let long = format!("{}/name", "d".repeat(200));
    let bytes = archive_of(&[(&long, 0)]);
    let record = format!("215 path={long}\n").len();
    let limits = |extension_bytes_max| Limits {
        extension_bytes_max,
        ..Limits::default()
    };
    check(
        &bytes,
        limits(record),
        limits(record - 1),
        "an extension header has 215 bytes, at most 214",
    );

    let limits = |extensions_max| Limits {
        extensions_max,
        ..Limits::default()
    };
    check(
        &bytes,
        limits(1),
        limits(0),
        "more than 0 extension headers before one entry",
    );
}

#[test]
fn bounds_the_text_of_symbolic_links() {
    let mut writer = Writer::new(Vec::new());
    let kind = EntryKind::Symlink {
        target: vec![b't'; 90].into(),
    };
    writer
        .append(
            &Entry {
                kind,
                ..Entry::file(path("link"), 0o777, 0)
            },
            &mut &b""[..],
        )
        .unwrap();
    let bytes = writer.finish().unwrap();
    let limits = |link_bytes_max| Limits {
        link_bytes_max,
        ..Limits::default()
    };
    check(
        &bytes,
        limits(90),
        limits(89),
        "symbolic link /link has a target of 90 bytes, at most 89",
    );
}

#[test]
fn bounds_what_follows_the_end() {
    let bytes = [archive_of(&[("a", 0)]), vec![0; 1024]].concat();
    let limits = |trailing_bytes_max| Limits {
        trailing_bytes_max,
        ..Limits::default()
    };
    check(
        &bytes,
        limits(1024),
        limits(1023),
        "more than 1023 bytes behind the end",
    );
}

#[test]
fn bounds_paths_and_their_components() {
    let component = "c".repeat(COMPONENT_BYTES_MAX);
    assert!(EntryPath::parse(component.as_bytes()).is_ok());
    assert!(EntryPath::parse(format!("{component}c").as_bytes()).is_err());
    let whole = format!("{}d", "d/".repeat(PATH_BYTES_MAX / 2 - 1) + "d");
    assert_eq!(whole.len(), PATH_BYTES_MAX);
    assert!(EntryPath::parse(whole.as_bytes()).is_ok());
    assert!(EntryPath::parse(format!("{whole}d").as_bytes()).is_err());
}

#[test]
fn an_archive_cut_anywhere_is_an_error() {
    let long = format!("{}/name", "d".repeat(200));
    let bytes = archive_of(&[("a", 700), (&long, 3)]);
    for length in 0..bytes.len() {
        let error = read_all(&bytes[..length], Limits::default()).unwrap_err();
        assert!(
            chain(&error).contains("ends early"),
            "cut to {length} bytes: {}",
            chain(&error)
        );
    }
}

#[test]
fn a_missing_end_is_accepted_only_on_request() {
    let bytes = archive_of(&[("a", 3)]);
    for cut in [512, 1024] {
        let bytes = &bytes[..bytes.len() - cut];
        let mut reader = Reader::new(bytes, Limits::default()).with_end(EndOfArchive::Optional);
        assert!(reader.next_entry().unwrap().is_some());
        assert!(reader.next_entry().unwrap().is_none());
        assert!(read_all(bytes, Limits::default()).is_err());
    }
    // Inside an entry it is an error all the same.
    let mut reader = Reader::new(&bytes[..700], Limits::default()).with_end(EndOfArchive::Optional);
    assert!(reader.next_entry().unwrap().is_some());
    assert!(reader.next_entry().is_err());
}

#[test]
fn content_can_be_left_unread_and_positions_tell_where_it_was() {
    let bytes = archive_of(&[("a", 700), ("b", 5)]);
    let mut reader = Reader::new(&bytes[..], Limits::default());
    reader.next_entry().unwrap();
    assert_eq!(reader.position(), 512);
    reader.content().read_exact(&mut [0; 100]).unwrap();
    let second = reader.next_entry().unwrap().unwrap();
    assert_eq!((second.path, reader.position()), (path("b"), 512 + 1024 + 512));
    assert!(reader.next_entry().unwrap().is_none());
    assert!(reader.next_entry().unwrap().is_none());
    assert_eq!(reader.position(), bytes.len() as u64);
}

/// Changes a header block and mends its checksum.
fn patched(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

#[test]
fn refuses_what_it_does_not_understand_and_says_what() {
    let plain = archive_of(&[("a", 0)]);
    let cases: [(&[u8], usize, &str); 10] = [
        (b"/etc", 0, "path \"/etc\" is absolute"),
        (b"a/../../b", 0, "has a component \"..\""),
        (b"a//b", 0, "an empty component"),
        (b"\0", 0, "the entry has an empty name"),
        (b"9", 124, "header field size is not a number"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            124,
            "header field size is not a number",
        ),
        (b"M", 156, "entry type 'M' is not supported"),
        (b"2", 156, "symbolic link /a has an empty target"),
        (b"5\0", 156, ""),
        (
            b"00000000017\x005",
            124,
            "/a is a directory and has 15 bytes of content",
        ),
    ];
    for (new, at, expected) in cases {
        let new = if at == 124 && new.len() == 13 {
            &new[..12]
        } else {
            new
        };
        let mut bytes = patched(&plain, at, new);
        if expected.contains("directory and") {
            bytes = patched(&bytes, 156, b"5");
        }
        match read_all(&bytes, Limits::default()) {
            Ok(_) => assert_eq!(expected, ""),
            Err(error) => assert!(
                !expected.is_empty() && chain(&error).contains(expected),
                "{}",
                chain(&error)
            ),
        }
    }
    let mut damaged = plain;
    damaged[3] = b'x';
    let error = read_all(&damaged, Limits::default()).unwrap_err();
    assert!(
        matches!(error.problem, ReadProblem::Header(_)),
        "{}",
        chain(&error)
    );
}

#[test]
fn refuses_a_damaged_end_marker_and_dangling_extensions() {
    let bytes = archive_of(&[("a", 0)]);
    let mut lone = bytes.clone();
    lone[1024] = 1;
    let error = read_all(&lone, Limits::default()).unwrap_err();
    assert!(
        chain(&error).ends_with("the end-of-archive marker is damaged"),
        "{}",
        chain(&error)
    );

    let long = format!("{}/name", "d".repeat(200));
    let mut dangling = archive_of(&[(&long, 0)]);
    dangling.drain(1024..1536);
    let error = read_all(&dangling, Limits::default()).unwrap_err();
    assert!(chain(&error).ends_with("belong to no entry"), "{}", chain(&error));
}
