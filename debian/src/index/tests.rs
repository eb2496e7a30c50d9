use proptest::prelude::*;

use super::*;
use crate::relation::Relations;

const SHA256: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

/// A stanza with the fields that must be there, and others.
fn stanza(name: &str, version: &str, others: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{others}Filename: pool/main/{name}_{version}_amd64.deb\n\
         Size: 10\nSHA256: {SHA256}\n\n"
    )
}

fn index(text: &str) -> PackageIndex {
    PackageIndex::parse(text.as_bytes().to_vec()).unwrap()
}

fn refusal(text: &str) -> IndexError {
    PackageIndex::parse(text.as_bytes().to_vec()).unwrap_err()
}

/// The refusal of a stanza in which one text is replaced, after a good stanza of nine lines.
fn refusal_with(from: &str, to: &str) -> IndexError {
    let good = stanza("good", "1", "Section: libs\nPriority: extra\n");
    let bad = stanza("bad", "1", "");
    assert!(bad.contains(from), "{from:?}");
    refusal(&format!("{good}{}", bad.replacen(from, to, 1)))
}

#[test]
fn reads_all_fields_of_a_record() {
    let text = stanza(
        "libfoo1",
        "1:2.0-1+b1",
        "Source: foo (1:2.0-1)\nMulti-Arch: same\nEssential: yes\nPriority: required\nSection: libs\n\
         Pre-Depends: libc6 (>= 2.38)\nDepends: aa | bb,\n cc\nConflicts: dd, ee (<< 1)\nBreaks: ff\n\
         Provides: libfoo (= 2), foo-api\nUnknown-Field: anything: at all\nDescription: long\n one\n .\n",
    );
    let records = index(&text).records("libfoo1").unwrap();
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(record.name.as_str(), "libfoo1");
    assert_eq!(record.version.as_str(), "1:2.0-1+b1");
    assert_eq!(record.architecture.as_str(), "amd64");
    assert_eq!(
        (record.source.0.as_str(), record.source.1.as_str()),
        ("foo", "1:2.0-1")
    );
    assert_eq!(
        (record.multi_arch, record.essential, record.priority),
        (MultiArch::Same, true, Priority::Required)
    );
    assert_eq!(record.section, "libs");
    assert_eq!(record.pre_depends.to_string(), "libc6 (>= 2.38)");
    assert_eq!(record.depends.to_string(), "aa | bb, cc");
    assert_eq!(record.conflicts.len(), 2);
    assert_eq!(record.breaks[0].to_string(), "ff");
    assert_eq!(record.provides[0].to_string(), "libfoo (= 2)");
    assert_eq!(record.filename, "pool/main/libfoo1_1:2.0-1+b1_amd64.deb");
    assert_eq!(
        (record.size, record.sha256[0], record.sha256[31]),
        (10, 0x01, 0xef)
    );
}

#[test]
fn what_is_not_said_has_its_usual_value() {
    let record = index(&stanza("ab", "1", "Priority: unheard-of\n"))
        .records("ab")
        .unwrap()
        .remove(0);
    assert_eq!(
        (record.multi_arch, record.essential, record.priority),
        (MultiArch::No, false, Priority::Optional)
    );
    assert_eq!((record.source.0.as_str(), record.source.1.as_str()), ("ab", "1"));
    assert_eq!(
        (record.section.as_str(), record.depends),
        ("", Relations::default())
    );
}

#[test]
fn gives_versions_from_the_newest_and_providers_in_order() {
    let text = ["1.9", "1.10", "1.2~rc1"]
        .map(|version| stanza("foo", version, "Provides: bar\n"))
        .concat()
        + &stanza("food", "1", "Provides: bar-baz, bar (= 3)\n")
        + &stanza("fo", "1", "");
    let index = index(&text);
    let versions: Vec<_> = index
        .records("foo")
        .unwrap()
        .into_iter()
        .map(|record| record.version.to_string())
        .collect();
    assert_eq!(versions, ["1.10", "1.9", "1.2~rc1"]);
    assert!(index.records("bar").unwrap().is_empty());
    let providers: Vec<_> = index
        .providers("bar")
        .unwrap()
        .into_iter()
        .map(|(_, entry)| entry.to_string())
        .collect();
    assert_eq!(providers, ["bar", "bar", "bar", "bar (= 3)"]);
    assert_eq!(index.iter().count(), 5);
}

#[test]
fn blank_lines_of_any_kind_and_number_separate() {
    let text = format!(
        "\n \n{}\n\t\n\r\n{}",
        stanza("aa", "1", ""),
        stanza("bb", "1", "").trim_end()
    );
    assert_eq!(index(&text).len(), 2);
    assert!(index("").is_empty());
    assert!(index("\n\n").is_empty());
}

#[test]
fn names_line_and_package_of_what_it_refuses() {
    let error = refusal_with("Size: 10\n", "Size: -1\n");
    assert_eq!(
        error.to_string(),
        r#"line 14, package bad: size "-1" is not a number of at most 8589934592"#
    );
    let error = refusal_with("Version: 1\n", "");
    assert_eq!(
        error.to_string(),
        "line 10, package bad: field Version is missing"
    );
    let error = refusal_with("Architecture: amd64\n", "nonsense\n");
    assert_eq!(
        error.to_string(),
        "line 12, package bad: neither a field nor a continuation of one"
    );
    let error = refusal_with("Package: bad\n", " Package: bad\n");
    assert_eq!((error.line, error.package), (10, None));
}

#[test]
fn refuses_each_field_that_is_malformed() {
    let problem = |from, to| refusal_with(from, to).problem;
    assert!(matches!(
        problem("Package: bad", "Package: Bad"),
        IndexProblem::Name(_)
    ));
    assert!(matches!(
        problem("Version: 1", "Version: 1-"),
        IndexProblem::Version(_)
    ));
    assert!(matches!(
        problem("amd64\n", "AMD\n"),
        IndexProblem::Architecture(_)
    ));
    assert!(matches!(
        problem("Version: 1", "Version: 1\nversion: 2"),
        IndexProblem::Duplicate("Version")
    ));
    assert!(matches!(
        problem("SHA256: 01", "SHA256: 0"),
        IndexProblem::Sha256(_)
    ));
    assert!(matches!(
        problem("SHA256: 01", "SHA256: 0g"),
        IndexProblem::Sha256(_)
    ));
    assert!(matches!(
        problem("SHA256: 01", "SHA256: 0123"),
        IndexProblem::Sha256(_)
    ));
    for field in ["Package", "Version", "Architecture", "Filename", "Size", "SHA256"] {
        let error = refusal_with(&format!("{field}:"), "Other:");
        assert_eq!(error.problem, IndexProblem::Missing(field));
    }
}

#[test]
fn lets_no_filename_out_of_the_archive() {
    let safe = ["pool/a.deb", "./a_1%3a2-3~x+b1.deb", "pool/..a/b...deb", "a"];
    for path in safe {
        assert!(scan::safe_path(path).is_some(), "{path}");
    }
    let unsafe_ones = [
        "", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./", "././a", ".", "a b", "a\\b", "a?b", "a#b",
        "é", "a\0", "a\x7f",
    ];
    for path in unsafe_ones {
        assert_eq!(scan::safe_path(path), None, "{path:?}");
    }
    assert!(scan::safe_path(&"a".repeat(FILENAME_BYTES_MAX)).is_some());
    assert!(scan::safe_path(&"a".repeat(FILENAME_BYTES_MAX + 1)).is_none());
}

#[test]
fn a_malformed_relation_is_found_when_its_package_is_looked_at() {
    let text = stanza("aa", "1", "")
        + &stanza("bb", "1", "Depends: cc (>= )\n")
        + &stanza("cc", "1", "Conflicts: dd | ee\n");
    let index = index(&text);
    assert!(index.records("aa").is_ok());
    let error = index.records("bb").unwrap_err();
    assert_eq!((error.line, error.package.as_deref()), (11, Some("bb")));
    assert!(matches!(error.problem, IndexProblem::Relation(_)));
    assert_eq!(
        index.records("cc").unwrap_err().problem,
        IndexProblem::Alternatives("Conflicts")
    );
    let index = self::index(&stanza("aa", "1", "Source: x (1\n"));
    assert_eq!(
        index.records("aa").unwrap_err().problem,
        IndexProblem::Source("x (1".into())
    );
}

#[test]
fn accepts_each_limit_and_nothing_beyond_it() {
    assert_eq!(
        scan::parse_size(&PACKAGE_BYTES_MAX.to_string()),
        Some(PACKAGE_BYTES_MAX)
    );
    assert_eq!(scan::parse_size(&(PACKAGE_BYTES_MAX + 1).to_string()), None);
    assert_eq!(scan::parse_size("+1"), None);

    let bare = stanza("aa", "1", "Description: \n").len() - 1;
    let padded = |bytes: usize| stanza("aa", "1", &format!("Description: {}\n", "x".repeat(bytes - bare)));
    assert_eq!(index(&padded(STANZA_BYTES_MAX)).len(), 1);
    assert_eq!(
        refusal(&padded(STANZA_BYTES_MAX + 1)).problem,
        IndexProblem::StanzaTooLong
    );

    // Zeroed memory that is never looked at costs nothing.
    let error = PackageIndex::parse(vec![0; INDEX_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(error.problem, IndexProblem::IndexTooLong(INDEX_BYTES_MAX + 1));
    assert_ne!(refusal("\0").problem, IndexProblem::IndexTooLong(1));
}

#[test]
fn accepts_as_many_packages_as_it_may_and_no_more() {
    let text = stanza("aa", "1", "").repeat(3);
    assert_eq!(scan::scan(text.as_bytes(), 3).unwrap().len(), 3);
    let error = scan::scan(text.as_bytes(), 2).err().unwrap();
    assert_eq!((error.problem, error.line), (IndexProblem::TooManyStanzas(2), 15));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = PackageIndex::parse(bytes);
    }

    #[test]
    fn altered_stanzas_never_panic(at in 0..400_usize, with in "[ -~\n]{0,3}") {
        let mut text = stanza("aa", "1", "Depends: bb (>= 1) | cc\nProvides: dd (= 2), ee\nSource: x (1)\n");
        let at = at.min(text.len());
        text.replace_range(at..(at + with.len()).min(text.len()), &with);
        if let Ok(index) = PackageIndex::parse(text.into_bytes()) {
            for record in index.iter().flatten() {
                prop_assert!(index.records(record.name.as_str()).is_ok_and(|records| records.contains(&record)));
                for provided in &record.provides {
                    prop_assert!(index.providers(provided.name.as_str()).is_ok_and(|providers| !providers.is_empty()));
                }
            }
        }
    }
}
