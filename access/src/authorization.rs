//! What a request shows: the `Authorization` header, and the user names that are no names of accounts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest header that is taken: a key file in it, twice in Base64, has some 5 KiB.
pub const AUTHORIZATION_BYTES_MAX: usize = 32 << 10;

/// What somebody showed. Prints without what is secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The name of an account and its password.
    Password {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// A key file of a service account, as JSON.
    KeyFile(String),
    /// A token: one of ours, an identity token of an issuer, or one that only its issuer can read.
    Token(String),
}

/// A header that shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// It is too long.
    #[error("the Authorization header has more than {AUTHORIZATION_BYTES_MAX} bytes")]
    TooLong,
    /// It is neither `Basic` nor `Bearer`.
    #[error("the Authorization header is neither Basic nor Bearer")]
    Scheme,
    /// What follows is not Base64 of `NAME:PASSWORD` in UTF-8.
    #[error("the Authorization header is no Base64 of a user name, a colon and a password")]
    Basic,
    /// The password of `_json_key_base64` is no Base64 of a text.
    #[error("the password is no key file in Base64")]
    KeyFile,
}

impl Credential {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// See [`AuthorizationError`].
    pub fn of_header(header: &str) -> Result<Credential, AuthorizationError> {
        if header.len() > AUTHORIZATION_BYTES_MAX {
            return Err(AuthorizationError::TooLong);
        }
        let (scheme, rest) = header.split_once(' ').ok_or(AuthorizationError::Scheme)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Credential::Token(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(AuthorizationError::Scheme);
        }
        let decoded = decoded(rest).ok_or(AuthorizationError::Basic)?;
        let (name, password) = decoded.split_once(':').ok_or(AuthorizationError::Basic)?;
        Credential::of_user(name, password)
    }

    /// Reads a user name and a password.
    ///
    /// Source: the names of Container Registry's helpers: gcloud (`_dcgcloud_token`), docker-credential-gcr
    /// (`_dcgcr_VERSION_token`), go-containerregistry (`_token`).
    ///
    /// # Errors
    /// When the name promises a key file in Base64 and the password is none.
    pub fn of_user(name: &str, password: &str) -> Result<Credential, AuthorizationError> {
        let is_token = matches!(name, "oauth2accesstoken" | "_token" | "_dcgcloud_token")
            || name.starts_with("_dcgcr_") && name.ends_with("_token");
        Ok(match name {
            "_json_key" => Credential::KeyFile(password.to_owned()),
            "_json_key_base64" => {
                // As `base64` writes it, with line ends.
                let compact: String = password.split_ascii_whitespace().collect();
                Credential::KeyFile(decoded(&compact).ok_or(AuthorizationError::KeyFile)?)
            }
            _ if is_token => Credential::Token(password.trim().to_owned()),
            _ => Credential::Password {
                name: name.to_owned(),
                password: password.to_owned(),
            },
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { name, .. } => write!(formatter, "Password({name:?}, …)"),
            Self::KeyFile(_) => formatter.write_str("KeyFile(…)"),
            Self::Token(_) => formatter.write_str("Token(…)"),
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> Result<Credential, AuthorizationError> {
        Credential::of_header(&format!("Basic {}", STANDARD.encode(text)))
    }

    #[test]
    fn user_names_say_what_the_password_is() {
        let password = |name: &str, password: &str| Credential::Password {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        assert_eq!(basic("ann:a:b"), Ok(password("ann", "a:b")));
        assert_eq!(basic(":"), Ok(password("", "")));
        let key = Ok(Credential::KeyFile("{}".to_owned()));
        assert_eq!(basic("_json_key:{}"), key);
        assert_eq!(basic("_json_key_base64:e3\n0="), key);
        for name in [
            "oauth2accesstoken",
            "_token",
            "_dcgcloud_token",
            "_dcgcr_2_1_0_token",
        ] {
            assert_eq!(
                basic(&format!("{name}:x")),
                Ok(Credential::Token("x".to_owned())),
                "{name}"
            );
        }
        assert_eq!(basic("_dcgcr_2:x"), Ok(password("_dcgcr_2", "x")));
        assert_eq!(
            Credential::of_header("bearer  x "),
            Ok(Credential::Token("x".to_owned()))
        );
    }

    #[test]
    fn what_shows_nothing_says_why() {
        for header in ["", "Basic", "Digest x", "Bearer ", "x"] {
            assert_eq!(
                Credential::of_header(header),
                Err(AuthorizationError::Scheme),
                "{header:?}"
            );
        }
        for header in ["Basic x!", "Basic YQ==", "Basic /zo="] {
            assert_eq!(
                Credential::of_header(header),
                Err(AuthorizationError::Basic),
                "{header:?}"
            );
        }
        assert_eq!(basic("_json_key_base64:{"), Err(AuthorizationError::KeyFile));
        let bearer = |bytes: usize| Credential::of_header(&format!("Bearer {}", "x".repeat(bytes - 7)));
        assert!(bearer(AUTHORIZATION_BYTES_MAX).is_ok());
        assert_eq!(
            bearer(AUTHORIZATION_BYTES_MAX + 1),
            Err(AuthorizationError::TooLong)
        );
    }

    #[test]
    fn secrets_do_not_print() {
        for text in ["ann:secret", "_json_key:secret", "_token:secret"] {
            assert!(!format!("{:?}", basic(text)).contains("secret"));
        }
    }
}
