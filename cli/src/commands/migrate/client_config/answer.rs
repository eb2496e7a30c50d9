//! Who answers, and with which certificate.

use transport::{Method, Request, Response, Transport, Url};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// By what a registry of ours is known; see `registry`.
const SERVER: &str = "lightship";

/// What is found at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// What it calls itself.
    pub(super) server: Option<String>,
    pub(super) is_lightship: bool,
    /// Where it sends for tokens.
    pub(super) challenge: Option<String>,
    pub(super) certificate: Option<Shown>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) subject: String,
    pub(super) names: Vec<String>,
    pub(super) issuer: String,
    pub(super) until: String,
}

/// Asks `/v2/` of a server.
pub(super) async fn ask(transport: &Transport, host: &str, is_plain: bool) -> Result<Answer, String> {
    let scheme = if is_plain { "http" } else { "https" };
    let url: Url = format!("{scheme}://{host}/v2/")
        .parse()
        .map_err(|error| told(&error))?;
    let response = transport.exchange(Request::new(Method::Get, url)).await;
    let response = response.map_err(|error| told(&error))?;
    Ok(of(&response))
}

fn of(response: &Response) -> Answer {
    let text = |name: &str| {
        let value = response.header(name)?;
        Some(value.chars().take(SHOWN_CHARACTERS_MAX).collect::<String>())
    };
    let server = text("server");
    Answer {
        status: response.status(),
        is_lightship: server.as_deref() == Some(SERVER),
        server,
        challenge: text("www-authenticate"),
        certificate: response.certificate().and_then(shown),
    }
}

fn shown(der: &[u8]) -> Option<Shown> {
    let certificate = Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate;
    let names = certificate.get::<SubjectAltName>().ok().flatten();
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match <[u8; 4]>::try_from(bytes.as_bytes()) {
            Ok(bytes) => Some(std::net::Ipv4Addr::from(bytes).to_string()),
            Err(_) => {
                Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_bytes()).ok()?).to_string())
            }
        },
        _ => None,
    };
    Some(Shown {
        subject: certificate.subject.to_string(),
        names: names
            .iter()
            .flat_map(|(_, names)| names.0.iter().filter_map(name))
            .collect(),
        issuer: certificate.issuer.to_string(),
        until: certificate.validity.not_after.to_string(),
    })
}

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// Longest header that is told.
const SHOWN_CHARACTERS_MAX: usize = 200;
