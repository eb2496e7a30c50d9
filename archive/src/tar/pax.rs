//! Records of PAX extended headers: `LENGTH KEY=VALUE\n` (POSIX.1-2024, pax, "pax Extended Header").

use super::header::{self, Header};

/// What a PAX header says instead of the header block behind it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<i64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
}

/// Why a PAX header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaxError {
    /// A record's length, separator or line end is wrong.
    #[error("PAX record at byte {offset} of its header is malformed")]
    Malformed {
        /// Where in the header.
        offset: usize,
    },
    /// A value cannot be what its key says.
    #[error("PAX record {key} has a bad value")]
    Value {
        /// The key.
        key: &'static str,
    },
    /// A sparse file.
    #[error("sparse files are not supported")]
    Sparse,
    /// A global header would change the path, the size, the owner or the time of all entries.
    #[error("a global PAX header sets {key}, which is not supported")]
    Global {
        /// The key.
        key: &'static str,
    },
}

impl Overrides {
    /// Takes over what the records of an `x` header say. Unknown keys are ignored; an empty value
    /// takes back what an earlier header said.
    pub(super) fn read(&mut self, records: &[u8]) -> Result<(), PaxError> {
        for record in Records::new(records) {
            let (key, value) = record?;
            match key {
                b"path" => self.path = text(value, "path")?,
                b"linkpath" => self.link = text(value, "linkpath")?,
                b"size" => self.size = number(value, "size")?,
                b"uid" => self.uid = number(value, "uid")?,
                b"gid" => self.gid = number(value, "gid")?,
                b"mtime" => self.mtime = time(value)?,
                _ if key.starts_with(b"GNU.sparse.") => return Err(PaxError::Sparse),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks a `g` header: its records are ignored (a comment, mostly), those that must not be are
    /// refused.
    pub(super) fn check_global(records: &[u8]) -> Result<(), PaxError> {
        for record in Records::new(records) {
            let (key, _) = record?;
            let known = ["path", "linkpath", "size", "uid", "gid", "mtime"];
            if let Some(key) = known.into_iter().find(|known| known.as_bytes() == key) {
                return Err(PaxError::Global { key });
            }
            if key.starts_with(b"GNU.sparse.") {
                return Err(PaxError::Sparse);
            }
        }
        Ok(())
    }
}

/// The records that `header` needs before it, in a fixed order; empty when it says everything itself.
pub(super) fn records_for(header: &Header) -> Vec<u8> {
    let mut records = Vec::new();
    let path = (!header::name_fits(&header.name)).then_some(header.name.as_slice());
    let link = (!header::link_fits(&header.link)).then_some(header.link.as_slice());
    // PAX text is UTF-8 unless said otherwise.
    if [path, link]
        .into_iter()
        .flatten()
        .any(|text| std::str::from_utf8(text).is_err())
    {
        push(&mut records, "hdrcharset", b"BINARY");
    }
    if let Some(path) = path {
        push(&mut records, "path", path);
    }
    if let Some(link) = link {
        push(&mut records, "linkpath", link);
    }
    if header.size > header::LARGE_NUMBER_MAX {
        push(&mut records, "size", header.size.to_string().as_bytes());
    }
    let time_fits = u64::try_from(header.mtime).is_ok_and(|mtime| mtime <= header::LARGE_NUMBER_MAX);
    if !time_fits {
        push(&mut records, "mtime", header.mtime.to_string().as_bytes());
    }
    for (key, id) in [("uid", header.uid), ("gid", header.gid)] {
        if id > header::SMALL_NUMBER_MAX {
            push(&mut records, key, id.to_string().as_bytes());
        }
    }
    records
}

/// Appends a record; its length counts its own digits.
fn push(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + digits(length) {
        length = rest + digits(length);
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

struct Records<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    fn new(records: &'a [u8]) -> Self {
        Self {
            rest: records,
            offset: 0,
        }
    }

    fn take(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let space = self
            .rest
            .iter()
            .take(LENGTH_DIGITS_MAX + 1)
            .position(|byte| *byte == b' ')?;
        let length: usize = decimal(self.rest.get(..space)?)?;
        let record = self.rest.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .filter(|at| *at > 0)?;
        self.rest = self.rest.get(length..)?;
        self.offset += length;
        Some((record.get(..equals)?, record.get(equals + 1..)?))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), PaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.take();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(PaxError::Malformed { offset: self.offset }))
    }
}

fn text(value: &[u8], key: &'static str) -> Result<Option<Vec<u8>>, PaxError> {
    if value.contains(&0) {
        return Err(PaxError::Value { key });
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn number(value: &[u8], key: &'static str) -> Result<Option<u64>, PaxError> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or(PaxError::Value { key })
}

/// Seconds with an optional sign and fraction, rounded down.
fn time(value: &[u8]) -> Result<Option<i64>, PaxError> {
    if value.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let (negative, digits) = match value.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, value),
        };
        let (seconds, fraction) = match digits.iter().position(|byte| *byte == b'.') {
            Some(point) => (digits.get(..point)?, digits.get(point + 1..)?),
            None => (digits, &[][..]),
        };
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let seconds: i128 = decimal(seconds)?;
        let below = negative && fraction.iter().any(|digit| *digit != b'0');
        let seconds = if negative {
            -seconds - i128::from(below)
        } else {
            seconds
        };
        i64::try_from(seconds).ok()
    };
    parse().map(Some).ok_or(PaxError::Value { key: "mtime" })
}

/// Digits and nothing else: `parse` alone would take a plus sign.
fn decimal<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Digits of the longest record length that is looked for; headers are bounded far below it.
const LENGTH_DIGITS_MAX: usize = 10;
