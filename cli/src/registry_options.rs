//! Options of every command that may speak to a registry.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use client::registry::{self, CredentialStore, Encryption, Registries};
use transport::{Limits, Proxies, RetryPolicy, Secret, Transport, TransportOptions};

use crate::certificates::{self, Directories};
use crate::credentials;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::workshop::USER_AGENT;

/// How registries are spoken to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryOptions {
    /// Speak to this registry without TLS; may be given several times
    ///
    /// HOST is written as in the image's name, with its port. Loopback hosts are spoken to in plain HTTP without asking.
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
    /// Speak to this registry with TLS, though its name is loopback; may be given several times
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) tls: Vec<String>,
    /// Trust the certificate authorities in this file (PEM) too; may be given several times
    ///
    /// So are those in /etc/docker/certs.d/HOST:PORT/*.crt, /etc/containers/certs.d and ~/.config/containers/certs.d for
    /// that host. SSL_CERT_FILE and SSL_CERT_DIR stand in place of the machine's own.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Vec<PathBuf>,
    /// What this program shows to its own server, before all that the user has for it.
    #[arg(skip)]
    pub(crate) own: Option<OwnToken>,
}

/// The token of a server that runs in this process.
#[derive(Debug, Clone)]
pub(crate) struct OwnToken {
    /// Where it listens, as images there are named.
    pub(crate) host: String,
    pub(crate) token: Secret,
}

/// A registry's host as people write it: `HOST[:PORT]`, also as the URL `https://HOST[:PORT]/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// As it stands in the names of images.
    pub(crate) name: String,
    /// It was written as a URL, so that TLS is meant, on loopback too.
    pub(crate) is_https: bool,
}

impl Host {
    /// Reads a host alone.
    pub(crate) fn parse(text: &str) -> Result<Host, String> {
        let bare = text.strip_prefix("https://");
        let host = bare.unwrap_or(text).trim_end_matches('/');
        match "x".parse().map(|name| oci::Reference::new(host, name)) {
            Ok(Ok(reference)) => Ok(Host {
                name: reference.host().to_owned(),
                is_https: bare.is_some(),
            }),
            _ => Err("it is not a registry's host, such as registry.example or localhost:5000".to_owned()),
        }
    }
}

impl RegistryOptions {
    /// These options for a host that was named apart.
    pub(crate) fn with_host(&self, host: &Host) -> RegistryOptions {
        let mut options = self.clone();
        if host.is_https {
            options.tls.push(host.name.clone());
        }
        options
    }

    /// Whether a host is spoken to without TLS, where nobody's certificate for it decides otherwise.
    pub(crate) fn is_plain(&self, host: &str) -> bool {
        let is_named = |hosts: &[String]| hosts.iter().any(|other| other.eq_ignore_ascii_case(host));
        is_named(&self.plain_http)
            || registry::is_loopback(host) && !is_named(&self.tls) && self.ca_file.is_empty()
    }

    /// Registries with the user's credentials, certificate authorities and proxies.
    pub(crate) fn registries(&self, settings: &Settings) -> Result<Registries, Failure> {
        self.registries_paced(settings, (Limits::default(), RetryPolicy::default()))
    }

    /// The same for somebody who decides himself how much is asked at once, and when again.
    pub(crate) fn registries_paced(
        &self,
        settings: &Settings,
        pace: (Limits, RetryPolicy),
    ) -> Result<Registries, Failure> {
        let credentials = credentials::store(settings, self.own.as_ref())?;
        self.registries_with(settings, pace, credentials)
    }

    /// The same for somebody else, who shows `credentials` and nothing of what the user has.
    pub(crate) fn registries_as(
        &self,
        settings: &Settings,
        credentials: CredentialStore,
    ) -> Result<Registries, Failure> {
        self.registries_with(settings, (Limits::default(), RetryPolicy::default()), credentials)
    }

    fn registries_with(
        &self,
        settings: &Settings,
        (limits, retry): (Limits, RetryPolicy),
        credentials: CredentialStore,
    ) -> Result<Registries, Failure> {
        let is_tls = |host: &&String| self.tls.iter().any(|other| other.eq_ignore_ascii_case(host));
        if let Some(host) = self.plain_http.iter().find(is_tls) {
            return Err(Failure::usage(format!(
                "{host} is to be spoken to both with TLS and without"
            )));
        }
        let mut client = TransportOptions::new(USER_AGENT);
        (client.limits, client.retry) = (limits, retry);
        client.proxies = beyond_this_machine(settings.proxies());
        client.authorities = certificates::named(&self.ca_file)?;
        Ok(Registries::new(registry::RegistryOptions {
            transport: Transport::new(client),
            credentials,
            encryption: Encryption {
                plain_http: self.plain_http.clone(),
                tls: self.tls.clone(),
            },
            authorities: Arc::new(Directories::of(settings)),
            warnings: settings.warnings.clone(),
        }))
    }
}

/// A registry on this machine is never asked through a proxy, which would look for it on its own machine; docker's
/// and podman's clients do the same.
pub(crate) fn beyond_this_machine(mut proxies: Proxies) -> Proxies {
    const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";
    proxies.no_proxy = Some(match proxies.no_proxy {
        Some(others) => format!("{others},{LOOPBACK}"),
        None => LOOPBACK.to_owned(),
    });
    proxies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_also_taken_as_a_url_which_means_tls() {
        let parsed = |text: &str| Host::parse(text).map(|host| (host.name, host.is_https)).ok();
        assert_eq!(
            parsed("localhost:5000"),
            Some(("localhost:5000".to_owned(), false))
        );
        assert_eq!(
            parsed("https://localhost:5000/"),
            Some(("localhost:5000".to_owned(), true))
        );
        for text in ["", "http://localhost", "localhost/a", "https://"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
