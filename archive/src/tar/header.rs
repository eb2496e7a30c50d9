//! The 512-byte header block, in both directions: v7, POSIX ustar and GNU.

use super::Block;

/// The fields of a header block, as bytes and numbers; nothing is judged yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Name, with the ustar prefix in front of it where there is one.
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) type_flag: u8,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) major: u32,
    pub(super) minor: u32,
}

/// Why a block is not a header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The checksum does not match: the archive is damaged, or is not a tar archive.
    #[error("header checksum is {actual}, the header says {stated}")]
    Checksum {
        /// Sum of the bytes.
        actual: u64,
        /// What the header says.
        stated: u64,
    },
    /// A field is not a number.
    #[error("header field {field} is not a number that fits")]
    Number {
        /// Which.
        field: &'static str,
    },
}

impl Header {
    pub(super) fn parse(block: &Block) -> Result<Self, HeaderError> {
        verify_checksum(block)?;
        let magic = field(block, MAGIC);
        let mut name = text(field(block, NAME)).to_vec();
        if magic == POSIX_MAGIC {
            let prefix = text(field(block, PREFIX));
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        // v7 has no device numbers: what is there is anything.
        let with_devices = magic == POSIX_MAGIC || magic == GNU_MAGIC;
        let device = |range, what| {
            if with_devices {
                number(field(block, range), what)
            } else {
                Ok(0)
            }
        };
        Ok(Self {
            name,
            link: text(field(block, LINK)).to_vec(),
            type_flag: field(block, TYPE_FLAG).first().copied().unwrap_or_default(),
            mode: number::<u32>(field(block, MODE), "mode")? & 0o7777,
            uid: number(field(block, UID), "uid")?,
            gid: number(field(block, GID), "gid")?,
            size: number(field(block, SIZE), "size")?,
            mtime: number(field(block, MTIME), "mtime")?,
            major: device(MAJOR, "major")?,
            minor: device(MINOR, "minor")?,
        })
    }

    /// The block of these fields, in ustar form. A field that does not fit is written as 0, a name or
    /// link that does not fit is cut: a PAX header before it has to say it in full.
    pub(super) fn write(&self, block: &mut Block) {
        block.fill(0);
        let (prefix, name) = split_name(&self.name).unwrap_or((&[], &self.name));
        put(block, NAME, name);
        put(block, PREFIX, prefix);
        put(block, LINK, &self.link);
        put(block, TYPE_FLAG, &[self.type_flag]);
        put(block, MAGIC, POSIX_MAGIC);
        put_octal(block, MODE, u64::from(self.mode));
        put_octal(block, UID, self.uid);
        put_octal(block, GID, self.gid);
        put_octal(block, SIZE, self.size);
        put_octal(block, MTIME, u64::try_from(self.mtime).unwrap_or(0));
        put_octal(block, MAJOR, u64::from(self.major));
        put_octal(block, MINOR, u64::from(self.minor));
        put(block, CHECKSUM, b"        ");
        let sum = block.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        put(block, CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Whether `name` can be written in a ustar header, whose name has 100 bytes and whose prefix 155.
pub(super) fn name_fits(name: &[u8]) -> bool {
    split_name(name).is_some()
}

/// Whether a link's target can be written in a ustar header.
pub(super) fn link_fits(target: &[u8]) -> bool {
    target.len() <= LINK.1
}

/// Largest uid, gid and device number that a ustar header can say.
pub(super) const SMALL_NUMBER_MAX: u64 = 0o777_7777;

/// Largest size and time that a ustar header can say.
pub(super) const LARGE_NUMBER_MAX: u64 = 0o777_7777_7777;

/// Splits into prefix and name, at the first slash that makes both fit.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.1 {
        return Some((&[], name));
    }
    let earliest = name.len() - NAME.1 - 1;
    let found = name.get(earliest..)?.iter().position(|byte| *byte == b'/')? + earliest;
    let (prefix, rest) = (name.get(..found)?, name.get(found + 1..)?);
    (!prefix.is_empty() && prefix.len() <= PREFIX.1 && !rest.is_empty()).then_some((prefix, rest))
}

fn verify_checksum(block: &Block) -> Result<(), HeaderError> {
    let stated = number::<u64>(field(block, CHECKSUM), "checksum")?;
    let rest = block
        .iter()
        .enumerate()
        .filter(|(at, _)| !(CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(at));
    // Some old writers summed signed bytes.
    let (mut unsigned, mut signed) = (0, 0);
    for (_, byte) in rest {
        unsigned += u64::from(*byte);
        signed += i64::from(byte.cast_signed());
    }
    let spaces = 8 * u64::from(b' ');
    if stated == unsigned + spaces || stated.cast_signed() == signed + spaces.cast_signed() {
        return Ok(());
    }
    Err(HeaderError::Checksum {
        actual: unsigned + spaces,
        stated,
    })
}

/// A numeric field: octal digits, or base 256 (two's complement) when the first bit is set.
fn number<N: TryFrom<i128>>(field: &[u8], name: &'static str) -> Result<N, HeaderError> {
    let value = match field {
        [first @ 0x80..=0xff, rest @ ..] => base_256(*first, rest),
        _ => octal(field),
    };
    value
        .and_then(|value| N::try_from(value).ok())
        .ok_or(HeaderError::Number { field: name })
}

/// At most 12 bytes, so it always fits.
fn base_256(first: u8, rest: &[u8]) -> Option<i128> {
    let negative = first & 0x40 != 0;
    let start = i128::from(first & 0x3f) - if negative { 0x40 } else { 0 };
    rest.iter().try_fold(start, |value, byte| {
        value.checked_mul(256)?.checked_add(i128::from(*byte))
    })
}

fn octal(field: &[u8]) -> Option<i128> {
    // Digits are padded with spaces or NULs on both sides; an empty field is 0.
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let field = field.get(start..)?;
    let end = field.iter().position(blank).unwrap_or(field.len());
    field
        .get(..end)?
        .iter()
        .try_fold(0_i128, |value, byte| match byte {
            b'0'..=b'7' => Some(value * 8 + i128::from(byte - b'0')),
            _ => None,
        })
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn field(block: &Block, (start, length): Field) -> &[u8] {
    block.get(start..start + length).unwrap_or_default()
}

fn put(block: &mut Block, (start, length): Field, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(start).take(length).zip(bytes) {
        *to = *from;
    }
}

/// All digits but the last byte, which stays NUL; 0 when the value does not fit.
fn put_octal(block: &mut Block, field: Field, value: u64) {
    let digits = field.1 - 1;
    let value = if value >> (3 * digits) == 0 { value } else { 0 };
    put(block, field, format!("{value:0digits$o}").as_bytes());
}

/// Offset and length.
type Field = (usize, usize);

const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MTIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const TYPE_FLAG: Field = (156, 1);
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
const MAJOR: Field = (329, 8);
const MINOR: Field = (337, 8);
const PREFIX: Field = (345, 155);

const POSIX_MAGIC: &[u8] = b"ustar\x0000";
const GNU_MAGIC: &[u8] = b"ustar  \0";
