//! Writing a docker archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use oci::{Descriptor, Digest, ImageManifest, Manifest, MediaType, Parsed};

use super::{Listed, MANIFEST};
use crate::spool::{Member, Spool, Target, write_archive};
use crate::{BlobRead, OpenError, Sink, SinkError};

/// A new archive. The same content gives the same bytes.
///
/// Layers stay compressed as they are: docker, podman and the libraries of the scanners read them so.
pub(crate) struct DockerArchiveSink {
    target: Arc<Target>,
    spool: Spool,
    images: Mutex<BTreeMap<Digest, Image>>,
}

struct Image {
    manifest: ImageManifest,
    names: BTreeSet<String>,
}

impl DockerArchiveSink {
    pub(crate) fn open(file: &Path) -> Result<Self, OpenError> {
        let target = Target::new(file)?;
        Ok(Self {
            spool: Spool::new(&target)?,
            target: Arc::new(target),
            images: Mutex::default(),
        })
    }

    fn images(&self) -> MutexGuard<'_, BTreeMap<Digest, Image>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> Result<Vec<(String, Member)>, SinkError> {
        let mut list = Vec::new();
        let mut members = Vec::new();
        for (digest, image) in &*self.images() {
            let mut member = |blob: &Descriptor, name: String| {
                let length = self.spool.length(&blob.digest).ok_or(SinkError::BlobUnknown {
                    manifest: *digest,
                    blob: blob.digest,
                })?;
                members.push((name.clone(), Member::Blob(blob.digest, length)));
                Ok::<_, SinkError>(name)
            };
            let config = &image.manifest.config;
            let config = member(config, format!("{}.json", config.digest.hex()))?;
            let layers = image.manifest.layers.iter();
            let layers = layers
                .map(|layer| {
                    member(
                        layer,
                        format!("{}{}", layer.digest.hex(), suffix(&layer.media_type)),
                    )
                })
                .collect::<Result<_, _>>()?;
            list.push(Listed {
                config,
                repo_tags: Some(image.names.iter().map(|name| with_tag(name)).collect()),
                layers: Some(layers),
            });
        }
        let json = serde_json::to_vec(&list).map_err(|source| SinkError::IndexFile {
            path: self.target.path().join(MANIFEST),
            source,
        })?;
        members.push((MANIFEST.to_owned(), Member::Bytes(json)));
        Ok(members)
    }
}

#[async_trait]
impl Sink for DockerArchiveSink {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError> {
        Ok(self.spool.has(descriptor))
    }

    async fn put_blob(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError> {
        self.spool.put(descriptor, content).await
    }

    async fn put_manifest(&self, manifest: &Manifest, name: Option<&str>) -> Result<(), SinkError> {
        let Parsed::Image(image) = manifest.parsed() else {
            return Err(SinkError::OnePlatformOnly);
        };
        if !image.config.media_type.is_image_config() {
            return Err(SinkError::ImagesOnly {
                media_type: image.config.media_type.clone(),
            });
        }
        let mut images = self.images();
        if let Some(name) = name {
            // A name means one image.
            for other in images.values_mut() {
                other.names.remove(name);
            }
        }
        let entry = images.entry(manifest.digest()).or_insert_with(|| Image {
            manifest: image.clone(),
            names: BTreeSet::new(),
        });
        entry.names.extend(name.map(str::to_owned));
        Ok(())
    }

    async fn finish(&self) -> Result<(), SinkError> {
        if self.images().is_empty() {
            return Err(SinkError::Nothing {
                path: self.target.path().to_owned(),
            });
        }
        write_archive(&self.target, &self.spool, self.members()?).await
    }
}

fn suffix(media_type: &MediaType) -> &'static str {
    let text = media_type.as_str();
    if text.ends_with("gzip") {
        ".tar.gz"
    } else if text.ends_with("zstd") {
        ".tar.zst"
    } else {
        ".tar"
    }
}

/// docker refuses to load a name without a tag.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}
