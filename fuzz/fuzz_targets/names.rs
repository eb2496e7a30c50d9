//! A host, a line end, and a name on it: which package that is.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| lightship_fuzz::names::check(input));
