//! Where a registry is spoken to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use oci::RepositoryName;
use transport::{Url, UrlError};

use super::trust::Encryption;

/// Where Docker Hub's API is; `docker.io` is only what people call it.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A registry as people name it, and the URL it is spoken to at.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    host: String,
    base: Url,
    encryption: Encryption,
}

impl Endpoint {
    /// Loopback hosts are spoken to in plain HTTP without asking, as docker does, unless `encryption` says TLS or
    /// somebody vouches for the host alone; others only when `encryption` says so.
    pub(crate) fn of(host: &str, encryption: &Encryption, has_authorities: bool) -> Result<Self, UrlError> {
        let wants_tls = encryption.is_tls(host) || has_authorities;
        let is_plain = encryption.is_plain(host) || (is_loopback(host) && !wants_tls);
        let scheme = if is_plain { "http" } else { "https" };
        let api = if is_docker_hub(host) { DOCKER_HUB_API } else { host };
        Ok(Self {
            host: host.to_owned(),
            base: format!("{scheme}://{api}/v2/").parse()?,
            encryption: encryption.clone(),
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

    /// Whether a credential may be shown at `realm`, where the registry says that tokens are to be had. What goes to the
    /// registry by TLS goes nowhere without; and no host but loopback and those that were named gets it in plain HTTP.
    pub(crate) fn may_show_at(&self, realm: &Url) -> bool {
        if realm.scheme() == "https" {
            return true;
        }
        let (host, port) = (realm.host().unwrap_or_default(), realm.port());
        let named = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        self.base.scheme() == "http" && (is_loopback(&named) || self.encryption.is_plain(&named))
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
#[must_use]
pub fn is_loopback(host: &str) -> bool {
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

    fn encryption() -> Encryption {
        Encryption {
            plain_http: vec!["plain.example:8080".to_owned()],
            tls: vec!["localhost:5443".to_owned()],
        }
    }

    fn check(host: &str, expected: &str) {
        let endpoint = Endpoint::of(host, &encryption(), false).unwrap();
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
    fn loopback_is_spoken_to_with_tls_where_that_is_said_or_somebody_vouches_for_it() {
        check("localhost:5443", "https://localhost:5443/v2/");
        let vouched = |host: &str| {
            let endpoint = Endpoint::of(host, &encryption(), true).unwrap();
            endpoint.base().scheme().to_owned()
        };
        assert_eq!(vouched("127.0.0.1:5000"), "https");
        assert_eq!(vouched("plain.example:8080"), "http", "what is said counts");
    }

    #[test]
    fn credentials_go_in_plain_http_to_loopback_and_named_hosts_only() {
        let shown = |registry: &str, realm: &str| {
            let endpoint = Endpoint::of(registry, &encryption(), false).unwrap();
            endpoint.may_show_at(&realm.parse().unwrap())
        };
        for registry in ["localhost:5000", "plain.example:8080"] {
            assert!(shown(registry, "https://auth.example/token"), "{registry}");
            assert!(shown(registry, "http://127.0.0.1:5001/token"), "{registry}");
            assert!(shown(registry, "http://plain.example:8080/token"), "{registry}");
            assert!(!shown(registry, "http://auth.example/token"), "{registry}");
            assert!(!shown(registry, "http://plain.example/token"), "{registry}");
        }
        for realm in ["http://registry.example/token", "http://localhost/token"] {
            assert!(!shown("registry.example", realm), "{realm}");
        }
    }

    #[test]
    fn docker_hub_has_names_of_its_own() {
        let of = |host: &str| Endpoint::of(host, &Encryption::default(), false).unwrap();
        let endpoint = of("docker.io");
        assert_eq!(endpoint.base().to_string(), "https://registry-1.docker.io/v2/");
        assert_eq!(endpoint.api_name(&"debian".parse().unwrap()), "library/debian");
        assert_eq!(endpoint.api_name(&"a/b".parse().unwrap()), "a/b");
        assert_eq!(of("gcr.io").api_name(&"debian".parse().unwrap()), "debian");
    }
}
