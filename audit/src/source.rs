//! A file as text, whatever its encoding, and its lines.

use std::cell::Cell;

use crate::finding::Position;
use crate::mapped::Span;

/// How a file's text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8; what is not valid in it stands for itself byte by byte, as in ISO 8859-1.
    Utf8,
    /// UTF-8 after a byte order mark.
    Utf8WithMark,
    /// UTF-16, low byte first, after a byte order mark.
    Utf16Le,
    /// UTF-16, high byte first, after a byte order mark.
    Utf16Be,
}

/// Text of a file.
#[derive(Debug, Clone)]
pub struct SourceText {
    text: String,
    encoding: Encoding,
    /// Whether bytes had to be taken as ISO 8859-1: such a file is never rewritten.
    is_valid: bool,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The last place that was asked for: the beginning of its line, itself, and the signs between. A long line with many
    /// findings is so counted through once.
    last: Cell<(usize, usize, usize)>,
}

impl SourceText {
    /// Decodes a file; nothing when it is no text, which a zero byte in it says.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<SourceText> {
        let (text, encoding, is_valid) = match bytes {
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, Encoding::Utf16Le),
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, Encoding::Utf16Be),
            [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, Encoding::Utf8WithMark),
            _ => utf8(bytes, Encoding::Utf8),
        };
        if text.contains('\0') {
            return None;
        }
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Some(SourceText {
            text,
            encoding,
            is_valid,
            lines,
            last: Cell::default(),
        })
    }

    /// The text, without its byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether encoding it again gives the bytes of the file.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// Whether it is encoded as UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        matches!(self.encoding, Encoding::Utf8 | Encoding::Utf8WithMark)
    }

    /// The byte order mark that stands before the text in UTF-8.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        match self.encoding {
            Encoding::Utf8WithMark => "\u{feff}",
            _ => "",
        }
    }

    /// Another text in the encoding of this file.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u8> {
        let units = || text.encode_utf16();
        match self.encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Utf8WithMark => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            Encoding::Utf16Le => [0xff, 0xfe]
                .into_iter()
                .chain(units().flat_map(u16::to_le_bytes))
                .collect(),
            Encoding::Utf16Be => [0xfe, 0xff]
                .into_iter()
                .chain(units().flat_map(u16::to_be_bytes))
                .collect(),
        }
    }

    /// Which line and column a byte of the text is at.
    #[must_use]
    pub fn position(&self, at: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let (last_start, last_at, last_count) = self.last.get();
        let (from, counted) = match last_start == start && last_at <= at {
            true => (last_at, last_count),
            false => (start, 0),
        };
        let count = counted + self.text.get(from..at).unwrap_or_default().chars().count();
        self.last.set((start, at, count));
        Position {
            line,
            column: count + 1,
        }
    }

    /// The part of a line around a byte of it, and how many signs of that part come before the byte.
    #[must_use]
    pub fn around(&self, line: usize, at: usize) -> (&str, usize) {
        let text = self.line(line);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.lines.get(index))
            .copied()
            .unwrap_or(0);
        let at = at.saturating_sub(start).min(text.len());
        let from = floor(text, at.saturating_sub(AROUND_BYTES));
        let to = floor(text, at.saturating_add(2 * AROUND_BYTES).min(text.len()));
        let before = text.get(from..at).unwrap_or_default().chars().count();
        (text.get(from..to).unwrap_or_default(), before)
    }

    /// A line, counted from 1, without its end.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let start = number.checked_sub(1).and_then(|index| self.lines.get(index));
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        let line = start.and_then(|start| self.text.get(*start..end));
        line.unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// What stands at a place.
    #[must_use]
    pub fn at(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

/// Bytes before a place that are shown at most, and twice as many behind it.
const AROUND_BYTES: usize = 1 << 10;

/// The next place before where a sign begins.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn utf8(bytes: &[u8], encoding: Encoding) -> (String, Encoding, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), encoding, true),
        Err(_) => {
            let text = bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().copied().map(char::from));
                text
            });
            (text, encoding, false)
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, encoding: Encoding) -> (String, Encoding, bool) {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut is_valid = bytes.len().is_multiple_of(2);
    let text = char::decode_utf16(units).map(|read| {
        read.unwrap_or_else(|_| {
            is_valid = false;
            char::REPLACEMENT_CHARACTER
        })
    });
    let text = text.collect();
    (text, encoding, is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_encoded_as_it_was() {
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("ä\r\nb".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        for bytes in [b"a\nb".as_slice(), b"\xef\xbb\xbfa", &utf16] {
            let source = SourceText::decode(bytes).unwrap();
            assert_eq!(source.encode(source.text()), bytes);
        }
    }

    #[test]
    fn columns_are_counted_in_code_points() {
        let source = SourceText::decode("a\nüb\n".as_bytes()).unwrap();
        assert_eq!(source.position(4), Position { line: 2, column: 2 });
        assert_eq!(source.line(2), "üb");
        assert_eq!(source.position(5), Position { line: 2, column: 3 });
        assert_eq!(source.position(2), Position { line: 2, column: 1 });
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.around(2, 4), ("üb", 1));
    }

    #[test]
    fn what_has_a_zero_byte_is_no_text() {
        assert!(SourceText::decode(b"a\0b").is_none());
        assert!(!SourceText::decode(b"a\xffb").unwrap().is_valid());
    }
}
