//! Which fields of a resource a change is about.
//!
//! Source: AIP-134: without a mask, those that the body has; `*` is all.

use serde_json::Value;

use super::paging::camel;
use super::status::Invalid;
use crate::call::Query;
use crate::refusal::Refusal;

/// Longest mask that is read.
const MASK_BYTES_MAX: usize = 4096;

/// Fields of a resource that may be set, by the first part of their paths, in Google's JSON spelling.
#[derive(Debug)]
pub(crate) struct UpdateMask(Vec<String>);

impl UpdateMask {
    /// The mask of a request; every path in it must begin with one of `settable`.
    ///
    /// # Errors
    /// When it names something else. What a body without a mask has beside is passed over: clients send whole resources.
    pub(crate) fn of(query: &Query, document: &Value, settable: &[&str]) -> Result<UpdateMask, Refusal> {
        let text = query.get("updateMask").unwrap_or_default();
        if text.len() > MASK_BYTES_MAX {
            return Err(Invalid::new("updateMask", "it is too long").into());
        }
        let paths: Vec<String> = text
            .split(',')
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .map(|path| camel(path.split('.').next().unwrap_or_default()))
            .collect();
        if paths.is_empty() {
            let has = |field: &&&str| document.get(**field).is_some_and(|value| !value.is_null());
            return Ok(UpdateMask(
                settable.iter().filter(has).map(ToString::to_string).collect(),
            ));
        }
        if paths == ["*"] {
            return Ok(UpdateMask(settable.iter().map(ToString::to_string).collect()));
        }
        if let Some(other) = paths.iter().find(|path| !settable.contains(&path.as_str())) {
            let problem = format!(
                "{other} cannot be changed here; what can is {}",
                settable.join(", ")
            );
            return Err(Invalid::new("updateMask", problem).into());
        }
        Ok(UpdateMask(paths))
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.iter().any(|path| path == field)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_names_fields_in_both_spellings_or_the_body_does() {
        let settable = ["description", "dockerConfig"];
        let of = |query: &str, body: &Value| UpdateMask::of(&Query::parse(Some(query)), body, &settable);
        let mask = of("updateMask=docker_config.immutable_tags", &json!({})).unwrap();
        assert!(mask.has("dockerConfig") && !mask.has("description"));
        let mask = of(
            "",
            &json!({"name": "x", "description": "y", "dockerConfig": null}),
        )
        .unwrap();
        assert!(mask.has("description") && !mask.has("dockerConfig") && !mask.has("name"));
        assert!(of("updateMask=*", &json!({})).unwrap().has("dockerConfig"));
        assert!(of("updateMask=kms_key_name", &json!({})).is_err());
        assert!(
            of(
                &format!("updateMask={}", "a".repeat(MASK_BYTES_MAX + 1)),
                &json!({})
            )
            .is_err()
        );
    }
}
