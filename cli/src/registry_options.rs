//! Options of every command that may speak to a registry.

use clap::Args;
use client::registry::{self, Registries};
use transport::{Transport, TransportOptions};

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
        client.proxies = settings.proxies();
        Ok(Registries::new(registry::RegistryOptions {
            transport: Transport::new(client),
            credentials: credentials::store(settings)?,
            plain_http: self.plain_http.clone(),
        }))
    }
}
