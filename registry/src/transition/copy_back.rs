//! What is here and not at the old side is copied there: a push to both, and everything before the old side answers again.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use client::{
    BlobRead, CopyError, CopyOptions, Location, OpenError, Referrers, Selector, Sink, Source, SourceError,
};
use oci::{Descriptor, Digest, Manifest, Parsed};
use store::{BlobContent, ByteRange, PackagePath, StoreError};

use super::Moving;
use crate::manifests;
use crate::registry::Registry;

/// A package of this registry, to be copied elsewhere.
struct Ours<'o> {
    registry: &'o Registry,
    package: &'o PackagePath,
}

/// Why something was not copied to the old side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyBackError {
    #[error("the server has no way to the old registry")]
    NoWay,
    #[error("the old registry's name for {package} is none")]
    Name { package: PackagePath },
    #[error("the old registry cannot be written to")]
    Open(#[from] OpenError),
    #[error("{reference} of {package} cannot be copied to the old registry")]
    Copy {
        package: PackagePath,
        reference: String,
        source: Box<CopyError>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was copied.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CopiedBack {
    pub(crate) manifests: usize,
    pub(crate) blob_bytes: u64,
}

impl CopiedBack {
    pub(super) fn add(&mut self, more: CopiedBack) {
        self.manifests += more.manifests;
        self.blob_bytes = self.blob_bytes.saturating_add(more.blob_bytes);
    }
}

/// Copies a manifest with all that it names, and sets a tag on it there if one is given.
pub(crate) async fn copy_back(
    registry: &Registry,
    moving: &Moving,
    descriptor: &Descriptor,
    tag: Option<&str>,
) -> Result<CopiedBack, CopyBackError> {
    let package = &moving.package;
    let sink = opened(registry, moving)?;
    let ours = Ours { registry, package };
    let options = CopyOptions {
        // Each is a manifest of its own, and is copied as one.
        referrers: Referrers::Skip,
        ..CopyOptions::default()
    };
    let copied = client::copy(&ours, descriptor, &*sink, tag, &options, &progress::Silent).await;
    let copied = match copied {
        Ok(copied) => sink.finish().await.map(|()| copied).map_err(CopyError::from),
        Err(error) => Err(error),
    };
    let copied = copied.map_err(|source| CopyBackError::Copy {
        package: package.clone(),
        reference: tag.map_or_else(|| descriptor.digest.to_string(), str::to_owned),
        source: Box::new(source),
    })?;
    Ok(CopiedBack {
        manifests: copied.manifests,
        blob_bytes: copied.blob_bytes,
    })
}

/// Copies those blobs of a manifest that are here; the others stay where they are.
pub(super) async fn copy_blobs_back(
    registry: &Registry,
    moving: &Moving,
    manifest: &Manifest,
) -> Result<(), CopyBackError> {
    let Parsed::Image(image) = manifest.parsed() else {
        return Ok(());
    };
    let package = &moving.package;
    let sink = opened(registry, moving)?;
    let ours = Ours { registry, package };
    let failed = |descriptor: &Descriptor, source: CopyError| CopyBackError::Copy {
        package: package.clone(),
        reference: descriptor.digest.to_string(),
        source: Box::new(source),
    };
    for blob in image.distributable_blobs() {
        if registry.metadata().blob(package, &blob.digest).await?.is_none() {
            continue;
        }
        let is_there = sink.has_blob(blob).await;
        if is_there.map_err(|error| failed(blob, error.into()))? {
            continue;
        }
        let content = ours
            .blob(blob)
            .await
            .map_err(|error| failed(blob, error.into()))?;
        let put = sink.put_blob(blob, content).await;
        put.map_err(|error| failed(blob, error.into()))?;
    }
    Ok(())
}

/// The package at the old side, to be written to.
fn opened(registry: &Registry, moving: &Moving) -> Result<Box<dyn Sink>, CopyBackError> {
    let package = &moving.package;
    let upstreams = registry.upstreams().registries().ok_or(CopyBackError::NoWay)?;
    let name = format!(
        "registry:{}/{}",
        moving.transition.old.host.as_str(),
        moving.old_name
    );
    let location: Location = name.parse().map_err(|_| CopyBackError::Name {
        package: package.clone(),
    })?;
    Ok(upstreams.open_sink(&location)?)
}

#[async_trait]
impl Source for Ours<'_> {
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError> {
        // Whoever copies knows what.
        Err(SourceError::NotFound {
            selector: selector.clone(),
            available: Vec::new(),
        })
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let digest = descriptor.digest;
        let found = self.registry.metadata().manifest(self.package, &digest).await;
        let found = found.map_err(|error| unreadable(&digest, error))?;
        let stored = found.ok_or(SourceError::Missing { digest })?;
        manifests::parsed(&stored).map_err(|source| SourceError::Manifest { digest, source })
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError> {
        let digest = descriptor.digest;
        let found = self.registry.metadata().blob(self.package, &digest).await;
        let found = found.map_err(|error| unreadable(&digest, error))?;
        let blob = found.ok_or(SourceError::Missing { digest })?;
        let range = ByteRange::all(blob.size);
        let content = self.registry.blobs().read(&blob.key, blob.size, range).await;
        match content.map_err(|error| unreadable(&digest, error))? {
            BlobContent::File { file, range } => Ok(BlobRead::File {
                file,
                offset: range.start,
                length: range.length(),
            }),
            BlobContent::Stream(stream) => Ok(BlobRead::Stream(stream)),
            BlobContent::Redirect(_) => Err(SourceError::Missing { digest }),
        }
    }

    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError> {
        Ok(Vec::new())
    }

    async fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(Vec::new())
    }
}

fn unreadable(digest: &Digest, error: StoreError) -> SourceError {
    SourceError::Io {
        path: PathBuf::from(digest.to_string()),
        source: io::Error::other(error),
    }
}
