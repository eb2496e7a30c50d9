//! What fuzzing kept, because each input reaches code that the others do not, with the checks of the targets themselves.

use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use archive::tar::{Limits, Reader};
use archive::{Codec, decode};

#[path = "../../../fuzz/src/lib.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a library of its own elsewhere"
)]
#[allow(clippy::expect_used, clippy::panic, reason = "its checks panic")]
mod fuzz;

/// The inputs of a target: those that were written for it, and those that a run kept.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for seed in std::fs::read_dir(here.join("../fuzz/seeds").join(target)).unwrap() {
        let path = seed.unwrap().path();
        all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    let kept = std::fs::read(here.join(format!("tests/fixtures/fuzz-{target}.tar.gz"))).unwrap();
    let mut reader = Reader::new(decode(Codec::Gzip, &kept[..], 16 << 20), Limits::default());
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content).unwrap();
        all.push((entry.path.to_string(), content));
    }
    all
}

fn replay(target: &str, check: fn(&[u8])) {
    let inputs = inputs(target);
    assert!(inputs.len() > 10, "{target} has {} inputs", inputs.len());
    for (name, input) in inputs {
        let held = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(held.is_ok(), "input {name} of {target}");
    }
}

/// As the fuzzer hands a text over: what is none is passed over.
fn replay_text(target: &str, check: fn(&str)) {
    let inputs = inputs(target);
    assert!(inputs.len() > 10, "{target} has {} inputs", inputs.len());
    for (name, input) in inputs {
        let Ok(text) = std::str::from_utf8(&input) else {
            continue;
        };
        let held = catch_unwind(AssertUnwindSafe(|| check(text)));
        assert!(held.is_ok(), "input {name} of {target}");
    }
}

#[test]
fn names_that_fuzzing_found_lead_where_they_should() {
    replay_text("names", fuzz::names::check);
}

#[test]
fn routes_that_fuzzing_found_are_read_as_they_are_written() {
    replay_text("routes", fuzz::routes::check);
}

#[test]
fn ranges_that_fuzzing_found_are_answered_with_what_they_say() {
    replay_text("ranges", fuzz::ranges::check);
}

#[test]
fn manifests_that_fuzzing_found_come_back_as_they_were_or_were_refused() {
    replay_text("manifests", fuzz::manifests::check);
}

#[test]
fn uploads_that_fuzzing_found_do_what_the_model_says() {
    replay("uploads", fuzz::uploads::check);
}

#[test]
fn credentials_that_fuzzing_found_prove_nothing_that_was_not_signed() {
    replay_text("credential", fuzz::credential::check);
}
