//! Relations between packages: what is printed is parsed as the same.
#![no_main]

use debian::relation::{Dependency, Relation, Relations};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let _ = input.parse::<Dependency>();
    let _ = input.parse::<Relation>();
    if let Ok(relations) = input.parse::<Relations>() {
        let printed = relations.to_string();
        let again: Relations = printed.parse().expect("what we print is a relation");
        assert_eq!(again, relations, "{printed}");
    }
});
