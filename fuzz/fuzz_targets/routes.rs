//! Paths of requests: what was read can be written, and is then read as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| lightship_fuzz::routes::check(input));
