//! Old hosts in patterns: with a wildcard before them, escaped for regular expressions.

use std::ops::Range;

use crate::host::Family;

/// An old host where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldHost {
    /// The host, with `*.` before it where all below it are meant.
    pub(super) name: String,
    pub(super) range: Range<usize>,
}

/// Every old host in a text, from left to right.
pub(super) fn find(text: &str) -> Vec<OldHost> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    // No name is looked for further back than where the one before ended, whatever became of that.
    let mut least = 0;
    for dot in memchr::memmem::find_iter(bytes, ".io") {
        // `gcr.io`, `gcr\.io`, `gcr\\.io`.
        let escapes = bytes
            .get(..dot)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        let Some(at) = dot.checked_sub(escapes + 3) else {
            continue;
        };
        let is_gcr = text
            .get(at..at + 3)
            .is_some_and(|name| name.eq_ignore_ascii_case("gcr"));
        if is_gcr {
            if ends_host(text, dot + 3) {
                found.extend(whole(text, at, dot + 3, least));
            }
            least = dot + 3;
        }
    }
    found
}

fn whole(text: &str, mut start: usize, end: usize, least: usize) -> Option<OldHost> {
    let bytes = text.as_bytes();
    while start > least {
        let is_part = bytes.get(start - 1).is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'\\' | b'*' | b'_')
        });
        if !is_part {
            break;
        }
        start -= 1;
    }
    let written = text.get(start..end)?;
    let bare: String = written.chars().filter(|sign| *sign != '\\').collect();
    let below = bare.trim_start_matches(['*', '.']);
    let is_wild = below.len() < bare.len();
    // `(.*\.)?gcr\.io` has its wildcard in brackets; a name in a path or an address of e-mail is none.
    let before = text.get(..start)?.chars().next_back();
    let is_free = before.is_none_or(|sign| !sign.is_alphanumeric() && sign != '@');
    let family = Family::of(below, &[])?;
    (is_free && family != Family::ArtifactRegistry).then(|| OldHost {
        name: if is_wild {
            format!("*.{below}")
        } else {
            below.to_owned()
        },
        range: start..end,
    })
}

/// Whether no longer name goes on here.
fn ends_host(text: &str, end: usize) -> bool {
    let mut rest = text.get(end..).unwrap_or_default().chars();
    match (rest.next(), rest.next()) {
        (Some('.'), Some(second)) => !second.is_alphanumeric() && second != '*',
        (Some(first), _) => !first.is_alphanumeric() && !matches!(first, '-' | '_'),
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_hosts_are_found() {
        for (text, wanted) in [
            ("gcr.io,eu.gcr.io", vec!["gcr.io", "eu.gcr.io"]),
            ("*.gcr.io", vec!["*.gcr.io"]),
            (".gcr.io", vec!["*.gcr.io"]),
            ("^(.*\\.)?gcr\\.io$", vec!["gcr.io"]),
            ("server=/gcr.io/1.1.1.1", vec!["gcr.io"]),
            ("gcr.io. 300 IN A", vec!["gcr.io"]),
            ("https://us.gcr.io/v2/", vec!["us.gcr.io"]),
            ("gcr.io/p/*", vec!["gcr.io"]),
            (
                "ghcr.io xgcr.io my-gcr.io gcr.io.example.com a.b.gcr.io gcr.iot me@gcr.io",
                vec![],
            ),
        ] {
            let names: Vec<String> = find(text).into_iter().map(|host| host.name).collect();
            assert_eq!(names, wanted, "{text}");
        }
    }
}
