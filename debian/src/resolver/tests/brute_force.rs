use proptest::prelude::*;

use super::checker::satisfies;
use super::*;
use crate::relation::Relation;

/// Tries every choice of at most one version of each package.
fn brute_force(records: &[Record], roots: &[Dependency]) -> bool {
    let mut names: Vec<&PackageName> = records.iter().map(|record| &record.name).collect();
    names.sort();
    names.dedup();
    let mut sets: Vec<Vec<&Record>> = vec![Vec::new()];
    for name in names {
        let versions: Vec<&Record> = records.iter().filter(|record| record.name == *name).collect();
        let with = sets.iter().flat_map(|set| {
            versions
                .iter()
                .map(move |version| [set.as_slice(), &[*version]].concat())
        });
        let with: Vec<_> = with.collect();
        sets.extend(with);
    }
    sets.iter().any(|set| is_consistent(set, roots))
}

fn is_consistent(set: &[&Record], roots: &[Dependency]) -> bool {
    let has = |need: &Dependency| {
        need.alternatives
            .iter()
            .any(|one| set.iter().any(|other| satisfies(other, one, true)))
    };
    let hits = |clash: &Relation, own: &PackageName| {
        set.iter()
            .any(|other| other.name != *own && satisfies(other, clash, false))
    };
    roots.iter().all(has)
        && set.iter().all(|package| {
            package.pre_depends.0.iter().chain(&package.depends.0).all(has)
                && !package
                    .conflicts
                    .iter()
                    .chain(&package.breaks)
                    .any(|clash| hits(clash, &package.name))
        })
}

const NAMES: &str = "aa|bb|cc|dd|ee|ff";

fn any_relation() -> impl Strategy<Value = String> {
    let constraint = prop::option::weighted(0.4, ("<<|<=|=|>=|>>", "[12]"));
    let name = prop_oneof![4 => NAMES, 1 => "vv|ww"];
    (name, constraint).prop_map(|(name, constraint)| match constraint {
        Some((operator, version)) => format!("{name} ({operator} {version})"),
        None => name,
    })
}

fn any_line() -> impl Strategy<Value = String> {
    let depends = prop::collection::vec(prop::collection::vec(any_relation(), 1..3), 0..3);
    let conflicts = prop::collection::vec(any_relation(), 0..2);
    let provides = prop::option::weighted(0.4, ("vv|ww|aa", prop::option::of("[12]")));
    (NAMES, "[12]", depends, conflicts, provides).prop_map(|(name, version, depends, conflicts, provides)| {
        let mut line = format!("{name} {version}");
        if !depends.is_empty() {
            let depends: Vec<_> = depends
                .iter()
                .map(|alternatives| alternatives.join(" | "))
                .collect();
            line += &format!("; Depends {}", depends.join(", "));
        }
        if !conflicts.is_empty() {
            line += &format!("; Conflicts {}", conflicts.join(", "));
        }
        if let Some((name, version)) = provides {
            let version = version
                .map(|version| format!(" (= {version})"))
                .unwrap_or_default();
            line += &format!("; Provides {name}{version}");
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn solves_exactly_what_trying_everything_solves(lines in prop::collection::vec(any_line(), 1..10)) {
        // One of each name and version, as in an archive.
        let mut lines = lines;
        lines.sort();
        lines.dedup_by_key(|line| line.split(';').next().unwrap_or_default().to_owned());
        let case = Case::new(&lines.join("\n"), "aa, bb");
        let records: Vec<Record> = case.indexes[0].iter().map(Result::unwrap).collect();
        let solvable = brute_force(&records, &"aa, bb".parse::<Relations>().unwrap().0);
        // A resolution has been checked in `resolve`.
        match case.resolve() {
            Ok(first) => {
                prop_assert!(solvable);
                prop_assert_eq!(case.resolve().unwrap(), first);
            }
            Err(ResolveError::Unsolvable { explanation, .. }) => {
                prop_assert!(!solvable, "{}", explanation);
                prop_assert!((1..=20).contains(&explanation.lines().count()));
                prop_assert_eq!(case.explanation(), explanation);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
