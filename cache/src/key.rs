//! The name of a cached file.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The name of a cached file: 1 to 200 characters of `[A-Za-z0-9._+~-]`, not beginning with a dot. It can be a file's
/// name on any system, and never leads out of its directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// A text that is no key.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` cannot name a cached file")]
pub struct KeyError(String);

const KEY_CHARACTERS_MAX: usize = 200;

impl Key {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is empty, too long, begins with a dot or has another character.
    pub fn new(text: impl Into<String>) -> Result<Key, KeyError> {
        let text = text.into();
        let fits = (1..=KEY_CHARACTERS_MAX).contains(&text.len());
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte));
        if fits && plain && !text.starts_with('.') {
            Ok(Key(text))
        } else {
            Err(KeyError(text))
        }
    }

    /// The key for content with this SHA-256, in lower-case hexadecimal.
    pub fn from_sha256(digest: &[u8; 32]) -> Key {
        Key(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory of the key: its first two characters, so that no directory grows too long to list.
    pub(crate) fn shard(&self) -> &str {
        self.0.get(..2).unwrap_or(&self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        Key::new(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
