//! The form in which a package's entry list lies in the cache.
//!
//! Fixed-width little-endian numbers and length-prefixed bytes, sealed with the SHA-256 of everything
//! before: a few thousand entries load in about a millisecond, and a damaged file is noticed instead
//! of believed. The format has a number, which is also part of the cache key.

use archive::{
    EntryPath,
    tar::{Entry, EntryKind},
};

use super::{Class, ElfFacts, PackageContents, PackageEntry};
use crate::sealed::{seal, unseal};

/// Goes up with every change of the format or of what the fields mean.
pub(super) const FORMAT: &str = "entries-1";

/// The largest entry list that is read back; the largest package of Debian needs a tenth of it.
pub(super) const STORED_BYTES_MAX: u64 = 256 << 20;

const MAGIC: &[u8; 8] = b"LSENTRY1";

pub(super) fn encode(contents: &PackageContents) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + contents.entries.len() * 160 + contents.control.len());
    out.extend_from_slice(MAGIC);
    let texts = [
        &contents.name,
        &contents.version,
        &contents.architecture,
        &contents.source_name,
        &contents.source_version,
    ];
    for text in texts {
        put_bytes(&mut out, text.as_bytes());
    }
    out.extend_from_slice(&contents.sha256);
    put_bytes(&mut out, &contents.control);
    put_optional_bytes(&mut out, contents.md5sums.as_deref());
    put_optional_bytes(&mut out, contents.conffiles.as_deref());
    put_u64(&mut out, contents.entries.len() as u64);
    for entry in &contents.entries {
        put_entry(&mut out, entry);
    }
    seal(out)
}

/// `None` when the bytes are not exactly what [`encode`] makes.
pub(super) fn decode(bytes: &[u8]) -> Option<PackageContents> {
    let mut fields = Fields(unseal(bytes)?.strip_prefix(MAGIC)?);
    let contents = PackageContents {
        name: fields.text()?,
        version: fields.text()?,
        architecture: fields.text()?,
        source_name: fields.text()?,
        source_version: fields.text()?,
        sha256: fields.array()?,
        control: fields.bytes()?.to_vec(),
        md5sums: fields.optional(|fields| fields.bytes().map(<[u8]>::to_vec))?,
        conffiles: fields.optional(|fields| fields.bytes().map(<[u8]>::to_vec))?,
        entries: {
            let count = fields.u64()?;
            (0..count).map(|_| fields.entry()).collect::<Option<_>>()?
        },
    };
    fields.0.is_empty().then_some(contents)
}

fn put_entry(out: &mut Vec<u8>, entry: &PackageEntry) {
    let tar = &entry.entry;
    put_bytes(out, tar.path.as_bytes());
    match &tar.kind {
        EntryKind::File => out.push(0),
        EntryKind::Directory => out.push(1),
        EntryKind::Symlink { target } => {
            out.push(2);
            put_bytes(out, target);
        }
        EntryKind::Hardlink { target } => {
            out.push(3);
            put_bytes(out, target.as_bytes());
        }
        EntryKind::CharDevice { major, minor } => put_device(out, 4, *major, *minor),
        EntryKind::BlockDevice { major, minor } => put_device(out, 5, *major, *minor),
        EntryKind::Fifo => out.push(6),
    }
    put_u32(out, tar.mode);
    put_u64(out, tar.uid);
    put_u64(out, tar.gid);
    out.extend_from_slice(&tar.mtime.to_le_bytes());
    put_u64(out, tar.size);
    match &entry.digest {
        None => out.push(0),
        Some(digest) => {
            out.push(1);
            out.extend_from_slice(digest);
        }
    }
    put_u64(out, entry.offset);
    match &entry.elf {
        None => out.push(0),
        Some(elf) => {
            out.push(1);
            out.push(u8::from(elf.class == Class::Elf64));
            out.push(u8::from(elf.little_endian));
            out.extend_from_slice(&elf.object_type.to_le_bytes());
            out.extend_from_slice(&elf.machine.to_le_bytes());
            put_u32(out, elf.flags);
            put_optional_bytes(out, elf.soname.as_deref());
        }
    }
}

fn put_device(out: &mut Vec<u8>, tag: u8, major: u32, minor: u32) {
    out.push(tag);
    put_u32(out, major);
    put_u32(out, minor);
}

fn put_optional_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// What is left to decode.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn path(&mut self) -> Option<EntryPath> {
        EntryPath::parse(self.bytes()?).ok()
    }

    /// The outer `None` is damage, the inner one absence.
    fn optional<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => value(self).map(Some),
            _ => None,
        }
    }

    fn entry(&mut self) -> Option<PackageEntry> {
        let path = self.path()?;
        let kind = match self.u8()? {
            0 => EntryKind::File,
            1 => EntryKind::Directory,
            2 => EntryKind::Symlink {
                target: self.bytes()?.into(),
            },
            3 => EntryKind::Hardlink { target: self.path()? },
            4 => EntryKind::CharDevice {
                major: self.u32()?,
                minor: self.u32()?,
            },
            5 => EntryKind::BlockDevice {
                major: self.u32()?,
                minor: self.u32()?,
            },
            6 => EntryKind::Fifo,
            _ => return None,
        };
        let entry = Entry {
            path,
            kind,
            mode: self.u32()?,
            uid: self.u64()?,
            gid: self.u64()?,
            mtime: self.array().map(i64::from_le_bytes)?,
            size: self.u64()?,
        };
        Some(PackageEntry {
            entry,
            digest: self.optional(Self::array)?,
            offset: self.u64()?,
            elf: self.optional(Self::elf)?,
        })
    }

    fn elf(&mut self) -> Option<ElfFacts> {
        Some(ElfFacts {
            class: if self.u8()? == 1 {
                Class::Elf64
            } else {
                Class::Elf32
            },
            little_endian: self.u8()? == 1,
            object_type: self.u16()?,
            machine: self.u16()?,
            flags: self.u32()?,
            soname: self.optional(|fields| fields.bytes().map(Into::into))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PackageContents {
        let entry = |path: &[u8], kind, size| Entry {
            path: EntryPath::parse(path).unwrap(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 42,
            mtime: -1,
            size,
        };
        let library = PackageEntry {
            entry: entry(b"./usr/lib/x.so.1", EntryKind::File, 9),
            digest: Some([7; 32]),
            offset: 1 << 40,
            elf: Some(ElfFacts {
                class: Class::Elf64,
                little_endian: true,
                object_type: 3,
                machine: 62,
                flags: 5,
                soname: Some(b"x.so.1".as_slice().into()),
            }),
        };
        let plain = |entry| PackageEntry {
            entry,
            digest: None,
            offset: 0,
            elf: None,
        };
        let target = EntryPath::parse(b"usr/lib/x.so.1").unwrap();
        PackageContents {
            name: "x".into(),
            version: "1:2-3".into(),
            architecture: "amd64".into(),
            source_name: "src".into(),
            source_version: "2-3".into(),
            sha256: [1; 32],
            control: b"Package: x\n".to_vec(),
            md5sums: None,
            conffiles: Some(Vec::new()),
            entries: vec![
                plain(entry(b"./", EntryKind::Directory, 0)),
                library,
                plain(entry(
                    b"a\xff",
                    EntryKind::Symlink {
                        target: b"../\xfe".as_slice().into(),
                    },
                    0,
                )),
                plain(entry(b"b", EntryKind::Hardlink { target }, 0)),
                plain(entry(b"c", EntryKind::CharDevice { major: 1, minor: 3 }, 0)),
                plain(entry(b"d", EntryKind::Fifo, 0)),
            ],
        }
    }

    #[test]
    fn what_was_encoded_comes_back() {
        assert_eq!(decode(&encode(&sample())), Some(sample()));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let bytes = encode(&sample());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
