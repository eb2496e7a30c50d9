//! Where what a client reads comes from: from the package itself, from the registry behind it, or from a member of a virtual
//! repository.
//!
//! Whether the client may read has been decided, on the package that it named.

mod lists;
mod members;
mod memory;
mod remote;

use std::sync::Arc;

use store::{Mode, PackagePath, StoredManifest};

use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::Reference;

pub(crate) use lists::Lists;
pub(crate) use memory::Memory;
pub(crate) use remote::Pulled;

/// The package that content is read from.
pub(crate) struct Source {
    pub(crate) package: PackagePath,
    /// Standard or remote.
    pub(crate) mode: Arc<Mode>,
}

/// A manifest, and from which package it is.
pub(crate) struct Found {
    pub(crate) manifest: Arc<StoredManifest>,
    pub(crate) package: PackagePath,
    /// What the client is to be told besides.
    pub(crate) warning: Option<String>,
}

impl Registry {
    /// A manifest of a package, wherever it comes from.
    pub(crate) async fn read_manifest(
        &self,
        package: &PackagePath,
        reference: &Reference,
    ) -> Result<Option<Found>, Refusal> {
        let Some(Source { package, mode }) = self.source_of(package).await? else {
            return Ok(None);
        };
        if let Mode::Remote(remote) = &*mode {
            return self.remote_manifest(remote, &package, reference).await;
        }
        let found = manifests::find(self, &package, reference).await?;
        Ok(found.map(|manifest| Found {
            manifest,
            package,
            warning: None,
        }))
    }

    /// Refuses a push to a repository whose content comes from elsewhere.
    pub(crate) async fn refuse_push_elsewhere(&self, package: &PackagePath) -> Result<(), Refusal> {
        let kind = match &*self.mode_of(&package.repository).await? {
            Mode::Standard => return Ok(()),
            Mode::Remote(remote) => format!("it is filled from {}", remote.upstream),
            Mode::Virtual(_) => "it stands for other repositories: push to one of these".to_owned(),
        };
        Err(Refusal::NoPushes {
            repository: package.repository.to_string(),
            kind,
        })
    }

    /// Refuses to remove something from a repository that has nothing itself. What was kept of another registry may go: it is
    /// fetched again.
    pub(crate) async fn refuse_removal_elsewhere(&self, package: &PackagePath) -> Result<(), Refusal> {
        match &*self.mode_of(&package.repository).await? {
            Mode::Standard | Mode::Remote(_) => Ok(()),
            Mode::Virtual(_) => self.refuse_push_elsewhere(package).await,
        }
    }
}
