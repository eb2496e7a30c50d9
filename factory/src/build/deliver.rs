//! One complete image into its outputs.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use cache::Cache;
use client::{BlobRead, Sink, SinkError};
use oci::{Descriptor, Digest, Manifest, MediaType, Platform};
use progress::{Progress, Task, Work};
use tokio::task::JoinSet;

use super::{
    BuildError, Damage, Form, ImageReport, Medium, Output, PlatformReport, SbomPolicy,
    platform::BuiltPlatform,
};
use crate::{
    image::{EMPTY_CONFIG, attachment, index},
    layers::{StoredLayer, discard_damaged_layer, open_layer},
    sbom::Format,
    specification::Plan,
};

/// Blobs of one image that are written at the same time.
const BLOBS_AT_ONCE: usize = 8;

/// An image with all its platforms, in the order of the index.
pub(super) struct Delivery<'d> {
    pub(super) plan: &'d Plan,
    pub(super) form: Form,
    pub(super) platforms: &'d [BuiltPlatform],
    pub(super) outputs: &'d [Output],
    pub(super) sbom: &'d SbomPolicy,
    pub(super) alone: bool,
    pub(super) cache: &'d Cache,
    pub(super) progress: &'d Arc<dyn Progress>,
}

impl Delivery<'_> {
    /// Writes blobs, then manifests, then the name, to one output after the other.
    pub(super) async fn deliver(&self) -> Result<ImageReport, BuildError> {
        let platforms: Vec<(Descriptor, Platform)> = self
            .platforms
            .iter()
            .map(|built| (built.image.manifest.descriptor(), built.image.platform.clone()))
            .collect();
        let index = match self.form {
            Form::Index => Some(index(self.plan, &platforms)),
            Form::Manifest => None,
        };
        if let SbomPolicy::Directory(directory) = self.sbom {
            self.write_bills(directory)?;
        }
        let mut labels = Vec::new();
        for output in self.outputs.iter().filter(|output| output.takes(self.plan)) {
            let tag = self.tag(output);
            self.write(output, &tag, index.as_ref()).await?;
            labels.push(match output.medium {
                Medium::Files => format!("{} ({tag})", output.label),
                Medium::Repository { .. } => format!("{}:{tag}", output.label),
            });
        }
        let first = platforms.first().map(|(descriptor, _)| descriptor.digest);
        let digest = index
            .map(|index| index.digest())
            .or(first)
            .unwrap_or_else(|| Digest::sha256_of(b""));
        Ok(ImageReport {
            name: self.plan.name.clone(),
            variant: self.plan.variant.clone(),
            digest,
            platforms: self.platforms.iter().map(platform_report).collect(),
            outputs: labels,
        })
    }

    fn tag(&self, output: &Output) -> String {
        match &output.tag {
            Some(tag) => tag.clone(),
            None if self.alone || output.medium != Medium::Files => self.plan.variant.clone(),
            None => format!("{}-{}", self.plan.name, self.plan.variant),
        }
    }

    async fn write(&self, output: &Output, tag: &str, index: Option<&Manifest>) -> Result<(), BuildError> {
        let refused = |source| self.refused(output, source);
        self.write_blobs(output).await?;
        for built in self.platforms {
            let name = if index.is_some() { None } else { Some(tag) };
            output
                .sink
                .put_manifest(&built.image.manifest, name)
                .await
                .map_err(refused)?;
            if output.wants_bills(self.sbom) {
                self.attach_bills(output, built).await?;
            }
        }
        if let Some(index) = index {
            output
                .sink
                .put_manifest(index, Some(tag))
                .await
                .map_err(refused)?;
        }
        Ok(())
    }

    async fn write_blobs(&self, output: &Output) -> Result<(), BuildError> {
        let mut seen = BTreeSet::new();
        let mut under_way: JoinSet<Result<(), BuildError>> = JoinSet::new();
        for built in self.platforms {
            let config = Descriptor::of(MediaType::OCI_CONFIG, &built.image.config);
            put_bytes(&*output.sink, &config, &built.image.config)
                .await
                .map_err(|e| self.refused(output, e))?;
            let Some(manifest) = built.image.manifest.image() else {
                continue;
            };
            for (descriptor, (_, layer)) in manifest.layers.iter().zip(&built.layers) {
                if !seen.insert(layer.digest) {
                    continue;
                }
                if under_way.len() >= BLOBS_AT_ONCE {
                    joined(under_way.join_next().await)?;
                }
                under_way.spawn(put_layer(LayerDelivery {
                    sink: output.sink.clone(),
                    cache: self.cache.clone(),
                    progress: self.progress.clone(),
                    descriptor: descriptor.clone(),
                    layer: layer.clone(),
                    image: self.plan.name.clone(),
                    output: output.label.clone(),
                }));
            }
        }
        while !under_way.is_empty() {
            joined(under_way.join_next().await)?;
        }
        Ok(())
    }

    async fn attach_bills(&self, output: &Output, built: &BuiltPlatform) -> Result<(), BuildError> {
        let refused = |source| self.refused(output, source);
        let subject = built.image.manifest.descriptor();
        let sink = &*output.sink;
        put_bytes(
            sink,
            &Descriptor::of(MediaType::OCI_EMPTY, EMPTY_CONFIG),
            EMPTY_CONFIG,
        )
        .await
        .map_err(refused)?;
        for (format, document) in &built.sboms {
            let Ok(media_type) = format.media_type().parse::<MediaType>() else {
                continue;
            };
            let descriptor = Descriptor::of(media_type.clone(), document);
            put_bytes(sink, &descriptor, document).await.map_err(refused)?;
            let manifest = attachment(&subject, &media_type, document);
            sink.put_manifest(&manifest, None).await.map_err(refused)?;
        }
        Ok(())
    }

    fn write_bills(&self, directory: &Path) -> Result<(), BuildError> {
        for built in self.platforms {
            for (format, document) in &built.sboms {
                let path = directory.join(self.bill_name(built, *format));
                write_file(directory, &path, document).map_err(|source| BuildError::File { path, source })?;
            }
        }
        Ok(())
    }

    fn bill_name(&self, built: &BuiltPlatform, format: Format) -> String {
        let architecture = &built.image.platform.architecture;
        format!(
            "{}-{}-{architecture}.{}",
            self.plan.name,
            self.plan.variant,
            format.suffix()
        )
    }

    fn refused(&self, output: &Output, source: SinkError) -> BuildError {
        let image = format!("{} ({})", self.plan.name, self.plan.variant);
        BuildError::Output {
            image,
            output: output.label.clone(),
            source: Box::new(source),
        }
    }
}

impl Output {
    fn takes(&self, plan: &Plan) -> bool {
        match &self.medium {
            Medium::Repository { image: Some(image) } => *image == plan.name,
            _ => true,
        }
    }

    /// Whether bills of materials are attached to what goes there.
    pub(super) fn wants_bills(&self, policy: &SbomPolicy) -> bool {
        match policy {
            SbomPolicy::Attach => true,
            SbomPolicy::Repositories => self.medium != Medium::Files,
            SbomPolicy::None | SbomPolicy::Directory(_) => false,
        }
    }
}

/// Everything that a task needs to write one layer.
struct LayerDelivery {
    sink: Arc<dyn Sink>,
    cache: Cache,
    progress: Arc<dyn Progress>,
    descriptor: Descriptor,
    layer: StoredLayer,
    image: String,
    output: String,
}

async fn put_layer(delivery: LayerDelivery) -> Result<(), BuildError> {
    let LayerDelivery {
        sink,
        cache,
        progress,
        descriptor,
        layer,
        image,
        output,
    } = delivery;
    let refused = |source| BuildError::Output {
        image: image.clone(),
        output: output.clone(),
        source: Box::new(source),
    };
    if sink.has_blob(&descriptor).await.map_err(refused)? {
        return Ok(());
    }
    let task = Task::start(
        &*progress,
        Work::Write,
        &layer.digest.to_string(),
        Some(layer.bytes),
    );
    let damaged = || {
        BuildError::Damaged(Damage {
            what: format!("layer {}", layer.digest),
        })
    };
    let unusable = |source| BuildError::Layer {
        image: image.clone(),
        source,
    };
    let Some(file) = open_layer(&cache, &layer).map_err(unusable)? else {
        return Err(damaged());
    };
    let blob = BlobRead::File {
        file,
        offset: 0,
        length: layer.bytes,
    };
    let Err(error) = sink.put_blob(&descriptor, blob).await else {
        task.advance(layer.bytes);
        return Ok(());
    };
    // The sink compares digests while it writes. Whose fault a refusal is, the bytes themselves tell.
    let (cache, checked) = (cache.clone(), layer.clone());
    let discarded = tokio::task::spawn_blocking(move || discard_damaged_layer(&cache, &checked)).await;
    match discarded {
        Ok(Ok(true)) => Err(damaged()),
        Ok(Ok(false)) => Err(refused(error)),
        Ok(Err(error)) => Err(unusable(error)),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

async fn put_bytes(sink: &dyn Sink, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), SinkError> {
    if sink.has_blob(descriptor).await? {
        return Ok(());
    }
    sink.put_blob(descriptor, BlobRead::Bytes(bytes.to_vec())).await
}

fn joined(result: Option<Result<Result<(), BuildError>, tokio::task::JoinError>>) -> Result<(), BuildError> {
    match result {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Some(Err(_)) => Err(BuildError::GivenUp),
    }
}

fn platform_report(built: &BuiltPlatform) -> PlatformReport {
    PlatformReport {
        platform: built.image.platform.clone(),
        digest: built.image.manifest.digest(),
        compressed_bytes: built.layers.iter().map(|(_, layer)| layer.bytes).sum(),
        unpacked_bytes: built.layers.iter().map(|(_, layer)| layer.unpacked_bytes).sum(),
    }
}

/// Complete before it has its name.
fn write_file(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".sbom-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
