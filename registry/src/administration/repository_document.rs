//! A repository as Google's JSON has it, with `lightshipConfig` for what Google has no field for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use store::{
    DESCRIPTION_BYTES_MAX, Format, ImmutableTags, LABELS_MAX, Repository, RepositoryPath,
    TAG_PATTERN_BYTES_MAX as PATTERN_BYTES_MAX, TAG_PATTERNS_MAX as PATTERNS_MAX,
};

use super::status::Invalid;
use super::update_mask::UpdateMask;
use super::{Asked, cleanup_document, documents, mode_document};
use crate::refusal::Refusal;

/// Longest key and value of a label, as Google has it.
const LABEL_CHARACTERS_MAX: usize = 63;

/// Fields that a client may set.
pub(crate) const SETTABLE: [&str; 8] = [
    mode_document::REMOTE,
    mode_document::VIRTUAL,
    "description",
    "labels",
    "dockerConfig",
    "cleanupPolicies",
    "cleanupPolicyDryRun",
    OWN,
];

/// Where our own settings are.
const OWN: &str = "lightshipConfig";

/// The document of a repository.
pub(crate) fn of(asked: &Asked<'_>, repository: &Repository) -> Value {
    let path = &repository.path;
    let format = match repository.format {
        Format::Docker => "DOCKER",
    };
    let patterns = match &repository.immutable_tags {
        ImmutableTags::Matching(patterns) => patterns.as_slice(),
        ImmutableTags::None | ImmutableTags::All => &[],
    };
    let mut own = Map::new();
    own.insert("immutableTagPatterns".to_owned(), patterns.into());
    if let Some(quota_bytes) = repository.quota_bytes {
        own.insert("quotaBytes".to_owned(), quota_bytes.to_string().into());
    }
    mode_document::add_own(&mut own, &repository.mode);
    let mut document = json!({
        "name": path.to_string(),
        "format": format,
        "description": repository.description,
        "labels": repository.labels,
        "createTime": documents::time(repository.created),
        "updateTime": documents::time(repository.updated),
        "registryUri": registry_uri(asked, path),
        "dockerConfig": {"immutableTags": repository.immutable_tags == ImmutableTags::All},
        "sizeBytes": repository.size_bytes.to_string(),
        "cleanupPolicies": cleanup_document::of(&repository.cleanup),
        "cleanupPolicyDryRun": repository.cleanup_dry_run,
        OWN: own,
    });
    mode_document::add(&mut document, &repository.mode);
    document
}

/// What names of images in the repository begin with: where the whole name is a package, this very host.
pub(crate) fn registry_uri(asked: &Asked<'_>, path: &RepositoryPath) -> String {
    if path == asked.registry.options().routes.default_repository() {
        return asked.call.authority.to_owned();
    }
    format!(
        "{}-docker.pkg.dev/{}/{}",
        path.location(),
        path.project(),
        path.id()
    )
}

/// Sets what the mask names to what the document says; to its default where that says nothing.
pub(crate) fn change(
    repository: &mut Repository,
    document: &Value,
    mask: &UpdateMask,
) -> Result<(), Refusal> {
    if mask.has("description") {
        repository.description = documents::text(document, "description", DESCRIPTION_BYTES_MAX)?.to_owned();
    }
    if mask.has("labels") {
        repository.labels = labels(document)?;
    }
    if mask.has("dockerConfig") {
        let config = document.get("dockerConfig").unwrap_or(&Value::Null);
        repository.immutable_tags = match documents::flag(config, "immutableTags")? {
            true => ImmutableTags::All,
            // Patterns are not Google's affair: its clients do not know of them, and do not take them away.
            false => match std::mem::replace(&mut repository.immutable_tags, ImmutableTags::None) {
                ImmutableTags::Matching(patterns) => ImmutableTags::Matching(patterns),
                ImmutableTags::None | ImmutableTags::All => ImmutableTags::None,
            },
        };
    }
    if mask.has("cleanupPolicies") {
        repository.cleanup = cleanup_document::read(document)?;
    }
    if mask.has("cleanupPolicyDryRun") {
        repository.cleanup_dry_run = documents::flag(document, "cleanupPolicyDryRun")?;
    }
    mode_document::change(&mut repository.mode, document, mask)?;
    if mask.has(OWN) {
        let own = document.get(OWN).unwrap_or(&Value::Null);
        mode_document::change_own(&mut repository.mode, own)?;
        change_own(repository, document.get(OWN).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

/// What is not named in it stays.
fn change_own(repository: &mut Repository, own: &Value) -> Result<(), Refusal> {
    if own.get("quotaBytes").is_some() {
        repository.quota_bytes = documents::number(own, "quotaBytes")?;
    }
    if own.get("immutableTagPatterns").is_some() {
        let patterns = documents::texts(own, "immutableTagPatterns", PATTERNS_MAX)?;
        if let Some(bad) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
            let problem = format!("{bad:?} is no tag with * for any characters");
            return Err(Invalid::new("immutableTagPatterns", problem).into());
        }
        repository.immutable_tags = match (&repository.immutable_tags, patterns.is_empty()) {
            (_, false) => ImmutableTags::Matching(patterns),
            (ImmutableTags::All, true) => ImmutableTags::All,
            (_, true) => ImmutableTags::None,
        };
    }
    Ok(())
}

fn is_pattern(text: &str) -> bool {
    let is_of_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
    !text.is_empty() && text.len() <= PATTERN_BYTES_MAX && text.bytes().all(is_of_tag)
}

/// Source: Google Cloud's "Requirements for labels".
fn labels(document: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let bad = |problem: String| Refusal::from(Invalid::new("labels", problem));
    let given = match document.get("labels") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(value) => value
            .as_object()
            .ok_or_else(|| bad("they are no map of strings".to_owned()))?,
    };
    if given.len() > LABELS_MAX {
        return Err(bad(format!("a resource has at most {LABELS_MAX}")));
    }
    let is_fit = |text: &str| {
        let of_label =
            |letter: char| !letter.is_uppercase() && (letter.is_alphanumeric() || "_-".contains(letter));
        text.chars().count() <= LABEL_CHARACTERS_MAX && text.chars().all(of_label)
    };
    given
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(value) if !key.is_empty() && is_fit(key) && is_fit(value) => Ok((key.clone(), value.to_owned())),
            _ => Err(bad(format!(
                "{key:?} or its value is not of at most {LABEL_CHARACTERS_MAX} lower-case letters, digits, _ and -"
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_labels_as_google_allows_and_no_more() {
        let of = |count: usize| {
            let labels: Map<String, Value> = (0..count).map(|n| (format!("k{n}"), "v".into())).collect();
            labels_of(Value::Object(labels))
        };
        assert!(of(LABELS_MAX).is_ok() && of(LABELS_MAX + 1).is_err());
        let long = "a".repeat(LABEL_CHARACTERS_MAX);
        assert!(labels_of(json!({&long: &long})).is_ok());
        for bad in [
            json!({"A": "b"}),
            json!({"a": 1}),
            json!({"": "b"}),
            json!({(long + "a"): "b"}),
            json!([]),
        ] {
            assert!(labels_of(bad.clone()).is_err(), "{bad}");
        }
    }

    fn labels_of(labels: Value) -> Result<BTreeMap<String, String>, Refusal> {
        super::labels(&json!({"labels": labels}))
    }

    #[test]
    fn patterns_are_tags_with_stars() {
        assert!(is_pattern("v*") && is_pattern(&"a".repeat(PATTERN_BYTES_MAX)));
        assert!(!is_pattern("") && !is_pattern("a/b") && !is_pattern(&"a".repeat(PATTERN_BYTES_MAX + 1)));
    }
}
