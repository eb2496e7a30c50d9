//! Options of every command that may speak to a registry.

use clap::Args;
use client::registry::{self, Registries};
use transport::{Proxies, Transport, TransportOptions};

use crate::credentials;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::workshop::USER_AGENT;

/// How registries are spoken to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryOptions {
    /// Speak to this registry without TLS; may be given several times
    ///
    /// HOST is written as in the image's name, with its port. Loopback hosts are spoken to in plain HTTP without asking.
    #[arg(long, value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
}

impl RegistryOptions {
    /// Registries with the user's credentials and proxies.
    pub(crate) fn registries(&self, settings: &Settings) -> Result<Registries, Failure> {
        let mut client = TransportOptions::new(USER_AGENT);
        client.proxies = beyond_this_machine(settings.proxies());
        Ok(Registries::new(registry::RegistryOptions {
            transport: Transport::new(client),
            credentials: credentials::store(settings)?,
            plain_http: self.plain_http.clone(),
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
