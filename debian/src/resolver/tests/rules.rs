use super::*;

#[test]
fn versioned_relations_match_only_versioned_provides() {
    let lines = "old 1; Provides api
                 new 1; Provides api (= 3)";
    assert_eq!(Case::new(lines, "api (>= 2)").chosen(), "new=1");
    assert!(Case::new(lines, "api (>= 4)").resolve().is_err());
    assert_eq!(
        Case::new("own 5; Provides own (= 1)", "own (<< 2)").chosen(),
        "own=5"
    );
}

#[test]
fn a_package_may_conflict_with_what_it_provides_itself() {
    let lines = "exim4 1; Provides mta; Conflicts mta
                 postfix 1; Provides mta; Conflicts mta";
    assert_eq!(Case::new(lines, "exim4").chosen(), "exim4=1");
    assert!(Case::new(lines, "exim4, postfix").resolve().is_err());
}

#[test]
fn versioned_clashes_hit_only_those_versions() {
    let lines = "aa 1; Breaks bb (<< 2)
                 bb 1
                 cc 1; Conflicts vv (<< 2)
                 dd 1; Provides vv
                 ee 1; Provides vv (= 1)";
    assert!(Case::new(lines, "aa, bb").resolve().is_err());
    assert_eq!(Case::new(lines, "aa, bb").security("bb 2").chosen(), "aa=1 bb=2");
    assert_eq!(Case::new(lines, "cc, dd").chosen(), "cc=1 dd=1");
    assert!(Case::new(lines, "cc, ee").resolve().is_err());
}

#[test]
fn only_the_machines_architecture_and_all_are_candidates() {
    let lines = "aa 2; Architecture arm64
                 aa 1
                 bb 1; Architecture all
                 cc 1; Architecture arm64; Multi-Arch foreign";
    assert_eq!(Case::new(lines, "aa, bb").chosen(), "aa=1 bb=1");
    assert!(Case::new(lines, "cc").resolve().is_err());
}

#[test]
fn qualifiers_ask_for_the_multi_arch_they_need() {
    let lines = "python3 1; Multi-Arch allowed
                 plain 1
                 foreign 1; Multi-Arch foreign
                 prov 1; Provides virt:any";
    assert_eq!(Case::new(lines, "python3:any").chosen(), "python3=1");
    assert_eq!(Case::new(lines, "virt:any").chosen(), "prov=1");
    assert_eq!(
        Case::new(lines, "plain:native, foreign, plain:amd64").chosen(),
        "foreign=1 plain=1"
    );
    for roots in ["plain:any", "foreign:any", "plain:arm64"] {
        assert!(Case::new(lines, roots).resolve().is_err(), "{roots}");
    }
    let clash =
        |relation: &str| Case::new(&format!("{lines}\naa 1; Conflicts {relation}"), "aa, plain").resolve();
    assert!(clash("plain:any").is_err());
    assert!(clash("plain:i386").is_ok());
}

#[test]
fn restricted_roots_count_for_their_architectures_only() {
    let lines = "aa 1\nbb 1\ncc 1";
    assert_eq!(
        Case::new(lines, "aa [amd64], bb [arm64], cc [!arm64]").chosen(),
        "aa=1 cc=1"
    );
    assert_eq!(Case::new(lines, "aa [arm64] | bb, cc <stage1>").chosen(), "bb=1");
}

#[test]
fn excluded_packages_stay_away_and_what_only_they_satisfy_is_dropped() {
    let lines = "tzdata 1; Depends debconf (>= 0.5) | debconf-2.0, libc
                 debconf 1; Provides debconf-2.0
                 cdebconf 1; Provides debconf-2.0
                 libc 1";
    let case = Case::new(lines, "tzdata").exclude("debconf");
    assert_eq!(case.chosen(), "cdebconf=1 libc=1 tzdata=1");
    let case = Case::new(lines, "tzdata").exclude("debconf cdebconf other");
    assert_eq!(case.chosen(), "libc=1 tzdata=1");
    let resolution = case.resolve().unwrap();
    assert_eq!(resolution.unused_exclude, ["other".parse().unwrap()]);
    let [dropped] = resolution.dropped.as_slice() else {
        panic!("{:?}", resolution.dropped)
    };
    assert_eq!(dropped.package.as_ref().map(PackageName::as_str), Some("tzdata"));
    assert_eq!(dropped.dependency.to_string(), "debconf (>= 0.5) | debconf-2.0");
    assert_eq!(dropped.because_of.as_str(), "debconf");
}

#[test]
fn an_excluded_virtual_name_takes_its_providers_away_from_that_relation_only() {
    let lines = "base 1; Pre-Depends awk
                 mawk 1; Provides awk";
    let case = Case::new(lines, "base").exclude("awk");
    assert_eq!(case.chosen(), "base=1");
    assert!(case.resolve().unwrap().unused_exclude.is_empty());
    assert_eq!(
        Case::new(lines, "base, mawk").exclude("awk").chosen(),
        "base=1 mawk=1"
    );
}

#[test]
fn an_exclusion_that_changes_nothing_is_unused() {
    let lines = "aa 1; Depends bb | cc
                 bb 1
                 cc 1";
    assert_eq!(
        Case::new(lines, "aa")
            .exclude("cc")
            .resolve()
            .unwrap()
            .unused_exclude,
        ["cc".parse().unwrap()]
    );
    assert!(
        Case::new(lines, "aa")
            .exclude("bb")
            .resolve()
            .unwrap()
            .unused_exclude
            .is_empty()
    );
}

#[test]
fn a_root_that_is_excluded_is_an_error() {
    let error = Case::new("aa 1", "aa").exclude("aa").resolve().unwrap_err();
    assert_eq!(error.to_string(), "image needs aa, but aa is excluded");
    assert_eq!(Case::new("aa 1\nbb 1", "aa | bb").exclude("aa").chosen(), "bb=1");
}

#[test]
fn provided_packages_satisfy_without_being_chosen() {
    let lines = "aa 1; Depends bb (>= 2), cc
                 bb 2
                 cc 1; Conflicts dd";
    let case = Case::new(lines, "aa").provide("bb zz");
    assert_eq!(case.chosen(), "aa=1 cc=1");
    let resolution = case.resolve().unwrap();
    assert_eq!(
        resolution.unused_provide,
        [Provided {
            name: "zz".parse().unwrap(),
            version: None
        }]
    );
    assert_eq!(resolution.dropped[0].because_of.as_str(), "bb");
    assert_eq!(Case::new(lines, "aa").provide("bb=2").chosen(), "aa=1 cc=1");
    assert_eq!(Case::new(lines, "aa").provide("bb=1").chosen(), "aa=1 bb=2 cc=1");
    assert_eq!(
        Case::new(lines, "bb, bb (>= 2)")
            .provide("bb=1")
            .resolve()
            .unwrap()
            .unused_provide
            .len(),
        1
    );
    assert!(Case::new(lines, "aa").provide("dd").resolve().is_err());
}

#[test]
fn an_archive_gives_only_what_it_may() {
    let case = Case::new("aa 1; Depends bb", "aa").security("aa 2\nbb 1\ncc 1; Provides bb");
    assert_eq!(case.allow("bb").chosen(), "aa=1 bb=1");
    let case = Case::new("aa 1; Depends bb", "aa").security("aa 2\nbb 1\ncc 1; Provides bb");
    assert_eq!(case.allow("cc").chosen(), "aa=1 cc=1");
}

#[test]
fn no_roots_need_nothing() {
    assert_eq!(Case::new("aa 1; Essential yes", "").chosen(), "");
}

#[test]
fn a_malformed_stanza_names_its_archive() {
    let error = Case::new("aa 1; Depends Bad_", "aa").resolve().unwrap_err();
    assert!(
        matches!(error, ResolveError::Index { ref archive, .. } if archive == "trixie"),
        "{error}"
    );
}
