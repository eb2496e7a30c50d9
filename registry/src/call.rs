//! One request, as operations see it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{EXPECT, HeaderName, RANGE};
use hyper::{HeaderMap, Method};
use oci::{Digest, Tag};
use store::PackagePath;

use crate::access::Caller;
use crate::forwarded::Forwarded;
use crate::host_routes::{Host, Place};
use crate::leftover;
use crate::percent::decoded_query;
use crate::refusal::Refusal;

/// Tags that one push may set: each is a header of the answer, and clients take some hundred of these.
const TAGS_MAX: usize = 64;

/// Where tokens are given out.
pub(crate) const TOKEN_PATH: &str = "/v2/token";

/// The parameter that names the host which the client of a mirror means.
pub(crate) const NAMESPACE: &str = "ns";

/// A request without its body.
pub(crate) struct Call<'c> {
    pub(crate) method: &'c Method,
    pub(crate) path: &'c str,
    pub(crate) headers: &'c HeaderMap,
    pub(crate) query: Query,
    pub(crate) host: Host<'c>,
    /// As the client wrote it, with its port.
    pub(crate) authority: &'c str,
    /// Whether the request came over TLS.
    pub(crate) is_secure: bool,
    /// Whose connection it is.
    pub(crate) peer: SocketAddr,
    /// Where the request comes from: from the peer, or from whom a proxy says that is believed.
    pub(crate) forwarded: Forwarded,
    pub(crate) caller: Caller,
}

impl Call<'_> {
    /// The host that a token has to be for: this one; where another token is made of it, the one that this is to be for.
    pub(crate) fn audience(&self) -> &str {
        match self.path == TOKEN_PATH {
            true => self.query.service(self.authority),
            false => self.authority,
        }
    }

    /// From where it comes.
    pub(crate) fn client(&self) -> IpAddr {
        self.forwarded.client
    }

    /// Scheme and host under which its client reaches the registry.
    pub(crate) fn origin(&self) -> String {
        let own = if self.is_secure { "https" } else { "http" };
        let scheme = self.forwarded.scheme.unwrap_or(own);
        let host = self.forwarded.host.as_deref().unwrap_or(self.authority);
        format!("{scheme}://{host}")
    }

    /// The package of a name.
    pub(crate) fn package(&self, name: &str) -> Result<PackagePath, Refusal> {
        match self.host.place(name) {
            Some(Place::Package(package)) => Ok(package),
            Some(Place::Repository(_)) | None => Err(Refusal::Name),
        }
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn range(&self) -> Option<&str> {
        self.header(&RANGE)
    }

    /// HEAD is GET without the body, which the server leaves out.
    pub(crate) fn reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    pub(crate) fn refuse_method(&self, allow: &'static str) -> Refusal {
        Refusal::Method {
            method: self.method.to_string(),
            allow,
        }
    }
}

/// The parameters of a query, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Query {
        let pairs = text
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded_query(name), decoded_query(value))
        });
        Query(decoded.collect())
    }

    /// The host that the client of a mirror means. It stands on reads only: a write goes to the host it was sent to.
    ///
    /// Spec: distribution-spec "Registry Proxying".
    pub(crate) fn namespace(&self, method: &Method) -> Option<String> {
        let reads = *method == Method::GET || *method == Method::HEAD;
        self.get(NAMESPACE).filter(|_| reads).map(str::to_owned)
    }

    /// All parameters, as they stand.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The host that a token is asked for.
    pub(crate) fn service<'q>(&'q self, authority: &'q str) -> &'q str {
        let named = self.get("service").filter(|service| !service.is_empty());
        named.unwrap_or(authority)
    }

    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn digest(&self, name: &str) -> Result<Option<Digest>, Refusal> {
        self.get(name)
            .map(str::parse)
            .transpose()
            .map_err(Refusal::Digest)
    }

    pub(crate) fn tags(&self) -> Result<Vec<Tag>, Refusal> {
        if self.all("tag").count() > TAGS_MAX {
            return Err(Refusal::TooManyTags { limit: TAGS_MAX });
        }
        self.all("tag")
            .map(|tag| tag.parse().map_err(|_| Refusal::Tag))
            .collect()
    }

    /// How many entries of a listing are asked for, at most `page_max`.
    pub(crate) fn page(&self, page_max: usize) -> Result<usize, Refusal> {
        match self.get("n") {
            None => Ok(page_max),
            // More digits than a number holds ask for as much as there is.
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(text.parse::<usize>().unwrap_or(page_max).min(page_max))
            }
            Some(_) => Err(Refusal::Page),
        }
    }
}

/// The body of a request, as it arrives. What nobody wanted of it is [read on](crate::leftover) for a while, so that its client
/// comes to read the answer.
pub(crate) struct Arriving {
    /// None only when it is dropped.
    body: Option<Sent>,
    idle: Duration,
    /// Whether something is left that its client sends without being told to.
    is_sent_on: bool,
}

/// Where a body comes from.
pub(crate) enum Sent {
    /// From a connection.
    Incoming(Incoming),
    /// From within this process.
    Within(UnsyncBoxBody<Bytes, ()>),
}

impl Sent {
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, ()>> {
        match self {
            Sent::Incoming(body) => body.frame().await.map(|frame| frame.map_err(drop)),
            Sent::Within(body) => body.frame().await,
        }
    }
}

impl Arriving {
    pub(crate) fn new(body: Sent, headers: &HeaderMap, idle: Duration) -> Arriving {
        Arriving {
            body: Some(body),
            idle,
            // Whoever asks before they send hears from the answer not to.
            is_sent_on: !headers.contains_key(EXPECT),
        }
    }

    /// No body at all.
    pub(crate) fn none() -> Arriving {
        Arriving {
            body: None,
            idle: Duration::ZERO,
            is_sent_on: false,
        }
    }

    /// What came whole already.
    pub(crate) fn of(bytes: Bytes) -> Arriving {
        let body = Full::new(bytes).map_err(|never| match never {});
        Arriving {
            body: Some(Sent::Within(body.boxed_unsync())),
            ..Arriving::none()
        }
    }

    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        self.is_sent_on = true;
        loop {
            let last = match tokio::time::timeout(self.idle, body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(_) => continue,
                },
                Ok(None) => Ok(None),
                Ok(Some(Err(()))) => Err(Refusal::Body),
                Err(_) => Err(Refusal::BodyTime),
            };
            self.is_sent_on = false;
            return last;
        }
    }

    /// All of it, when it has at most `limit_bytes`.
    pub(crate) async fn whole(&mut self, limit_bytes: usize) -> Result<Bytes, Refusal> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > limit_bytes {
                return Err(Refusal::ManifestTooLarge { limit_bytes });
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let (Some(Sent::Incoming(body)), true) = (self.body.take(), self.is_sent_on) {
            leftover::read_on(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse(Some("digest=sha256%3Aab&tag=a&tag=b+c&last=%zz%4&flag"));
        assert_eq!(query.get("digest"), Some("sha256:ab"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(
            (query.get("last"), query.get("flag"), query.get("none")),
            (Some("%zz%4"), Some(""), None)
        );
        assert_eq!(Query::parse(Some("n=7")).page(5).unwrap(), 5);
        assert!(Query::parse(Some("n=-7")).page(5).is_err());
    }
}
