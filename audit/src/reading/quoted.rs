//! Strings with escapes.

use std::ops::Range;

use crate::mapped::Mapped;

/// What stands between quotes, its escapes put in.
///
/// An escape that is none (`\.`) stays as it is written; a backslash at the end of a line takes the line's end with it.
pub(super) fn unescaped(text: &str, range: Range<usize>) -> Mapped {
    let mut mapped = Mapped::new();
    let mut at = range.start;
    while let Some(rest) = text.get(at..range.end).filter(|rest| !rest.is_empty()) {
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        mapped.push(rest.get(..plain).unwrap_or_default(), at);
        at += plain;
        let Some(escape) = text.get(at..range.end).filter(|rest| !rest.is_empty()) else {
            break;
        };
        let (put, length) = decoded(escape);
        match put {
            Put::Sign(sign) => mapped.push_instead(sign, at),
            Put::Nothing => {}
            Put::Same => mapped.push(escape.get(..length).unwrap_or_default(), at),
        }
        at += length;
    }
    mapped
}

enum Put {
    Sign(char),
    Nothing,
    Same,
}

/// What an escape stands for, and its length.
fn decoded(escape: &str) -> (Put, usize) {
    let mut signs = escape.chars().skip(1);
    let Some(sign) = signs.next() else {
        return (Put::Same, 1);
    };
    match sign {
        'n' => (Put::Sign('\n'), 2),
        't' => (Put::Sign('\t'), 2),
        'r' => (Put::Sign('\r'), 2),
        '"' | '\'' | '\\' | '/' | '`' | '$' => (Put::Sign(sign), 2),
        '\n' => (Put::Nothing, 2),
        '\r' if signs.next() == Some('\n') => (Put::Nothing, 3),
        'u' | 'x' => {
            let digits = if sign == 'u' { 4 } else { 2 };
            let written = escape.get(2..2 + digits);
            let code = written.and_then(|written| u32::from_str_radix(written, 16).ok());
            match code.and_then(char::from_u32) {
                Some(sign) => (Put::Sign(sign), 2 + digits),
                None => (Put::Same, 2),
            }
        }
        other => (Put::Same, 1 + other.len_utf8()),
    }
}

/// Where the quote stands that closes a string which begins at `from`; on the same line, if it has to.
pub(super) fn end(text: &str, from: usize, quote: u8, is_multiline: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            // What is escaped may be a line's end: `\` CR LF.
            b'\\' => at += 1 + usize::from(bytes.get(at + 1) == Some(&b'\r')),
            b'\n' if !is_multiline => return None,
            byte if *byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The same where nothing is escaped between single quotes.
pub(super) fn closing(text: &str, from: usize, quote: u8, is_multiline: bool) -> Option<usize> {
    if quote == b'"' {
        return end(text, from, quote, is_multiline);
    }
    let rest = text.as_bytes().get(from..)?;
    let at = match is_multiline {
        true => memchr::memchr(quote, rest),
        false => memchr::memchr2(quote, b'\n', rest),
    }?;
    (rest.get(at) == Some(&quote)).then_some(from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_put_in() {
        for (written, wanted) in [
            (r"a\nb", "a\nb"),
            (r#"\"gcr.io\""#, "\"gcr.io\""),
            (r"gcr\.io", r"gcr\.io"),
            (r"\u0067cr.io", "gcr.io"),
            (r"\u00", r"\u00"),
            ("a\\\nb", "ab"),
            (r"https:\/\/gcr.io", "https://gcr.io"),
            ("x\\", "x\\"),
        ] {
            assert_eq!(unescaped(written, 0..written.len()).text(), wanted, "{written}");
        }
        assert_eq!(end(r#"a\"b" c"#, 0, b'"', false), Some(4));
        assert_eq!(end("a\nb\"", 0, b'"', false), None);
        assert_eq!(end("a\nb\"", 0, b'"', true), Some(3));
        assert_eq!(closing(r"a\' b'", 0, b'\'', false), Some(2));
        assert_eq!(closing("a\n'", 0, b'\'', false), None);
        assert_eq!(closing("a\n'", 0, b'\'', true), Some(2));
    }
}
