//! Signed release files, and keyrings. Nobody here can sign for Debian: a text that is accepted must be
//! one of the genuine ones, which the corpus holds, but for blanks at the ends of its lines.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use debian::keyring::Keyring;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::debian().expect("the built-in keyring is readable"));

static GENUINE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let files: [&[u8]; 3] = [
        include_bytes!("../../debian/tests/fixtures/releases/bookworm.InRelease"),
        include_bytes!("../../debian/tests/fixtures/releases/trixie.InRelease"),
        include_bytes!("../../debian/tests/fixtures/releases/trixie-security.InRelease"),
    ];
    files
        .into_iter()
        .map(|file| accepted(file).expect("the fixtures are genuine"))
        .collect()
});

fuzz_target!(|input: &[u8]| {
    let _ = Keyring::parse(input);
    if let Some(text) = accepted(input) {
        assert!(
            GENUINE.contains(&text),
            "a text that Debian never signed was accepted"
        );
    }
});

/// The text, if a trusted key signed it, without blanks at the ends of lines.
fn accepted(input: &[u8]) -> Option<String> {
    // 2026-11-23: within the validity of every key, and after the fixtures were signed.
    let at = Timestamp::from_second(1_795_392_000).expect("a time");
    let verified = KEYRING.verify_inrelease(input, at).ok()?;
    let lines: Vec<&str> = verified.text.lines().map(str::trim_end).collect();
    Some(lines.join("\n").trim_end().to_owned())
}
