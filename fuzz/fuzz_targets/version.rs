//! Versions: two per input, one a line; their order is an order.
#![no_main]

use std::cmp::Ordering;

use debian::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut lines = input.lines().map(str::parse::<Version>);
    let (Some(Ok(left)), Some(Ok(right))) = (lines.next(), lines.next()) else {
        return;
    };
    assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    assert_eq!(left.cmp(&left), Ordering::Equal);
    assert_eq!(left == right, left.cmp(&right) == Ordering::Equal);
    let again: Version = left.to_string().parse().expect("what we print is a version");
    assert_eq!(again.to_string(), left.to_string());
    if let Some(Ok(third)) = lines.next() {
        if left <= right && right <= third {
            assert!(left <= third);
        }
    }
});
