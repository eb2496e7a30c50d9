//! A media type, a line end, and a manifest: what the reader makes of it, and what a registry does with it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| lightship_fuzz::manifests::check(input));
