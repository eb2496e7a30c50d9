//! Cleanup policies as a column holds them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{CleanupAction, CleanupCondition, CleanupMatch, CleanupPolicy, StoreError, TagState};

pub(super) fn column(policies: &[CleanupPolicy]) -> String {
    Value::Array(policies.iter().map(to_json).collect()).to_string()
}

pub(super) fn from_column(column: &str) -> Result<Vec<CleanupPolicy>, StoreError> {
    let damaged = || StoreError::Damaged {
        what: "the cleanup policies of a repository".to_owned(),
    };
    let value: Value = serde_json::from_str(column).map_err(|_| damaged())?;
    let policies = value.as_array().ok_or_else(damaged)?;
    policies
        .iter()
        .map(|policy| from_json(policy).ok_or_else(damaged))
        .collect()
}

fn to_json(policy: &CleanupPolicy) -> Value {
    let action = match policy.action {
        CleanupAction::Delete => "delete",
        CleanupAction::Keep => "keep",
    };
    match &policy.matches {
        CleanupMatch::Condition(condition) => json!({
            "id": policy.id,
            "action": action,
            "tag_state": match condition.tag_state {
                TagState::Tagged => "tagged",
                TagState::Untagged => "untagged",
                TagState::Any => "any",
            },
            "tags": condition.tag_prefixes,
            "versions": condition.version_prefixes,
            "packages": condition.package_prefixes,
            "older_than": condition.older_than.map(|age| age.as_secs()),
            "newer_than": condition.newer_than.map(|age| age.as_secs()),
            "unused_for": condition.unused_for.map(|age| age.as_secs()),
        }),
        CleanupMatch::MostRecent {
            package_prefixes,
            keep_count,
        } => json!({
            "id": policy.id,
            "action": action,
            "packages": package_prefixes,
            "keep_count": keep_count,
        }),
    }
}

fn from_json(value: &Value) -> Option<CleanupPolicy> {
    let texts = |name: &str| -> Option<Vec<String>> {
        let texts = value.get(name)?.as_array()?;
        texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let age = |name: &str| value.get(name).and_then(Value::as_u64).map(Duration::from_secs);
    let matches = if let Some(count) = value.get("keep_count") {
        CleanupMatch::MostRecent {
            package_prefixes: texts("packages")?,
            keep_count: u32::try_from(count.as_u64()?).ok()?,
        }
    } else {
        CleanupMatch::Condition(CleanupCondition {
            tag_state: match value.get("tag_state")?.as_str()? {
                "tagged" => TagState::Tagged,
                "untagged" => TagState::Untagged,
                "any" => TagState::Any,
                _ => return None,
            },
            tag_prefixes: texts("tags")?,
            version_prefixes: texts("versions")?,
            package_prefixes: texts("packages")?,
            older_than: age("older_than"),
            newer_than: age("newer_than"),
            // Policies of before did not have it.
            unused_for: age("unused_for"),
        })
    };
    Some(CleanupPolicy {
        id: value.get("id")?.as_str()?.to_owned(),
        action: match value.get("action")?.as_str()? {
            "delete" => CleanupAction::Delete,
            "keep" => CleanupAction::Keep,
            _ => return None,
        },
        matches,
    })
}
