//! Refusals of administration, and how Google's clients read them.
//!
//! Source: `google.rpc.Status` and its codes; AIP-193.

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::refusal::Refusal;

/// Why administration does not do what was asked, beside what the whole registry refuses for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{0}")]
    Invalid(Invalid),
    #[error("{resource} does not exist")]
    NotFound { resource: String },
    #[error("{resource} exists already")]
    Exists { resource: String },
    #[error("{reason}")]
    Precondition { reason: String },
    #[error("{reason}")]
    Aborted { reason: String },
    #[error("the body has more than {limit_bytes} bytes")]
    BodyTooLarge { limit_bytes: usize },
}

/// A part of a request that is not as it has to be.
#[derive(Debug, thiserror::Error)]
#[error("{field} is invalid: {problem}")]
pub(crate) struct Invalid {
    field: String,
    problem: String,
}

impl Invalid {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Invalid {
        Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl Unfit {
    pub(crate) fn not_found(resource: impl ToString) -> Refusal {
        let resource = resource.to_string();
        Refusal::Administration(Unfit::NotFound { resource })
    }

    pub(crate) fn precondition(reason: impl Into<String>) -> Refusal {
        let reason = reason.into();
        Refusal::Administration(Unfit::Precondition { reason })
    }

    /// Its status and Google's word for it.
    pub(crate) fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Exists { .. } => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
            Self::Precondition { .. } => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
            Self::Aborted { .. } => (StatusCode::CONFLICT, "ABORTED"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_ARGUMENT"),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Refusal {
        Refusal::Administration(Unfit::Invalid(invalid))
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Refusal {
        Refusal::Administration(unfit)
    }
}

/// A refusal as Google's clients read it.
pub(crate) fn refused(refusal: &Refusal) -> Answer {
    let (status, word) = match refusal {
        Refusal::Administration(unfit) => unfit.told(),
        Refusal::TagImmutable { .. } => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
        other => {
            let status = other.told().status;
            (status, word(status))
        }
    };
    let details: Vec<Value> = match refusal {
        Refusal::Administration(Unfit::Invalid(invalid)) => vec![json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": invalid.field, "description": invalid.problem}],
        })],
        _ => Vec::new(),
    };
    let error = json!({
        "code": status.as_u16(),
        "message": refusal.to_string(),
        "status": word,
        "details": details,
    });
    let mut told = answer::json(status, &json!({"error": error}));
    // What the table of the protocol adds (Allow, Retry-After, challenges) holds here as well.
    for (name, value) in answer::refusal(refusal).headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            told.headers_mut().append(name, value.clone());
        }
    }
    told
}

fn word(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::CONFLICT => "ABORTED",
        StatusCode::METHOD_NOT_ALLOWED => "UNIMPLEMENTED",
        StatusCode::REQUEST_TIMEOUT => "DEADLINE_EXCEEDED",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE => "RESOURCE_EXHAUSTED",
        StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
        status if status.is_client_error() => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}
