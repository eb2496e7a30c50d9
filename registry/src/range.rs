//! `Range` of a download and `Content-Range` of a chunk.

use store::ByteRange;

/// What a `Range` header asks for, of something of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: there is no header, or one that is not understood, or several ranges.
    Whole,
    /// Part of it.
    Part(ByteRange),
    /// What is not there.
    Nothing,
}

/// Reads a `Range` header.
///
/// Spec: RFC 9110 "Range"; distribution-spec "Pulling blobs".
pub(crate) fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some(spec) = header.and_then(|text| text.strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((from, to)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    let range = match (from.trim(), to.trim()) {
        ("", "") => return Asked::Whole,
        ("", suffix) => match number(suffix) {
            Ok(count) => ByteRange {
                start: size.saturating_sub(count),
                end: size,
            },
            Err(_) => return Asked::Whole,
        },
        (start, "") => match number(start) {
            Ok(start) => ByteRange { start, end: size },
            Err(_) => return Asked::Whole,
        },
        (start, last) => match (number(start), number(last)) {
            (Ok(start), Ok(last)) => ByteRange {
                start,
                end: last.saturating_add(1).min(size),
            },
            _ => return Asked::Whole,
        },
    };
    if range.start < range.end {
        Asked::Part(range)
    } else {
        Asked::Nothing
    }
}

/// Reads the `Content-Range` of a chunk, `START-LAST` or `bytes START-LAST/…`: its first byte and its length.
///
/// Spec: distribution-spec "Pushing a blob in chunks".
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let range = header
        .trim()
        .trim_start_matches("bytes")
        .trim_start_matches(['=', ' ']);
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (start, last) = range.split_once('-')?;
    let (start, last) = (
        start.trim().parse::<u64>().ok()?,
        last.trim().parse::<u64>().ok()?,
    );
    let length = last.checked_sub(start)?.checked_add(1)?;
    Some((start, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_clamped_or_refused() {
        let part = |start, end| Asked::Part(ByteRange { start, end });
        for (header, expected) in [
            (None, Asked::Whole),
            (Some("bytes=0-0"), part(0, 1)),
            (Some("bytes=5-"), part(5, 10)),
            (Some("bytes=-3"), part(7, 10)),
            (Some("bytes=-30"), part(0, 10)),
            (Some("bytes=2-99999999999999999999"), Asked::Whole),
            (Some("bytes=2-18446744073709551615"), part(2, 10)),
            (Some("bytes=10-"), Asked::Nothing),
            (Some("bytes=500-0"), Asked::Nothing),
            (Some("bytes=-0"), Asked::Nothing),
            (Some("bytes=0-1,3-4"), Asked::Whole),
            (Some("lines=0-1"), Asked::Whole),
        ] {
            assert_eq!(asked(header, 10), expected, "{header:?}");
        }
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Nothing);
    }

    #[test]
    fn chunks_have_a_first_byte_and_a_length() {
        assert_eq!(chunk("0-9"), Some((0, 10)));
        assert_eq!(chunk("bytes 10-10/*"), Some((10, 1)));
        for header in ["", "9-0", "x-1", "-1", "0-18446744073709551615"] {
            assert_eq!(chunk(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let Asked::Part(range) = asked(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
