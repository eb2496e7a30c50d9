//! The first pass over an index: where each stanza's fields are, and whether they are well-formed.

use memchr::memchr;

use super::{
    FILENAME_BYTES_MAX, INDEX_BYTES_MAX, IndexError, IndexProblem, PACKAGE_BYTES_MAX, STANZA_BYTES_MAX,
};
use crate::architecture::Architecture;
use crate::control::PackageName;
use crate::version::Version;

/// A stretch of the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    bytes: u32,
}

/// The fields of an index that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Package,
    Version,
    Architecture,
    Filename,
    Size,
    Sha256,
    Source,
    Section,
    Priority,
    Essential,
    MultiArch,
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Provides,
}

/// Where the values of one package's fields are; a span from offset 0 stands for an absent field, as no value begins
/// there.
#[derive(Clone, Copy, Default)]
pub(super) struct Stanza([Span; FIELDS]);

/// Finds and checks all stanzas, at most `stanzas_max`.
pub(super) fn scan(text: &[u8], stanzas_max: usize) -> Result<Vec<Stanza>, IndexError> {
    if text.len() > INDEX_BYTES_MAX {
        let problem = IndexProblem::IndexTooLong(text.len());
        return Err(IndexError {
            line: 1,
            package: None,
            problem,
        });
    }
    let mut stanzas = Vec::with_capacity(text.len() / USUAL_STANZA_BYTES);
    let mut at = 0;
    while at < text.len() {
        let (stanza, end) = scan_stanza(text, at)?;
        if let Some(stanza) = stanza {
            let error = |(offset, problem)| error_at(text, &stanza, offset, problem);
            if stanzas.len() == stanzas_max {
                return Err(error((at, IndexProblem::TooManyStanzas(stanzas_max))));
            }
            check(text, &stanza, at).map_err(error)?;
            stanzas.push(stanza);
        }
        at = end;
    }
    Ok(stanzas)
}

/// The number, from 1, of the line that contains `offset`.
pub(super) fn line_of(text: &[u8], offset: usize) -> usize {
    memchr::memchr_iter(b'\n', text.get(..offset).unwrap_or(text)).count() + 1
}

/// Reads lines up to and including the blank one that ends the stanza. No stanza, when there is but that line.
fn scan_stanza(text: &[u8], from: usize) -> Result<(Option<Stanza>, usize), IndexError> {
    let mut stanza = Stanza::default();
    let mut lines = 0;
    // The field that a continuation line would continue: None before the first, Some(None) for those we skip.
    let mut last: Option<Option<Field>> = None;
    let mut at = from;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let bytes = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..bytes).unwrap_or_default();
        let next = (at + bytes + 1).min(text.len());
        let error = |stanza: &Stanza, problem| error_at(text, stanza, at, problem);
        match line.first() {
            None => return Ok(((lines > 0).then_some(stanza), next)),
            Some(b' ' | b'\t' | b'\r') => {
                if line.trim_ascii().is_empty() {
                    return Ok(((lines > 0).then_some(stanza), next));
                }
                let field = last.ok_or_else(|| error(&stanza, IndexProblem::NoField))?;
                if let Some(field) = field {
                    stanza.extend(field, at + bytes);
                }
            }
            Some(_) => {
                let colon = memchr(b':', line).ok_or_else(|| error(&stanza, IndexProblem::NoField))?;
                let field = field_named(line.get(..colon).unwrap_or_default());
                if let Some(field) = field {
                    if stanza.field(field).is_some() {
                        return Err(error(&stanza, IndexProblem::Duplicate(field.name())));
                    }
                    stanza.set(field, at + colon + 1, at + bytes);
                }
                last = Some(field);
            }
        }
        lines += 1;
        if next - from > STANZA_BYTES_MAX {
            return Err(error(&stanza, IndexProblem::StanzaTooLong));
        }
        at = next;
    }
    Ok(((lines > 0).then_some(stanza), at))
}

fn error_at(text: &[u8], stanza: &Stanza, offset: usize, problem: IndexProblem) -> IndexError {
    let package = stanza.field(Field::Package).map(|span| shown(span.of(text)));
    IndexError {
        line: line_of(text, offset),
        package,
        problem,
    }
}

/// Checks the fields that every package must have, and gives the offset of the first bad one.
fn check(text: &[u8], stanza: &Stanza, start: usize) -> Result<(), (usize, IndexProblem)> {
    let value = |field: Field| {
        let span = stanza
            .field(field)
            .ok_or((start, IndexProblem::Missing(field.name())))?;
        let value = std::str::from_utf8(span.of(text));
        Ok((
            span.start(),
            value.map_err(|_| (span.start(), IndexProblem::NotText(field.name())))?,
        ))
    };
    let (at, name) = value(Field::Package)?;
    if !PackageName::is_valid(name) {
        // Parsed again for its error: the check alone allocates nothing.
        name.parse::<PackageName>().map_err(|error| (at, error.into()))?;
    }
    let (at, version) = value(Field::Version)?;
    version.parse::<Version>().map_err(|error| (at, error.into()))?;
    let (at, architecture) = value(Field::Architecture)?;
    architecture
        .parse::<Architecture>()
        .map_err(|error| (at, error.into()))?;
    let (at, filename) = value(Field::Filename)?;
    safe_path(filename).ok_or_else(|| (at, IndexProblem::Filename(shown(filename.as_bytes()))))?;
    let (at, size) = value(Field::Size)?;
    parse_size(size).ok_or_else(|| (at, IndexProblem::Size(shown(size.as_bytes()))))?;
    let (at, sha256) = value(Field::Sha256)?;
    parse_sha256(sha256).ok_or_else(|| (at, IndexProblem::Sha256(shown(sha256.as_bytes()))))?;
    Ok(())
}

/// A relative path of plain components, without the `./` that flat archives put before it.
///
/// It becomes part of an URL and of messages, so only characters are let through that mean nothing in either.
pub(super) fn safe_path(path: &str) -> Option<&str> {
    let path = path.strip_prefix("./").unwrap_or(path);
    // In one pass, as it is done for every package of an index.
    let (mut bytes, mut dots) = (0, 0);
    for byte in path.bytes().chain(std::iter::once(b'/')) {
        if byte == b'/' {
            // An empty component, `.` or `..`.
            if bytes == dots && bytes <= 2 {
                return None;
            }
            (bytes, dots) = (0, 0);
        } else if PATH_CHARACTERS.get(usize::from(byte)) == Some(&true) {
            bytes += 1;
            dots += usize::from(byte == b'.');
        } else {
            return None;
        }
    }
    (path.len() <= FILENAME_BYTES_MAX).then_some(path)
}

pub(super) fn parse_size(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|size| digits && *size <= PACKAGE_BYTES_MAX)
}

pub(super) fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let nibble = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

/// What an error shows of a value.
pub(super) fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(SHOWN_CHARS).collect()
}

fn field_named(name: &[u8]) -> Option<Field> {
    // Most lines are other fields: their length and first letter tell most of them apart.
    let candidates: &[Field] = match name.len() {
        4 => &[Field::Size],
        6 => &[Field::Sha256, Field::Source, Field::Breaks],
        7 => &[Field::Package, Field::Version, Field::Depends, Field::Section],
        8 => &[Field::Filename, Field::Priority, Field::Provides],
        9 => &[Field::Essential, Field::Conflicts],
        10 => &[Field::MultiArch],
        11 => &[Field::PreDepends],
        12 => &[Field::Architecture],
        _ => &[],
    };
    candidates
        .iter()
        .copied()
        .find(|field| field.name().as_bytes().eq_ignore_ascii_case(name))
}

impl Field {
    /// The name as it is written in an index.
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Package => "Package",
            Field::Version => "Version",
            Field::Architecture => "Architecture",
            Field::Filename => "Filename",
            Field::Size => "Size",
            Field::Sha256 => "SHA256",
            Field::Source => "Source",
            Field::Section => "Section",
            Field::Priority => "Priority",
            Field::Essential => "Essential",
            Field::MultiArch => "Multi-Arch",
            Field::PreDepends => "Pre-Depends",
            Field::Depends => "Depends",
            Field::Conflicts => "Conflicts",
            Field::Breaks => "Breaks",
            Field::Provides => "Provides",
        }
    }
}

impl Stanza {
    pub(super) fn field(&self, field: Field) -> Option<Span> {
        self.0.get(field as usize).copied().filter(|span| span.start > 0)
    }

    fn set(&mut self, field: Field, start: usize, end: usize) {
        if let Some(span) = self.0.get_mut(field as usize) {
            *span = Span::between(start, end);
        }
    }

    fn extend(&mut self, field: Field, end: usize) {
        if let Some(span) = self.0.get_mut(field as usize) {
            *span = Span::between(span.start(), end);
        }
    }
}

impl Span {
    fn between(start: usize, end: usize) -> Span {
        // INDEX_BYTES_MAX is far below what 32 bits hold.
        let small = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span {
            start: small(start),
            bytes: small(end.saturating_sub(start)),
        }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    /// The text of the span, without the blanks around it.
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start()..self.start() + self.bytes as usize)
            .unwrap_or_default()
            .trim_ascii()
    }

    /// The parts between `separator`.
    pub(super) fn split(self, text: &[u8], separator: u8) -> impl Iterator<Item = Span> {
        let whole = text
            .get(self.start()..self.start() + self.bytes as usize)
            .unwrap_or_default();
        let ends = memchr::memchr_iter(separator, whole).chain(std::iter::once(whole.len()));
        let mut from = 0;
        ends.map(move |end| {
            let part = Span::between(self.start() + from, self.start() + end);
            from = end + 1;
            part
        })
    }
}

/// What a component of a path may consist of.
const PATH_CHARACTERS: [bool; 128] = {
    let mut allowed = [false; 128];
    let punctuation = b"._+~:%=@,^-";
    let mut at = 0;
    while at < allowed.len() {
        allowed[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < punctuation.len() {
        allowed[punctuation[at] as usize] = true;
        at += 1;
    }
    allowed
};

const FIELDS: usize = Field::Provides as usize + 1;

/// Of Debian's main archive; for the first guess at how many stanzas there will be.
const USUAL_STANZA_BYTES: usize = 800;

const SHOWN_CHARS: usize = 120;
