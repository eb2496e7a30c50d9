//! How far quotes, substitutions and expansions reach.

use std::cell::Cell;

use super::here;

/// How deep quotes and substitutions may stand in each other while their end is looked for.
const FRAMES_MAX: usize = 64;

/// How many here-documents in substitutions may have no end before none is looked for: each costs a look at the rest of the
/// script.
const UNENDED_MAX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// In parentheses.
    Paren,
    /// In double quotes.
    Quote,
    /// In `${…}`.
    Brace,
}

/// Where the `)` stands that closes what was opened before `from`; nothing when it is never closed.
pub(super) fn closing_paren(text: &str, from: usize, unended: &Cell<usize>) -> Option<usize> {
    closing(text, from, Frame::Paren, unended)
}

/// Where the `}` stands that closes a `${` before `from`.
pub(super) fn closing_brace(text: &str, from: usize, unended: &Cell<usize>) -> Option<usize> {
    closing(text, from, Frame::Brace, unended)
}

/// Where the `"` stands that closes one before `from`.
pub(super) fn closing_quote(text: &str, from: usize, unended: &Cell<usize>) -> Option<usize> {
    closing(text, from, Frame::Quote, unended)
}

/// `unended` counts, for all of a script, the here-documents that had no end.
fn closing(text: &str, from: usize, first: Frame, unended: &Cell<usize>) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut frames = vec![first];
    let mut at = from;
    while let (Some(byte), Some(top)) = (bytes.get(at), frames.last().copied()) {
        if frames.len() > FRAMES_MAX {
            return None;
        }
        let next = bytes.get(at + 1);
        match (byte, top) {
            (b'\\', _) => at += 1,
            (b'"', Frame::Quote) | (b')', Frame::Paren) | (b'}', Frame::Brace) => {
                frames.pop();
                if frames.is_empty() {
                    return Some(at);
                }
            }
            (b'"', _) => frames.push(Frame::Quote),
            (b'$', _) if next == Some(&b'(') => {
                frames.push(Frame::Paren);
                at += 1;
            }
            (b'$', _) if next == Some(&b'{') => {
                frames.push(Frame::Brace);
                at += 1;
            }
            (b'(', Frame::Paren) => frames.push(Frame::Paren),
            (b'\'', Frame::Paren) => {
                let rest = bytes.get(at + 1..).unwrap_or_default();
                at += memchr::memchr(b'\'', rest).map_or(0, |end| end + 1);
            }
            (b'#', Frame::Paren)
                if at
                    .checked_sub(1)
                    .and_then(|before| bytes.get(before))
                    .is_some_and(u8::is_ascii_whitespace) =>
            {
                let rest = bytes.get(at..).unwrap_or_default();
                at += memchr::memchr(b'\n', rest)
                    .unwrap_or(rest.len())
                    .saturating_sub(1);
            }
            (b'<', Frame::Paren) if next == Some(&b'<') => {
                let is_plain = frames.len() == 1 && unended.get() < UNENDED_MAX;
                let mark = here::mark(text, at).filter(|_| is_plain);
                let body = mark.map(|mark| here::body(text, here::line_end(text, mark.end), &mark));
                if matches!(body, Some(None)) {
                    unended.set(unended.get() + 1);
                }
                let next = body.flatten().map_or(0, |body| body.next);
                at = next.saturating_sub(2).max(at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the backtick stands that closes one before `from`.
pub(super) fn closing_backtick(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'`' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
