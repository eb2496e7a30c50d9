//! What stands in base64: keys, and configurations of docker.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{is_old, keys, pull_secret};
use crate::mapped::Span;
use crate::rules::Look;

/// The shortest text that is decoded: shorter ones hold no host with a login.
const ENCODED_BYTES_MIN: usize = 40;

/// The largest text that is decoded, in bytes; Kubernetes takes no secret above 1 MiB.
const ENCODED_BYTES_MAX: usize = 2 << 20;

/// The shortest line that goes on in the next one.
const LINE_BYTES_MIN: usize = 60;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let source = look.source;
    for range in runs(source.text()) {
        let written = source.text().get(range.clone()).unwrap_or_default();
        let Some(decoded) = decoded(written) else { continue };
        let span = Span {
            start: range.start,
            end: range.end,
        };
        if decoded.contains("\"auth")
            && let Some(host) = login_host(look, &decoded)
        {
            pull_secret::spot_encoded(look, span, look.role_at(span), &host);
            continue;
        }
        if !keys::keys(&decoded).is_empty() {
            keys::spot(look, span);
        }
    }
}

/// What a text stands for that is base64, of either alphabet, with white space and without padding too.
pub(super) fn decoded(text: &str) -> Option<String> {
    if text.len() > ENCODED_BYTES_MAX {
        return None;
    }
    let signs = text.bytes().filter(|sign| !sign.is_ascii_whitespace());
    let packed: Vec<u8> = signs
        .map(|sign| match sign {
            b'-' => b'+',
            b'_' => b'/',
            sign => sign,
        })
        .collect();
    let decoded = ENGINE.decode(packed).ok()?;
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

/// The first old host that a configuration of docker has a login for: its keys are names of hosts, which may have escapes.
/// What is no JSON, or has its configuration further down, is searched as it is.
pub(super) fn login_host(look: &Look<'_>, configuration: &str) -> Option<String> {
    let parsed = serde_json::from_str::<serde_json::Value>(configuration).unwrap_or_default();
    let keys = |value: &serde_json::Value| {
        let entries = value.as_object()?;
        Some(entries.keys().cloned().collect::<Vec<_>>().join("\n"))
    };
    let hosts = parsed.get("auths").and_then(keys).unwrap_or_else(|| {
        let top = keys(&parsed).unwrap_or_default();
        // A slash may be written with an escape.
        top + "\n" + &configuration.replace("\\/", "/")
    });
    let found = look.images.find(&hosts);
    found.into_iter().find(is_old).map(|image| image.host)
}

/// Where a text has what may be JSON, or a login with a key, in base64; also over several lines.
fn runs(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = run_length(bytes, at);
        if length < ENCODED_BYTES_MIN {
            at += length.max(1);
            continue;
        }
        let start = at;
        let mut line = length;
        at += length;
        while line >= LINE_BYTES_MIN && is_line_end(bytes, at) {
            let next = at
                + bytes
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .take_while(|sign| sign.is_ascii_whitespace())
                    .count();
            line = run_length(bytes, next);
            let ends = bytes.get(next + line).is_none_or(u8::is_ascii_whitespace);
            if line == 0 || !ends {
                break;
            }
            at = next + line;
        }
        let begins = bytes
            .get(start..)
            .is_some_and(|run| begins_with_json(run) || run.starts_with(b"X2pzb25fa2V5"));
        if begins {
            found.push(start..at);
        }
    }
    found
}

fn run_length(bytes: &[u8], from: usize) -> usize {
    let is_part = |sign: &&u8| sign.is_ascii_alphanumeric() || matches!(**sign, b'+' | b'/' | b'=');
    bytes
        .get(from..)
        .unwrap_or_default()
        .iter()
        .take_while(is_part)
        .count()
}

fn is_line_end(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b'\n' | b'\r'))
}

/// A brace, and a quote or white space after it.
fn begins_with_json(run: &[u8]) -> bool {
    [
        b"eyI" as &[u8],
        b"eyJ",
        b"eyA",
        b"ewo",
        b"ewk",
        b"ew0",
        b"ewp",
        b"eyd",
        b"Cns",
        b"Cg",
    ]
    .iter()
    .any(|beginning| run.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_found_in_one_line_and_in_several() {
        let config = ENGINE.encode(
            r#"{ "auths": { "https:\/\/gcr.io": { "username": "_json_key", "password": "none" } } }"#,
        );
        let broken: Vec<&str> = vec![config.get(..76).unwrap(), config.get(76..).unwrap()];
        for text in [
            format!("x: {config}\n"),
            format!("x: |\n  {}\ny: z\n", broken.join("\n  ")),
        ] {
            let runs = runs(&text);
            assert_eq!(runs.len(), 1, "{text}");
            let text = format!("kind: Secret\ntype: kubernetes.io/dockerconfigjson\n{text}");
            let report = crate::Auditor::new(crate::Settings::default()).file("secret.yaml", text.as_bytes());
            let rules: Vec<&str> = report.findings.iter().map(|finding| finding.rule.id).collect();
            assert_eq!(rules, ["pull-secret"], "{text}");
        }
        assert!(runs("a/path/that/is/long/enough/to/be/taken/for/base64/by/its/signs").is_empty());
    }
}
