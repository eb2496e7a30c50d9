//! How answers are put together.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LINK, LOCATION, RANGE,
    RETRY_AFTER,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::body::Body;
use crate::call::{Call, NAMESPACE};
use crate::percent;
use crate::refusal::Refusal;
use crate::upstream::Trouble;

pub(crate) type Answer = Response<Body>;

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Seconds after which a busy registry is worth another try.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Seconds after which there may be room again: somebody has to make it.
const RETRY_AFTER_FULL_SECONDS: u64 = 60;

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    with_body(status, Body::empty())
}

pub(crate) fn with_body(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

pub(crate) fn json(status: StatusCode, document: &Value) -> Answer {
    bytes(status, "application/json", Bytes::from(document.to_string()))
}

pub(crate) fn bytes(status: StatusCode, media_type: &str, content: Bytes) -> Answer {
    let length = content.len() as u64;
    let mut answer = with_body(status, Body::whole(content));
    set(&mut answer, CONTENT_TYPE, media_type);
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer
}

/// Gives an answer those headers of the one that it takes the place of that it has not itself.
pub(crate) fn keep_headers(answer: &mut Answer, of: &HeaderMap) {
    for (name, value) in of {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

/// Sets a header. What no header can hold is left out; nothing that was parsed is such.
pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Points to the next page: the same path with the same size and the last entry of this page.
pub(crate) fn link_next(answer: &mut Answer, call: &Call<'_>, query: &[(&str, &str)]) {
    // A client of a mirror follows the link as it is.
    let namespace = call.query.get(NAMESPACE).map(|namespace| (NAMESPACE, namespace));
    let query: Vec<String> = query
        .iter()
        .copied()
        .chain(namespace)
        .map(|(name, value)| format!("{name}={}", percent::encoded(value)))
        .collect();
    set(
        answer,
        LINK,
        &format!("<{}?{}>; rel=\"next\"", call.path, query.join("&")),
    );
}

/// How a refusal looks to the client.
pub(crate) fn refusal(refusal: &Refusal) -> Answer {
    let told = refusal.told();
    let detail = match refusal {
        Refusal::Digest(error) => Value::from(error.to_string()),
        Refusal::Manifest(error) => {
            std::error::Error::source(error).map_or(Value::Null, |cause| cause.to_string().into())
        }
        _ => Value::Null,
    };
    let message = refusal.to_string();
    let errors: Vec<Value> = std::iter::once(told.code)
        .chain(refusal.further_code())
        .map(|code| serde_json::json!({"code": code, "message": message, "detail": detail}))
        .collect();
    let document = serde_json::json!({ "errors": errors });
    let mut answer = json(told.status, &document);
    match refusal {
        Refusal::Method { allow, .. } => set(&mut answer, ALLOW, allow),
        Refusal::NoPushes { .. } => set(&mut answer, ALLOW, "GET, HEAD, DELETE"),
        Refusal::Upstream(Trouble::Busy { after, .. }) => {
            let seconds = after.as_secs().max(RETRY_AFTER_SECONDS);
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        Refusal::Busy | Refusal::OldSide | Refusal::Upstream(Trouble::TooMany) => {
            let headers = answer.headers_mut();
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        Refusal::Full => {
            let headers = answer.headers_mut();
            headers.insert(RETRY_AFTER, RETRY_AFTER_FULL_SECONDS.into());
        }
        Refusal::LoginSlowed { after_seconds } | Refusal::TooManyRequests { after_seconds } => {
            answer.headers_mut().insert(RETRY_AFTER, (*after_seconds).into());
        }
        Refusal::ChunkOrder { length, location } => {
            set(&mut answer, LOCATION, location);
            set(&mut answer, RANGE, &upload_range(*length));
        }
        Refusal::Range { size } => set(&mut answer, CONTENT_RANGE, &format!("bytes */{size}")),
        _ => {}
    }
    answer
}

/// The bytes that an upload has, as `Range` says it: `0-0` also stands for none.
pub(crate) fn upload_range(length: u64) -> String {
    format!("0-{}", length.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_for_a_while_is_told_how_long() {
        let after = |told: &Refusal| {
            let value = refusal(told).headers().get(RETRY_AFTER).cloned();
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(after(&Refusal::Busy).as_deref(), Some("1"));
        assert_eq!(after(&Refusal::Full).as_deref(), Some("60"));
        assert_eq!(after(&Refusal::BlobUnknown), None);
    }
}
