//! Image references in text: a host of a registry, and what follows it, with variables wherever they may stand.
//!
//! Grammar: distribution's `reference` package, except that any part may be, or contain, a variable in the notation of a
//! shell, Make, a template or a format string.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Input, MatchKind};

use crate::host::Family;

/// The longest variable that is read as one, in bytes.
const VARIABLE_BYTES_MAX: usize = 256;

/// A reference as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageText {
    /// The registry's host; without a port, unless the user named it with one.
    pub host: String,
    /// What that host is.
    pub family: Family,
    /// What follows the host and its slash, without tag and digest; empty for a host alone.
    pub name: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
    /// Where all of it stands in the text.
    pub range: Range<usize>,
    /// Where the host stands.
    pub host_range: Range<usize>,
}

impl ImageText {
    /// The project: the first part of the name, the first two where that is a domain.
    #[must_use]
    pub fn project(&self) -> Option<String> {
        let mut parts = self.name.split('/').filter(|part| !part.is_empty());
        let first = parts.next()?;
        let is_domain = first.contains('.') && !first.contains(':') && !is_variable(first);
        Some(match parts.next() {
            Some(second) if is_domain => format!("{first}/{second}"),
            _ => first.to_owned(),
        })
    }

    /// As it is written.
    #[must_use]
    pub fn written<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.range.clone()).unwrap_or_default()
    }
}

/// Finds references by the hosts in them.
#[derive(Debug, Clone)]
pub struct ImageFinder {
    hosts: AhoCorasick,
    named: Vec<String>,
}

impl ImageFinder {
    /// For the known hosts, and those that the user named.
    #[must_use]
    pub fn new(named: &[String]) -> ImageFinder {
        let known = ["gcr.io", "pkg.dev"].into_iter();
        let built = AhoCorasickBuilder::new()
            .match_kind(MatchKind::LeftmostFirst)
            .ascii_case_insensitive(true)
            .build(known.chain(named.iter().map(String::as_str)));
        ImageFinder {
            #[expect(
                clippy::expect_used,
                reason = "a few literals, and hosts that the settings bound"
            )]
            hosts: built.expect("a few literals"),
            named: named.to_vec(),
        }
    }

    /// Every reference in a text, and every host that stands alone, from left to right.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<ImageText> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(hit) = self.hosts.find(Input::new(text).range(at..)) {
            match self.read(text, hit.range(), at) {
                Some(image) => {
                    at = image.range.end.max(hit.end());
                    found.push(image);
                }
                None => at = hit.end(),
            }
        }
        found
    }

    /// A reference around the end of its host; it begins at `least` or after.
    fn read(&self, text: &str, hit: Range<usize>, least: usize) -> Option<ImageText> {
        let rest = text.get(hit.end..)?;
        let mut next = rest.chars();
        match (next.next(), next.next()) {
            (Some(first), _) if first.is_ascii_alphanumeric() || matches!(first, '-' | '_') => return None,
            (Some('.'), Some(second)) if second.is_ascii_alphanumeric() => return None,
            _ => {}
        }
        let start = without_operator(text, host_start(text, hit.start, least));
        let host = text.get(start..hit.end)?;
        let family = Family::of(host, &self.named)?;
        let before = text.get(..start)?;
        if !(before.ends_with(":-") || may_begin(before)) {
            return None;
        }
        let port = port_length(rest);
        let from = hit.end + port;
        let path = text
            .get(from..)?
            .strip_prefix('/')
            .map_or(0, |path| 1 + path_length(path));
        let end = from + path;
        let written = text.get(from..end).unwrap_or_default();
        let kept = written.trim_end_matches(['.', ':', '/', ',', '@', '-']);
        let (name, tag, digest) = parts(kept.strip_prefix('/').unwrap_or_default());
        Some(ImageText {
            host: host.to_owned(),
            family,
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            range: start..from + kept.len(),
            host_range: start..hit.end,
        })
    }
}

/// Whether a text contains something that stands for something else.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    text.contains(['$', '{', '%', '<', '#'])
}

/// The length of the variable that a text begins with: `${..}`, `$(..)`, `$[..]`, `$NAME`, `{{..}}`, `{name}`, `#{..}`, `%s`, `%(..)s`,
/// `%NAME%`, `<name>`, `@@NAME@@` and the like.
#[must_use]
pub fn variable_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let closed = |open: usize, end: &str| {
        let inner = text.as_bytes().get(open..)?;
        // Only as far as a variable may go: a long line has many beginnings of them.
        let near = inner.get(..VARIABLE_BYTES_MAX).unwrap_or(inner);
        let line = near.split(|byte| *byte == b'\n').next()?;
        let at = memchr::memmem::find(line, end.as_bytes())?;
        Some(open + at + end.len())
    };
    match bytes {
        [b'{', b'{', ..] => closed(2, "}}"),
        [b'$', b'{', b'{', ..] => closed(3, "}}"),
        [b'<', b'<', first, ..] if first.is_ascii_alphabetic() || *first == b' ' => closed(2, ">>"),
        [b'$' | b'#', b'{', ..] => balanced(text, 1, (b'{', b'}')),
        [b'$', b'(', ..] => balanced(text, 1, (b'(', b')')),
        [b'$', b'[', ..] => closed(2, "]"),
        [b'$', first, ..] if first.is_ascii_alphabetic() || *first == b'_' => {
            let rest = bytes.get(1..)?.iter();
            Some(
                1 + rest
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                    .count(),
            )
        }
        [b'$', first, ..] if first.is_ascii_digit() || *first == b'@' => Some(2),
        [b'%', b'(' | b'{', ..] => {
            let end = closed(2, if bytes.get(1) == Some(&b'(') { ")" } else { "}" })?;
            Some(end + usize::from(bytes.get(end).is_some_and(u8::is_ascii_alphabetic)))
        }
        [b'%', b's' | b'v' | b'd' | b'q', ..] => Some(2),
        [b'%', first, ..] if first.is_ascii_alphabetic() => closed(1, "%"),
        [b'{' | b'<', first, ..] if first.is_ascii_alphabetic() || matches!(first, b'_' | b'}') => {
            let end = if bytes.first() == Some(&b'{') { "}" } else { ">" };
            let length = closed(1, end)?;
            let inner = text.get(1..length - 1)?;
            let is_name = inner
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]'\" ()".contains(&byte));
            is_name.then_some(length)
        }
        _ => None,
    }
}

fn balanced(text: &str, open: usize, (opening, closing): (u8, u8)) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, byte) in text.bytes().enumerate().skip(open).take(VARIABLE_BYTES_MAX) {
        match byte {
            b'\n' => return None,
            _ if byte == opening => depth += 1,
            _ if byte == closing => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the host begins whose last labels begin at `end`.
fn host_start(text: &str, end: usize, least: usize) -> usize {
    let bytes = text.as_bytes();
    let mut start = end;
    while start > least {
        let Some(before) = bytes.get(start - 1) else { break };
        let taken = match before {
            b'-' | b'.' | b'_' => 1,
            before if before.is_ascii_alphanumeric() => 1,
            b'}' | b')' | b']' | b'>' => variable_before(text, start, least),
            // The sign of a name that was taken already.
            b'$' if start < end
                && bytes
                    .get(start)
                    .is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_') =>
            {
                1
            }
            _ => 0,
        };
        if taken == 0 {
            break;
        }
        start -= taken;
    }
    // What a format stands before is its own: `%s-docker.pkg.dev`.
    if start > least
        && bytes.get(start - 1) == Some(&b'%')
        && variable_length(text.get(start - 1..).unwrap_or_default()).is_some()
    {
        start -= 1;
    }
    // All hosts below one: `.gcr.io`, `*.gcr.io`.
    start + usize::from(start < end && bytes.get(start) == Some(&b'.'))
}

/// `${NAME:-gcr.io}`: the dash belongs to the variable.
fn without_operator(text: &str, start: usize) -> usize {
    let before = text.get(..start).unwrap_or_default();
    let is_default = before.ends_with(':') && text.get(start..).is_some_and(|host| host.starts_with('-'));
    start + usize::from(is_default)
}

/// The length of the variable that ends at `end`; 0 when there is none.
fn variable_before(text: &str, end: usize, least: usize) -> usize {
    let from = least.max(end.saturating_sub(VARIABLE_BYTES_MAX));
    let starts = (from..end.saturating_sub(1))
        .rev()
        .filter(|at| text.is_char_boundary(*at));
    let mut longest = 0;
    for at in starts {
        if matches!(text.as_bytes().get(at), Some(b'\n')) {
            break;
        }
        if text.get(at..).and_then(variable_length) == Some(end - at) {
            longest = end - at;
            // `{x}` may be the inner half of `${x}` or `{{x}}`.
            if !matches!(
                text.as_bytes().get(at.wrapping_sub(1)),
                Some(b'$' | b'{' | b'#' | b'%')
            ) {
                break;
            }
        }
    }
    longest
}

/// Whether a reference may follow this text: what follows a path, a name or an e-mail's name is part of that.
fn may_begin(before: &str) -> bool {
    let mut last = before.chars().rev();
    match last.next() {
        Some('/') => last.next() == Some('/'),
        Some('@') => is_login_of_url(before.as_bytes()),
        Some('\\') => true,
        // `.gcr.io` and `*.gcr.io`, but not the end of another name.
        Some('.') => last.next().is_none_or(|before| {
            before.is_whitespace() || matches!(before, '"' | '\'' | '`' | '*' | '(' | ',' | '=' | '|')
        }),
        Some(other) => !other.is_alphanumeric() && !matches!(other, '_' | '-' | '.' | '~'),
        None => true,
    }
}

/// Whether a text ends with a name, and a password, as it stands in an address: `https://user:password@`.
fn is_login_of_url(before: &[u8]) -> bool {
    let near = before.get(before.len().saturating_sub(LOGIN_BYTES_MAX)..);
    let mut words = near
        .unwrap_or(before)
        .rsplit(|end| end.is_ascii_whitespace() || matches!(end, b'"' | b'\''));
    let word = words.next().unwrap_or_default();
    memchr::memmem::find(word, b"://").is_some()
}

/// The longest login of an address that is seen as one, in bytes.
const LOGIN_BYTES_MAX: usize = 256;

fn port_length(rest: &str) -> usize {
    let digits = rest
        .strip_prefix(':')
        .map_or(0, |port| port.bytes().take_while(u8::is_ascii_digit).count());
    if (1..=5).contains(&digits) { digits + 1 } else { 0 }
}

fn path_length(path: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = path.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        if let Some(length) = variable_length(rest) {
            at += length;
        } else if first.is_ascii_alphanumeric()
            || matches!(first, '.' | '_' | '-' | '/' | ':' | '@' | '+' | '~')
        {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// Name, tag and digest of what follows a host.
fn parts(path: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match outside(path, '@') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..)),
        None => (path, None),
    };
    // A slash or a colon may stand within a variable.
    let last = outside(rest, '/').map_or(0, |slash| slash + 1);
    let last = outside(rest.get(last..).unwrap_or_default(), ':').map(|colon| last + colon);
    match last {
        Some(colon) => (
            rest.get(..colon).unwrap_or_default(),
            rest.get(colon + 1..).filter(|tag| !tag.is_empty()),
            digest,
        ),
        None => (rest, None, digest),
    }
}

/// The last place of a sign that is not in a variable.
fn outside(text: &str, sign: char) -> Option<usize> {
    let (mut at, mut found) = (0, None);
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        match variable_length(rest) {
            Some(length) => at += length,
            None => {
                if first == sign {
                    found = Some(at);
                }
                at += first.len_utf8();
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let finder = ImageFinder::new(&["old.example:5000".to_owned()]);
        finder
            .find(text)
            .iter()
            .map(|image| {
                let project = image.project().unwrap_or_default();
                let (tag, digest) = (
                    image.tag.as_deref().unwrap_or("-"),
                    image.digest.as_deref().unwrap_or("-"),
                );
                format!(
                    "{} | {} | {project} | {} | {tag} | {digest}",
                    image.written(text),
                    image.host,
                    image.name
                )
            })
            .collect()
    }

    #[test]
    fn references_are_taken_apart() {
        for (text, wanted) in [
            (
                "FROM gcr.io/p/i:v1 AS x",
                "gcr.io/p/i:v1 | gcr.io | p | p/i | v1 | -",
            ),
            (
                "\"eu.gcr.io/p/i@sha256:abc\",",
                "eu.gcr.io/p/i@sha256:abc | eu.gcr.io | p | p/i | - | sha256:abc",
            ),
            (
                "gcr.io/google.com:cloudsdktool/x:1",
                "gcr.io/google.com:cloudsdktool/x:1 | gcr.io | google.com:cloudsdktool | google.com:cloudsdktool/x | 1 | -",
            ),
            (
                "gcr.io/example.com/p/x",
                "gcr.io/example.com/p/x | gcr.io | example.com/p | example.com/p/x | - | -",
            ),
            ("see https://gcr.io.", "gcr.io | gcr.io |  |  | - | -"),
            (
                "gcr.io/${P}/i:${T:-a/b}",
                "gcr.io/${P}/i:${T:-a/b} | gcr.io | ${P} | ${P}/i | ${T:-a/b} | -",
            ),
            (
                "gcr.io/$PROJECT_ID/i:$SHA",
                "gcr.io/$PROJECT_ID/i:$SHA | gcr.io | $PROJECT_ID | $PROJECT_ID/i | $SHA | -",
            ),
            (
                "${REGION}.gcr.io/{{ .p }}/i",
                "${REGION}.gcr.io/{{ .p }}/i | ${REGION}.gcr.io | {{ .p }} | {{ .p }}/i | - | -",
            ),
            (
                "x=%s-docker.pkg.dev/%s/r/i",
                "%s-docker.pkg.dev/%s/r/i | %s-docker.pkg.dev | %s | %s/r/i | - | -",
            ),
            (
                "$LOCATION-docker.pkg.dev/p/gcr.io/i",
                "$LOCATION-docker.pkg.dev/p/gcr.io/i | $LOCATION-docker.pkg.dev | p | p/gcr.io/i | - | -",
            ),
            (
                "gcr.io/<< parameters.p >>/i",
                "gcr.io/<< parameters.p >>/i | gcr.io | << parameters.p >> | << parameters.p >>/i | - | -",
            ),
            (
                "f\"gcr.io/{project}/i\"",
                "gcr.io/{project}/i | gcr.io | {project} | {project}/i | - | -",
            ),
            (
                "docker://old.example:5000/a/b:c",
                "old.example:5000/a/b:c | old.example:5000 | a | a/b | c | -",
            ),
            ("\".gcr.io/p\"", "gcr.io/p | gcr.io | p | p | - | -"),
            ("*.gcr.io", "gcr.io | gcr.io |  |  | - | -"),
            (
                "https://me:secret@gcr.io/p/i",
                "gcr.io/p/i | gcr.io | p | p/i | - | -",
            ),
            ("(gcr.io/p/i)", "gcr.io/p/i | gcr.io | p | p/i | - | -"),
        ] {
            assert_eq!(found(text), [wanted], "{text}");
        }
    }

    #[test]
    fn look_alikes_are_not_found() {
        for text in [
            "ghcr.io/a/b",
            "xgcr.io/a",
            "my-gcr.io/a",
            "gcr.io.example.com/a",
            "gcr.iot",
            "us-maven.pkg.dev/p",
            "me@gcr.io",
            "vendor/gcr.io/x",
            "harbor.example/gcr.io/p/i",
            "a_gcr.io",
            "...gcr.io",
            "gcr_io",
            "gcr.io-mirror",
            "old.example:50001/x",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_line_may_have_several() {
        assert_eq!(found("gcr.io/a/b,us.gcr.io/c/d k8s.gcr.io").len(), 3);
    }
}
