//! `/etc/ld.so.cache`: where the dynamic loader looks up shared libraries.
//!
//! The format has no specification but glibc itself: `sysdeps/generic/dl-cache.h`, `elf/cache.c` and
//! `elf/stringtable.c` (since 2.32 only what is written here is made and read). A header, the libraries
//! in descending order for the loader's binary search, their strings with common endings shared, and
//! extensions. Numbers are in the byte order of the target.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::contents::{Class, ElfFacts};

/// A shared library as the cache has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Name that programs ask for, e.g. `libc.so.6`.
    pub soname: Vec<u8>,
    /// Where it is, with a leading slash.
    pub path: Vec<u8>,
    /// Kind of library: word size and calling convention; from [`library_flags`].
    pub flags: u32,
    /// Name of the `glibc-hwcaps` subdirectory that it is in.
    pub hwcaps: Option<Vec<u8>>,
}

/// Byte order of the numbers in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The flags of a library, by which a loader tells its own kind from others in one directory.
///
/// `None` for what no loader of an architecture that we know would load.
pub fn library_flags(facts: &ElfFacts) -> Option<u32> {
    let kind = match (facts.machine, facts.class) {
        (EM_X86_64, Class::Elf64) => 0x0300,
        (EM_X86_64, Class::Elf32) => 0x0800,
        (EM_386, Class::Elf32) => 0,
        (EM_AARCH64, Class::Elf64) => 0x0a00,
        (EM_ARM, Class::Elf32) if facts.flags & EF_ARM_ABI_FLOAT_HARD != 0 => 0x0900,
        (EM_ARM, Class::Elf32) if facts.flags & EF_ARM_ABI_FLOAT_SOFT != 0 => 0x0b00,
        (EM_ARM, Class::Elf32) => 0,
        (EM_S390, Class::Elf64) => 0x0400,
        (EM_PPC64, Class::Elf64) => 0x0500,
        (EM_RISCV, Class::Elf64) if facts.flags & EF_RISCV_FLOAT_ABI == EF_RISCV_FLOAT_ABI_DOUBLE => 0x1000,
        (EM_RISCV, Class::Elf64) if facts.flags & EF_RISCV_FLOAT_ABI == 0 => 0x0f00,
        _ => return None,
    };
    Some(FLAG_ELF_LIBC6 | kind)
}

/// The bytes of a cache of these libraries, which are given in the order of the directories that the
/// loader searches: of several with one name, the first is found.
pub fn encode(libraries: &[Library], order: ByteOrder) -> Vec<u8> {
    let mut sorted: Vec<&Library> = libraries.iter().collect();
    sorted.sort_by(|one, other| compare(one, other));
    let hwcaps: BTreeSet<&[u8]> = sorted
        .iter()
        .filter_map(|library| library.hwcaps.as_deref())
        .collect();
    let hwcaps: Vec<&[u8]> = hwcaps.into_iter().collect();
    let strings = Strings::new(
        sorted
            .iter()
            .flat_map(|library| [library.soname.as_slice(), library.path.as_slice()])
            .chain(hwcaps.iter().copied()),
    );
    let strings_at = HEADER_BYTES + sorted.len() * ENTRY_BYTES;
    let extensions_at = (strings_at + strings.bytes.len()).next_multiple_of(4);

    let mut out = Output {
        bytes: Vec::with_capacity(extensions_at + 256),
        order,
    };
    out.bytes.extend_from_slice(MAGIC);
    out.word(number(sorted.len()));
    out.word(number(strings.bytes.len()));
    out.bytes
        .extend_from_slice(&[if order == ByteOrder::Little { 2 } else { 3 }, 0, 0, 0]);
    out.word(number(extensions_at));
    out.bytes.extend_from_slice(&[0; 12]);
    for library in sorted {
        out.word(library.flags);
        out.word(number(strings_at + strings.offset(&library.soname)));
        out.word(number(strings_at + strings.offset(&library.path)));
        // Once the least kernel version; loaders since 2.37 ignore it, older ones take 0 as "any".
        out.word(0);
        out.long(library.hwcaps.as_deref().map_or(0, |name| {
            HWCAP_EXTENSION | hwcaps.iter().position(|known| *known == name).unwrap_or_default() as u64
        }));
    }
    out.bytes.extend_from_slice(&strings.bytes);
    out.bytes.resize(extensions_at, 0);
    let hwcap_offsets: Vec<usize> = hwcaps
        .iter()
        .map(|name| strings_at + strings.offset(name))
        .collect();
    out.extensions(extensions_at, &hwcap_offsets);
    out.bytes
}

/// Order of libraries in a cache: descending by name, and the more specific before the less.
fn compare(one: &Library, other: &Library) -> Ordering {
    compare_names(&other.soname, &one.soname)
        .then_with(|| other.flags.cmp(&one.flags))
        .then_with(|| match (&one.hwcaps, &other.hwcaps) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        })
}

/// glibc's `_dl_cache_libcmp`: bytewise, but runs of digits by their value.
pub(crate) fn compare_names(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        match (one.first(), other.first()) {
            (None, None) => return Ordering::Equal,
            (Some(first), Some(second)) if first.is_ascii_digit() && second.is_ascii_digit() => {
                let (ours, rest) = leading_number(one);
                let (theirs, other_rest) = leading_number(other);
                if ours != theirs {
                    return ours.cmp(&theirs);
                }
                (one, other) = (rest, other_rest);
            }
            (Some(first), _) if first.is_ascii_digit() => return Ordering::Greater,
            (_, Some(second)) if second.is_ascii_digit() => return Ordering::Less,
            (first, second) if first != second => return first.cmp(&second),
            _ => {
                (one, other) = (
                    one.get(1..).unwrap_or_default(),
                    other.get(1..).unwrap_or_default(),
                )
            }
        }
    }
}

fn leading_number(text: &[u8]) -> (u64, &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value = digits.iter().fold(0_u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    (value, rest)
}

/// Zero-terminated strings; one that ends another lies in its end.
struct Strings<'s> {
    bytes: Vec<u8>,
    offsets: BTreeMap<&'s [u8], usize>,
}

impl<'s> Strings<'s> {
    fn new(strings: impl Iterator<Item = &'s [u8]>) -> Self {
        let mut sorted: Vec<&[u8]> = strings.collect::<BTreeSet<_>>().into_iter().collect();
        // Descending by their ends; of two where one ends the other, the longer first.
        sorted.sort_by(|one, other| {
            let ends = other.iter().rev().zip(one.iter().rev());
            ends.map(|(other, one)| other.cmp(one))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| other.len().cmp(&one.len()))
        });
        let mut table = Self {
            bytes: Vec::new(),
            offsets: BTreeMap::new(),
        };
        let mut previous: (&[u8], usize) = (&[], 0);
        for string in sorted {
            let offset = if !table.bytes.is_empty() && previous.0.ends_with(string) {
                previous.1 + previous.0.len() - string.len()
            } else {
                let offset = table.bytes.len();
                table.bytes.extend_from_slice(string);
                table.bytes.push(0);
                offset
            };
            table.offsets.insert(string, offset);
            previous = (string, offset);
        }
        table
    }

    fn offset(&self, string: &[u8]) -> usize {
        self.offsets.get(string).copied().unwrap_or_default()
    }
}

struct Output {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl Output {
    fn word(&mut self, value: u32) {
        self.bytes.extend_from_slice(&match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        });
    }

    fn long(&mut self, value: u64) {
        self.bytes.extend_from_slice(&match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        });
    }

    fn extensions(&mut self, at: usize, hwcap_offsets: &[usize]) {
        let sections = if hwcap_offsets.is_empty() { 1 } else { 2 };
        let generator_at = at + 8 + sections * 16;
        // The strings' offsets are words, so they are aligned again after the generator's name.
        let hwcaps_at = (generator_at + GENERATOR.len()).next_multiple_of(4);
        self.word(EXTENSION_MAGIC);
        self.word(number(sections));
        for word in [TAG_GENERATOR, 0, number(generator_at), number(GENERATOR.len())] {
            self.word(word);
        }
        if !hwcap_offsets.is_empty() {
            for word in [
                TAG_GLIBC_HWCAPS,
                0,
                number(hwcaps_at),
                number(hwcap_offsets.len() * 4),
            ] {
                self.word(word);
            }
        }
        self.bytes.extend_from_slice(GENERATOR);
        if !hwcap_offsets.is_empty() {
            self.bytes.resize(hwcaps_at, 0);
            for offset in hwcap_offsets {
                self.word(number(*offset));
            }
        }
    }
}

/// An offset or count as the format has it. Callers bound the number of libraries far below.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const TAG_GENERATOR: u32 = 0;
const TAG_GLIBC_HWCAPS: u32 = 1;
const HWCAP_EXTENSION: u64 = 1 << 62;
/// What `strings` shows at the end of the file; nothing reads it.
const GENERATOR: &[u8] = b"ldconfig (Lightship)";

const FLAG_ELF_LIBC6: u32 = 3;
const EM_386: u16 = 3;
const EM_PPC64: u16 = 21;
const EM_S390: u16 = 22;
const EM_ARM: u16 = 40;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const EM_RISCV: u16 = 243;
const EF_ARM_ABI_FLOAT_SOFT: u32 = 0x200;
const EF_ARM_ABI_FLOAT_HARD: u32 = 0x400;
const EF_RISCV_FLOAT_ABI: u32 = 0x6;
const EF_RISCV_FLOAT_ABI_DOUBLE: u32 = 0x4;

#[cfg(test)]
mod tests {
    use super::*;

    fn library(soname: &str, directory: &str, hwcaps: Option<&str>) -> Library {
        Library {
            soname: soname.into(),
            path: format!("{directory}/{soname}").into(),
            flags: 0x303,
            hwcaps: hwcaps.map(Into::into),
        }
    }

    fn word(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    fn text(bytes: &[u8], at: usize) -> String {
        let end = bytes[at..].iter().position(|&byte| byte == 0).unwrap();
        String::from_utf8(bytes[at..at + end].to_vec()).unwrap()
    }

    fn listed(bytes: &[u8]) -> Vec<(String, String)> {
        (0..word(bytes, 20))
            .map(|index| {
                let entry = HEADER_BYTES + index * ENTRY_BYTES;
                (
                    text(bytes, word(bytes, entry + 4)),
                    text(bytes, word(bytes, entry + 8)),
                )
            })
            .collect()
    }

    #[test]
    fn libraries_are_in_the_descending_order_of_the_loaders_search() {
        let bytes = encode(
            &[
                library("libb.so.9", "/lib", None),
                library("libb.so.10", "/lib", None),
                library("ld-linux.so.2", "/lib", None),
                library("libb.so.9", "/usr/local/lib", None),
            ],
            ByteOrder::Little,
        );
        let names: Vec<_> = listed(&bytes).into_iter().map(|(_, path)| path).collect();
        assert_eq!(
            names,
            [
                "/lib/libb.so.10",
                "/lib/libb.so.9",
                "/usr/local/lib/libb.so.9",
                "/lib/ld-linux.so.2"
            ]
        );
    }

    #[test]
    fn digits_compare_by_value_and_after_everything_else() {
        assert_eq!(compare_names(b"lib-2.10.so", b"lib-2.9.so"), Ordering::Greater);
        assert_eq!(compare_names(b"liba1.so", b"libab.so"), Ordering::Greater);
        assert_eq!(compare_names(b"libz.so", b"libz.so.1"), Ordering::Less);
        assert_eq!(compare_names(b"libz.so.01", b"libz.so.1"), Ordering::Equal);
    }

    #[test]
    fn a_soname_lies_in_the_end_of_its_path() {
        let bytes = encode(&[library("libz.so.1", "/usr/lib", None)], ByteOrder::Little);
        assert_eq!(word(&bytes, 24), "/usr/lib/libz.so.1".len() + 1);
        assert_eq!(
            listed(&bytes),
            [("libz.so.1".to_owned(), "/usr/lib/libz.so.1".to_owned())]
        );
        assert!(bytes.ends_with(GENERATOR));
    }

    #[test]
    fn libraries_for_better_processors_come_first_and_name_their_level() {
        let bytes = encode(
            &[
                library("libx.so.1", "/lib", None),
                library("libx.so.1", "/lib/glibc-hwcaps/x86-64-v3", Some("x86-64-v3")),
            ],
            ByteOrder::Little,
        );
        assert_eq!(listed(&bytes)[0].1, "/lib/glibc-hwcaps/x86-64-v3/libx.so.1");
        assert_eq!(
            bytes[HEADER_BYTES + 16..HEADER_BYTES + 24],
            HWCAP_EXTENSION.to_le_bytes()
        );
        let extensions = word(&bytes, 32);
        assert_eq!(
            (word(&bytes, extensions), word(&bytes, extensions + 4)),
            (EXTENSION_MAGIC as usize, 2)
        );
        assert_eq!(
            text(&bytes, word(&bytes, word(&bytes, extensions + 8 + 16 + 8))),
            "x86-64-v3"
        );
    }

    #[test]
    fn big_endian_targets_get_big_endian_numbers() {
        let bytes = encode(&[library("libz.so.1", "/usr/lib", None)], ByteOrder::Big);
        assert_eq!(bytes[20..24], [0, 0, 0, 1]);
        assert_eq!(bytes[28], 3);
    }

    #[test]
    fn flags_tell_the_calling_convention() {
        let facts = |machine, class, flags| ElfFacts {
            class,
            little_endian: true,
            object_type: 3,
            machine,
            flags,
            soname: None,
        };
        assert_eq!(library_flags(&facts(EM_X86_64, Class::Elf64, 0)), Some(0x303));
        assert_eq!(
            library_flags(&facts(EM_ARM, Class::Elf32, 0x0500_0400)),
            Some(0x903)
        );
        assert_eq!(library_flags(&facts(EM_RISCV, Class::Elf64, 5)), Some(0x1003));
        assert_eq!(library_flags(&facts(EM_S390, Class::Elf64, 0)), Some(0x403));
        assert_eq!(library_flags(&facts(8, Class::Elf32, 0)), None);
    }
}
