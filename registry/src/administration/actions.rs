//! What a request of administration does, in a word for those who account for it.

use hyper::Method;

use super::routes::{self, PolicyVerb, Target, TransitionVerb};

/// Whether a path is one that only reads, whatever the method: questions whose body is too long for a query.
pub(crate) fn reads(path: &str) -> bool {
    matches!(
        routes::target(path),
        Some(Target::Check | Target::Policy(_, PolicyVerb::Get | PolicyVerb::Test))
    )
}

/// What a request is to change: `repositories.create`, `setIamPolicy`. None where it leads nowhere.
pub(crate) fn action(path: &str, method: &Method) -> Option<String> {
    let family = match routes::target(path)? {
        Target::Policy(_, PolicyVerb::Set) => return Some("setIamPolicy".to_owned()),
        Target::Transition(_, TransitionVerb::Shift) => return Some("transition.shift".to_owned()),
        Target::Transition(_, TransitionVerb::Rollback) => return Some("transition.rollback".to_owned()),
        Target::Transition(_, TransitionVerb::Finish) => return Some("transition.finish".to_owned()),
        Target::VersionsBatchDelete(_) => return Some("versions.batchDelete".to_owned()),
        Target::AccountPassword(_) => return Some("accounts.setPassword".to_owned()),
        Target::Repositories(..) | Target::Repository(_) => "repositories",
        Target::Packages(_) | Target::Package(_) => "packages",
        Target::Versions(_) | Target::Version(..) => "versions",
        Target::Tags(_) | Target::Tag(..) => "tags",
        Target::Accounts | Target::Account(_) => "accounts",
        Target::Keys(_) | Target::Key(..) => "keys",
        Target::Projects | Target::Project(_) => "projects",
        Target::Jobs | Target::Job(_) => "jobs",
        // Nothing else can be changed.
        _ => return None,
    };
    let verb = match *method {
        Method::POST => "create",
        Method::PATCH => "update",
        Method::DELETE => "delete",
        _ => return None,
    };
    Some(format!("{family}.{verb}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: &str = "/v1/projects/p/locations/l/repositories";

    #[test]
    fn changes_have_the_name_of_what_they_do() {
        for (method, path, expected) in [
            (Method::POST, R.to_owned(), "repositories.create"),
            (Method::PATCH, format!("{R}/r"), "repositories.update"),
            (Method::POST, format!("{R}/r:setIamPolicy"), "setIamPolicy"),
            (Method::DELETE, format!("{R}/r/packages/a%2Fb"), "packages.delete"),
            (
                Method::POST,
                format!("{R}/r/packages/a/versions:batchDelete"),
                "versions.batchDelete",
            ),
            (Method::PATCH, format!("{R}/r/packages/a/tags/t"), "tags.update"),
            (
                Method::POST,
                "/lightship/v1/accounts/ann:setPassword".to_owned(),
                "accounts.setPassword",
            ),
            (
                Method::DELETE,
                "/lightship/v1/accounts/ann/keys/k".to_owned(),
                "keys.delete",
            ),
            (Method::POST, "/lightship/v1/jobs".to_owned(), "jobs.create"),
        ] {
            assert_eq!(action(&path, &method).as_deref(), Some(expected), "{path}");
            assert!(!reads(&path), "{path}");
        }
        assert_eq!(action("/v1/nowhere", &Method::POST), None);
        assert_eq!(action(R, &Method::PUT), None);
    }

    #[test]
    fn questions_are_no_changes() {
        for path in [
            "/lightship/v1/iam:check",
            "/lightship/v1/registry:testIamPermissions",
            "/v1/projects/p:getIamPolicy",
        ] {
            assert!(reads(path), "{path}");
        }
        assert!(reads(&format!("{R}/r:testIamPermissions")));
    }
}
