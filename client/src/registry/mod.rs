//! Registries: repositories as a [`Source`](crate::Source) and a [`Sink`](crate::Sink).
//!
//! Revision followed: distribution-spec 967efdc (2026-07-16), with what registries before it need: fallback tags of
//! referrers, cosign's tags, Docker's media types. What is read is checked by digest; a blob that is sent is hashed on
//! its way, and its upload completed only when it was what its descriptor says.

mod administration;
mod api;
mod challenge;
mod credentials;
mod endpoint;
mod error;
mod listing;
mod misnamed;
mod observer;
mod pull;
mod push;
mod referrers;
mod registries;
mod relay;
mod repository;
mod session;
mod tags;
mod token;
mod trust;
mod uploads;
mod warnings;

pub use administration::{Administration, AdministrationRequest};
pub use api::{BlobStream, Intent, ManifestBytes, ManifestHead, ManifestPut, RegistryApi, RepositoryApi};
pub use credentials::{
    Credential, CredentialError, CredentialHelper, CredentialStore, DOCKER_CONFIG_BYTES_MAX, DockerConfig,
    HelperAnswer, erase_from_helper, store_in_helper,
};
pub use endpoint::is_loopback;
pub use error::{Detail, RegistryError};
pub use listing::{ListedManifest, RepositoryListing, TagListing};
pub use misnamed::{MISNAMED_CHARACTERS_MAX, MISNAMED_MAX, Misnamed};
pub use observer::{NoObserver, Observed, Observer, RateLimit};
pub use registries::{Registries, RegistryOptions};
pub use relay::{Exchanged, Relay};
pub use session::Checked;
pub use trust::{Encryption, HostAuthorities, HostAuthoritiesError, NoHostAuthorities};
pub use uploads::{Mounted, PushedAtOnce, UploadSession};
pub use warnings::{NoWarnings, WARNING_CHARACTERS_MAX, Warnings};
