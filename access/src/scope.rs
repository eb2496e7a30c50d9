//! What a token is asked for, in docker's grammar: `repository:NAME:pull,push`.
//!
//! Spec: distribution "Token Scope Documentation".

use std::fmt;

/// Most scopes of one request for a token.
pub const SCOPES_MAX: usize = 100;
/// Longest scope.
pub const SCOPE_BYTES_MAX: usize = 1024;

/// Google's name for everything that its bearer may do: what tools ask for that administer.
pub const EVERYTHING: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One thing a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Actions on a repository of the protocol (a package, in our words). The name is not checked here.
    Repository {
        /// Its name on the host that is asked.
        name: String,
        /// What is to be done.
        actions: Actions,
    },
    /// The list of all repositories.
    Catalog,
    /// Everything that the principal may.
    Everything,
    /// Something that this registry does not know; nothing is given for it.
    Other,
}

/// What can be done with the content of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "distribution's documentation says what they mean")]
pub struct Actions {
    pub pull: bool,
    pub push: bool,
    pub delete: bool,
}

/// The scopes of a request are more or longer than any client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {SCOPES_MAX} scopes, or one longer than {SCOPE_BYTES_MAX} bytes")]
pub struct ScopeError;

impl Scope {
    /// Reads the values of all `scope` parameters; each may hold several, with spaces between.
    ///
    /// # Errors
    /// When there are too many, or one is too long.
    pub fn parse_all<'v>(values: impl IntoIterator<Item = &'v str>) -> Result<Vec<Scope>, ScopeError> {
        let mut scopes = Vec::new();
        for value in values {
            for text in value.split(' ').filter(|text| !text.is_empty()) {
                if text.len() > SCOPE_BYTES_MAX || scopes.len() == SCOPES_MAX {
                    return Err(ScopeError);
                }
                scopes.push(Scope::parse(text));
            }
        }
        Ok(scopes)
    }

    /// The name may have colons (`host:port/name`), so a scope is read from both ends.
    fn parse(text: &str) -> Scope {
        if text == EVERYTHING {
            return Scope::Everything;
        }
        let parts = text
            .split_once(':')
            .and_then(|(kind, rest)| Some((kind, rest.rsplit_once(':')?)));
        let Some((kind, (name, actions))) = parts else {
            return Scope::Other;
        };
        // A class, as in `repository(plugin)`, changes nothing.
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        match (kind, name) {
            ("repository", name) if !name.is_empty() => Scope::Repository {
                name: name.to_owned(),
                actions: Actions::parse(actions),
            },
            ("registry", "catalog") => Scope::Catalog,
            _ => Scope::Other,
        }
    }
}

impl Actions {
    /// Those of a list with commas; `*` is all, and what is not known is left out.
    #[must_use]
    pub fn parse(text: &str) -> Actions {
        let mut actions = Actions::default();
        for action in text.split(',') {
            match action {
                "pull" => actions.pull = true,
                "push" => actions.push = true,
                "delete" => actions.delete = true,
                "*" => {
                    actions = Actions {
                        pull: true,
                        push: true,
                        delete: true,
                    };
                }
                _ => {}
            }
        }
        actions
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Actions) -> Actions {
        Actions {
            pull: self.pull && other.pull,
            push: self.push && other.push,
            delete: self.delete && other.delete,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Actions::default()
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn include(self, other: Actions) -> bool {
        self.and(other) == other
    }
}

/// As in a scope.
impl fmt::Display for Actions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.pull, "pull"), (self.push, "push"), (self.delete, "delete")];
        let names: Vec<_> = all
            .iter()
            .filter_map(|(is_in, name)| is_in.then_some(*name))
            .collect();
        formatter.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(name: &str, actions: &str) -> Scope {
        Scope::Repository {
            name: name.to_owned(),
            actions: Actions::parse(actions),
        }
    }

    #[test]
    fn scopes_are_what_clients_send() {
        let scopes = Scope::parse_all([
            "repository:a/b:pull,push",
            "repository:host:5000/a:pull repository(plugin):p:*",
            "registry:catalog:*",
            EVERYTHING,
            "repository::pull",
            "repository:a",
            "user:x:y",
        ]);
        assert_eq!(
            scopes.unwrap(),
            [
                repository("a/b", "pull,push"),
                repository("host:5000/a", "pull"),
                repository("p", "pull,push,delete"),
                Scope::Catalog,
                Scope::Everything,
                Scope::Other,
                Scope::Other,
                Scope::Other
            ]
        );
        assert!(Actions::parse("PULL,, pull").is_empty());
    }

    #[test]
    fn there_are_as_many_as_there_may_be_and_no_more() {
        let scopes = |count: usize| Scope::parse_all(vec!["a"; count]);
        assert!(scopes(SCOPES_MAX).is_ok());
        assert_eq!(scopes(SCOPES_MAX + 1), Err(ScopeError));
        let long = |bytes: usize| Scope::parse_all([&*"a".repeat(bytes)]).map(|scopes| scopes.len());
        assert_eq!(long(SCOPE_BYTES_MAX), Ok(1));
        assert_eq!(long(SCOPE_BYTES_MAX + 1), Err(ScopeError));
    }

    proptest! {
        #[test]
        fn printed_actions_are_read_again(pull: bool, push: bool, delete: bool) {
            let actions = Actions { pull, push, delete };
            prop_assert_eq!(Actions::parse(&actions.to_string()), actions);
        }
    }
}
