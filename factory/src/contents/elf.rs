//! What the dynamic loader's cache needs to know of an ELF file.
//!
//! Only the header, the program headers and the dynamic section are read, each with a limit, so a
//! damaged or hostile file costs a few reads and gives fewer facts, never an error: a package may
//! ship what it likes as data.
//!
//! Spec: System V ABI, "ELF Header", "Program Header", "Dynamic Section".

use super::Spool;

/// Whether addresses are 32 or 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`
    Elf32,
    /// `ELFCLASS64`
    Elf64,
}

/// Facts of one ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFacts {
    /// Width of addresses.
    pub class: Class,
    /// Whether numbers are stored least significant byte first.
    pub little_endian: bool,
    /// `e_type`: 2 is an executable, 3 a shared object (or a position-independent executable).
    pub object_type: u16,
    /// `e_machine`, e.g. 62 for x86-64.
    pub machine: u16,
    /// `e_flags`, which tell the floating-point ABI on arm and riscv64.
    pub flags: u32,
    /// `DT_SONAME`.
    pub soname: Option<Box<[u8]>>,
}

impl ElfFacts {
    /// Reads the facts of the file of `size` bytes at `offset` of `spool`; `None` when it is not ELF.
    pub(super) fn read(spool: &Spool, offset: u64, size: u64) -> Option<Self> {
        let image = Image { spool, offset, size };
        let header = Header::read(&image)?;
        let soname = header.soname(&image);
        Some(Self {
            class: if header.wide { Class::Elf64 } else { Class::Elf32 },
            little_endian: header.little,
            object_type: header.object_type,
            machine: header.machine,
            flags: header.flags,
            soname,
        })
    }
}

/// The first bytes of every ELF file.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

const PROGRAM_HEADERS_MAX: u16 = 512;
const DYNAMIC_BYTES_MAX: u64 = 64 << 10;
const SONAME_BYTES_MAX: u64 = 255;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;

/// The file as a range of the spool.
struct Image<'s> {
    spool: &'s Spool,
    offset: u64,
    size: u64,
}

impl Image<'_> {
    fn read(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        if at.checked_add(length)? > self.size {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.spool
            .read_exact_at(&mut bytes, self.offset.checked_add(at)?)
            .ok()?;
        Some(bytes)
    }
}

struct Header {
    wide: bool,
    little: bool,
    object_type: u16,
    machine: u16,
    flags: u32,
    program_headers_offset: u64,
    program_header_bytes: u16,
    program_headers: u16,
}

/// A program header, as far as it matters here.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
}

impl Header {
    fn read(image: &Image<'_>) -> Option<Self> {
        let bytes = image.read(0, image.size.min(64))?;
        if bytes.get(..4)? != MAGIC {
            return None;
        }
        let wide = match bytes.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let little = match bytes.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        let fields = Fields {
            bytes: &bytes,
            little,
            wide,
        };
        Some(Self {
            wide,
            little,
            object_type: fields.half(16)?,
            machine: fields.half(18)?,
            program_headers_offset: fields.address(if wide { 32 } else { 28 })?,
            flags: fields.word(if wide { 48 } else { 36 })?,
            program_header_bytes: fields.half(if wide { 54 } else { 42 })?,
            program_headers: fields.half(if wide { 56 } else { 44 })?,
        })
    }

    fn soname(&self, image: &Image<'_>) -> Option<Box<[u8]>> {
        let segments = self.segments(image)?;
        let dynamic = segments.iter().find(|segment| segment.kind == PT_DYNAMIC)?;
        let bytes = image.read(dynamic.offset, dynamic.file_bytes.min(DYNAMIC_BYTES_MAX))?;
        let fields = Fields {
            bytes: &bytes,
            little: self.little,
            wide: self.wide,
        };
        let word = if self.wide { 8 } else { 4 };
        let (mut strings_address, mut name_offset) = (None, None);
        for entry in (0..bytes.len()).step_by(2 * word) {
            let (tag, value) = (fields.address(entry)?, fields.address(entry + word)?);
            match tag {
                DT_NULL => break,
                DT_STRTAB => strings_address = Some(value),
                DT_SONAME => name_offset = Some(value),
                _ => {}
            }
        }
        let (address, name) = (strings_address?, name_offset?);
        let home = segments.iter().find(|segment| {
            segment.kind == PT_LOAD
                && address
                    .checked_sub(segment.address)
                    .is_some_and(|inside| inside < segment.file_bytes)
        })?;
        let at = (address - home.address)
            .checked_add(home.offset)?
            .checked_add(name)?;
        let text = image.read(at, image.size.checked_sub(at)?.min(SONAME_BYTES_MAX + 1))?;
        let end = text.iter().position(|&byte| byte == 0)?;
        (end > 0).then(|| text.get(..end).map(Into::into)).flatten()
    }

    fn segments(&self, image: &Image<'_>) -> Option<Vec<Segment>> {
        let stride = usize::from(self.program_header_bytes);
        if stride < if self.wide { 56 } else { 32 } || self.program_headers > PROGRAM_HEADERS_MAX {
            return None;
        }
        let bytes = image.read(
            self.program_headers_offset,
            u64::try_from(stride).ok()? * u64::from(self.program_headers),
        )?;
        bytes
            .chunks_exact(stride)
            .map(|bytes| self.segment(bytes))
            .collect()
    }

    fn segment(&self, bytes: &[u8]) -> Option<Segment> {
        let fields = Fields {
            bytes,
            little: self.little,
            wide: self.wide,
        };
        Some(Segment {
            kind: fields.word(0)?,
            offset: fields.address(if self.wide { 8 } else { 4 })?,
            address: fields.address(if self.wide { 16 } else { 8 })?,
            file_bytes: fields.address(if self.wide { 32 } else { 16 })?,
        })
    }
}

/// Numbers in the file's own byte order and width.
struct Fields<'b> {
    bytes: &'b [u8],
    little: bool,
    wide: bool,
}

impl Fields<'_> {
    fn half(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    fn address(&self, at: usize) -> Option<u64> {
        if !self.wide {
            return self.word(at).map(u64::from);
        }
        let bytes = self.bytes.get(at..at + 8)?.try_into().ok()?;
        Some(if self.little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{super::spool::SpoolWriter, *};

    /// A shared object with nothing but its name: header, two program headers, dynamic section, strings.
    fn shared_object(wide: bool, little: bool, soname: &str) -> Vec<u8> {
        let mut out = Numbers {
            bytes: MAGIC.to_vec(),
            wide,
            little,
        };
        let (header, segment, word) = if wide { (64, 56, 8) } else { (52, 32, 4) };
        let dynamic = header + 2 * segment;
        let strings = dynamic + 3 * 2 * word;
        let size = strings + 1 + soname.len() as u64 + 1;
        out.bytes
            .extend([if wide { 2 } else { 1 }, if little { 1 } else { 2 }, 1]);
        out.bytes.resize(16, 0);
        out.numbers(2, &[3, 40]);
        out.numbers(4, &[1]);
        out.addresses(&[0, header, 0]);
        out.numbers(4, &[0x0500_0400]);
        out.numbers(2, &[header, segment, 2, 0, 0, 0]);
        // The file lies at an address that is not its offset.
        out.segment(PT_LOAD, 0, 0x1_0000, size);
        out.segment(PT_DYNAMIC, dynamic, 0x1_0000 + dynamic, 6 * word);
        out.addresses(&[DT_SONAME, 1, DT_STRTAB, 0x1_0000 + strings, DT_NULL, 0]);
        out.bytes.push(0);
        out.bytes.extend(soname.as_bytes());
        out.bytes.push(0);
        assert_eq!(out.bytes.len() as u64, size);
        out.bytes
    }

    struct Numbers {
        bytes: Vec<u8>,
        wide: bool,
        little: bool,
    }

    impl Numbers {
        fn numbers(&mut self, width: usize, numbers: &[u64]) {
            for number in numbers {
                let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
                self.bytes.extend(if self.little {
                    &little[..width]
                } else {
                    &big[8 - width..]
                });
            }
        }

        fn addresses(&mut self, numbers: &[u64]) {
            self.numbers(if self.wide { 8 } else { 4 }, numbers);
        }

        fn segment(&mut self, kind: u32, offset: u64, address: u64, bytes: u64) {
            self.numbers(4, &[kind.into()]);
            if self.wide {
                self.numbers(4, &[4]);
            }
            self.addresses(&[offset, address, address, bytes, bytes]);
            if !self.wide {
                self.numbers(4, &[4]);
            }
            self.addresses(&[8]);
        }
    }

    /// The facts of `file`, which lies behind other content.
    fn facts(file: &[u8]) -> Option<ElfFacts> {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache::Cache::open(directory.path().to_owned()).unwrap();
        let mut spool = SpoolWriter::new(&cache);
        spool.write_all(b"before").unwrap();
        spool.write_all(file).unwrap();
        ElfFacts::read(&spool.finish().unwrap(), 6, file.len() as u64)
    }

    #[test]
    fn name_and_kind_are_read_in_every_width_and_byte_order() {
        for (wide, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let expected = ElfFacts {
                class: if wide { Class::Elf64 } else { Class::Elf32 },
                little_endian: little,
                object_type: 3,
                machine: 40,
                flags: 0x0500_0400,
                soname: Some(b"libx.so.1".as_slice().into()),
            };
            assert_eq!(facts(&shared_object(wide, little, "libx.so.1")), Some(expected));
        }
    }

    #[test]
    fn a_file_that_is_cut_short_or_changed_anywhere_is_no_error() {
        let whole = shared_object(true, true, "libx.so.1");
        for at in 0..whole.len() {
            let cut = facts(&whole[..at]);
            assert!(cut.is_none_or(|facts| facts.soname.is_none()), "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = facts(&changed);
        }
        assert_eq!(facts(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn a_name_is_read_up_to_its_limit() {
        let named = |length: usize| {
            facts(&shared_object(true, true, &"x".repeat(length)))
                .unwrap()
                .soname
        };
        let max = usize::try_from(SONAME_BYTES_MAX).unwrap();
        assert_eq!(named(max).unwrap().len(), max);
        assert_eq!(named(max + 1), None);
    }
}
