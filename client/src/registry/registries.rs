//! Registries by host, shared by everything that one process reads and writes there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use transport::{Transport, UrlError};

use super::administration::Administration;
use super::credentials::{Credential, CredentialStore};
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::pull::RegistrySource;
use super::push::RegistrySink;
use super::repository::Repository;
use super::session::{Checked, Registry};
use crate::{Location, OpenError, Sink, Source};

/// How registries are spoken to.
pub struct RegistryOptions {
    /// The HTTP client.
    pub transport: Transport,
    /// What is shown to registries that ask.
    pub credentials: CredentialStore,
    /// Hosts (`HOST[:PORT]`) that are spoken to without TLS. Loopback hosts always are.
    pub plain_http: Vec<String>,
}

/// Opens images wherever they are: registries as these options say, and every other medium.
///
/// Tokens and what is known of each registry's blobs are kept as long as this lives, so one for a process is right.
/// Cheap to clone.
#[derive(Clone)]
pub struct Registries {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Transport,
    credentials: Arc<CredentialStore>,
    plain_http: Vec<String>,
    hosts: Mutex<BTreeMap<String, Arc<Registry>>>,
}

impl Registries {
    /// Nothing is spoken to before something is read or written.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                transport: options.transport,
                credentials: Arc::new(options.credentials),
                plain_http: options.plain_http,
                hosts: Mutex::default(),
            }),
        }
    }

    /// Opens a location for reading; see [`Location::open_source`].
    ///
    /// # Errors
    /// As there; and when it names only a part of a registry.
    pub fn open_source(&self, location: &Location) -> Result<Box<dyn Source>, OpenError> {
        match location {
            Location::Registry(reference) => {
                let registry = self.registry(reference.host())?;
                let repository = Repository::for_pull(registry, reference.name());
                Ok(Box::new(RegistrySource::new(repository)))
            }
            other => other.open_source(),
        }
    }

    /// Opens a location for writing; see [`Location::open_sink`].
    ///
    /// # Errors
    /// As there; and when it names only a part of a registry.
    pub fn open_sink(&self, location: &Location) -> Result<Box<dyn Sink>, OpenError> {
        match location {
            Location::Registry(reference) => {
                let registry = self.registry(reference.host())?;
                let repository = Repository::for_push(registry, reference.name());
                Ok(Box::new(RegistrySink::new(repository)))
            }
            other => other.open_sink(),
        }
    }

    /// Whether a registry accepts a credential.
    ///
    /// # Errors
    /// When it does not; when it cannot be asked.
    pub async fn check(&self, host: &str, credential: Credential) -> Result<Checked, RegistryError> {
        let malformed =
            |_| RegistryError::protocol(&format!("log in to {host}"), "has no name that makes a URL");
        let endpoint = Endpoint::of(host, &self.shared.plain_http).map_err(malformed)?;
        let registry = Registry::new(
            endpoint,
            self.shared.transport.clone(),
            Arc::new(CredentialStore::empty()),
        );
        registry.check(credential).await
    }

    /// The administration of a registry of our own.
    ///
    /// # Errors
    /// When the host makes no URL.
    pub fn administration(&self, host: &str) -> Result<Administration, OpenError> {
        Ok(Administration::new(self.registry(host)?))
    }

    fn registry(&self, host: &str) -> Result<Arc<Registry>, OpenError> {
        let shared = &self.shared;
        let mut hosts = shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = hosts.get(host) {
            return Ok(Arc::clone(registry));
        }
        let endpoint =
            Endpoint::of(host, &shared.plain_http).map_err(|source: UrlError| OpenError::Host {
                host: host.to_owned(),
                source,
            })?;
        let registry = Registry::new(
            endpoint,
            shared.transport.clone(),
            Arc::clone(&shared.credentials),
        );
        let registry = Arc::new(registry);
        hosts.insert(host.to_owned(), Arc::clone(&registry));
        Ok(registry)
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_tuple("Registries").field(&hosts.keys()).finish()
    }
}
