use insta::assert_snapshot;

use super::*;

#[test]
fn of_a_version_that_is_not_there() {
    let case = Case::new("libfoo 1.4-1", "libfoo (>= 2)");
    assert_snapshot!(case.explanation(), @"image needs libfoo (>= 2), but only libfoo 1.4-1 is in trixie");
    let case = Case::new("libfoo 1.4-1", "libfoo (>= 2)").security("libfoo 1.5-1");
    assert_snapshot!(case.explanation(), @"image needs libfoo (>= 2), but only libfoo 1.5-1 (security) and 1.4-1 (trixie) are there");
}

#[test]
fn of_a_name_that_is_not_there() {
    let case = Case::new("aa 1; Depends bb\nbb 1; Depends cc | dd (>= 2)\ndd 1", "aa").security("");
    assert_snapshot!(case.explanation(), @"
    image needs aa
    aa 1 depends on bb
    bb 1 depends on cc | dd (>= 2), but nothing in trixie or security is or provides cc and only dd 1 is in trixie
    ");
}

#[test]
fn of_two_packages_that_conflict() {
    let lines = "aa 1.0; Depends bb (>= 2), harmless
                 bb 2.1
                 cc 1.0; Conflicts bb
                 harmless 1";
    assert_snapshot!(Case::new(lines, "aa, harmless, cc").explanation(), @"
    image needs aa
    image needs cc
    aa 1.0 depends on bb (>= 2)
    cc 1.0 conflicts with bb
    ");
}

#[test]
fn of_two_providers_that_conflict() {
    let lines = "exim4 4.98; Provides mta; Conflicts mta
                 postfix 3.10; Provides mta; Conflicts mta";
    assert_snapshot!(Case::new(lines, "exim4, postfix").explanation(), @"
    image needs exim4
    image needs postfix
    postfix 3.10 conflicts with mta, which exim4 4.98 provides
    ");
}

#[test]
fn of_a_virtual_package_all_of_whose_providers_clash() {
    let lines = "aa 1; Depends mta
                 exim4 4; Provides mta; Breaks bb (<< 5)
                 postfix 3; Provides mta
                 bb 1; Conflicts postfix";
    assert_snapshot!(Case::new(lines, "aa, bb").explanation(), @"
    image needs aa
    image needs bb
    aa 1 depends on mta (provided by exim4 and postfix)
    bb 1 conflicts with postfix
    exim4 4 breaks bb (<< 5)
    ");
}

#[test]
fn of_two_versions_of_one_package() {
    let lines = "aa 1; Depends lib (= 1)
                 bb 1; Depends lib (= 2)
                 lib 1
                 lib 2";
    assert_snapshot!(Case::new(lines, "aa, bb").explanation(), @"
    image needs aa
    image needs bb
    aa 1 depends on lib (= 1)
    bb 1 depends on lib (= 2)
    only one version of lib can be chosen: 2 or 1
    ");
}

#[test]
fn of_several_versions_with_the_same_need() {
    let case = Case::new("aa 1; Depends bb (>= 2)\nbb 1", "aa").security("aa 2; Depends bb (>= 2)");
    assert_snapshot!(case.explanation(), @"
    image needs aa
    aa (2 and 1) depends on bb (>= 2), but only bb 1 is in trixie
    ");
}

#[test]
fn of_qualifiers_and_provided_versions() {
    assert_snapshot!(Case::new("aa 1", "aa:any").explanation(), @"image needs aa:any, but aa 1 does not say Multi-Arch: allowed");
    assert_snapshot!(Case::new("aa 1", "aa:arm64").explanation(), @"image needs aa:arm64, but only packages for amd64 are looked at, not those for arm64");
    assert_snapshot!(Case::new("aa 1; Provides vv", "vv (>= 1)").explanation(), @"image needs vv (>= 1), but aa 1 provides vv only without a version");
    assert_snapshot!(Case::new("aa 1; Provides vv (= 2)", "vv (>= 3)").explanation(), @"image needs vv (>= 3), but aa 1 provides vv only as 2");
}

#[test]
fn of_provided_and_withheld_packages() {
    let case = Case::new("aa 1; Conflicts bb", "aa").provide("bb");
    assert_snapshot!(case.explanation(), @"
    image needs aa
    aa 1 conflicts with bb, which is taken to be there
    ");
    let case = Case::new("aa 1", "aa, bb (>= 2)").provide("bb=1");
    assert_snapshot!(case.explanation(), @"image needs bb (>= 2), but bb is taken to be there in version 1");
    let case = Case::new("aa 1; Depends bb", "aa").security("bb 1").allow("cc");
    assert_snapshot!(case.explanation(), @"
    image needs aa
    aa 1 depends on bb, but bb is not among the packages that may come from security
    ");
}

#[test]
fn of_an_alternative_that_is_excluded_or_dead_beside_one_that_clashes() {
    let lines = "aa 1; Depends bb | cc | dd (>= 2)
                 bb 1
                 cc 1; Conflicts ee
                 dd 1
                 ee 1";
    assert_snapshot!(Case::new(lines, "aa, ee").exclude("bb").explanation(), @"
    image needs aa
    image needs ee
    aa 1 depends on bb | cc | dd (>= 2) (bb is excluded and only dd 1 is in trixie)
    cc 1 conflicts with ee
    ");
}

#[test]
fn stays_short() {
    let mut lines = String::from("root 1; Depends p0 | q0\n");
    for n in 0..30 {
        lines += &format!(
            "p{n} 1; Depends p{} | q{}\nq{n} 1; Depends p{} | q{}\n",
            n + 1,
            n + 1,
            n + 1,
            n + 1
        );
    }
    let explanation = Case::new(&lines, "root").explanation();
    assert_eq!(explanation.lines().count(), 20);
    assert_snapshot!(explanation.lines().last().unwrap_or_default(), @"… and 43 more such relations");
}
