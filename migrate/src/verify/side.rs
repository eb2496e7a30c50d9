//! One repository of one side, whatever it is in.

use std::collections::BTreeMap;
use std::error::Error;

use client::registry::{Intent, Registries, RepositoryApi};
use client::{BlobRead, Location, OpenError, Source, SourceError};
use futures_util::StreamExt as _;
use oci::Descriptor;

/// Blobs that are looked for at a time.
pub const REQUESTS_AT_ONCE: usize = 8;

/// A repository that is read.
pub(super) struct Side {
    /// `HOST/NAME`, or what else it is.
    pub(super) name: String,
    pub(super) source: Box<dyn Source>,
    /// For single requests, where it is on a registry.
    api: Option<RepositoryApi>,
}

/// Whether a blob is where it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    Missing,
    /// It is there and cannot be the right one.
    Damaged(String),
    Unknown(String),
}

impl Side {
    pub(super) fn open(registries: &Registries, location: &Location) -> Result<Side, OpenError> {
        let api = match location {
            Location::Registry(reference) => {
                let registry = registries.api(reference.host())?;
                Some(registry.repository(reference.name(), Intent::Pull))
            }
            _ => None,
        };
        Ok(Side {
            name: location.to_string(),
            source: registries.open_source(location)?,
            api,
        })
    }

    pub(super) async fn tags(&self) -> Result<BTreeMap<String, Descriptor>, SourceError> {
        match self.source.tags().await {
            Ok(tags) => Ok(tags.into_iter().collect()),
            // A repository that nothing was copied into is not there at all.
            Err(SourceError::Registry(error)) if error.status() == Some(404) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// The names of the tags, without what they name.
    pub(super) async fn names(&self) -> Result<Vec<String>, SourceError> {
        match &self.api {
            Some(api) => Ok(api
                .listing()
                .await?
                .map(|listing| listing.tags)
                .unwrap_or_default()),
            None => Ok(self.tags().await?.into_keys().collect()),
        }
    }

    /// Looks for blobs, several at a time; gives those that are not simply there, in their order.
    pub(super) async fn absent(&self, blobs: Vec<Descriptor>) -> Vec<(Descriptor, Presence)> {
        let look = |blob: Descriptor| async move {
            let presence = self.presence(&blob).await;
            (blob, presence)
        };
        let looked = futures_util::stream::iter(blobs)
            .map(look)
            .buffered(REQUESTS_AT_ONCE);
        let absent = looked.filter(|(_, presence)| std::future::ready(*presence != Presence::Here));
        absent.collect().await
    }

    async fn presence(&self, blob: &Descriptor) -> Presence {
        let Some(api) = &self.api else {
            return match self.source.blob(blob).await {
                Ok(BlobRead::File { length, .. }) => sized(blob, Some(length)),
                Ok(_) => Presence::Here,
                Err(SourceError::Missing { .. }) => Presence::Missing,
                Err(SourceError::Size { actual, .. }) => sized(blob, Some(actual)),
                Err(error) => Presence::Unknown(told(&error)),
            };
        };
        match api.find_blob(&blob.digest).await {
            Ok(Some(size)) => sized(blob, size),
            Ok(None) => Presence::Missing,
            Err(error) => Presence::Unknown(told(&error)),
        }
    }
}

fn sized(blob: &Descriptor, size: Option<u64>) -> Presence {
    match size {
        Some(size) if size != blob.size => Presence::Damaged(format!(
            "it has {size} bytes, and its manifest says {}",
            blob.size
        )),
        _ => Presence::Here,
    }
}

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
