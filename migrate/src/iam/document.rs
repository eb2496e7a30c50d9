//! Google's documents: policies of buckets, repositories and projects, and deny policies.

use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;

/// Longest file that should be read as one of these documents, in bytes.
pub const POLICY_FILE_BYTES_MAX: u64 = 4 << 20;

/// A policy that gives.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    /// The bucket that it says it is of.
    pub(super) bucket: Option<String>,
    /// The project that it says it is of.
    pub(super) project: Option<String>,
    pub(super) bindings: Vec<Binding>,
}

/// Who has a role.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Binding {
    pub(super) role: String,
    #[serde(default)]
    pub(super) members: Vec<String>,
    #[serde(default)]
    condition: Option<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Condition {
    title: String,
    expression: String,
}

impl Binding {
    /// The condition under which it holds, for messages.
    pub(super) fn condition(&self) -> Option<&str> {
        let condition = self.condition.as_ref()?;
        Some(match condition.title.is_empty() {
            true => &condition.expression,
            false => &condition.title,
        })
    }
}

/// The policies of a file: one, or those of a project and of what is above it (`gcloud projects
/// get-ancestors-iam-policy`). Deny policies about images are refused wherever they stand.
pub(super) fn read(file: &str, document: &Value) -> Result<Vec<Document>, Vec<Refusal>> {
    let mut policies = Vec::new();
    let mut refusals = Vec::new();
    let parts = match document {
        Value::Array(parts) => parts.as_slice(),
        other => other
            .get("policies")
            .and_then(Value::as_array)
            .map_or(std::slice::from_ref(other), Vec::as_slice),
    };
    for part in parts {
        if part.get("rules").is_some() || part.get("kind").is_some_and(|kind| kind == "DenyPolicy") {
            refusals.extend(denied(file, part));
            continue;
        }
        match policy(part) {
            Some(policy) => policies.push(policy),
            None => refusals.push(Refusal::Document {
                file: file.to_owned(),
            }),
        }
    }
    if refusals.is_empty() {
        Ok(policies)
    } else {
        Err(refusals)
    }
}

fn policy(part: &Value) -> Option<Document> {
    let (inner, project) = match part.get("policy") {
        Some(inner) => {
            let is_project = part.get("type").is_some_and(|kind| kind == "project");
            (inner, text(part, "id").filter(|_| is_project))
        }
        None => (part, None),
    };
    // A policy that gives nobody anything is written with its etag alone.
    let is_policy = inner.get("bindings").or_else(|| inner.get("etag")).is_some();
    let bindings = inner
        .get("bindings")
        .cloned()
        .unwrap_or_else(|| Value::Array(Vec::new()));
    let bucket = text(inner, "resourceId").and_then(|id| id.strip_prefix("projects/_/buckets/"));
    Some(Document {
        bucket: bucket.map(str::to_owned),
        project: project.map(str::to_owned),
        bindings: Vec::<Binding>::deserialize(bindings).ok().filter(|_| is_policy)?,
    })
}

fn text<'v>(document: &'v Value, field: &str) -> Option<&'v str> {
    document.get(field).and_then(Value::as_str)
}

/// The rules of a deny policy that are about images.
fn denied(file: &str, policy: &Value) -> Vec<Refusal> {
    let name = text(policy, "displayName")
        .or_else(|| text(policy, "name"))
        .unwrap_or("without a name");
    let Some(rules) = policy.get("rules").and_then(Value::as_array) else {
        return vec![Refusal::Document {
            file: file.to_owned(),
        }];
    };
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        let list = rule["denyRule"][field].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut refusals = Vec::new();
    for rule in rules {
        let mut permissions = texts(rule, "deniedPermissions");
        // One that cannot be read may deny anything.
        if rule.get("denyRule").is_some() && !permissions.is_empty() {
            permissions.retain(|permission| OF_IMAGES.iter().any(|prefix| permission.starts_with(prefix)));
            if permissions.is_empty() {
                continue;
            }
        }
        refusals.push(Refusal::Deny {
            file: file.to_owned(),
            policy: name.to_owned(),
            permissions,
            principals: texts(rule, "deniedPrincipals"),
        });
    }
    refusals
}

/// How permissions begin in deny rules that may be about images.
const OF_IMAGES: [&str; 3] = ["storage.googleapis.com/", "artifactregistry.googleapis.com/", "*"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shapes_that_googles_tools_write_are_read() {
        let binding = json!({"role": "roles/viewer", "members": ["user:a"]});
        let of_gsutil = json!({"bindings": [binding], "etag": "CAE="});
        let of_storage = json!({"bindings": [binding], "resourceId": "projects/_/buckets/b", "version": 1});
        let of_ancestors = json!([
            {"id": "p", "type": "project", "policy": {"bindings": [binding], "etag": "x"}},
            {"id": "12", "type": "folder", "policy": {"etag": "x"}},
        ]);
        let read = |document| read("f", &document).unwrap();
        assert_eq!(read(of_gsutil)[0].bindings.len(), 1);
        assert_eq!(read(of_storage)[0].bucket.as_deref(), Some("b"));
        let ancestors = read(of_ancestors);
        assert_eq!(ancestors[0].project.as_deref(), Some("p"));
        assert_eq!(
            (
                ancestors.len(),
                &ancestors[1].project,
                ancestors[1].bindings.len()
            ),
            (2, &None, 0)
        );
        assert_eq!(read(json!({"etag": "ACAB"}))[0].bindings.len(), 0);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for document in [
            json!({}),
            json!("x"),
            json!({"bindings": 1}),
            json!({"bindings": [{}]}),
            json!([{"etag": "x"}, {}]),
        ] {
            assert!(read("f", &document).is_err(), "{document}");
        }
    }

    #[test]
    fn deny_rules_about_images_are_refused_and_others_are_none_of_ours() {
        let deny = |permission: &str| {
            json!({"name": "policies/x/denypolicies/no-pulls", "rules": [{"denyRule": {
                "deniedPrincipals": ["principalSet://goog/public:all"], "deniedPermissions": [permission]}}]})
        };
        let refused = read("deny.json", &deny("storage.googleapis.com/objects.get")).unwrap_err();
        let told = refused[0].to_string();
        for part in ["deny.json", "no-pulls", "objects.get", "public:all"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(
            read(
                "f",
                &json!({"policies": [deny("artifactregistry.googleapis.com/tags.get")]})
            )
            .is_err()
        );
        assert!(
            read("f", &json!([deny("compute.googleapis.com/instances.delete")]))
                .unwrap()
                .is_empty()
        );
        assert!(read("f", &json!({"kind": "DenyPolicy"})).is_err());
        assert!(read("f", &json!({"rules": [{}]})).is_err());
    }
}
