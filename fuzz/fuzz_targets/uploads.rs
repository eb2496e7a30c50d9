//! Uploads as a state machine: each pair of bytes is a step, and a model says what must come of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lightship_fuzz::uploads::check(input));
