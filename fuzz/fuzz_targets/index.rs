//! Package indexes: every record of one is read or refused.
#![no_main]

use debian::index::PackageIndex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(index) = PackageIndex::parse(input.to_vec()) else {
        return;
    };
    assert_eq!(index.is_empty(), index.len() == 0);
    for record in index.iter().flatten() {
        assert!(!record.filename.starts_with('/') && !record.filename.split('/').any(|part| part == ".."));
        if let Ok(records) = index.records(record.name.as_str()) {
            assert!(records.iter().any(|other| other.version == record.version));
        }
    }
});
