//! Reading from another registry for our own: what remote repositories and moves of registries stand on.
//!
//! Three questions: what a tag names there ([`manifests`]), a manifest, and a blob ([`blobs`]). Each is asked once however
//! many clients wait for it, within bounded time, and what comes is kept in the package that it was asked for. Our own
//! policies have decided before anything is asked: nothing here knows a caller.
//!
//! Spec: distribution-spec "Registry Proxying".

mod arrived;
mod asking;
mod bandwidth;
mod blob_flight;
mod blobs;
mod extent;
mod fetching;
mod keeping;
mod lists;
mod manifests;
mod single_flight;
mod trouble;

use std::sync::Arc;

use client::registry::{Registries, Relay};
use oci::{Digest, Tag};
use store::{PackagePath, StoredManifest};

pub(crate) use blob_flight::{End, Grown, Growth};
pub(crate) use blobs::{Fetch, Incoming};
pub(crate) use trouble::Trouble;

use arrived::Arrived;
use asking::Hosts;
use bandwidth::Bandwidth;
use blobs::Flights;
use single_flight::SingleFlight;

/// What is known of other registries, and what is under way from them.
pub(crate) struct Upstreams {
    registries: Option<Registries>,
    hosts: Hosts,
    /// By package and tag.
    tags: Asked<(PackagePath, String), Digest>,
    /// By package, tag or digest, and the tag that is set on it.
    manifests: Asked<ManifestKey, Arc<StoredManifest>>,
    arrived: Arrived,
    /// All tags, by package.
    lists: Asked<PackagePath, Arc<Vec<Tag>>>,
    blobs: Arc<Flights>,
    bandwidth: Bandwidth,
}

/// Questions under way: what is there, nothing, or why that is not known.
type Asked<K, V> = Arc<SingleFlight<K, Result<Option<V>, Trouble>>>;

type ManifestKey = (PackagePath, String, Option<String>);

impl Upstreams {
    /// Another registry, to be spoken to in the name of callers.
    pub(crate) fn relay(&self, host: &str) -> Option<Arc<Relay>> {
        self.registries.as_ref()?.relay(host).ok()
    }

    /// For writing there.
    pub(crate) fn registries(&self) -> Option<&Registries> {
        self.registries.as_ref()
    }

    /// Without registries nothing is reached.
    pub(crate) fn new(registries: Option<Registries>) -> Upstreams {
        Upstreams {
            registries,
            hosts: Hosts::default(),
            tags: Arc::default(),
            manifests: Arc::default(),
            arrived: Arrived::default(),
            lists: Arc::default(),
            blobs: Arc::default(),
            bandwidth: Bandwidth::default(),
        }
    }
}
