//! Keys of service accounts, as they are downloaded.

use std::ops::Range;

use crate::mapped::Span;
use crate::rules::{Look, Spotted};

/// How far from a private key it is said that it is one of a service account, in bytes.
const AROUND_BYTES_MAX: usize = 4096;

/// The longest private key, in bytes; one of 4096 bits has less than 3400.
const KEY_BYTES_MAX: usize = 8192;

/// How many signs of base64 a key has at least that is none in name only.
const KEY_SIGNS_MIN: usize = 24;

/// What shorter ones must not have in them: those are there to be replaced.
const PLACEHOLDERS: [&str; 13] = [
    "your",
    "redact",
    "placeholder",
    "example",
    "fake",
    "xxxx",
    "dummy",
    "privatekey",
    "insert",
    "changeme",
    "replace",
    "secret",
    "notareal",
];

/// How long a key is that is none to be replaced whatever it says: random letters may say anything.
const PLACEHOLDER_SIGNS_MAX: usize = 400;

const MESSAGE: &str = "a key of a service account stands in the tree: revoke it, and let what uses it get short-lived credentials (workload identity federation)";

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let source = look.source;
    for key in keys(source.text()) {
        let span = Span {
            start: key.start,
            end: key.end,
        };
        spot(look, span);
    }
}

/// Notes a key without showing any of it.
pub(super) fn spot(look: &mut Look<'_>, span: Span) {
    let role = look.role_at(span);
    look.spot(Spotted {
        shown: Some("(a private key)".to_owned()),
        ..Spotted::new("service-account-key", span, role, MESSAGE)
    });
}

/// Where a text has private keys of service accounts, from their names to their ends.
pub(super) fn keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut least = 0;
    for (at, begin) in text.match_indices("-----BEGIN") {
        if at < least {
            continue;
        }
        let rest = text.get(at + begin.len()..).unwrap_or_default();
        let header = [" PRIVATE KEY-----", " RSA PRIVATE KEY-----"]
            .iter()
            .find(|header| rest.starts_with(**header));
        let (Some(header), Some(start)) = (header, name_before(text, at)) else {
            continue;
        };
        let body = at + begin.len() + header.len();
        let Some(end) = body_end(text, body) else { continue };
        let is_key = text.get(body..end).is_some_and(is_key) && is_of_service_account(text, start, end);
        if is_key {
            let tail = text.get(end..).unwrap_or_default();
            let closing = tail
                .find("KEY-----")
                .filter(|at| *at < 40)
                .map_or(0, |at| at + "KEY-----".len());
            least = end + closing;
            found.push(start..least);
        }
    }
    found
}

/// Where the name `private_key` begins whose value begins at `at`.
fn name_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let name = before.trim_end_matches([
        '"', '\'', '\\', ':', '=', '>', '|', '-', ' ', '\t', '\n', '\r', '(',
    ]);
    let start = name.strip_suffix("private_key")?.len();
    (at - start <= 128).then_some(start)
}

fn body_end(text: &str, from: usize) -> Option<usize> {
    let mut end = text.len().min(from + KEY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let body = text.get(from..end)?;
    body.find("-----END").map(|length| from + length)
}

/// Whether what stands in a key's place is one.
fn is_key(body: &str) -> bool {
    let body = body.replace("\\n", "").replace("\\r", "");
    let signs: Vec<u8> = body
        .bytes()
        .filter(|sign| !sign.is_ascii_whitespace() && !matches!(sign, b'\\' | b'"' | b'\''))
        .collect();
    let is_encoded = signs
        .iter()
        .all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, b'+' | b'/' | b'='));
    let mut kinds = signs.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let lower = String::from_utf8_lossy(&signs).to_ascii_lowercase();
    let is_placeholder =
        signs.len() < PLACEHOLDER_SIGNS_MAX && PLACEHOLDERS.iter().any(|word| lower.contains(word));
    signs.len() >= KEY_SIGNS_MIN && is_encoded && kinds.len() >= 8 && !is_placeholder
}

fn is_of_service_account(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let from = start.saturating_sub(AROUND_BYTES_MAX);
    let to = (end + AROUND_BYTES_MAX).min(bytes.len());
    let around = bytes.get(from..to).unwrap_or_default();
    memchr::memmem::find_iter(around, b"service_account").any(|at| {
        let before = around.get(at.saturating_sub(24)..at).unwrap_or_default();
        memchr::memmem::find(before, b"type").is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "TWFueSB3b3JkcyBhbmQgbm8gcmVhbCBvbmU/QUJDREVG";

    fn json(body: &str) -> String {
        format!(
            r#"{{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"}}"#
        )
    }

    #[test]
    fn keys_are_told_from_what_is_to_be_replaced() {
        for (text, wanted) in [
            (json(BODY), 1),
            (json(""), 0),
            (json("YOUR_PRIVATE_KEY"), 0),
            (json("..."), 0),
            (json("yourprivatekeyhereyourprivatekeyhere"), 0),
            (json(BODY).replace("service_account", "other"), 0),
            (json(BODY).replace('"', "\\\""), 1),
            (
                format!(
                    "type: service_account\nprivate_key: |\n  -----BEGIN PRIVATE KEY-----\n  {BODY}\n  -----END PRIVATE KEY-----\n"
                ),
                1,
            ),
            ("-----BEGIN PRIVATE KEY-----".repeat(3), 0),
        ] {
            assert_eq!(keys(&text).len(), wanted, "{text}");
        }
    }

    #[test]
    fn a_finding_shows_nothing_of_a_key() {
        let text = json(BODY);
        let report = crate::Auditor::new(crate::Settings::default()).file("key.json", text.as_bytes());
        assert_eq!(report.findings.len(), 1);
        assert!(!format!("{report:?}").contains(BODY));
    }
}
