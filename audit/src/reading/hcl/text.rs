//! Where strings and here-documents end.

use std::ops::Range;

/// How deep templates may stand in strings in templates; what is deeper is a part of the string around it.
const NESTING_MAX: usize = 16;

/// How long a template is at most, in bytes: one that is not closed is looked for no further.
const TEMPLATE_BYTES_MAX: usize = 1024;

/// How long the line is at most that begins a here-document, in bytes.
const MARK_BYTES_MAX: usize = 256;

/// What stands in the string whose quote is at `at`, and where what follows it begins.
///
/// A string that is not closed ends with its line.
pub(super) fn string(text: &str, at: usize) -> (Range<usize>, usize) {
    let bytes = text.as_bytes();
    let from = at + 1;
    // Whether each level is a string; else it is a template.
    let mut levels = vec![true];
    let mut here = from;
    let mut opened = from;
    while let Some(byte) = bytes.get(here) {
        let in_string = levels.last().copied().unwrap_or(true);
        match byte {
            b'\n' => break,
            _ if levels.len() > 1 && here - opened > TEMPLATE_BYTES_MAX => break,
            b'\\' if in_string => here += 1,
            b'"' if in_string => {
                levels.pop();
                if levels.is_empty() {
                    return (from..here, here + 1);
                }
            }
            b'"' => levels.push(true),
            b'$' | b'%' if in_string && bytes.get(here + 1) == Some(&b'{') => {
                if levels.len() < NESTING_MAX && bytes.get(here.wrapping_sub(1)) != Some(byte) {
                    opened = if levels.len() == 1 { here } else { opened };
                    levels.push(false);
                }
                here += 1;
            }
            b'{' if !in_string && levels.len() < NESTING_MAX => levels.push(false),
            b'}' if !in_string => {
                levels.pop();
            }
            _ => {}
        }
        here += 1;
    }
    closed_simply(text, from).unwrap_or_else(|| {
        let rest = bytes.get(from..).unwrap_or_default();
        let end = from + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        (from..end, end)
    })
}

/// For a template that is broken: to the next quote of the line.
fn closed_simply(text: &str, from: usize) -> Option<(Range<usize>, usize)> {
    let end = crate::reading::quoted::end(text, from, b'"', false)?;
    Some((from..end, end + 1))
}

/// What stands in the here-document whose `<<` is at `at`, and where what follows it begins; nothing when it is none.
pub(super) fn heredoc(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let rest = text.get(at..)?.strip_prefix("<<")?;
    let near = rest.as_bytes().get(..MARK_BYTES_MAX).unwrap_or(rest.as_bytes());
    let line = rest.get(..memchr::memchr(b'\n', near)?)?;
    let mark = line.trim_start_matches('-').trim().trim_matches(['"', '\'']);
    let is_mark = !mark.is_empty()
        && mark
            .bytes()
            .all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, b'_' | b'-'));
    if !is_mark {
        return None;
    }
    let from = at + 2 + line.len() + 1;
    let mut end = from;
    for line in text.get(from..)?.split_inclusive('\n') {
        if line.trim() == mark {
            return Some((from..end, end + line.len() - usize::from(line.ends_with('\n'))));
        }
        end += line.len();
    }
    Some((from..end, end))
}
