//! Small package files.

use archive::tar::{Entry, EntryKind, Writer};
use archive::{Encoder, EntryPath};

/// A package file and the stanza that an index shows for it.
#[derive(Debug, Clone)]
pub struct TestDeb {
    /// The control paragraph, each line ended.
    pub control: String,
    /// The whole `.deb`.
    pub bytes: Vec<u8>,
}

impl TestDeb {
    /// The value of a field of the control paragraph.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.control
            .lines()
            .find_map(|line| line.split_once(':').filter(|(key, _)| *key == name))
            .map(|(_, value)| value.trim())
    }

    /// A package file that exists, with its control paragraph as `dpkg-deb --field` prints it.
    pub fn existing(control: &str, bytes: Vec<u8>) -> TestDeb {
        TestDeb {
            control: format!("{}\n", control.trim_end()),
            bytes,
        }
    }
}

/// Makes a package file: control and data compressed with gzip, everything owned by root, times in 2020.
#[derive(Debug, Clone)]
pub struct DebBuilder {
    package: String,
    version: String,
    architecture: String,
    fields: Vec<(String, String)>,
    entries: Vec<(Entry, Vec<u8>)>,
    conffiles: String,
}

const MTIME: i64 = 1_577_836_800;

impl DebBuilder {
    /// A package for amd64 with nothing in it.
    pub fn new(package: &str, version: &str) -> DebBuilder {
        DebBuilder {
            package: package.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            fields: Vec::new(),
            entries: Vec::new(),
            conffiles: String::new(),
        }
    }

    /// Debian's name of the architecture, or `all`.
    pub fn architecture(mut self, architecture: &str) -> DebBuilder {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// A field of the control paragraph, such as `Depends`.
    pub fn control(mut self, name: &str, value: &str) -> DebBuilder {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file; the directories above come along.
    pub fn file(mut self, path: &str, mode: u32, content: &[u8]) -> DebBuilder {
        self.directories_above(path);
        self.push(path, EntryKind::File, mode, content);
        self
    }

    /// A directory; those above come along.
    pub fn directory(mut self, path: &str, mode: u32) -> DebBuilder {
        self.directories_above(path);
        self.push(path, EntryKind::Directory, mode, &[]);
        self
    }

    /// A symbolic link.
    pub fn symlink(mut self, path: &str, target: &str) -> DebBuilder {
        self.directories_above(path);
        self.push(
            path,
            EntryKind::Symlink {
                target: target.as_bytes().into(),
            },
            0o777,
            &[],
        );
        self
    }

    /// A hard link to a file given before.
    pub fn hardlink(mut self, path: &str, target: &str) -> DebBuilder {
        let target = EntryPath::parse(target.as_bytes()).expect("a path");
        self.push(path, EntryKind::Hardlink { target }, 0o644, &[]);
        self
    }

    /// Lists a file as configuration.
    pub fn conffile(mut self, path: &str) -> DebBuilder {
        self.conffiles.push_str(&format!("/{path}\n"));
        self
    }

    /// The package file.
    pub fn build(self) -> TestDeb {
        let mut control = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: Nobody <nobody@localhost>\n",
            self.package, self.version, self.architecture
        );
        for (name, value) in &self.fields {
            control.push_str(&format!("{name}: {value}\n"));
        }
        if !self.fields.iter().any(|(name, _)| name == "Description") {
            control.push_str("Description: a test package\n");
        }
        let mut meta = vec![file_entry("control", control.as_bytes())];
        if !self.conffiles.is_empty() {
            meta.push(file_entry("conffiles", self.conffiles.as_bytes()));
        }
        let members = [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", gzip(&tar(&meta))),
            ("data.tar.gz", gzip(&tar(&self.entries))),
        ];
        TestDeb {
            control,
            bytes: ar(&members),
        }
    }

    fn directories_above(&mut self, path: &str) {
        let mut above = String::new();
        for part in path
            .split('/')
            .collect::<Vec<_>>()
            .split_last()
            .map(|(_, above)| above)
            .unwrap_or_default()
        {
            if !above.is_empty() {
                above.push('/');
            }
            above.push_str(part);
            let known = self
                .entries
                .iter()
                .any(|(entry, _)| entry.path.as_bytes() == above.as_bytes());
            if !known {
                self.push(&above.clone(), EntryKind::Directory, 0o755, &[]);
            }
        }
    }

    fn push(&mut self, path: &str, kind: EntryKind, mode: u32, content: &[u8]) {
        let path = EntryPath::parse(path.as_bytes()).expect("a path");
        let size = content.len() as u64;
        self.entries.push((
            Entry {
                path,
                kind,
                mode,
                uid: 0,
                gid: 0,
                mtime: MTIME,
                size,
            },
            content.to_vec(),
        ));
    }
}

fn file_entry(name: &str, content: &[u8]) -> (Entry, Vec<u8>) {
    let path = EntryPath::parse(name.as_bytes()).expect("a path");
    let mut entry = Entry::file(path, 0o644, content.len() as u64);
    entry.mtime = MTIME;
    (entry, content.to_vec())
}

fn tar(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.append(entry, &mut content.as_slice()).expect("an entry");
    }
    writer.finish().expect("an archive")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in bytes.chunks(Encoder::Gzip.member_bytes()) {
        Encoder::Gzip
            .encode_member(member, &mut out)
            .expect("compression");
    }
    if bytes.is_empty() {
        Encoder::Gzip.encode_member(&[], &mut out).expect("compression");
    }
    out
}

/// The common ar format, as dpkg writes it.
fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        bytes.extend(
            format!(
                "{name:<16}{MTIME:<12}0     0     100644  {:<10}`\n",
                content.len()
            )
            .bytes(),
        );
        bytes.extend(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}
