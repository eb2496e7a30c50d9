//! Policies: who has which role on a resource, in the document that Google's tools read and write.

use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Member, MemberError, Role, RoleError};

/// Longest policy document that is taken.
pub const POLICY_BYTES_MAX: usize = 1 << 20;
/// Most bindings of a policy.
pub const BINDINGS_MAX: usize = 1000;
/// Most members of all bindings of a policy together.
pub const MEMBERS_MAX: usize = 10_000;

/// Who has which role on a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The bindings: one per role and in the order of roles, members in order and once each.
    bindings: Vec<Binding>,
    /// What a writer read before, so that two writers do not undo each other; opaque.
    pub etag: Option<String>,
}

/// Who has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The role.
    pub role: Role,
    /// Who.
    pub members: Vec<Member>,
}

/// Why a document is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not the JSON that a policy is.
    #[error("the policy is no JSON document with `bindings`")]
    Document(#[source] serde_json::Error),
    /// It is longer than anything that is taken.
    #[error(
        "the policy has more than {POLICY_BYTES_MAX} bytes, {BINDINGS_MAX} bindings or {MEMBERS_MAX} members"
    )]
    TooLarge,
    /// A role is not known.
    #[error("a binding's role is not known")]
    Role(#[from] RoleError),
    /// A member is none.
    #[error("a binding's member is none")]
    Member(#[from] MemberError),
    /// A binding holds under a condition, which would be lost.
    #[error(
        "a binding of {role} has a condition; conditions are not supported, and leaving one out would give more than it says"
    )]
    Condition {
        /// The role.
        role: String,
    },
}

impl Policy {
    /// A policy of these bindings, brought into order.
    #[must_use]
    pub fn new(bindings: impl IntoIterator<Item = (Role, Member)>) -> Policy {
        let mut pairs: Vec<_> = bindings.into_iter().collect();
        pairs.sort();
        pairs.dedup();
        let mut policy = Policy::default();
        for (role, member) in pairs {
            match policy.bindings.last_mut() {
                Some(last) if last.role == role => last.members.push(member),
                _ => policy.bindings.push(Binding {
                    role,
                    members: vec![member],
                }),
            }
        }
        policy
    }

    /// The bindings, one per role.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Each role with each of its members.
    pub fn pairs(&self) -> impl Iterator<Item = (Role, &Member)> {
        self.bindings
            .iter()
            .flat_map(|binding| binding.members.iter().map(|member| (binding.role, member)))
    }
}

/// The document.
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let binding = |binding: &Binding| DocumentBinding {
            role: binding.role.to_string(),
            members: binding.members.iter().map(ToString::to_string).collect(),
            condition: None,
        };
        let document = Document {
            version: DOCUMENT_VERSION,
            etag: self.etag.clone(),
            bindings: self.bindings.iter().map(binding).collect(),
        };
        document.serialize(serializer)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Policy, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge);
        }
        let document: Document = serde_json::from_str(text).map_err(PolicyError::Document)?;
        let members: usize = document
            .bindings
            .iter()
            .map(|binding| binding.members.len())
            .sum();
        if document.bindings.len() > BINDINGS_MAX || members > MEMBERS_MAX {
            return Err(PolicyError::TooLarge);
        }
        let mut pairs = Vec::with_capacity(members);
        for binding in document.bindings {
            if binding.condition.is_some() {
                return Err(PolicyError::Condition { role: binding.role });
            }
            let role: Role = binding.role.parse()?;
            for member in &binding.members {
                pairs.push((role, member.parse()?));
            }
        }
        Ok(Policy {
            etag: document.etag,
            ..Policy::new(pairs)
        })
    }
}

/// Source: `google.iam.v1.Policy`. Fields that give nobody anything (audit configurations) are not kept.
#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default)]
    bindings: Vec<DocumentBinding>,
}

#[derive(Serialize, Deserialize)]
struct DocumentBinding {
    role: String,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<serde_json::Value>,
}

/// Version 1 is that of policies without conditions.
const DOCUMENT_VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_and_written_again() {
        let text = r#"{"version":3,"etag":"BwY=","bindings":[
            {"role":"roles/artifactregistry.writer","members":["user:b","user:a","user:b"]},
            {"role":"roles/artifactregistry.reader","members":["allUsers"]},
            {"role":"roles/artifactregistry.writer","members":["group:x"]}],"auditConfigs":[]}"#;
        let policy: Policy = text.parse().unwrap();
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"version":1,"etag":"BwY=","bindings":[{"role":"roles/artifactregistry.reader","members":["allUsers"]},{"role":"roles/artifactregistry.writer","members":["user:a","user:b","group:x"]}]}"#
        );
        assert_eq!(
            serde_json::to_string(&policy).unwrap().parse::<Policy>().unwrap(),
            policy
        );
    }

    #[test]
    fn what_would_give_more_than_it_says_is_refused() {
        let conditional = r#"{"bindings":[{"role":"roles/artifactregistry.reader","members":["allUsers"],"condition":{"expression":"false"}}]}"#;
        assert!(matches!(
            conditional.parse::<Policy>(),
            Err(PolicyError::Condition { .. })
        ));
        let unknown = r#"{"bindings":[{"role":"roles/owner","members":["allUsers"]}]}"#;
        assert!(matches!(unknown.parse::<Policy>(), Err(PolicyError::Role(_))));
        let nobody = r#"{"bindings":[{"role":"roles/artifactregistry.reader","members":["everybody"]}]}"#;
        assert!(matches!(nobody.parse::<Policy>(), Err(PolicyError::Member(_))));
        assert!(matches!("[]x".parse::<Policy>(), Err(PolicyError::Document(_))));
    }

    #[test]
    fn a_policy_has_as_many_members_as_it_may_and_no_more() {
        let of = |count: usize| {
            let members: Vec<_> = (0..count).map(|number| format!("user:{number}")).collect();
            serde_json::json!({"bindings": [{"role": "roles/artifactregistry.reader", "members": members}]})
                .to_string()
        };
        assert!(of(MEMBERS_MAX).parse::<Policy>().is_ok());
        assert!(matches!(
            of(MEMBERS_MAX + 1).parse::<Policy>(),
            Err(PolicyError::TooLarge)
        ));
        assert!(matches!(
            "x".repeat(POLICY_BYTES_MAX + 1).parse::<Policy>(),
            Err(PolicyError::TooLarge)
        ));
    }
}
