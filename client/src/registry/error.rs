//! Why a registry did not do what was asked, as people read it.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use transport::{CertificateFault, FetchError, Response};

use super::credentials::CredentialError;
use crate::{OpenError, SinkError, SourceError};

/// Longest error document that is read, in bytes.
const ERROR_BYTES_MAX: u64 = 64 << 10;

/// Most errors of one answer that are told.
const DETAILS_MAX: usize = 3;

/// Most characters of a registry's message that are told.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// Why something cannot be done on a registry. `attempted` says what, on which host and name.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It answered with a status that says no.
    #[error("cannot {attempted}: the registry answers {status}{}", told(.details))]
    Refused {
        /// What was attempted.
        attempted: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says about it.
        details: Vec<Detail>,
        /// How long it asks to be left alone, where it says so.
        after: Option<Duration>,
    },
    /// It wants credentials, and there are none for it.
    #[error("cannot {attempted}: {host} wants a user name and password{}", told(.details))]
    LoginNeeded {
        /// What was attempted.
        attempted: String,
        /// The registry.
        host: String,
        /// What the registry says about it.
        details: Vec<Detail>,
    },
    /// It does not accept the credentials that there are.
    #[error("cannot {attempted}: {host} refuses the credentials for it{}", told(.details))]
    LoginRefused {
        /// What was attempted.
        attempted: String,
        /// The registry.
        host: String,
        /// What the registry says about it.
        details: Vec<Detail>,
    },
    /// There was no answer, or it broke off.
    #[error("cannot {attempted}")]
    Transport {
        /// What was attempted.
        attempted: String,
        /// Why not.
        source: FetchError,
    },
    /// The answer is not what the protocol says.
    #[error("cannot {attempted}: the registry {problem}")]
    Protocol {
        /// What was attempted.
        attempted: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// It cannot be spoken to at all.
    #[error("cannot {attempted}")]
    NotOpened {
        /// What was attempted.
        attempted: String,
        /// Why not.
        source: Box<OpenError>,
    },
    /// The credentials for it cannot be read.
    #[error("cannot find the credentials for {host}")]
    Credentials {
        /// The registry.
        host: String,
        /// Why not.
        source: CredentialError,
    },
}

/// One error of a registry's answer, cut and cleaned for a message.
///
/// Spec: distribution-spec "Error Codes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The code, such as `DENIED`.
    pub code: String,
    /// The message.
    pub message: String,
}

impl RegistryError {
    /// The registry to log in to, when that may help.
    #[must_use]
    pub fn login_host(&self) -> Option<&str> {
        match self {
            Self::LoginNeeded { host, .. } | Self::LoginRefused { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Whether the registry was spoken to with TLS and does not speak it.
    #[must_use]
    pub fn is_not_tls(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_not_tls())
    }

    /// Whether nobody was there to be asked: no such host, or nobody listens.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_unreachable())
    }

    /// What is wrong with the registry's certificate, if that is what is wrong.
    #[must_use]
    pub fn certificate_fault(&self) -> Option<CertificateFault> {
        match self {
            Self::Transport { source, .. } => source.certificate_fault(),
            _ => None,
        }
    }

    /// Whether the registry was spoken to without TLS and takes nothing else. Servers have no code for it, only words.
    #[must_use]
    pub fn is_tls_only(&self) -> bool {
        matches!(self, Self::Refused { status: 400, details, .. } if details.is_empty())
    }

    /// The HTTP status that the registry refused with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::LoginNeeded { .. } | Self::LoginRefused { .. } => Some(401),
            _ => None,
        }
    }

    /// Whether the same may succeed a little later: the connection broke, or there is trouble at the registry.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Transport { source, .. } => matches!(
                source,
                FetchError::NoAnswer { .. }
                    | FetchError::Connection { .. }
                    | FetchError::Stalled { .. }
                    | FetchError::TooSlow { .. }
            ),
            _ => false,
        }
    }

    /// Whether the registry answers, but too slowly: what does so twice does so always, and each try costs minutes.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        matches!(
            self,
            Self::Transport {
                source: FetchError::TooSlow { .. },
                ..
            }
        )
    }

    /// The error of a registry in an error or among its causes.
    #[must_use]
    pub fn within<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(found) = Self::of_one(cause) {
                return Some(found);
            }
            next = cause.source();
        }
        None
    }

    /// Sources and sinks say what a registry says in its own words, so it is no cause of theirs; and an error of a
    /// stream is wrapped in one of I/O.
    fn of_one<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let of_sink = |error: &'e SinkError| match error {
            SinkError::Registry(error) => Some(&**error),
            SinkError::Content { source, .. } => Self::of_one(source),
            _ => None,
        };
        if let Some(error) = cause.downcast_ref::<Self>() {
            return Some(error);
        }
        if let Some(SourceError::Registry(error)) = cause.downcast_ref::<SourceError>() {
            return Some(error);
        }
        if let Some(error) = cause.downcast_ref::<SinkError>() {
            return of_sink(error);
        }
        if let Some(error) = cause.downcast_ref::<Box<SinkError>>() {
            return of_sink(error);
        }
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.and_then(|inner| inner.downcast_ref::<Self>())
    }

    /// The error that an answer with a status of refusal is.
    pub(crate) async fn refused(attempted: &str, response: Response) -> Self {
        Self::Refused {
            attempted: attempted.to_owned(),
            status: response.status(),
            after: response.retry_after(),
            details: details(response).await,
        }
    }

    pub(crate) fn protocol(attempted: &str, problem: impl Into<String>) -> Self {
        Self::Protocol {
            attempted: attempted.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn transport(attempted: &str, source: FetchError) -> Self {
        Self::Transport {
            attempted: attempted.to_owned(),
            source,
        }
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    errors: Vec<Entry>,
    /// What Google's APIs say instead, and ours beside the protocol; token services have a string here.
    #[serde(default)]
    error: Option<serde_json::Value>,
    /// What token services say instead.
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer says about itself; nothing when it cannot be read.
pub(crate) async fn details(response: Response) -> Vec<Detail> {
    match response.read(ERROR_BYTES_MAX).await {
        Ok(bytes) => parse(&bytes),
        Err(_) => Vec::new(),
    }
}

fn parse(bytes: &[u8]) -> Vec<Detail> {
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
        return Vec::new();
    };
    let other = document.details.map(|message| Entry {
        code: String::new(),
        message,
    });
    let of_google = document.error.and_then(|error| {
        let text = |field: &str| Some(error.get(field)?.as_str()?.to_owned());
        Some(Entry {
            code: text("status")?,
            message: text("message")?,
        })
    });
    let entries = document.errors.into_iter().chain(other).chain(of_google);
    let details = entries.map(|entry| Detail {
        code: cleaned(&entry.code),
        message: cleaned(&entry.message),
    });
    details.take(DETAILS_MAX).collect()
}

/// Without what could move a terminal's cursor, and not too long.
fn cleaned(text: &str) -> String {
    let visible = text.chars().filter(|letter| !letter.is_control());
    visible.take(MESSAGE_CHARACTERS_MAX).collect()
}

fn told(details: &[Detail]) -> String {
    let each: Vec<String> = details
        .iter()
        .map(|detail| match (detail.code.as_str(), detail.message.as_str()) {
            ("", text) | (text, "") => text.to_owned(),
            (code, message) => format!("{code}: {message}"),
        })
        .filter(|text| !text.is_empty())
        .collect();
    if each.is_empty() {
        String::new()
    } else {
        format!(" ({})", each.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let error = RegistryError::Refused {
            attempted: "push manifest a.b/c:d".to_owned(),
            status: 403,
            details: parse(body.as_bytes()),
            after: None,
        };
        assert_eq!(
            error.to_string(),
            format!("cannot push manifest a.b/c:d: the registry answers 403{expected}")
        );
    }

    #[test]
    fn tells_the_registry_s_own_words() {
        check(
            r#"{"errors":[{"code":"DENIED","message":"no"},{"code":"X"},{"message":"y"}]}"#,
            " (DENIED: no; X; y)",
        );
        check(
            r#"{"details":"incorrect username or password"}"#,
            " (incorrect username or password)",
        );
        check(
            r#"{"error":{"code":404,"message":"x does not exist","status":"NOT_FOUND","details":[]}}"#,
            " (NOT_FOUND: x does not exist)",
        );
        check(r#"{"error":"invalid_request"}"#, "");
        check("<html>", "");
        check("{}", "");
        check(
            r#"{"errors":[{"code":"A","message":"\u001b[2Jx"}]}"#,
            " (A: [2Jx)",
        );
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(1000));
        check(&long, &format!(" ({})", "x".repeat(MESSAGE_CHARACTERS_MAX)));
    }
}
