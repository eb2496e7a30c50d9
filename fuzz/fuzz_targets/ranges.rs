//! The `Range` of a download, or after a first byte `C` the `Content-Range` of a chunk.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| lightship_fuzz::ranges::check(input));
