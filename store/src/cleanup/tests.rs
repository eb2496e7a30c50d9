use std::convert::Infallible;

use super::*;
use crate::conformance::{at, tag};

const DAY: Duration = Duration::from_secs(86_400);

fn policy(id: &str, action: CleanupAction, matches: CleanupMatch) -> CleanupPolicy {
    CleanupPolicy {
        id: id.to_owned(),
        action,
        matches,
    }
}

fn condition(action: CleanupAction, condition: CleanupCondition) -> CleanupPolicy {
    policy("c", action, CleanupMatch::Condition(condition))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Whether it goes, when it is the fourth newest of its package and was stored ten days ago.
fn goes(policies: &[CleanupPolicy], tags: &[&str]) -> bool {
    let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
    let candidate = Candidate {
        package: "team/app",
        digest: "sha256:abc",
        tags: &tags,
        created: at(0),
        used: at(4 * 86_400),
    };
    let recent = |count| Ok::<bool, Infallible>(count >= 4);
    let now = at(10 * 86_400);
    deleted_by(policies, &candidate, now, recent).unwrap().is_some()
}

fn deletes(parts: CleanupCondition, tags: &[&str]) -> bool {
    goes(&[condition(CleanupAction::Delete, parts)], tags)
}

#[test]
fn a_condition_has_to_be_met_in_all_its_parts() {
    let any = CleanupCondition::default;
    assert!(deletes(any(), &[]) && deletes(any(), &["v1"]));
    let state = |tag_state| CleanupCondition { tag_state, ..any() };
    assert!(deletes(state(TagState::Tagged), &["v1"]) && !deletes(state(TagState::Tagged), &[]));
    assert!(deletes(state(TagState::Untagged), &[]) && !deletes(state(TagState::Untagged), &["v1"]));
    let tagged = || CleanupCondition {
        tag_prefixes: texts(&["dev", "v1"]),
        ..any()
    };
    assert!(deletes(tagged(), &["v1"]) && deletes(tagged(), &["latest", "dev-3"]));
    assert!(!deletes(tagged(), &["v2", "a-dev"]) && !deletes(tagged(), &[]));
    for (prefix, met) in [("sha256:a", true), ("abc", false), ("sha256:abc", true)] {
        let version_prefixes = texts(&["x", prefix]);
        assert_eq!(
            deletes(
                CleanupCondition {
                    version_prefixes,
                    ..any()
                },
                &[]
            ),
            met
        );
    }
    for (prefix, met) in [("team/", true), ("app", false), ("team/app2", false)] {
        let package_prefixes = texts(&["x", prefix]);
        let parts = CleanupCondition {
            package_prefixes,
            ..any()
        };
        assert_eq!(deletes(parts.clone(), &[]), met);
        let with_tag = CleanupCondition {
            tag_state: TagState::Tagged,
            ..parts
        };
        assert!(!deletes(with_tag, &[]), "all parts");
    }
}

#[test]
fn ages_count_from_the_first_push_and_exclude_their_limits() {
    let any = CleanupCondition::default;
    let older = |age| CleanupCondition {
        older_than: Some(age),
        ..any()
    };
    let newer = |age| CleanupCondition {
        newer_than: Some(age),
        ..any()
    };
    assert!(deletes(older(9 * DAY), &[]) && !deletes(older(10 * DAY), &[]));
    assert!(deletes(newer(11 * DAY), &[]) && !deletes(newer(10 * DAY), &[]));
    assert!(!deletes(older(Duration::MAX), &[]) && deletes(newer(Duration::MAX), &[]));
    let between = CleanupCondition {
        newer_than: Some(11 * DAY),
        ..older(9 * DAY)
    };
    assert!(deletes(between, &[]));
}

#[test]
fn what_was_used_lately_is_not_unused_however_old_it_is() {
    let unused = |age| CleanupCondition {
        unused_for: Some(age),
        ..CleanupCondition::default()
    };
    assert!(deletes(unused(5 * DAY), &[]) && !deletes(unused(6 * DAY), &[]));
    assert!(!deletes(unused(Duration::MAX), &[]));
}

#[test]
fn what_any_policy_keeps_stays_and_keeping_alone_deletes_nothing() {
    let delete = || condition(CleanupAction::Delete, CleanupCondition::default());
    let keep = |prefix| {
        let tag_prefixes = texts(&[prefix]);
        condition(
            CleanupAction::Keep,
            CleanupCondition {
                tag_prefixes,
                ..CleanupCondition::default()
            },
        )
    };
    for policies in [[delete(), keep("v")], [keep("v"), delete()]] {
        assert!(!goes(&policies, &["v1"]));
        assert!(goes(&policies, &["latest"]));
    }
    assert!(!goes(&[keep("v")], &["latest"]));
    assert!(!goes(&[], &[]));
    let recent = |prefix, keep_count| {
        let package_prefixes = texts(prefix);
        let matches = CleanupMatch::MostRecent {
            package_prefixes,
            keep_count,
        };
        [delete(), policy("r", CleanupAction::Keep, matches)]
    };
    assert!(goes(&recent(&[], 3), &[]) && !goes(&recent(&[], 4), &[]));
    assert!(!goes(&recent(&["x", "team"], 4), &[]));
    assert!(goes(&recent(&["other"], 4), &[]));
}
