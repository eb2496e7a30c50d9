//! Hosts that are elsewhere than their names lead.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Url;

/// A request to such a host.
pub(crate) struct Pinned {
    /// Without the port, which would win over that of the address.
    pub(crate) url: reqwest::Url,
    /// As the server is to read its own name.
    pub(crate) host: String,
}

impl Pinned {
    /// Nothing when the host of `url` is where its name leads.
    pub(crate) fn of(addresses: &BTreeMap<String, SocketAddr>, url: &Url) -> Option<Pinned> {
        if addresses.is_empty() {
            return None;
        }
        let name = url.host()?.to_ascii_lowercase();
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name,
        };
        let address = addresses.get(&host)?;
        let mut url = url.inner().clone();
        // TLS needs the name, which the client is told to look up so. Without TLS the header alone says it.
        if url.scheme() == "https" && url.domain().is_some() {
            url.set_port(None).ok()?;
        } else {
            url.set_ip_host(address.ip()).ok()?;
            url.set_port(Some(address.port())).ok()?;
        }
        Some(Pinned { url, host })
    }
}

/// The name in `HOST[:PORT]`.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_reached_at_its_address_under_its_own_name() {
        let addresses = [
            ("old.example:5000", "127.0.0.1:1"),
            ("old.example", "127.0.0.1:2"),
        ];
        let addresses = addresses.map(|(host, address)| (host.to_owned(), address.parse().unwrap()));
        let of = |url: &str| {
            let pinned = Pinned::of(&addresses.clone().into(), &url.parse().unwrap())?;
            Some((pinned.url.to_string(), pinned.host))
        };
        let told = |url: &str, host: &str| Some((url.to_owned(), host.to_owned()));
        assert_eq!(
            of("http://OLD.example:5000/v2/"),
            told("http://127.0.0.1:1/v2/", "old.example:5000")
        );
        assert_eq!(
            of("https://old.example/v2/"),
            told("https://old.example/v2/", "old.example")
        );
        assert_eq!(of("https://old.example:5001/v2/"), None);
        assert_eq!(of("https://other.example/"), None);
        assert_eq!(
            (name_of("a:5"), name_of("a"), name_of("[::1]:5")),
            ("a", "a", "::1")
        );
    }
}
