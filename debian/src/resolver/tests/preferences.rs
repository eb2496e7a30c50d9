use super::*;

#[test]
fn follows_dependencies_and_nothing_else() {
    let lines = "aa 1; Depends bb; Recommends dd; Suggests ee
                 bb 1; Pre-Depends cc
                 cc 1; Depends aa
                 dd 1
                 ee 1; Essential yes; Priority required";
    assert_eq!(Case::new(lines, "aa").chosen(), "aa=1 bb=1 cc=1");
}

#[test]
fn takes_the_newest_version_and_of_equal_ones_that_of_the_first_archive() {
    let case = Case::new("aa 1\nbb 1\ncc 2", "aa, bb, cc").security("aa 1\nbb 2\ncc 1");
    assert_eq!(case.chosen(), "aa=1 bb=2 cc=2");
    let resolution = case.resolve().unwrap();
    assert_eq!(
        resolution
            .packages
            .iter()
            .map(|package| package.archive)
            .collect::<Vec<_>>(),
        [10, 11, 10]
    );
}

#[test]
fn prefers_what_is_chosen_already_even_for_a_later_reason() {
    let mta = "default-mta 1; Depends postfix
               exim4 1; Provides mail-transport-agent
               postfix 1; Provides mail-transport-agent";
    let lines = |more: &str| format!("{mta}\n{more}");
    let first =
        lines("aa 1; Depends default-mta | mail-transport-agent\nbb 1; Depends cc\ncc 1; Depends exim4");
    assert_eq!(Case::new(&first, "aa, bb").chosen(), "aa=1 bb=1 cc=1 exim4=1");
    assert_eq!(Case::new(&first, "bb, aa").chosen(), "aa=1 bb=1 cc=1 exim4=1");
    assert_eq!(Case::new(&first, "aa").chosen(), "aa=1 default-mta=1 postfix=1");
}

#[test]
fn prefers_earlier_alternatives_then_real_packages() {
    assert_eq!(Case::new("bb 1\ncc 1", "nothing | bb | cc").chosen(), "bb=1");
    assert_eq!(
        Case::new("aa 1; Provides gcc; Priority required\ngcc 1", "gcc").chosen(),
        "gcc=1"
    );
    assert_eq!(Case::new("aa 1; Provides gcc\nbb 1", "gcc | bb").chosen(), "aa=1");
}

#[test]
fn prefers_providers_by_essential_priority_version_and_name() {
    let awk = |lines: &str| Case::new(lines, "awk").chosen();
    assert_eq!(
        awk("aa 2; Provides awk; Priority required\nzz 1; Provides awk; Essential yes"),
        "zz=1"
    );
    assert_eq!(
        awk("aa 2; Provides awk\nzz 1; Provides awk; Priority required"),
        "zz=1"
    );
    assert_eq!(
        awk("aa 1; Provides awk; Priority extra\nzz 1; Provides awk"),
        "zz=1"
    );
    assert_eq!(awk("aa 1; Provides awk\nzz 2; Provides awk"), "zz=2");
    assert_eq!(awk("zz 1; Provides awk\naa 1; Provides awk"), "aa=1");
}

#[test]
fn avoids_conflicts_and_keeps_nothing_of_what_it_gave_up() {
    // The preferred way through bb ends in a conflict two steps on.
    let lines = "aa 1; Depends bb | cc, zz
                 bb 1; Depends dd
                 dd 1; Depends ee
                 ee 1; Conflicts zz
                 zz 1
                 cc 1";
    assert_eq!(Case::new(lines, "aa").chosen(), "aa=1 cc=1 zz=1");
}

#[test]
fn keeps_nothing_that_a_way_out_of_a_conflict_made_needless() {
    // As above; and pp serves rr until cc, instead of bb, brings qq, which does as well.
    let lines = "aa 1; Depends bb | cc, zz
                 bb 1; Depends dd
                 dd 1; Depends ee
                 ee 1; Conflicts zz
                 zz 1
                 cc 1; Depends qq
                 rr 1; Depends pp | qq
                 pp 1
                 qq 1";
    assert_eq!(Case::new(lines, "rr, aa").chosen(), "aa=1 cc=1 qq=1 rr=1 zz=1");
}

#[test]
fn what_is_not_needed_in_the_end_does_not_hold_others_back() {
    // Taken for aa, xx would keep lib at 1; but yy is there for bb, and does for aa.
    let lines = "aa 1; Depends xx | yy
                 bb 1; Depends cc
                 cc 1; Depends yy
                 xx 1; Conflicts lib (>= 2)
                 yy 1
                 dd 1; Depends ee
                 ee 1; Depends lib
                 lib 2
                 lib 1";
    assert_eq!(
        Case::new(lines, "aa, bb, dd").chosen(),
        "aa=1 bb=1 cc=1 dd=1 ee=1 lib=2 yy=1"
    );
}

#[test]
fn takes_an_older_version_where_the_newest_does_not_fit() {
    let lines = "aa 1; Depends lib (= 1)
                 bb 2; Depends lib (= 2)
                 bb 1; Depends lib (= 1)
                 lib 1
                 lib 2";
    assert_eq!(Case::new(lines, "bb, aa").chosen(), "aa=1 bb=1 lib=1");
}

#[test]
fn gives_the_same_answer_every_time() {
    // Many equal ways out of conflicts: whatever order a hash map gave would show.
    let mut lines = String::new();
    for n in 0..12 {
        lines += &format!("pp{n} 1; Depends virt{n}, virt{}\n", (n + 1) % 12);
        for m in 0..5 {
            let clash = (n + m) % 12;
            lines += &format!(
                "x{n}y{m} 1; Provides virt{n}; Conflicts x{clash}y{}, x{clash}y{}\n",
                m,
                (m + 2) % 5
            );
        }
    }
    let case = Case::new(
        &lines,
        "pp0, pp1, pp2, pp3, pp4, pp5, pp6, pp7, pp8, pp9, pp10, pp11",
    );
    let first = case.chosen();
    for _ in 0..50 {
        assert_eq!(case.chosen(), first);
    }
}

#[test]
fn architectures_with_different_versions_are_told() {
    let amd64 = Case::new("aa 2\nbb 1+b1; Source bb (1)\ncc 1", "aa, bb, cc")
        .resolve()
        .unwrap();
    let arm64 = Case::new("aa 1\nbb 1\ncc 1\ndd 1", "aa, bb, cc, dd")
        .resolve()
        .unwrap();
    let named = |name: &str| name.parse::<Architecture>().unwrap();
    let all = [
        (named("amd64"), &amd64),
        (named("arm64"), &arm64),
        (named("s390x"), &arm64),
    ];
    let differences = version_differences(&all);
    let told: Vec<_> = differences
        .iter()
        .map(|one| (one.to_string(), one.same_source))
        .collect();
    assert_eq!(
        told,
        [
            ("aa is 2 on amd64 but 1 on arm64 and s390x".to_owned(), false),
            ("bb is 1+b1 on amd64 but 1 on arm64 and s390x".to_owned(), true),
        ]
    );
}
