//! Packages made by dpkg-deb, Debian's own, and ones that nobody should install.

mod hostile;

use std::error::Error;
use std::io::Read;

use archive::tar::{Entry, EntryKind};
use archive::{Codec, EntryPath, tar};
use proptest::prelude::*;

use super::{Control, DebError, Limits, open};

/// An entry with its content.
type Unpacked = (Entry, Vec<u8>);

/// Reads a whole package: its control part, and each entry with its content.
fn read(bytes: &[u8], limits: &Limits) -> Result<(Control, Vec<Unpacked>), DebError> {
    let deb = open(bytes, limits)?;
    let control = deb.control.clone();
    let mut data = deb.data();
    let mut entries = Vec::new();
    while let Some(entry) = data.next_entry()? {
        let mut content = Vec::new();
        let result = data.content().read_to_end(&mut content);
        result.map_err(|error| data.content_error(error))?;
        entries.push((entry, content));
    }
    Ok((control, entries))
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/deb-{name}.deb",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(
        || error.to_string(),
        |source| format!("{error}: {}", chain(source)),
    )
}

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

fn listing(entries: &[(Entry, Vec<u8>)]) -> Vec<String> {
    let line = |(entry, content): &(Entry, Vec<u8>)| {
        let what = match &entry.kind {
            EntryKind::Symlink { target } => format!("-> {}", target.escape_ascii()),
            EntryKind::Hardlink { target } => format!("= {target}"),
            EntryKind::File => format!("file {}", content.len()),
            kind => kind.name().to_owned(),
        };
        format!("{} {:o} {what}", entry.path.as_bytes().escape_ascii(), entry.mode)
    };
    entries.iter().map(line).collect()
}

// === packages as they are ===

#[test]
fn reads_a_package_in_every_compression() {
    let part = "directory-of-forty-characters-in-its-name";
    let long = format!("usr/share/{part}/{part}/{part}");
    let expected = [
        " 755 directory".to_owned(),
        "etc 755 directory".to_owned(),
        "etc/fixture.conf 644 file 12".to_owned(),
        "usr 755 directory".to_owned(),
        "usr/bin 755 directory".to_owned(),
        "usr/bin/tool 4755 file 10".to_owned(),
        "usr/bin/tool-too 4755 = /usr/bin/tool".to_owned(),
        "usr/share 755 directory".to_owned(),
        format!("usr/share/{part} 755 directory"),
        format!("usr/share/{part}/{part} 755 directory"),
        format!("{long} 755 directory"),
        format!("{long}/file-with-a-long-path 644 file 5"),
        "usr/share/latin-\\xe9 644 file 6".to_owned(),
        "usr/bin/absolute 777 -> /../../etc/../fixture".to_owned(),
        "usr/bin/relative 777 -> tool".to_owned(),
        format!("{long}/link-with-a-long-path 777 -> /{long}/target"),
    ];
    for name in ["none", "gzip", "xz", "zstd", "bzip2"] {
        let (control, entries) = read(&fixture(name), &Limits::default()).unwrap();
        assert_eq!(listing(&entries), expected, "{name}");
        assert!(
            entries.iter().all(|(entry, _)| entry.mtime == 1_600_000_000),
            "{name}"
        );
        assert_eq!(entries[2].1, b"key = value\n", "{name}");
        assert_eq!(control.paragraph.field("Version"), Some("1:2.0-3"), "{name}");
        assert_eq!(
            control.files.keys().collect::<Vec<_>>(),
            ["conffiles", "control"],
            "{name}"
        );
        assert_eq!(control.files["conffiles"], b"/etc/fixture.conf\n", "{name}");
    }
}

#[test]
fn reads_packages_of_debian() {
    for (name, package, files) in [("netbase", "netbase", 6), ("media-types", "media-types", 4)] {
        let (control, entries) = read(&fixture(name), &Limits::default()).unwrap();
        assert_eq!(control.paragraph.field("Package"), Some(package));
        let kinds = entries.iter().filter(|(entry, _)| entry.kind == EntryKind::File);
        assert_eq!(kinds.count(), files);
        // md5sums has a line for every file outside /etc.
        let listed = String::from_utf8(control.files["md5sums"].clone()).unwrap();
        for line in listed.lines() {
            let (_, listed) = line.split_once("  ").unwrap();
            assert!(
                entries.iter().any(|(entry, _)| entry.path == path(listed)),
                "{listed}"
            );
        }
    }
}

#[test]
fn positions_are_offsets_in_the_decompressed_data() {
    let bytes = fixture("none");
    let start = bytes.windows(8).position(|window| window == b"data.tar").unwrap() + 60;
    let mut data = open(&bytes[..], &Limits::default()).unwrap().data();
    while let Some(entry) = data.next_entry().unwrap() {
        if entry.path == path("etc/fixture.conf") {
            let at = start + usize::try_from(data.position()).unwrap();
            assert_eq!(&bytes[at..at + 12], b"key = value\n");
            return;
        }
    }
    panic!("the fixture has no etc/fixture.conf");
}

// === members ===

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
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

fn tar_of(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut writer = tar::Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.append(entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

const CONTROL: &[u8] = b"Package: x\nVersion: 1\n";

fn file<'a>(name: &str, content: &'a [u8]) -> (Entry, &'a [u8]) {
    (Entry::file(path(name), 0o644, content.len() as u64), content)
}

fn directory(name: &str) -> (Entry, &'static [u8]) {
    (Entry::directory(path(name), 0o755), b"")
}

fn other(name: &str, kind: EntryKind) -> (Entry, &'static [u8]) {
    (
        Entry {
            kind,
            ..Entry::file(path(name), 0o777, 0)
        },
        b"",
    )
}

fn symlink(name: &str, target: &str) -> (Entry, &'static [u8]) {
    other(
        name,
        EntryKind::Symlink {
            target: target.as_bytes().into(),
        },
    )
}

fn hardlink(name: &str, target: &str) -> (Entry, &'static [u8]) {
    other(name, EntryKind::Hardlink { target: path(target) })
}

fn control_tar() -> Vec<u8> {
    tar_of(&[directory(""), file("control", CONTROL)])
}

/// The error of a package with these members besides a good start.
fn error_of(members: &[(&str, &[u8])]) -> String {
    chain(&read(&ar(members), &Limits::default()).unwrap_err())
}

#[test]
fn refuses_members_that_are_missing_out_of_order_or_there_twice() {
    let (control, data) = (control_tar(), tar_of(&[file("a", b"1")]));
    let (format, control, data) = (
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &control[..]),
        &data[..],
    );
    let (data, data_gz) = (("data.tar", data), ("data.tar.gz", data));
    assert!(read(&ar(&[format, control, data]), &Limits::default()).is_ok());

    assert_eq!(error_of(&[]), "the package has no member debian-binary");
    assert_eq!(error_of(&[format]), "the package has no member control.tar");
    assert_eq!(error_of(&[format, control]), "the package has no member data.tar");
    assert!(error_of(&[control, data]).contains("it begins with a member \"control.tar\""));
    assert_eq!(
        error_of(&[format, data, control]),
        "member \"data.tar\" where control.tar is expected"
    );
    assert_eq!(
        error_of(&[format, control, ("extra", b""), data]),
        "member \"extra\" where data.tar is expected"
    );
    assert_eq!(
        error_of(&[format, format, control, data]),
        "member \"debian-binary\" comes twice"
    );
    assert_eq!(
        error_of(&[format, control, control, data]),
        "member \"control.tar\" comes twice"
    );
    assert_eq!(
        error_of(&[format, control, data, data]),
        "member \"data.tar\" comes twice"
    );
    assert_eq!(
        error_of(&[format, control, data, data_gz]),
        "member \"data.tar.gz\" comes twice"
    );
    assert_eq!(
        error_of(&[format, control, data, control]),
        "member \"control.tar\" comes twice"
    );
    assert_eq!(
        error_of(&[format, control, data, ("x", b""), ("x", b"")]),
        "member \"x\" comes twice"
    );
    assert!(
        chain(&read(b"PK\x03\x04 and so on", &Limits::default()).unwrap_err()).contains("not an ar archive")
    );
}

#[test]
fn passes_over_members_that_deb_5_says_to_ignore() {
    let (control, data) = (control_tar(), tar_of(&[file("a", b"1")]));
    let members: [(&str, &[u8]); 6] = [
        ("debian-binary", b"2.1\nmore\n"),
        ("_early", b"x"),
        ("control.tar", &control),
        ("_between", b""),
        ("data.tar", &data),
        ("_gpgorigin", b"signature"),
    ];
    assert_eq!(read(&ar(&members), &Limits::default()).unwrap().1.len(), 1);
}

#[test]
fn refuses_other_formats_and_compressions() {
    let (control, data) = (control_tar(), tar_of(&[]));
    for version in ["", "2", "2.0", "3.0\n", "0.939000\n", "\n2.0\n"] {
        let message = error_of(&[
            ("debian-binary", version.as_bytes()),
            ("control.tar", &control),
            ("data.tar", &data),
        ]);
        assert!(
            message.starts_with("not a Debian package of format 2: debian-binary says"),
            "{message}"
        );
    }
    let format = ("debian-binary", &b"2.0\n"[..]);
    let message = error_of(&[format, ("control.tar", &control), ("data.tar.lz4", &data)]);
    assert_eq!(message, "member \"data.tar.lz4\" has an unknown compression");
    let message = error_of(&[format, ("control.tar", &control), ("data.tar.xz", &data)]);
    assert!(
        message.starts_with("cannot read data.tar.xz: tar entry 1, header at byte 0: cannot read"),
        "{message}"
    );
}

fn with_data(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control_tar()),
        ("data.tar", &tar_of(entries)),
    ])
}

// === limits ===

fn check_limit(bytes: &[u8], within: Limits, beyond: Limits, expected: &str) {
    let result = read(bytes, &within);
    assert!(result.is_ok(), "at the limit: {}", chain(&result.unwrap_err()));
    let message = chain(&read(bytes, &beyond).unwrap_err());
    assert!(message.contains(expected), "{message}");
}

#[test]
fn bounds_decompression_of_both_parts() {
    let gzipped = |bytes: &[u8]| {
        let mut out = Vec::new();
        archive::Encoder::Gzip.encode_member(bytes, &mut out).unwrap();
        out
    };
    let (control, data) = (control_tar(), tar_of(&[file("a", &[0; 5000])]));
    let (control_bytes, data_bytes) = (control.len() as u64, data.len() as u64);
    let bytes = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gzipped(&control)),
        ("data.tar.gz", &gzipped(&data)),
    ]);
    let limits = |control_bytes_max| Limits {
        control_bytes_max,
        ..Limits::default()
    };
    let expected = format!(
        "control.tar.gz has more than {} bytes after decompression",
        control_bytes - 1
    );
    check_limit(
        &bytes,
        limits(control_bytes),
        limits(control_bytes - 1),
        &expected,
    );

    let limits = |data_bytes_max| Limits {
        data_bytes_max,
        ..Limits::default()
    };
    let expected = format!(
        "data.tar.gz has more than {} bytes after decompression",
        data_bytes - 1
    );
    check_limit(&bytes, limits(data_bytes), limits(data_bytes - 1), &expected);
}

#[test]
fn bounds_the_number_of_files_and_the_length_of_their_paths() {
    let bytes = with_data(&[directory("ab"), file("ab/c", b""), file("d/e", b"")]);
    let limits = |entries_max| Limits {
        entries_max,
        ..Limits::default()
    };
    check_limit(&bytes, limits(3), limits(2), "more than 2 entries");
    // ab, ab/c, d (implied), d/e and the root.
    let limits = |paths_bytes_max| Limits {
        paths_bytes_max,
        ..Limits::default()
    };
    check_limit(
        &bytes,
        limits(10),
        limits(9),
        "its path makes more than 9 bytes of paths",
    );

    let control = tar_of(&[directory(""), file("control", CONTROL), file("md5sums", b"")]);
    let bytes = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar", &tar_of(&[])),
    ]);
    let limits = |control_files_max| Limits {
        control_files_max,
        ..Limits::default()
    };
    check_limit(&bytes, limits(2), limits(1), "more than 2 entries");
}

#[test]
fn streams_instead_of_reading_ahead() {
    struct Counting<'a>(&'a [u8], &'a std::sync::atomic::AtomicUsize);
    impl Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1.fetch_add(read, std::sync::atomic::Ordering::Relaxed);
            Ok(read)
        }
    }
    let large = vec![1; 8 << 20];
    let bytes = with_data(&[file("large", &large), file("small", b"x")]);
    let counter = std::sync::atomic::AtomicUsize::new(0);
    let mut data = open(Counting(&bytes, &counter), &Limits::default())
        .unwrap()
        .data();
    assert_eq!(data.next_entry().unwrap().unwrap().size, 8 << 20);
    assert!(counter.load(std::sync::atomic::Ordering::Relaxed) < 1 << 20);
    assert_eq!(data.next_entry().unwrap().unwrap().path, path("small"));
    assert!(data.next_entry().unwrap().is_none());
    assert_eq!(counter.load(std::sync::atomic::Ordering::Relaxed), bytes.len());
}

// === damage ===

#[test]
fn a_package_cut_anywhere_is_an_error() {
    for name in ["gzip", "xz", "zstd"] {
        let bytes = fixture(name);
        let end = bytes.trim_ascii_end().len();
        for length in 0..end {
            assert!(
                read(&bytes[..length], &Limits::default()).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_packages_are_survived(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = fixture(["none", "gzip", "xz", "zstd", "bzip2"][which]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let limits = Limits { data_bytes_max: 1 << 20, control_bytes_max: 1 << 20, ..Limits::default() };
        if let Ok((_, entries)) = read(&bytes, &limits) {
            prop_assert!(entries.iter().all(|(entry, _)| entry.path.components().all(|part| part != b"..")));
        }
    }
}

#[test]
fn every_codec_has_a_fixture() {
    let fixtures = Codec::ALL.map(|codec| match codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Xz => "xz",
        Codec::Zstd => "zstd",
        Codec::Bzip2 => "bzip2",
    });
    for (codec, name) in Codec::ALL.into_iter().zip(fixtures) {
        let data = format!("data.tar{}", codec.suffix());
        assert_eq!(
            open(&fixture(name)[..], &Limits::default())
                .unwrap()
                .data()
                .member(),
            data
        );
    }
}
