//! Settings of a repository as options.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::origin_options::OriginOptions;
use crate::failure::{Failure, Kind};

/// Settings of a repository; what is not named stays.
#[derive(Debug, Args)]
pub(super) struct SettingsOptions {
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// For programs; replaces all labels; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Whether all tags are immutable: not to be moved or removed once they are set
    #[arg(long, value_name = "true|false")]
    immutable_tags: Option<bool>,
    /// Which tags are immutable: a tag with * for any characters; replaces all patterns; may be given several times
    #[arg(long = "immutable-tag", value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Most bytes that it may hold, as 50000000000 or 50GB; 0 is no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    quota: Option<u64>,
    /// Cleanup policies, in the JSON that `gcloud artifacts repositories set-cleanup-policies` takes; replaces all
    #[arg(long, value_name = "FILE")]
    cleanup: Option<PathBuf>,
    /// Whether cleanup policies only report
    #[arg(long, value_name = "true|false")]
    cleanup_dry_run: Option<bool>,
    #[command(flatten)]
    origin: OriginOptions,
}

/// Longest file of cleanup policies that is read.
const CLEANUP_BYTES_MAX: u64 = 1 << 20;

impl SettingsOptions {
    /// The body of a request about the repository `name` (`projects/…`), and the fields in it.
    pub(super) fn body(&self, name: &str) -> Result<(Value, Vec<&'static str>), Failure> {
        let (mut body, mut mask) = (json!({}), Vec::new());
        let mut set = |field: &'static str, value: Value| {
            body[field] = value;
            mask.push(field);
        };
        if let Some(description) = &self.description {
            set("description", description.as_str().into());
        }
        if !self.labels.is_empty() {
            set("labels", self.labels()?);
        }
        if let Some(immutable) = self.immutable_tags {
            set("dockerConfig", json!({"immutableTags": immutable}));
        }
        let mut own = Map::new();
        if let Some(quota) = self.quota {
            let quota = (quota > 0).then(|| quota.to_string());
            own.insert("quotaBytes".to_owned(), json!(quota));
        }
        if !self.patterns.is_empty() || self.immutable_tags == Some(false) {
            own.insert("immutableTagPatterns".to_owned(), json!(self.patterns));
        }
        self.origin.add(name, &mut own, &mut set)?;
        if !own.is_empty() {
            set("lightshipConfig", Value::Object(own));
        }
        if self.cleanup.is_some() {
            set("cleanupPolicies", self.cleanup()?);
        }
        if let Some(dry_run) = self.cleanup_dry_run {
            set("cleanupPolicyDryRun", dry_run.into());
        }
        Ok((body, mask))
    }

    fn labels(&self) -> Result<Value, Failure> {
        let pair = |label: &String| match label.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), Value::from(value))),
            None => Err(Failure::usage(format!("`{label}` is no label")).hint("write KEY=VALUE")),
        };
        let labels: Result<Map<String, Value>, Failure> = self.labels.iter().map(pair).collect();
        labels.map(Value::Object)
    }

    /// A list of policies with names, as gcloud takes it, as the map that the API takes.
    fn cleanup(&self) -> Result<Value, Failure> {
        let Some(path) = &self.cleanup else {
            return Ok(Value::Null);
        };
        let bad = |problem: &str| Failure::usage(format!("{}: {problem}", path.display()));
        let attempt = || format!("cannot read {}", path.display());
        let size = fs::metadata(path)
            .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?
            .len();
        if size > CLEANUP_BYTES_MAX {
            return Err(bad("it is too large for cleanup policies"));
        }
        let text = fs::read_to_string(path).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
        let document: Value =
            serde_json::from_str(&text).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
        let Value::Array(policies) = document else {
            return match document {
                Value::Object(_) => Ok(document),
                _ => Err(bad("it is no list of policies")),
            };
        };
        let mut map = Map::new();
        for mut policy in policies {
            let name = policy
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if name.is_empty() {
                return Err(bad("a policy has no name"));
            }
            let action = policy["action"].get("type").cloned();
            if let (Some(action), Some(fields)) = (action, policy.as_object_mut()) {
                fields.insert("action".to_owned(), action);
            }
            if let Some(condition) = policy.get_mut("condition") {
                for field in ["olderThan", "newerThan"] {
                    let age = condition.get(field).and_then(Value::as_str).map(seconds);
                    if let Some(age) = age {
                        condition[field] = age
                            .ok_or_else(|| bad("an age is no number with s, m, h or d"))?
                            .into();
                    }
                }
            }
            policy["id"] = name.clone().into();
            map.insert(name, policy);
        }
        Ok(Value::Object(map))
    }
}

/// A number of bytes, also with a unit as reports show it.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("", 1),
    ];
    let of_unit = |(unit, factor): &(&str, u64)| {
        let digits = text.strip_suffix(unit)?.trim_end();
        digits.parse::<u64>().ok()?.checked_mul(*factor)
    };
    let wanted = "write a number of bytes, also with kB, MB, GB or TB, as 50GB";
    UNITS.iter().find_map(of_unit).ok_or_else(|| wanted.to_owned())
}

/// `30d` as `2592000s`.
pub(crate) fn seconds(text: &str) -> Option<String> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(factor)?;
    Some(format!("{seconds}s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_numbers_with_or_without_a_unit() {
        for (text, expected) in [("0", 0), ("1500", 1500), ("50GB", 50_000_000_000), ("2 kB", 2000)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "GB", "-1", "5GiB", "99999999999TB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
