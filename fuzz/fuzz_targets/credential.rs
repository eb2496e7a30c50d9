//! What a request shows: the Authorization header, tokens of ours and of others, scopes, key files.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| lightship_fuzz::credential::check(input));
