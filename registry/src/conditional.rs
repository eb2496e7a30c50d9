//! Conditions that a client puts on a read, by the ETags of what it has.
//!
//! Content is addressed by digest, and the ETag is the digest in quotes: it is always a strong one. No `Last-Modified`
//! is ever answered, so conditions by date are never met.
//!
//! Spec: RFC 9110, 8.8.3 and 13.

use hyper::header::{HeaderMap, IF_NONE_MATCH, IF_RANGE};

/// Whether the client has it already, and wants to hear no more than that.
///
/// Spec: RFC 9110, 13.1.2: weak comparison.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let texts = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).any(|tag| {
        // No digest has a comma, so a list can be split without looking at its quotes.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// Whether a `Range` counts: one with a condition only if that is met.
///
/// Spec: RFC 9110, 13.1.5: strong comparison.
pub(crate) fn range_counts(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get(IF_RANGE)
        .is_none_or(|condition| condition.as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"sha256:ab\"";

    #[test]
    fn what_a_client_has_is_recognised_in_lists_and_weakly() {
        let known = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, value.parse().unwrap());
            }
            is_known(&headers, ETAG)
        };
        for values in [
            &["\"sha256:ab\""][..],
            &["*"],
            &["W/\"sha256:ab\""],
            &["\"x\" , \"sha256:ab\",\"y\""],
            &["\"x\"", "\"sha256:ab\""],
        ] {
            assert!(known(values), "{values:?}");
        }
        for values in [
            &[][..],
            &["sha256:ab"],
            &["\"sha256:abc\""],
            &["w/\"sha256:ab\""],
            &[""],
        ] {
            assert!(!known(values), "{values:?}");
        }
    }

    #[test]
    fn a_range_of_something_else_does_not_count() {
        let counts = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(IF_RANGE, value.parse().unwrap());
            }
            range_counts(&headers, ETAG)
        };
        assert!(counts(None) && counts(Some("\"sha256:ab\"")));
        for value in ["\"other\"", "W/\"sha256:ab\"", "Wed, 25 Nov 2026 00:00:00 GMT"] {
            assert!(!counts(Some(value)), "{value}");
        }
    }
}
