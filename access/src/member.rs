//! Members of a binding, as Google's policies write them.

use std::fmt;
use std::str::FromStr;

/// Longest member that is taken, in bytes.
pub const MEMBER_BYTES_MAX: usize = 1024;

/// Somebody, or a set of somebodies, that a policy can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// `user:NAME`: an account of a person.
    User(String),
    /// `serviceAccount:NAME`: an account of a program.
    ServiceAccount(String),
    /// `group:NAME`: everybody of whom the registry or an issuer says that they are in it.
    Group(String),
    /// `principal://ISSUER/subject/SUBJECT`: one identity of an issuer, without an account here.
    Principal(String),
    /// `principalSet://ISSUER/attribute.NAME/VALUE`, `…/group/NAME` or `…/*`: identities of an issuer.
    PrincipalSet(String),
    /// `allUsers`: everybody, also without any credential.
    AllUsers,
    /// `allAuthenticatedUsers`: everybody who showed a credential that was taken.
    AllAuthenticatedUsers,
}

/// A text that names no member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// It begins with none of the known prefixes.
    #[error(
        "{text:?} is no member: expected user:NAME, serviceAccount:NAME, group:NAME, principal://…, principalSet://…, \
         allUsers or allAuthenticatedUsers"
    )]
    Kind {
        /// The text, cut if it is long.
        text: String,
    },
    /// What follows the prefix is empty, too long, or has characters that no name has.
    #[error(
        "the name in member {text:?} is empty, longer than {MEMBER_BYTES_MAX} bytes, or has spaces or control characters"
    )]
    Name {
        /// The text, cut if it is long.
        text: String,
    },
}

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Member, MemberError> {
        let shown = || text.chars().take(SHOWN_CHARACTERS_MAX).collect::<String>();
        let member = match text {
            "allUsers" => return Ok(Member::AllUsers),
            "allAuthenticatedUsers" => return Ok(Member::AllAuthenticatedUsers),
            _ => KINDS
                .iter()
                .find_map(|(prefix, make)| Some((text.strip_prefix(prefix)?, make))),
        };
        let Some((name, make)) = member else {
            return Err(MemberError::Kind { text: shown() });
        };
        let bad = |character: char| character.is_whitespace() || character.is_control();
        if name.is_empty() || text.len() > MEMBER_BYTES_MAX || name.contains(bad) {
            return Err(MemberError::Name { text: shown() });
        }
        Ok(make(name.to_owned()))
    }
}

impl fmt::Display for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(formatter, "user:{name}"),
            Self::ServiceAccount(name) => write!(formatter, "serviceAccount:{name}"),
            Self::Group(name) => write!(formatter, "group:{name}"),
            Self::Principal(name) => write!(formatter, "principal://{name}"),
            Self::PrincipalSet(name) => write!(formatter, "principalSet://{name}"),
            Self::AllUsers => formatter.write_str("allUsers"),
            Self::AllAuthenticatedUsers => formatter.write_str("allAuthenticatedUsers"),
        }
    }
}

const SHOWN_CHARACTERS_MAX: usize = 80;

type Make = fn(String) -> Member;

const KINDS: [(&str, Make); 5] = [
    ("user:", Member::User),
    ("serviceAccount:", Member::ServiceAccount),
    ("group:", Member::Group),
    ("principal://", Member::Principal),
    ("principalSet://", Member::PrincipalSet),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_parsed_is_printed_again(text in "(user:|group:|serviceAccount:|principal://|principalSet://|)[a-zA-Z@./:*-]{0,30}") {
            if let Ok(member) = text.parse::<Member>() {
                prop_assert_eq!(member.to_string(), text);
            }
        }
    }

    #[test]
    fn names_are_as_long_as_they_may_be_and_no_longer() {
        let longest = format!("user:{}", "a".repeat(MEMBER_BYTES_MAX - 5));
        assert!(longest.parse::<Member>().is_ok());
        assert!(matches!(
            format!("{longest}a").parse::<Member>(),
            Err(MemberError::Name { .. })
        ));
        for text in ["user:", "group:a b", "user:a\n"] {
            assert!(
                matches!(text.parse::<Member>(), Err(MemberError::Name { .. })),
                "{text:?}"
            );
        }
        for text in ["", "alluSers", "domain:example.com", "ann", "deleted:user:x"] {
            assert!(
                matches!(text.parse::<Member>(), Err(MemberError::Kind { .. })),
                "{text:?}"
            );
        }
    }
}
