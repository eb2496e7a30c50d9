//! Percent-encoding of paths and queries.
//!
//! Spec: RFC 3986, 2.1; for queries the WHATWG URL standard, "application/x-www-form-urlencoded parsing".

use std::fmt::Write as _;

/// A part of a path, decoded. None when that is no text, or has a separator or a zero byte in it: no name has, and what
/// was one part must not become two.
pub(crate) fn decoded_segment(text: &str) -> Option<String> {
    let decoded = String::from_utf8(decoded(text, b'+')).ok()?;
    (!decoded.contains(['/', '\0'])).then_some(decoded)
}

/// A name or a value of a query, decoded; what is no text is replaced.
pub(crate) fn decoded_query(text: &str) -> String {
    String::from_utf8_lossy(&decoded(text, b' ')).into_owned()
}

/// A value as it stands in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A `%` without two digits stands for itself.
fn decoded(text: &str, plus: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let decoded = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (first, decoded.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(plus);
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        assert_eq!(decoded_segment("sha256%3Aab").as_deref(), Some("sha256:ab"));
        assert_eq!(decoded_segment("a+b%2").as_deref(), Some("a+b%2"));
        for text in ["a%2Fb", "a%2fb", "a%00b", "%ff"] {
            assert_eq!(decoded_segment(text), None, "{text}");
        }
        // Decoded once: what was encoded twice is still encoded.
        assert_eq!(decoded_segment("a%252Fb").as_deref(), Some("a%2Fb"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decoded(&encoded, b' '), bytes);
        }

        #[test]
        fn a_value_is_read_as_it_was_written(text in "\\PC{0,40}") {
            let encoded = encoded(&text);
            prop_assert!(!encoded.contains(['+', '&', '=', ' ', '>', '"']));
            prop_assert_eq!(decoded_query(&encoded), text);
        }
    }
}
