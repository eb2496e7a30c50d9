//! Images to copy around, and a source that holds them in memory.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use client::{BlobRead, CopyOptions, Location, Selector, Sink, Source, SourceError};
use oci::{
    Descriptor, Digest, ImageConfig, ImageIndex, ImageManifest, Manifest, MediaType, Platform, RootFs,
};

/// Manifests and blobs in memory. It verifies nothing: that is for those who keep what it gives.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifests: BTreeMap<Digest, Manifest>,
    pub(crate) names: BTreeMap<String, Descriptor>,
    /// Whether blobs are given as streams, as a registry would.
    pub(crate) streams: bool,
}

impl Memory {
    pub(crate) fn blob(&mut self, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.blobs.insert(descriptor.digest, bytes.to_vec());
        descriptor
    }

    pub(crate) fn manifest(&mut self, manifest: Manifest) -> Descriptor {
        let descriptor = manifest.descriptor();
        self.manifests.insert(descriptor.digest, manifest);
        descriptor
    }

    /// An image of those uncompressed layers for an architecture.
    pub(crate) fn image(&mut self, architecture: &str, layers: &[&[u8]]) -> Descriptor {
        let config = ImageConfig {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            rootfs: RootFs {
                diff_ids: layers.iter().map(|layer| Digest::sha256_of(layer)).collect(),
                ..RootFs::default()
            },
            ..ImageConfig::default()
        };
        let config = self.blob(MediaType::OCI_CONFIG, &config.to_json());
        let layers = layers
            .iter()
            .map(|layer| self.blob(MediaType::OCI_LAYER_TAR, layer))
            .collect();
        let manifest = Manifest::from_image(&ImageManifest::new(config, layers));
        self.manifest(manifest)
            .with_platform(Platform::linux(architecture, None))
    }

    pub(crate) fn index(&mut self, children: Vec<Descriptor>) -> Descriptor {
        self.manifest(Manifest::from_index(&ImageIndex::new(children)))
    }

    /// An artifact that refers to `subject`.
    pub(crate) fn referrer(&mut self, subject: &Descriptor, content: &[u8]) -> Descriptor {
        let config = self.blob(MediaType::OCI_EMPTY, b"{}");
        let layer = self.blob("application/spdx+json".parse().unwrap(), content);
        let mut artifact = ImageManifest::new(config, vec![layer]);
        artifact.artifact_type = Some("application/spdx+json".parse().unwrap());
        artifact.subject = Some(Descriptor::new(
            subject.media_type.clone(),
            subject.digest,
            subject.size,
        ));
        artifact.annotations.insert("kind".to_owned(), "sbom".to_owned());
        self.manifest(Manifest::from_image(&artifact))
    }
}

#[async_trait]
impl Source for Memory {
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError> {
        match selector {
            Selector::Tag(tag) => self.names.get(tag).cloned(),
            Selector::Digest(digest) => self.manifests.get(digest).map(Manifest::descriptor),
            Selector::Only => self.names.values().next().cloned(),
        }
        .ok_or_else(|| SourceError::NotFound {
            selector: selector.clone(),
            available: Vec::new(),
        })
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let found = self.manifests.get(&descriptor.digest).cloned();
        found.ok_or(SourceError::Missing {
            digest: descriptor.digest,
        })
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError> {
        let found = self.blobs.get(&descriptor.digest).cloned();
        let bytes = found.ok_or(SourceError::Missing {
            digest: descriptor.digest,
        })?;
        Ok(if self.streams {
            BlobRead::Stream(Box::pin(std::io::Cursor::new(bytes)))
        } else {
            BlobRead::Bytes(bytes)
        })
    }

    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError> {
        Ok(self.names.clone().into_iter().collect())
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let refers = |manifest: &&Manifest| {
            manifest
                .subject()
                .is_some_and(|subject| subject.digest == *digest)
        };
        Ok(self
            .manifests
            .values()
            .filter(refers)
            .map(Manifest::descriptor)
            .collect())
    }
}

pub(crate) fn location(medium: &str, path: &Path, name: Option<&str>) -> Location {
    let name = name.map_or_else(String::new, |name| format!(":{name}"));
    format!("{medium}:{}{name}", path.display()).parse().unwrap()
}

pub(crate) async fn copy(source: &dyn Source, descriptor: &Descriptor, sink: &dyn Sink, name: Option<&str>) {
    client::copy(
        source,
        descriptor,
        sink,
        name,
        &CopyOptions::default(),
        &progress::Silent,
    )
    .await
    .unwrap();
}

/// Puts an image there and finishes.
pub(crate) async fn write(
    location: &Location,
    source: &dyn Source,
    descriptor: &Descriptor,
    name: Option<&str>,
) {
    let sink = location.open_sink().unwrap();
    copy(source, descriptor, &*sink, name).await;
    sink.finish().await.unwrap();
}

pub(crate) async fn blob_bytes(source: &dyn Source, descriptor: &Descriptor) -> Vec<u8> {
    source
        .blob(descriptor)
        .await
        .unwrap()
        .read_all(u64::MAX - 1)
        .await
        .unwrap()
}
