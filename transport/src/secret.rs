//! Texts that must not be shown.

use std::fmt;

/// A password, token or header with one in it. It prints as `…`; what it is, only [`Secret::expose`] tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, to be sent or stored.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::new("abc"), Secret::new("abc")),
            "… …"
        );
        assert_eq!(Secret::new("abc").expose(), "abc");
    }
}
