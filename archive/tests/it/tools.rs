//! Archives of GNU tar in each of its formats; `fixtures/make` made them.

use archive::tar::{EntryKind, Limits};

use crate::{Whole, chain, fixture, read_all};

const MTIME: i64 = 1_700_000_000;

fn entries(name: &str) -> Vec<Whole> {
    read_all(&fixture(name), Limits::default()).unwrap()
}

/// `path mode owner:group mtime kind content`, so that a whole archive can be compared at a glance.
fn listing(all: &[Whole]) -> Vec<String> {
    let line = |(entry, content): &Whole| {
        let what = match &entry.kind {
            EntryKind::Symlink { target } => format!("-> {}", target.escape_ascii()),
            EntryKind::Hardlink { target } => format!("= {target}"),
            EntryKind::File => format!("file {}", content.len()),
            kind => kind.name().to_owned(),
        };
        let path = entry.path.as_bytes().escape_ascii();
        format!(
            "{path} {:o} {}:{} {} {what}",
            entry.mode, entry.uid, entry.gid, entry.mtime
        )
    };
    all.iter().map(line).collect()
}

fn expected_tree() -> Vec<String> {
    let part = "directory-of-forty-characters-in-its-name";
    let long = format!("{part}/{part}/{part}");
    let line = |rest: String| rest.replace("OWNER", &format!("0:0 {MTIME}"));
    [
        "tree 755 OWNER directory".to_owned(),
        format!("tree/{part} 755 OWNER directory"),
        format!("tree/{part}/{part} 755 OWNER directory"),
        format!("tree/{long} 755 OWNER directory"),
        format!("tree/{long}/file-with-a-long-path 644 OWNER file 1500"),
        "tree/empty 1777 OWNER directory".to_owned(),
        "tree/file 4755 OWNER file 6".to_owned(),
        "tree/hard 4755 OWNER = /tree/file".to_owned(),
        format!("tree/hard-to-long 644 OWNER = /tree/{long}/file-with-a-long-path"),
        "tree/latin-\\xe9 644 OWNER file 6".to_owned(),
        "tree/symlink 777 OWNER -> ../elsewhere".to_owned(),
        format!("tree/symlink-to-long 777 OWNER -> /absolute/{long}/"),
    ]
    .map(line)
    .to_vec()
}

#[test]
fn reads_the_gnu_format_with_long_names_and_links() {
    let all = entries("gnu.tar.gz");
    assert_eq!(listing(&all), expected_tree());
    assert_eq!(all[4].1, [b'x'; 1500]);
    assert_eq!(all[6].1, b"hello\n");
}

#[test]
fn reads_the_pax_format_with_long_names_and_links() {
    assert_eq!(listing(&entries("pax.tar.gz")), expected_tree());
}

#[test]
fn reads_numbers_in_base_256() {
    let expected = ["tree/file 4755 4000000000:3000000000 -86400 file 6"];
    assert_eq!(listing(&entries("base-256.tar.gz")), expected);
}

#[test]
fn reads_numbers_in_pax_records_and_rounds_times_down() {
    let expected = ["tree/file 4755 4000000000:3000000000 -86401 file 6"];
    assert_eq!(listing(&entries("pax-numbers.tar.gz")), expected);
}

#[test]
fn reads_v7_and_ustar() {
    let expected = [
        "tree/empty 1777 0:0 1700000000 directory",
        "tree/file 4755 0:0 1700000000 file 6",
        "tree/hard 4755 0:0 1700000000 = /tree/file",
        "tree/symlink 777 0:0 1700000000 -> ../elsewhere",
    ];
    assert_eq!(listing(&entries("v7.tar.gz")), expected);
    assert_eq!(listing(&entries("ustar.tar.gz")), expected);
}

#[test]
fn refuses_sparse_files_of_either_format() {
    for name in ["sparse-gnu.tar.gz", "sparse-pax.tar.gz"] {
        let error = read_all(&fixture(name), Limits::default()).unwrap_err();
        assert_eq!(
            chain(&error),
            "tar entry 1, header at byte 0: sparse files are not supported",
            "{name}"
        );
    }
}
