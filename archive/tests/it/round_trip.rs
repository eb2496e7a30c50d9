//! What is written is read back as it was, by us and by GNU tar where it is installed.

use std::io::Read;
use std::process::{Command, Stdio};

use archive::tar::{Entry, EntryKind, Limits, WriteError, Writer};
use archive::{Codec, Encoder, EntryPath, decode};
use proptest::prelude::*;

use crate::{Whole, chain, read_all};

fn written(all: &[Whole]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in all {
        writer.append(entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn path_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => b'a'..=b'e', 1 => 1..=255_u8].prop_filter("no slash", |byte| *byte != b'/');
    let component = prop::collection::vec(byte, 1..60).prop_filter("no dots", |c| c != b"." && c != b"..");
    prop::collection::vec(component, 1..8).prop_map(|components| components.join(&b'/'))
}

fn path() -> impl Strategy<Value = EntryPath> {
    path_bytes().prop_map(|bytes| EntryPath::parse(&bytes).unwrap())
}

fn kind() -> impl Strategy<Value = EntryKind> {
    let device = (0..0o777_7777_u32, 0..0o777_7777_u32);
    prop_oneof![
        4 => Just(EntryKind::File),
        2 => Just(EntryKind::Directory),
        2 => prop::collection::vec(1..=255_u8, 1..300).prop_map(|target| EntryKind::Symlink { target: target.into() }),
        2 => path().prop_map(|target| EntryKind::Hardlink { target }),
        1 => device.clone().prop_map(|(major, minor)| EntryKind::CharDevice { major, minor }),
        1 => device.prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
        1 => Just(EntryKind::Fifo),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..3000_u64, Just(0o777_7777), Just(0o1000_0000), any::<u64>()]
}

fn whole() -> impl Strategy<Value = Whole> {
    let times = prop_oneof![
        0..2_000_000_000_i64,
        Just(0o777_7777_7777),
        Just(0o1_0000_0000_0000),
        any::<i64>()
    ];
    let content = prop::collection::vec(any::<u8>(), 0..1600);
    (
        path(),
        kind(),
        0..=0o7777_u32,
        (number(), number()),
        times,
        content,
    )
        .prop_map(|(path, kind, mode, (uid, gid), mtime, mut content)| {
            if kind != EntryKind::File {
                content.clear();
            }
            (
                Entry {
                    path,
                    kind,
                    mode,
                    uid,
                    gid,
                    mtime,
                    size: content.len() as u64,
                },
                content,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn archives_are_read_back_as_they_were_written(all in prop::collection::vec(whole(), 0..6)) {
        let bytes = written(&all);
        prop_assert_eq!(bytes.len() % 512, 0);
        let read = read_all(&bytes, Limits::default()).map_err(|error| TestCaseError::fail(chain(&error)))?;
        prop_assert_eq!(read, all);
    }

    #[test]
    fn paths_are_parsed_back_as_they_were_printed(bytes in path_bytes()) {
        let path = EntryPath::parse(&bytes).unwrap();
        prop_assert_eq!(path.as_bytes(), &bytes[..]);
        prop_assert_eq!(&EntryPath::parse(&[b"./", &bytes[..], b"/"].concat()).unwrap(), &path);
        prop_assert_eq!(&EntryPath::parse_absolute(&[b"/", &bytes[..]].concat()).unwrap(), &path);
        let parent = path.parent().unwrap();
        prop_assert_eq!(&parent.join(path.file_name().unwrap()).unwrap(), &path);
        prop_assert!(path.starts_with(&parent) && parent < path);
    }

    #[test]
    fn any_bytes_are_a_safe_path_or_none(bytes in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..12)) {
        if let Ok(path) = EntryPath::parse(&bytes) {
            prop_assert!(path.components().all(|c| !c.is_empty() && c != b"." && c != b".." && !c.contains(&0)));
            prop_assert_eq!(path.components().collect::<Vec<_>>().join(&b'/'), path.as_bytes());
        }
    }

    #[test]
    fn paths_are_ordered_by_their_components(left in path(), right in path()) {
        let by_components = left.components().collect::<Vec<_>>().cmp(&right.components().collect::<Vec<_>>());
        prop_assert_eq!(left.cmp(&right), by_components);
    }

    #[test]
    fn decoding_gives_back_what_was_encoded(
        pieces in prop::collection::vec(prop::collection::vec(0..4_u8, 0..5000), 1..4)
    ) {
        for (encoder, codec) in [(Encoder::Gzip, Codec::Gzip), (Encoder::Zstd, Codec::Zstd)] {
            let mut encoded = Vec::new();
            for piece in &pieces {
                encoder.encode_member(piece, &mut encoded).unwrap();
            }
            prop_assert_eq!(Codec::sniff(&encoded), codec);
            let mut decoded = Vec::new();
            decode(codec, &encoded[..], 1 << 20).read_to_end(&mut decoded).unwrap();
            prop_assert_eq!(decoded, pieces.concat());
        }
    }
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let long = format!("{}{}", "directory/".repeat(30), "f".repeat(120));
    let file = Entry {
        uid: 4_000_000_000,
        mtime: -5,
        ..Entry::file(EntryPath::parse(long.as_bytes()).unwrap(), 0o640, 3)
    };
    let link = EntryKind::Symlink {
        target: long.clone().into_bytes().into(),
    };
    let link = Entry {
        kind: link,
        ..Entry::file(EntryPath::parse(b"link").unwrap(), 0o777, 0)
    };
    let root = Entry::directory(EntryPath::root(), 0o755);
    let bytes = written(&[(root, vec![]), (file, b"abc".to_vec()), (link, vec![])]);

    // Present on every machine that this is developed on; elsewhere the other tests have to do.
    let mut options = Command::new("tar");
    options
        .args(["-tv", "--numeric-owner", "--utc", "--full-time"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let Ok(mut child) = options.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let words: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[0],
        ["drwxr-xr-x", "0/0", "0", "1970-01-01", "00:00:00", "./"]
    );
    assert_eq!(
        words[1],
        ["-rw-r-----", "4000000000/0", "3", "1969-12-31", "23:59:55", &long]
    );
    assert_eq!(
        words[2],
        [
            "lrwxrwxrwx",
            "0/0",
            "0",
            "1970-01-01",
            "00:00:00",
            "link",
            "->",
            &long
        ]
    );
}

#[test]
fn equal_entries_give_equal_bytes_in_few_large_writes() {
    struct Counting(usize, usize);
    impl std::io::Write for Counting {
        fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
            self.0 += 1;
            self.1 += buffer.len();
            Ok(buffer.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer::new(Counting(0, 0));
    for number in 0..1000 {
        let path = EntryPath::parse(format!("file-{number}").as_bytes()).unwrap();
        writer
            .append(&Entry::file(path, 0o644, 1000), &mut &[7; 1000][..])
            .unwrap();
    }
    assert_eq!(writer.position(), 1000 * 1536);
    let Counting(writes, bytes) = writer.finish().unwrap();
    assert_eq!(bytes, 1000 * 1536 + 1024);
    assert!(writes <= 7, "{writes} writes");
}

#[test]
fn refuses_to_write_what_cannot_be_read_back() {
    let path = || EntryPath::parse(b"x").unwrap();
    let refused = |entry: Entry, content: &[u8]| {
        Writer::new(Vec::new())
            .append(&entry, &mut &content[..])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(Entry::file(path(), 0, 3), b"ab"),
        "/x has 2 bytes of content, its entry says 3"
    );
    assert_eq!(
        refused(Entry::file(path(), 0, 1), b"ab"),
        "/x has more than the 1 bytes of content that its entry says"
    );
    assert!(
        refused(
            Entry {
                size: 1,
                ..Entry::directory(path(), 0)
            },
            b"a"
        )
        .contains("cannot have content")
    );
    assert!(refused(Entry::file(EntryPath::root(), 0, 0), b"").contains("name"));
    assert!(refused(Entry::file(path(), 0o10000, 0), b"").contains("mode"));
    let device = EntryKind::CharDevice {
        major: 0o1000_0000,
        minor: 0,
    };
    let entry = Entry {
        kind: device,
        ..Entry::file(path(), 0, 0)
    };
    let error = Writer::new(Vec::new()).append(&entry, &mut &b""[..]).unwrap_err();
    assert!(
        matches!(
            error,
            WriteError::Unsayable {
                field: "device number",
                ..
            }
        ),
        "{error}"
    );
}
