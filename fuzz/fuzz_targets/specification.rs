//! Image specifications: read or refused with a message that can be shown.
#![no_main]

use std::path::Path;

use factory::specification::Specification;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    // Nothing is there: a base by path is refused without reading anything.
    if let Err(error) = Specification::parse("fuzz.yaml", input, Path::new("/nonexistent")) {
        let _ = error.render();
    }
});
