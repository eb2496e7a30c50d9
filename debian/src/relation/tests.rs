use proptest::prelude::*;

use super::*;

fn relation(text: &str) -> Relation {
    text.parse().unwrap()
}

fn problem_of(text: &str) -> RelationProblem {
    text.parse::<Relations>().unwrap_err().problem
}

#[test]
fn reads_every_part_of_the_grammar() {
    let text = "libc6 (>= 2.38), python3:any | perl:native (<< 5~), foo:arm64 (= 1:2-3) [!hurd-any linux-any] \
                <!nocheck !cross> <stage1>";
    let relations: Relations = text.parse().unwrap();
    assert_eq!(relations.0.len(), 3);
    assert_eq!(relations.to_string(), text);
    let perl = &relations.0[1].alternatives[1];
    assert_eq!(perl.qualifier, Some(ArchQualifier::Native));
    assert_eq!(perl.constraint, Some((Operator::Earlier, "5~".parse().unwrap())));
    let foo = &relations.0[2].alternatives[0];
    assert_eq!(
        foo.qualifier,
        Some(ArchQualifier::Architecture("arm64".parse().unwrap()))
    );
    assert_eq!(foo.architectures.len(), 2);
    assert_eq!(
        foo.profiles[0][1],
        ProfileTerm {
            negated: true,
            profile: "cross".into()
        }
    );
}

#[test]
fn blanks_and_line_ends_do_not_matter() {
    let loose = " aa(>=1)|bb\t( << 2 ),\n cc[amd64]<!x>, dd ,\n";
    let relations: Relations = loose.parse().unwrap();
    assert_eq!(
        relations.to_string(),
        "aa (>= 1) | bb (<< 2), cc [amd64] <!x>, dd"
    );
    assert_eq!(" \n".parse::<Relations>().unwrap(), Relations::default());
}

#[test]
fn obsolete_operators_include_the_version() {
    assert_eq!(relation("aa (< 1)").to_string(), "aa (<= 1)");
    assert_eq!(relation("aa (> 1)").to_string(), "aa (>= 1)");
}

#[test]
fn refuses_what_is_no_relation() {
    assert_eq!(problem_of("aa (1)"), RelationProblem::Operator);
    assert_eq!(problem_of("aa (>= 1"), RelationProblem::Brackets);
    assert_eq!(problem_of("aa (>= 1) (<< 2)"), RelationProblem::Brackets);
    assert_eq!(problem_of("aa []"), RelationProblem::Brackets);
    assert_eq!(problem_of("aa [amd64] (>= 1)"), RelationProblem::Brackets);
    assert_eq!(problem_of("aa bb"), RelationProblem::Brackets);
    assert_eq!(
        problem_of("aa <no check!>"),
        RelationProblem::Profile("check!".into())
    );
    for text in [
        "aa,,bb",
        ",",
        "aa |",
        "| aa",
        "aa (>=)",
        "aa (= -1)",
        "Aa",
        "aa:",
        "aa:ANY",
        "aa [AMD64]",
        "aa (>> 1 2)",
    ] {
        assert!(text.parse::<Relations>().is_err(), "{text:?}");
    }
}

#[test]
fn each_operator_compares_as_it_says() {
    let accepted = |operator: &str| {
        let relation = relation(&format!("aa ({operator} 2)"));
        ["1", "2", "3"].map(|version| relation.accepts_version(&version.parse().unwrap()))
    };
    assert_eq!(accepted("<<"), [true, false, false]);
    assert_eq!(accepted("<="), [true, true, false]);
    assert_eq!(accepted("="), [false, true, false]);
    assert_eq!(accepted(">="), [false, true, true]);
    assert_eq!(accepted(">>"), [false, false, true]);
    assert!(relation("aa").accepts_version(&"1".parse().unwrap()));
}

#[test]
fn restrictions_choose_architectures_and_profiles() {
    let applies = |text: &str, architecture: &str| relation(text).applies_to(&architecture.parse().unwrap());
    assert!(applies("aa", "amd64"));
    assert!(applies("aa [amd64 arm64]", "arm64"));
    assert!(!applies("aa [amd64 arm64]", "riscv64"));
    assert!(applies("aa [!riscv64]", "arm64"));
    assert!(!applies("aa [!riscv64 !any-arm]", "armhf"));
    assert!(applies("aa [linux-any]", "s390x"));
    assert!(applies("aa <!nocheck>", "amd64"));
    assert!(!applies("aa <stage1>", "amd64"));
    assert!(applies("aa <stage1> <!cross !nocheck>", "amd64"));
    assert!(!applies("aa <stage1 !cross>", "amd64"));
}

#[test]
fn accepts_each_limit_and_nothing_beyond_it() {
    let list = |count: usize, separator: &str| vec!["aa"; count].join(separator);
    assert_eq!(
        list(DEPENDENCIES_MAX, ",").parse::<Relations>().unwrap().0.len(),
        DEPENDENCIES_MAX
    );
    assert_eq!(
        problem_of(&list(DEPENDENCIES_MAX + 1, ",")),
        RelationProblem::TooMany(DEPENDENCIES_MAX)
    );
    assert!(list(ALTERNATIVES_MAX, "|").parse::<Dependency>().is_ok());
    assert_eq!(
        problem_of(&list(ALTERNATIVES_MAX + 1, "|")),
        RelationProblem::TooMany(ALTERNATIVES_MAX)
    );
    assert!(
        format!("aa [{}]", list(RESTRICTIONS_MAX, " "))
            .parse::<Relations>()
            .is_ok()
    );
    let long = format!("aa [{}]", list(RESTRICTIONS_MAX + 1, " "));
    assert_eq!(problem_of(&long), RelationProblem::TooMany(RESTRICTIONS_MAX));
    assert!(
        format!("aa {}", "<x>".repeat(RESTRICTIONS_MAX))
            .parse::<Relations>()
            .is_ok()
    );
    let long = format!("aa {}", "<x>".repeat(RESTRICTIONS_MAX + 1));
    assert_eq!(problem_of(&long), RelationProblem::TooMany(RESTRICTIONS_MAX));
}

prop_compose! {
    fn any_relation()(
        name in "[a-z0-9][a-z0-9+.-]{1,6}",
        qualifier in prop::option::of("any|native|arm64|hurd-i386"),
        constraint in prop::option::of(("<<|<=|=|>=|>>", "([1-9]:)?[0-9][0-9a-z.+~]{0,4}(-[0-9a-z+~]{1,3})?")),
        architectures in prop::collection::vec("!?(amd64|linux-any|any)", 0..3),
        profiles in prop::collection::vec(prop::collection::vec("!?(nocheck|pkg\\.x\\.y)", 1..3), 0..3),
    ) -> String {
        let mut text = name;
        if let Some(qualifier) = qualifier {
            text += &format!(":{qualifier}");
        }
        if let Some((operator, version)) = constraint {
            text += &format!(" ({operator} {version})");
        }
        if !architectures.is_empty() {
            text += &format!(" [{}]", architectures.join(" "));
        }
        for list in profiles {
            text += &format!(" <{}>", list.join(" "));
        }
        text
    }
}

proptest! {
    #[test]
    fn printing_gives_the_text_back(entries in prop::collection::vec(prop::collection::vec(any_relation(), 1..4), 1..4)) {
        let entries: Vec<String> = entries.iter().map(|alternatives| alternatives.join(" | ")).collect();
        let text = entries.join(", ");
        let relations: Relations = text.parse().unwrap();
        prop_assert_eq!(relations.to_string(), text);
    }

    #[test]
    fn whatever_parses_prints_to_what_parses_to_the_same(text in "[a-c1:|,()<>=!\\[\\] ~\\n-]{0,30}|\\PC{0,30}") {
        if let Ok(relations) = text.parse::<Relations>() {
            prop_assert_eq!(relations.to_string().parse::<Relations>().unwrap(), relations);
        }
    }
}
