//! Specifications that fuzzing kept because each reaches code that the others do not.

use std::io::Read;
use std::path::Path;

use archive::tar::{Limits, Reader};
use archive::{Codec, decode};
use factory::specification::{Specification, SpecificationError};

#[test]
fn specifications_that_fuzzing_found_are_read_or_refused_with_a_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz-specification.tar.gz");
    let file = std::fs::File::open(path).unwrap();
    let mut reader = Reader::new(decode(Codec::Gzip, file, 16 << 20), Limits::default());
    let (mut read, mut refused) = (0, 0);
    while let Some(_entry) = reader.next_entry().unwrap() {
        let mut bytes = Vec::new();
        reader.content().read_to_end(&mut bytes).unwrap();
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        match Specification::parse("fuzz.yaml", text, Path::new("/nonexistent")) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                let shown = matches!(error, SpecificationError::Invalid { .. });
                assert!(!shown || !error.render().is_empty(), "{error}");
            }
        }
    }
    assert!(read > 5 && refused > 100, "{read} read, {refused} refused");
}
