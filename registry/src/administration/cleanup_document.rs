//! Cleanup policies as Google's JSON has them: a map from names to policies.
//!
//! Source: `CleanupPolicy` of Artifact Registry's REST API, v1.

use std::time::Duration;

use serde_json::{Map, Value, json};
use store::{
    CLEANUP_ID_BYTES_MAX, CLEANUP_PREFIXES_MAX, CleanupAction, CleanupCondition, CleanupMatch, CleanupPolicy,
    TagState,
};

use super::documents;
use super::status::Invalid;
use crate::refusal::Refusal;

/// Longest duration in a body.
const DURATION_BYTES_MAX: usize = 32;

/// How long a version was not used.
const UNUSED: &str = "unusedFor";

const ACTIONS: [&str; 3] = ["ACTION_UNSPECIFIED", "DELETE", "KEEP"];
const STATES: [&str; 4] = ["TAG_STATE_UNSPECIFIED", "TAGGED", "UNTAGGED", "ANY"];

/// The document of policies.
pub(crate) fn of(policies: &[CleanupPolicy]) -> Value {
    let one = |policy: &CleanupPolicy| (policy.id.clone(), of_one(policy));
    Value::Object(policies.iter().map(one).collect())
}

fn of_one(policy: &CleanupPolicy) -> Value {
    let action = match policy.action {
        CleanupAction::Delete => "DELETE",
        CleanupAction::Keep => "KEEP",
    };
    let mut document = json!({"id": policy.id, "action": action});
    match &policy.matches {
        CleanupMatch::Condition(condition) => document["condition"] = of_condition(condition),
        CleanupMatch::MostRecent {
            package_prefixes,
            keep_count,
        } => {
            document["mostRecentVersions"] =
                json!({"packageNamePrefixes": package_prefixes, "keepCount": keep_count});
        }
    }
    document
}

fn of_condition(condition: &CleanupCondition) -> Value {
    let state = match condition.tag_state {
        TagState::Tagged => "TAGGED",
        TagState::Untagged => "UNTAGGED",
        TagState::Any => "ANY",
    };
    let mut document = Map::new();
    document.insert("tagState".to_owned(), state.into());
    for (field, prefixes) in [
        ("tagPrefixes", &condition.tag_prefixes),
        ("versionNamePrefixes", &condition.version_prefixes),
        ("packageNamePrefixes", &condition.package_prefixes),
    ] {
        if !prefixes.is_empty() {
            document.insert(field.to_owned(), prefixes.as_slice().into());
        }
    }
    for (field, age) in [
        ("olderThan", condition.older_than),
        ("newerThan", condition.newer_than),
        // Ours: Google knows no such condition.
        (UNUSED, condition.unused_for),
    ] {
        if let Some(age) = age {
            document.insert(field.to_owned(), documents::duration_text(age).into());
        }
    }
    Value::Object(document)
}

/// Reads policies. How many and how large they may be, the store says.
pub(crate) fn read(document: &Value) -> Result<Vec<CleanupPolicy>, Refusal> {
    let bad = || {
        Refusal::from(Invalid::new(
            "cleanupPolicies",
            "they are no map from names to policies",
        ))
    };
    match document.get("cleanupPolicies") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(policies) => {
            let policies = policies.as_object().ok_or_else(bad)?;
            policies
                .iter()
                .map(|(name, policy)| read_one(name, policy))
                .collect()
        }
    }
}

fn read_one(name: &str, policy: &Value) -> Result<CleanupPolicy, Refusal> {
    let bad = |problem: &str| Refusal::from(Invalid::new("cleanupPolicies", format!("{name}: {problem}")));
    let id = documents::text(policy, "id", CLEANUP_ID_BYTES_MAX)?;
    if !id.is_empty() && id != name {
        return Err(bad("its id is another"));
    }
    let action = match documents::choice(policy, "action", &ACTIONS)? {
        1 => CleanupAction::Delete,
        2 => CleanupAction::Keep,
        _ => return Err(bad("its action is DELETE or KEEP")),
    };
    let given = |field: &str| policy.get(field).filter(|value| !value.is_null());
    let matches = match (given("condition"), given("mostRecentVersions")) {
        (Some(condition), None) => CleanupMatch::Condition(read_condition(condition)?),
        (None, Some(recent)) => CleanupMatch::MostRecent {
            package_prefixes: documents::texts(recent, "packageNamePrefixes", CLEANUP_PREFIXES_MAX)?,
            keep_count: documents::number(recent, "keepCount")?
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| bad("keepCount is needed"))?,
        },
        _ => return Err(bad("it has either a condition or mostRecentVersions")),
    };
    Ok(CleanupPolicy {
        id: name.to_owned(),
        action,
        matches,
    })
}

fn read_condition(condition: &Value) -> Result<CleanupCondition, Refusal> {
    Ok(CleanupCondition {
        tag_state: match documents::choice(condition, "tagState", &STATES)? {
            1 => TagState::Tagged,
            2 => TagState::Untagged,
            _ => TagState::Any,
        },
        tag_prefixes: documents::texts(condition, "tagPrefixes", CLEANUP_PREFIXES_MAX)?,
        version_prefixes: documents::texts(condition, "versionNamePrefixes", CLEANUP_PREFIXES_MAX)?,
        package_prefixes: documents::texts(condition, "packageNamePrefixes", CLEANUP_PREFIXES_MAX)?,
        older_than: age(condition, "olderThan")?,
        newer_than: age(condition, "newerThan")?,
        unused_for: age(condition, UNUSED)?,
    })
}

fn age(condition: &Value, field: &'static str) -> Result<Option<Duration>, Refusal> {
    match documents::text(condition, field, DURATION_BYTES_MAX)? {
        "" => Ok(None),
        text => match documents::duration(text) {
            Some(age) => Ok(Some(age)),
            None => Err(Invalid::new(field, "it is no number of seconds with an s").into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_written_again() {
        let document = json!({"cleanupPolicies": {
            "old": {"id": "old", "action": "DELETE", "condition": {
                "tagState": "UNTAGGED", "versionNamePrefixes": ["sha256:0"], "olderThan": "2592000s",
                "unusedFor": "86400s"}},
            "recent": {"id": "recent", "action": "KEEP", "mostRecentVersions": {
                "packageNamePrefixes": ["a"], "keepCount": 5}},
        }});
        let policies = read(&document).unwrap();
        assert_eq!(of(&policies), document["cleanupPolicies"]);
        // As Python's client sends them.
        let numbers = json!({"cleanupPolicies": {"x": {"action": 1, "condition": {"tagState": 3}}}});
        assert_eq!(
            of(&read(&numbers).unwrap())["x"],
            json!({"id": "x", "action": "DELETE", "condition": {"tagState": "ANY"}})
        );
        for bad in [
            json!({"x": {"action": "DELETE"}}),
            json!({"x": {"condition": {}}}),
            json!({"x": {"id": "y", "action": "KEEP", "condition": {}}}),
            json!({"x": {"action": "KEEP", "condition": {}, "mostRecentVersions": {"keepCount": 1}}}),
            json!({"x": {"action": "KEEP", "condition": {"olderThan": "1 day"}}}),
            json!([]),
        ] {
            assert!(read(&json!({"cleanupPolicies": bad})).is_err(), "{bad}");
        }
    }
}
