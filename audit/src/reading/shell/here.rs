//! Here-documents.

use std::ops::Range;

use crate::mapped::Mapped;

/// What announces a here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reading) struct Mark {
    /// The line that ends it.
    pub(in crate::reading) word: String,
    /// Whether variables in it stand for their values.
    pub(in crate::reading) expands: bool,
    /// Where the announcement ends.
    pub(in crate::reading) end: usize,
}

/// A here-document's lines, and what comes after the one that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reading) struct Body {
    pub(in crate::reading) lines: Range<usize>,
    pub(in crate::reading) next: usize,
}

/// Where the line ends that a place is on, its end included.
pub(in crate::reading) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)
}

/// Reads `<<WORD`, `<<-WORD`, `<<'WORD'` at a place; `<<<` is none.
pub(in crate::reading) fn mark(text: &str, at: usize) -> Option<Mark> {
    let rest = text.get(at..)?.strip_prefix("<<")?;
    let after = rest.strip_prefix(['-', '~']).unwrap_or(rest);
    let after = after.trim_start_matches([' ', '\t']);
    let quote = after.chars().next()?;
    let (word, length) = match quote {
        '\'' | '"' => {
            let inner = after.get(1..)?;
            let end = inner.find(quote)?;
            (inner.get(..end)?, end + 2)
        }
        _ => {
            let bare = after.strip_prefix('\\').unwrap_or(after);
            let end = bare
                .find(|last: char| !(last.is_alphanumeric() || matches!(last, '_' | '-' | '.' | '!' | '+')))
                .unwrap_or(bare.len());
            (bare.get(..end)?, end + after.len() - bare.len())
        }
    };
    let is_word = word.starts_with(|first: char| !first.is_ascii_digit() && !first.is_whitespace());
    (is_word && !word.contains('\n')).then(|| Mark {
        word: word.to_owned(),
        expands: !matches!(quote, '\'' | '"' | '\\'),
        end: text.len() - after.len() + length,
    })
}

/// Reads the lines from `from` to the one that is the mark's word; indentation and a carriage return do not matter, since the
/// text may have been indented by what it stands in. Nothing when there is no such line: then it was a shift of bits.
pub(in crate::reading) fn body(text: &str, from: usize, mark: &Mark) -> Option<Body> {
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        if line.trim() == mark.word {
            return Some(Body {
                lines: from..at,
                next: at + line.len(),
            });
        }
        at += line.len();
    }
    None
}

/// The text of a here-document: where variables stand for their values, signs lose their backslashes.
pub(in crate::reading) fn content(text: &Mapped, lines: Range<usize>, expands: bool) -> Mapped {
    if !expands {
        return text.part(lines);
    }
    let mut content = Mapped::new();
    let bytes = text.text().as_bytes();
    let (mut from, mut at) = (lines.start, lines.start);
    while at < lines.end {
        if bytes.get(at) == Some(&b'\\') && matches!(bytes.get(at + 1), Some(b'$' | b'`' | b'\\')) {
            content.push_part(text, from..at);
            from = at + 1;
            at += 1;
        }
        at += 1;
    }
    content.push_part(text, from..lines.end);
    content
}
