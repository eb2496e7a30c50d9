//! How a server reaches the registries that its content comes from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::registry::{CredentialStore, Encryption, NoWarnings, Registries, RegistryOptions};
use transport::{Limits, RetryPolicy, Transport, TransportOptions};

use crate::certificates::Directories;
use crate::configuration::Upstream;
use crate::credentials;
use crate::failure::Failure;
use crate::registry_options::{Host, beyond_this_machine};
use crate::settings::Settings;
use crate::workshop::USER_AGENT;

/// To connect, TLS included: clients wait meanwhile.
const CONNECT: Duration = Duration::from_secs(5);

/// Without a byte of a blob.
const IDLE: Duration = Duration::from_secs(20);

/// Questions at one host at a time.
const REQUESTS_PER_HOST_MAX: usize = 64;

/// Registries as the configuration says. The user's own credentials are not shown to them.
///
/// # Errors
/// Wrong usage when files cannot be read, or a name would lead to two addresses.
pub(super) fn registries(upstream: &Upstream, settings: &Settings) -> Result<Registries, Failure> {
    let mut client = TransportOptions::new(USER_AGENT);
    client.proxies = beyond_this_machine(settings.proxies());
    client.addresses = addresses(upstream)?;
    client.limits = Limits {
        connect: CONNECT,
        idle: IDLE,
        requests_per_host_max: REQUESTS_PER_HOST_MAX,
        ..Limits::default()
    };
    // The registry knows better when to ask again: it has clients that wait, and an answer of before.
    client.retry = RetryPolicy {
        attempts_max: 1,
        ..RetryPolicy::default()
    };
    Ok(Registries::new(RegistryOptions {
        transport: Transport::new(client),
        credentials: match upstream.docker_config.as_deref() {
            Some(path) => credentials::store_of(path)?,
            None => CredentialStore::empty(),
        },
        encryption: Encryption {
            plain_http: upstream.plain_http.clone().unwrap_or_default(),
            tls: Vec::new(),
        },
        authorities: Arc::new(Directories::named(upstream.certificates.clone())),
        warnings: Arc::new(NoWarnings),
    }))
}

fn addresses(upstream: &Upstream) -> Result<BTreeMap<String, SocketAddr>, Failure> {
    let mut all = BTreeMap::new();
    let mut of_names: BTreeMap<String, SocketAddr> = BTreeMap::new();
    for (host, address) in upstream.addresses.iter().flatten() {
        let bad = |problem: &str| Failure::usage(format!("upstream.addresses: {host}: {problem}"));
        let parsed = Host::parse(host).map_err(|problem| bad(&problem))?;
        let host = parsed.name.to_ascii_lowercase();
        let name = host.split(':').next().unwrap_or_default().to_owned();
        if of_names
            .insert(name, *address)
            .is_some_and(|other| other != *address)
        {
            return Err(bad("all ports of a name are at one address"));
        }
        all.insert(host, *address);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Upstream {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(host, address)| ((*host).to_owned(), address.parse().unwrap()));
        Upstream {
            addresses: Some(pairs.collect()),
            ..Upstream::default()
        }
    }

    #[test]
    fn a_name_leads_to_one_address() {
        let known = addresses(&given(&[
            ("Old.example:5000", "127.0.0.1:1"),
            ("b.example", "127.0.0.1:2"),
        ]));
        assert_eq!(
            known.unwrap().into_keys().collect::<Vec<_>>(),
            ["b.example", "old.example:5000"]
        );
        assert!(
            addresses(&given(&[
                ("a.example", "127.0.0.1:1"),
                ("a.example:5", "127.0.0.1:2")
            ]))
            .is_err()
        );
        assert!(addresses(&given(&[("a.example/b", "127.0.0.1:1")])).is_err());
    }

    #[test]
    fn a_file_of_credentials_that_is_not_there_is_a_fault() {
        let upstream = Upstream {
            docker_config: Some("/nowhere/config.json".into()),
            ..Upstream::default()
        };
        let failure = registries(&upstream, &Settings::for_tests()).unwrap_err();
        assert!(
            failure.line().contains("/nowhere/config.json"),
            "{}",
            failure.line()
        );
    }
}
