//! The beginning of a text for a message.

/// At most this many bytes of a text go into a message.
pub(super) const EXCERPT_BYTES_MAX: usize = 300;

/// `text` quoted on one line, cut after [`EXCERPT_BYTES_MAX`] bytes.
pub(super) fn excerpt(text: &[u8]) -> String {
    if text.is_empty() {
        return "nothing in it".to_owned();
    }
    let kept = text.get(..EXCERPT_BYTES_MAX).unwrap_or(text);
    let quoted = format!("{:?}", String::from_utf8_lossy(kept));
    if kept.len() < text.len() {
        format!("{quoted} and {} bytes more", text.len() - kept.len())
    } else {
        quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_cut_after_the_limit() {
        assert_eq!(excerpt(b""), "nothing in it");
        assert_eq!(excerpt(b"a\n"), r#""a\n""#);
        assert!(!excerpt(&[b'x'; EXCERPT_BYTES_MAX]).contains("more"));
        assert!(excerpt(&[b'x'; EXCERPT_BYTES_MAX + 1]).ends_with("\" and 1 bytes more"));
    }
}
