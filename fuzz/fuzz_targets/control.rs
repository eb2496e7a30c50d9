//! Control files: what is read keeps its bytes, and these are read as the same.
#![no_main]

use debian::control::{Paragraph, parse_paragraphs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = Paragraph::parse(input);
    let Ok(paragraphs) = parse_paragraphs(input) else {
        return;
    };
    for paragraph in paragraphs {
        for (name, value) in paragraph.fields() {
            assert_eq!(paragraph.field(&name.to_ascii_uppercase()), Some(value));
        }
        let again = Paragraph::parse(paragraph.raw()).expect("its own bytes are a paragraph");
        assert_eq!(again, paragraph);
    }
});
