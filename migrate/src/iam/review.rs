//! Policies as files for review, `DIR/PROJECT/REPOSITORY.yaml`: what is to be set, with the reasons as comments.

use access::{Policy, PolicyError};
use serde_json::{Value, json};

use super::repository::{Repository, RepositoryError};
use super::translate::{Access, Grant, ListedKind};

/// Why a file that was reviewed is none that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It does not say for which repository it is.
    #[error("it has no `resource` that says for which repository it is")]
    Resource,
    /// What it says is no repository.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// It says that it is for another repository than its place.
    #[error("it lies as {place}, and says that it is for {resource}")]
    Place {
        /// The project and repository of its place.
        place: String,
        /// What it says.
        resource: Repository,
    },
    /// It is no policy.
    #[error("its bindings are no policy")]
    Policy(#[from] PolicyError),
}

/// The file of a repository: its path below the directory, and its text.
#[must_use]
pub fn review_file(access: &Access) -> (String, String) {
    let Access { repository, .. } = access;
    let path = format!("{}/{}.yaml", repository.project(), repository.id());
    let mut text = format!("# From {}.\n", commented(&access.sources.join(", ")));
    for listed in &access.listed {
        let powers = listed.powers.names().join(", ");
        let what = match (listed.kind, powers.is_empty()) {
            (ListedKind::Gained, _) => format!("GETS {powers}"),
            (ListedKind::Lost | ListedKind::Unresolved, _) => format!("LOSES {powers}"),
            (kind, _) => kind.as_str().to_owned(),
        };
        let line = format!("{} {what}: {}", listed.subject, listed.why);
        text.push_str(&format!("# {}\n", commented(&line)));
    }
    text.push_str(&format!("resource: {}\n", scalar(&repository.to_string())));
    let mut grants: Vec<&Grant> = access.grants.iter().collect();
    grants.sort_by(|a, b| (a.role, &a.member).cmp(&(b.role, &b.member)));
    let mut role = None;
    text.push_str(if grants.is_empty() {
        "bindings: []\n"
    } else {
        "bindings:\n"
    });
    for grant in grants {
        if role != Some(grant.role) {
            text.push_str(&format!("- role: {}\n  members:\n", grant.role));
            role = Some(grant.role);
        }
        text.push_str(&format!("  - {}", scalar(&grant.member.to_string())));
        match grant.because.is_empty() {
            true => text.push('\n'),
            false => text.push_str(&format!(" # {}\n", commented(&grant.because.join("; ")))),
        }
    }
    (path, text)
}

/// Reads such a file back, after it was parsed from YAML. `place` is the project and the repository that its path says.
///
/// # Errors
/// When it is for another repository, or is no policy of ours.
pub fn reviewed(place: (&str, &str), document: &Value) -> Result<(Repository, Policy), ReviewError> {
    let resource = document
        .get("resource")
        .and_then(Value::as_str)
        .ok_or(ReviewError::Resource)?;
    let repository: Repository = resource.parse()?;
    if (repository.project(), repository.id()) != place {
        return Err(ReviewError::Place {
            place: format!("{}/{}", place.0, place.1),
            resource: repository,
        });
    }
    let bindings = document.get("bindings").cloned().unwrap_or_else(|| json!([]));
    let policy: Policy = json!({"bindings": bindings}).to_string().parse()?;
    Ok((repository, policy))
}

/// A text as a scalar of YAML: plain where that is the same, else in quotes.
fn scalar(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._/+-:".contains(&byte);
    let begins_plain = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    match begins_plain && !text.ends_with(':') && text.bytes().all(is_plain) {
        true => text.to_owned(),
        // JSON's strings are YAML's.
        false => Value::from(text).to_string(),
    }
}

/// A text that stays within a comment, whatever was in it.
fn commented(text: &str) -> String {
    let safe = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(COMMENT_CHARACTERS_MAX).map(safe).collect()
}

/// Longest comment.
const COMMENT_CHARACTERS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use access::Role;

    use super::*;
    use crate::iam::{Listed, Powers};

    #[test]
    fn a_file_says_who_gets_what_and_why() {
        let grant = |member: &str, role| Grant {
            member: member.parse().unwrap(),
            role,
            because: vec!["roles/storage.objectViewer on b".to_owned()],
        };
        let listed = Listed {
            kind: ListedKind::Gained,
            subject: "user:a\n- evil".to_owned(),
            powers: Powers::PULL,
            why: "because".to_owned(),
        };
        let access = Access {
            repository: "projects/p/locations/us/repositories/gcr.io".parse().unwrap(),
            sources: vec!["b".to_owned()],
            grants: vec![
                grant("user:a@example.com", Role::Writer),
                grant("principalSet://pool/*", Role::Reader),
                grant("serviceAccount:p.svc.id.goog[ns/sa]", Role::Reader),
            ],
            listed: vec![listed],
        };
        let (path, text) = review_file(&access);
        assert_eq!(path, "p/gcr.io.yaml");
        assert_eq!(
            text,
            "# From b.
# user:a - evil GETS pull: because
resource: projects/p/locations/us/repositories/gcr.io
bindings:
- role: roles/artifactregistry.reader
  members:
  - \"serviceAccount:p.svc.id.goog[ns/sa]\" # roles/storage.objectViewer on b
  - \"principalSet://pool/*\" # roles/storage.objectViewer on b
- role: roles/artifactregistry.writer
  members:
  - user:a@example.com # roles/storage.objectViewer on b
"
        );
    }

    #[test]
    fn a_file_that_was_moved_or_spoilt_is_not_applied() {
        let name = "projects/p/locations/us/repositories/gcr.io";
        let good = json!({"resource": name, "bindings": [
            {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}]});
        let (repository, policy) = reviewed(("p", "gcr.io"), &good).unwrap();
        assert_eq!(
            (repository.to_string().as_str(), policy.pairs().count()),
            (name, 1)
        );
        assert!(matches!(
            reviewed(("q", "gcr.io"), &good),
            Err(ReviewError::Place { .. })
        ));
        assert!(matches!(
            reviewed(("p", "r"), &good),
            Err(ReviewError::Place { .. })
        ));
        assert!(matches!(
            reviewed(("p", "r"), &json!({})),
            Err(ReviewError::Resource)
        ));
        let wrong = json!({"resource": name, "bindings": [{"role": "roles/owner", "members": ["allUsers"]}]});
        assert!(matches!(
            reviewed(("p", "gcr.io"), &wrong),
            Err(ReviewError::Policy(_))
        ));
    }
}
