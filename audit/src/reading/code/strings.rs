//! Where strings of programs end.

use std::ops::Range;

use crate::image::variable_length;
use crate::mapped::Mapped;
use crate::reading::quoted;

/// A string of a program.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// What it says.
    pub(super) body: Mapped,
    /// Where it stands with its quotes.
    pub(super) range: Range<usize>,
}

/// How strings with a quote are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoting<'q> {
    pub(super) closing: &'q str,
    pub(super) is_multiline: bool,
    /// Whether a backslash keeps the quote after it from closing the string.
    pub(super) has_escapes: bool,
    /// Whether escapes stand for something.
    pub(super) is_raw: bool,
}

/// The string whose body begins at `from` and whose quotes begin at `start`;
/// when it is not closed, up to where that was looked for.
pub(super) fn read(text: &str, start: usize, from: usize, quoting: Quoting<'_>) -> Result<Text, usize> {
    let end = end(text, from, quoting)?;
    let body = match quoting.is_raw {
        true => Mapped::verbatim(text, from..end),
        false => quoted::unescaped(text, from..end),
    };
    Ok(Text {
        body,
        range: start..end + quoting.closing.len(),
    })
}

/// Where a string ends; when it does not, how far it was looked for.
fn end(text: &str, from: usize, quoting: Quoting<'_>) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let closing = quoting.closing.as_bytes();
    let first = closing.first().copied();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' if !quoting.is_multiline => return Err(at),
            b'\\' if quoting.has_escapes => at += 1,
            // What is put in may have quotes of its own.
            b'$' | b'#' if bytes.get(at + 1) == Some(&b'{') => {
                let length = text.get(at..).and_then(variable_length);
                at += length.map_or(0, |length| length - 1);
            }
            byte if Some(*byte) == first && bytes.get(at..).is_some_and(|rest| rest.starts_with(closing)) => {
                return Ok(at);
            }
            _ => {}
        }
        at += 1;
    }
    Err(usize::MAX)
}

/// A here-document that is announced on a line and begins after it.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    mark: String,
}

impl Announced {
    /// One of PHP, Ruby or Perl that is announced at `at`, and the length of what announces it.
    pub(super) fn at(text: &str, at: usize, is_php: bool) -> Option<(Announced, usize)> {
        let rest = text.get(at..)?;
        let body = match is_php {
            true => rest.strip_prefix("<<<")?.trim_start_matches(' '),
            false => rest.strip_prefix("<<")?,
        };
        let signed = body.trim_start_matches(['~', '-']);
        let mark = signed.trim_start_matches(['"', '\'']);
        let length = mark
            .bytes()
            .take_while(|sign| sign.is_ascii_alphanumeric() || *sign == b'_')
            .count();
        let mark = mark
            .get(..length)
            .filter(|mark| mark.starts_with(|first: char| first.is_ascii_uppercase() || first == '_'))?;
        let announced = Announced {
            mark: mark.to_owned(),
        };
        Some((
            announced,
            rest.len() - signed.len() + length + usize::from(signed.starts_with(['"', '\''])) * 2,
        ))
    }

    /// Its text, which begins at `from`; nothing when it does not end.
    pub(super) fn read(&self, text: &str, from: usize) -> Option<(Text, usize)> {
        let mut end = from;
        for line in text.get(from..)?.split_inclusive('\n') {
            let bare = line.trim();
            let tail = bare.strip_prefix(self.mark.as_str());
            if tail.is_some_and(|tail| !tail.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
            {
                let text = Text {
                    body: Mapped::verbatim(text, from..end),
                    range: from..end,
                };
                return Some((text, end + line.len()));
            }
            end += line.len();
        }
        None
    }
}
