use super::*;
use crate::conformance::repository;
use crate::{CleanupCondition, TagState};

fn with(change: impl FnOnce(&mut Repository)) -> Result<(), SettingsError> {
    let mut asked = repository("r");
    change(&mut asked);
    check(&asked)
}

fn policy(id: &str, action: CleanupAction, matches: CleanupMatch) -> CleanupPolicy {
    CleanupPolicy {
        id: id.to_owned(),
        action,
        matches,
    }
}

fn delete(id: &str, condition: CleanupCondition) -> CleanupPolicy {
    policy(id, CleanupAction::Delete, CleanupMatch::Condition(condition))
}

fn recent(action: CleanupAction, keep_count: u32) -> CleanupPolicy {
    let package_prefixes = Vec::new();
    policy(
        "recent",
        action,
        CleanupMatch::MostRecent {
            package_prefixes,
            keep_count,
        },
    )
}

#[test]
fn every_limit_holds_at_the_limit_and_not_beyond() {
    type Change = fn(&mut Repository, usize);
    let cases: [(usize, Change); 8] = [
        (DESCRIPTION_BYTES_MAX, |asked, size| {
            asked.description = "d".repeat(size)
        }),
        (LABELS_MAX, |asked, size| {
            asked.labels = (0..size)
                .map(|number| (number.to_string(), String::new()))
                .collect();
        }),
        (LABEL_BYTES_MAX, |asked, size| {
            asked.labels = [("l".repeat(size), String::new())].into()
        }),
        (LABEL_BYTES_MAX, |asked, size| {
            asked.labels = [(String::new(), "l".repeat(size))].into()
        }),
        (TAG_PATTERN_BYTES_MAX, |asked, size| {
            asked.immutable_tags = ImmutableTags::Matching(vec!["*".repeat(size)])
        }),
        (CLEANUP_POLICIES_MAX, |asked, size| {
            asked.cleanup = (0..size)
                .map(|number| delete(&number.to_string(), CleanupCondition::default()))
                .collect();
        }),
        (CLEANUP_PREFIXES_MAX, |asked, size| {
            let version_prefixes = vec!["v".to_owned(); size];
            asked.cleanup = vec![delete(
                "d",
                CleanupCondition {
                    version_prefixes,
                    ..CleanupCondition::default()
                },
            )];
        }),
        (CLEANUP_ID_BYTES_MAX, |asked, size| {
            asked.cleanup = vec![delete(&"i".repeat(size), CleanupCondition::default())]
        }),
    ];
    for (number, (limit, change)) in cases.into_iter().enumerate() {
        assert_eq!(with(|asked| change(asked, limit)), Ok(()), "{number}");
        assert!(with(|asked| change(asked, limit + 1)).is_err(), "{number}");
    }
    let keep = |count| with(|asked| asked.cleanup = vec![recent(CleanupAction::Keep, count)]);
    assert!(keep(0).is_err() && keep(KEEP_COUNT_MAX + 1).is_err());
    assert!(keep(1).is_ok() && keep(KEEP_COUNT_MAX).is_ok());
}

#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let id = || "d".to_owned();
    let twice = vec![
        delete("d", CleanupCondition::default()),
        delete("d", CleanupCondition::default()),
    ];
    assert_eq!(
        with(|asked| asked.cleanup = twice),
        Err(SettingsError::SameCleanup { id: id() })
    );
    let newest = vec![recent(CleanupAction::Delete, 1)];
    assert!(matches!(
        with(|asked| asked.cleanup = newest),
        Err(SettingsError::RecentDeleted { .. })
    ));
    let mut condition = CleanupCondition {
        tag_state: TagState::Untagged,
        tag_prefixes: vec!["v".to_owned()],
        ..CleanupCondition::default()
    };
    let untagged = vec![delete("d", condition.clone())];
    assert_eq!(
        with(|asked| asked.cleanup = untagged),
        Err(SettingsError::UntaggedByPrefix { id: id() })
    );
    condition.tag_state = TagState::Any;
    condition.tag_prefixes.push(String::new());
    assert_eq!(
        with(|asked| asked.cleanup = vec![delete("d", condition)]),
        Err(SettingsError::Empty {
            what: "prefixes of tags"
        })
    );
}
