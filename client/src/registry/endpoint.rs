//! Where a registry is spoken to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use oci::RepositoryName;
use transport::{Url, UrlError};

/// Where Docker Hub's API is; `docker.io` is only what people call it.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A registry as people name it, and the URL it is spoken to at.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    host: String,
    base: Url,
}

impl Endpoint {
    /// Loopback hosts are spoken to in plain HTTP without asking, as docker does; others only when they are among
    /// `plain_http`.
    pub(crate) fn of(host: &str, plain_http: &[String]) -> Result<Self, UrlError> {
        let is_plain = is_loopback(host) || plain_http.iter().any(|plain| plain.eq_ignore_ascii_case(host));
        let scheme = if is_plain { "http" } else { "https" };
        let api = if is_docker_hub(host) { DOCKER_HUB_API } else { host };
        Ok(Self {
            host: host.to_owned(),
            base: format!("{scheme}://{api}/v2/").parse()?,
        })
    }

    /// The host, with its port if one was given, as people write it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `/v2/`, where a registry says whether it wants credentials.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// A repository's name as the API has it: on Docker Hub, a single word lies below `library/`.
    pub(crate) fn api_name(&self, name: &RepositoryName) -> String {
        if is_docker_hub(&self.host) && !name.as_str().contains('/') {
            format!("library/{name}")
        } else {
            name.to_string()
        }
    }
}

/// Whether `host` (`HOST[:PORT]`) is one of Docker Hub's names.
pub(crate) fn is_docker_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | DOCKER_HUB_API)
}

/// Whether `host` (`HOST[:PORT]`) is this machine by its very name.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0],
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: &str) {
        let endpoint = Endpoint::of(host, &["plain.example:8080".to_owned()]).unwrap();
        assert_eq!(endpoint.base().to_string(), expected);
    }

    #[test]
    fn only_loopback_and_listed_hosts_are_spoken_to_in_plain_http() {
        check("localhost:5000", "http://localhost:5000/v2/");
        check("localhost", "http://localhost/v2/");
        check("127.1.2.3:5000", "http://127.1.2.3:5000/v2/");
        check("[::1]:5000", "http://[::1]:5000/v2/");
        check("plain.example:8080", "http://plain.example:8080/v2/");
        check("plain.example", "https://plain.example/v2/");
        check("localhost.example", "https://localhost.example/v2/");
        check("127.example.com", "https://127.example.com/v2/");
        check("10.0.0.1:5000", "https://10.0.0.1:5000/v2/");
        check("[::2]:5000", "https://[::2]:5000/v2/");
    }

    #[test]
    fn docker_hub_has_names_of_its_own() {
        let endpoint = Endpoint::of("docker.io", &[]).unwrap();
        assert_eq!(endpoint.base().to_string(), "https://registry-1.docker.io/v2/");
        assert_eq!(endpoint.api_name(&"debian".parse().unwrap()), "library/debian");
        assert_eq!(endpoint.api_name(&"a/b".parse().unwrap()), "a/b");
        let other = Endpoint::of("gcr.io", &[]).unwrap();
        assert_eq!(other.api_name(&"debian".parse().unwrap()), "debian");
    }
}
