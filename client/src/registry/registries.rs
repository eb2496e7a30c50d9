//! Registries by host, shared by everything that one process reads and writes there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use transport::{Transport, UrlError};

use super::administration::Administration;
use super::api::RegistryApi;
use super::credentials::{Credential, CredentialStore};
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::observer::{NoObserver, Observer};
use super::pull::RegistrySource;
use super::push::RegistrySink;
use super::relay::Relay;
use super::repository::Repository;
use super::session::{Checked, Registry};
use super::trust::{Encryption, HostAuthorities};
use super::warnings::Warnings;
use crate::{Location, OpenError, Sink, Source};

/// How registries are spoken to.
pub struct RegistryOptions {
    /// The HTTP client.
    pub transport: Transport,
    /// What is shown to registries that ask.
    pub credentials: CredentialStore,
    /// Which hosts are spoken to with TLS, and which without, where that is not as usual.
    pub encryption: Encryption,
    /// Who vouches for single hosts.
    pub authorities: Arc<dyn HostAuthorities>,
    /// Hears what registries want people to be told.
    pub warnings: Arc<dyn Warnings>,
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
    encryption: Encryption,
    authorities: Arc<dyn HostAuthorities>,
    warnings: Arc<dyn Warnings>,
    observer: Arc<dyn Observer>,
    itself: bool,
    hosts: Mutex<BTreeMap<String, Arc<Registry>>>,
    relays: Mutex<BTreeMap<String, Arc<Relay>>>,
}

impl Registries {
    /// Nothing is spoken to before something is read or written.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                transport: options.transport,
                credentials: Arc::new(options.credentials),
                encryption: options.encryption,
                authorities: options.authorities,
                warnings: options.warnings,
                observer: Arc::new(NoObserver),
                itself: false,
                hosts: Mutex::default(),
                relays: Mutex::default(),
            }),
        }
    }

    /// The same, whose answers `observer` hears of. It has tokens and knowledge of its own.
    #[must_use]
    pub fn observed_by(&self, observer: Arc<dyn Observer>) -> Self {
        self.with(observer, self.shared.itself)
    }

    /// The same, where a Lightship that is replacing an old registry is asked for what it has itself, whichever side answers
    /// its clients at this moment: for who copies to it, and looks whether it has everything. Other registries see one header
    /// more.
    #[must_use]
    pub fn of_itself(&self) -> Self {
        self.with(Arc::clone(&self.shared.observer), true)
    }

    fn with(&self, observer: Arc<dyn Observer>, itself: bool) -> Self {
        let shared = &self.shared;
        Self {
            shared: Arc::new(Shared {
                transport: shared.transport.clone(),
                credentials: Arc::clone(&shared.credentials),
                encryption: shared.encryption.clone(),
                authorities: Arc::clone(&shared.authorities),
                warnings: Arc::clone(&shared.warnings),
                observer,
                itself,
                hosts: Mutex::default(),
                relays: Mutex::default(),
            }),
        }
    }

    /// Single requests to a registry, for who moves whole ones.
    ///
    /// # Errors
    /// When the host makes no URL.
    pub fn api(&self, host: &str) -> Result<RegistryApi, OpenError> {
        Ok(RegistryApi {
            registry: self.registry(host)?,
        })
    }

    /// Sets up the HTTP client, which blocks for some ten milliseconds: for those whose first request has somebody waiting.
    pub fn prepare(&self) {
        self.shared.transport.prepare();
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
        let reached = self.reach(host).map_err(|source| RegistryError::NotOpened {
            attempted: format!("log in to {host}"),
            source: Box::new(source),
        })?;
        let nobody = Arc::new(CredentialStore::empty());
        let registry = Registry::new(reached, nobody, self.hearers(), self.shared.itself);
        registry.check(credential).await
    }

    /// The administration of a registry of our own.
    ///
    /// # Errors
    /// When the host makes no URL.
    pub fn administration(&self, host: &str) -> Result<Administration, OpenError> {
        Ok(Administration::new(self.registry(host)?))
    }

    /// A registry to be spoken to on behalf of others: none of the credentials here is ever shown to it.
    ///
    /// # Errors
    /// When the host makes no URL.
    pub fn relay(&self, host: &str) -> Result<Arc<Relay>, OpenError> {
        let mut relays = self.shared.relays.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(relay) = relays.get(host) {
            return Ok(Arc::clone(relay));
        }
        let relay = Arc::new(Relay::new(self.reach(host)?));
        relays.insert(host.to_owned(), Arc::clone(&relay));
        Ok(relay)
    }

    pub(super) fn registry(&self, host: &str) -> Result<Arc<Registry>, OpenError> {
        let shared = &self.shared;
        let mut hosts = shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = hosts.get(host) {
            return Ok(Arc::clone(registry));
        }
        let reached = self.reach(host)?;
        let registry = Registry::new(
            reached,
            Arc::clone(&shared.credentials),
            self.hearers(),
            shared.itself,
        );
        let registry = Arc::new(registry);
        hosts.insert(host.to_owned(), Arc::clone(&registry));
        Ok(registry)
    }

    fn hearers(&self) -> (Arc<dyn Warnings>, Arc<dyn Observer>) {
        let shared = &self.shared;
        (Arc::clone(&shared.warnings), Arc::clone(&shared.observer))
    }

    /// Where a host is spoken to, and by whom that trusts the right ones.
    fn reach(&self, host: &str) -> Result<(Endpoint, Transport), OpenError> {
        let shared = &self.shared;
        let authorities = match shared.encryption.is_plain(host) {
            true => None,
            false => shared.authorities.find(host)?,
        };
        let endpoint = Endpoint::of(host, &shared.encryption, authorities.is_some());
        let endpoint = endpoint.map_err(|source: UrlError| OpenError::Host {
            host: host.to_owned(),
            source,
        })?;
        let transport = match authorities {
            Some(authorities) => shared.transport.trusting(authorities),
            None => shared.transport.clone(),
        };
        Ok((endpoint, transport))
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_tuple("Registries").field(&hosts.keys()).finish()
    }
}
