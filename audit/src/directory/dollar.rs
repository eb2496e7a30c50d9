//! `$NAME` of compose files, `.env` and Makefiles.

use super::parts::{DEPTH_MAX, Parts};

/// How a file writes its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// `$NAME`, `${NAME}`, `${NAME:-default}`; `$$` is a dollar.
    Compose,
    /// `$(NAME)`, `${NAME}`; `$$` is a dollar.
    Make,
}

/// A text with its names.
pub(super) fn parts(text: &str, notation: Notation) -> Parts {
    read(text, notation, DEPTH_MAX).unwrap_or_else(|| Parts::text(text))
}

/// Nothing when it has too many names.
fn read(text: &str, notation: Notation, depth: usize) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push_text(before);
        let (length, named) = variable(after, notation, depth).unwrap_or((0, Parts::text("$")));
        parts.push(named).then_some(())?;
        rest = after.get(length..)?;
    }
    parts.push_text(rest);
    Some(parts)
}

/// What a dollar and so many bytes behind it stand for; nothing when that is no name.
fn variable(after: &str, notation: Notation, depth: usize) -> Option<(usize, Parts)> {
    let first = after.chars().next()?;
    let closing = match (first, notation) {
        ('$', _) => return Some((1, Parts::text("$"))),
        ('{', _) => '}',
        ('(', Notation::Make) => ')',
        _ if notation == Notation::Compose && is_name_sign(first) => {
            let length = after.find(|sign| !is_name_sign(sign)).unwrap_or(after.len());
            return Some((length, Parts::name(after.get(..length)?.to_owned())));
        }
        _ => return None,
    };
    let inner = after.get(1..)?;
    let may_have_dash = notation == Notation::Make;
    let is_in_name = |sign| is_name_sign(sign) || may_have_dash && sign == '-';
    let length = inner.find(|sign| !is_in_name(sign))?;
    let name = Parts::name(inner.get(..length).filter(|name| !name.is_empty())?.to_owned());
    let behind = inner.get(length..)?;
    if behind.starts_with(closing) {
        return Some((length + 2, name));
    }
    if notation == Notation::Make || depth == 0 {
        return None;
    }
    let end = closed(behind)?;
    let modifier = behind.get(..end)?;
    let named = match modifier
        .strip_prefix(':')
        .unwrap_or(modifier)
        .split_at_checked(1)?
    {
        ("-", default) => name.or(read(default, notation, depth - 1)?)?,
        ("?", _) => name,
        _ => return None,
    };
    Some((1 + length + end + 1, named))
}

/// Where the brace that is open closes.
fn closed(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_name_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::super::parts::filled;
    use super::*;

    #[test]
    fn names_are_read_in_each_notation() {
        for (text, notation, wanted) in [
            ("a $B/${C}-$$D", Notation::Compose, "a ${B}/${C}-$D"),
            ("${B:-x/${C:-y}}/z", Notation::Compose, "x/y/z"),
            ("${B:?is missing}/z", Notation::Compose, "${B}/z"),
            ("${B:+x} ${", Notation::Compose, "${B:+x} ${"),
            (
                "$(B)/${C}:$@ $(call f,$(D))",
                Notation::Make,
                "${B}/${C}:$@ $(call f,${D})",
            ),
            ("$$B $(A:.c=.o)", Notation::Make, "$B $(A:.c=.o)"),
        ] {
            assert_eq!(
                filled(&parts(text, notation), &|_| None, None).text,
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn defaults_in_defaults_end() {
        let text = "${A:-".repeat(800);
        assert_eq!(
            filled(&parts(&text, Notation::Compose), &|_| None, None).text,
            text
        );
    }
}
