//! Names of repositories, and tags.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest repository name. Clients allow 255 for host and name together; so do we, for the name.
pub const NAME_BYTES_MAX: usize = 255;

/// Longest tag.
pub const TAG_BYTES_MAX: usize = 128;

/// The name of a repository on a registry, such as `distroless/cc-debian13`.
///
/// Spec: distribution-spec "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` between slashes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RepositoryName(String);

/// Why a text is not a [`RepositoryName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has characters or separators that a name cannot have.
    #[error(
        "repository name {text:?} is not lower-case letters, digits and single \".\", \"_\", \"__\" or \"-\" between them"
    )]
    Malformed {
        /// The text, cut if it is long.
        text: String,
    },
    /// It is longer than [`NAME_BYTES_MAX`].
    #[error("repository name of {actual_bytes} bytes, at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        actual_bytes: usize,
    },
}

impl RepositoryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a repository below this one.
    ///
    /// # Errors
    /// When `below` is not a name, or the result is too long.
    pub fn join(&self, below: &str) -> Result<Self, NameError> {
        format!("{self}/{below}").parse()
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong {
                actual_bytes: text.len(),
            });
        }
        if !text.split('/').all(is_component) {
            return Err(NameError::Malformed { text: shown(text) });
        }
        Ok(Self(text.to_owned()))
    }
}

/// A tag: a name for a manifest within its repository, such as `nonroot`.
///
/// Spec: distribution-spec "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag(String);

/// A text that is not a [`Tag`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag {text:?} is not 1 to {TAG_BYTES_MAX} letters, digits, \"_\", \".\" and \"-\"")]
pub struct TagError {
    /// The text, cut if it is long.
    pub text: String,
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let mut bytes = text.bytes();
        let starts = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !starts || !goes_on || text.len() > TAG_BYTES_MAX {
            return Err(TagError { text: shown(text) });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The boilerplate that a parsed text has: shown as itself, and its own type in documents.
macro_rules! text_value {
    ($type:ident, $error:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", self.0)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }
    };
}

text_value!(RepositoryName, NameError);
text_value!(Tag, TagError);

/// A text from outside for an error message: not longer than a line or two.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 160;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|byte| is_word(*byte)) || !bytes.last().is_some_and(|byte| is_word(*byte)) {
        return false;
    }
    bytes.split(|byte| is_word(*byte)).all(|separator| {
        matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_names_of_the_specification() {
        for text in [
            "a",
            "0",
            "a/b/c",
            "a.b",
            "a_b",
            "a__b",
            "a-b",
            "a---b",
            "distroless/cc-debian13",
        ] {
            assert_eq!(text.parse::<RepositoryName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_other_names() {
        for text in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "-a", "a-", "a.", "_a", "a b",
            "a/../b", "é", "a\n", "a:b", "a@b", "a-.b",
        ] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn names_and_tags_are_taken_up_to_their_limit() {
        assert!("a".repeat(NAME_BYTES_MAX).parse::<RepositoryName>().is_ok());
        let error = "a".repeat(NAME_BYTES_MAX + 1).parse::<RepositoryName>();
        assert_eq!(
            error,
            Err(NameError::TooLong {
                actual_bytes: NAME_BYTES_MAX + 1
            })
        );
        assert!("a".repeat(TAG_BYTES_MAX).parse::<Tag>().is_ok());
        assert!("a".repeat(TAG_BYTES_MAX + 1).parse::<Tag>().is_err());
    }

    #[test]
    fn refuses_what_is_not_a_tag() {
        for text in ["", ".a", "-a", "a b", "a/b", "a:b", "é", "a\n", "a@b", ".", ".."] {
            assert!(text.parse::<Tag>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        assert!("é/".repeat(500).parse::<Tag>().unwrap_err().to_string().len() < 500);
    }

    proptest! {
        #[test]
        fn names_parse_as_they_print(
            text in "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,5}){0,3}",
        ) {
            prop_assert_eq!(text.parse::<RepositoryName>().unwrap().to_string(), text);
        }

        #[test]
        fn tags_parse_as_they_print(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().unwrap().to_string(), text);
        }

        #[test]
        fn whatever_is_accepted_is_safe_in_a_path(text in "[a-c/._-]{0,12}") {
            if text.parse::<RepositoryName>().is_ok() {
                prop_assert!(text.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
