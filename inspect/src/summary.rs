//! What there is to tell about an image at a glance.

use std::collections::BTreeMap;
use std::fmt;

use client::{INDEX_DEPTH_MAX, Source};
use oci::{Descriptor, Digest, ImageConfig, ImageManifest, Manifest, Parsed, Platform};
use serde::Serialize;

use crate::ImageView;
use crate::packages::{Package, PackagesError, packages};
use crate::view::{FileKind, ViewError, config_of};
use crate::visible;

/// Most platforms of an image that are described.
pub const PLATFORMS_MAX: usize = 1_000;

/// An image, with all its platforms.
#[derive(Debug, Clone, Serialize)]
pub struct ImageSummary {
    /// Digest of its manifest or index.
    pub digest: String,
    /// What that is.
    pub media_type: String,
    /// Annotations of it.
    pub annotations: BTreeMap<String, String>,
    /// Its platforms, in the order of the index.
    pub platforms: Vec<PlatformSummary>,
    /// What refers to it, or to one of its platforms: SBOMs, signatures.
    pub referrers: Vec<ReferrerSummary>,
}

/// An image for one platform.
#[derive(Debug, Clone, Serialize)]
pub struct PlatformSummary {
    /// The platform, such as `linux/arm/v7`.
    pub platform: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Size of its layers as they are stored and sent.
    pub compressed_bytes: u64,
    /// Annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// How it is run.
    pub config: ConfigSummary,
    /// Its layers, from the bottom up.
    pub layers: Vec<LayerSummary>,
    /// What its layers hold; only where they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<ContentsSummary>,
}

/// How an image is run.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigSummary {
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// What is always run.
    pub entrypoint: Option<Vec<String>>,
    /// Its default arguments.
    pub cmd: Option<Vec<String>>,
    /// Environment, as `NAME=VALUE`.
    pub env: Vec<String>,
    /// Ports.
    pub ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<String>,
}

/// A layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerSummary {
    /// Digest of the blob.
    pub digest: String,
    /// What the blob is.
    pub media_type: String,
    /// Digest of its tar archive.
    pub diff_id: Option<String>,
    /// Size of the blob.
    pub compressed_bytes: u64,
    /// Size of its tar archive; only where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpacked_bytes: Option<u64>,
    /// How it came to be, if the image says so.
    pub created_by: Option<String>,
    /// What the image says of it besides: of an image built here, the packages in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What the layers of an image hold.
#[derive(Debug, Clone, Serialize)]
pub struct ContentsSummary {
    /// Size of all layers' tar archives.
    pub unpacked_bytes: u64,
    /// Files of any kind but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Debian packages.
    pub packages: Vec<Package>,
}

/// A manifest that refers to an image.
#[derive(Debug, Clone, Serialize)]
pub struct ReferrerSummary {
    /// Digest of the manifest.
    pub digest: String,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Digest of the manifest or index that it refers to.
    pub subject: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What to read for a summary.
#[derive(Debug, Clone, Default)]
pub struct SummaryOptions {
    /// Only this platform; else all.
    pub platform: Option<Platform>,
    /// Whether layers are read.
    pub contents: ContentsOf,
}

/// Of which platforms the layers are read, to tell what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentsOf {
    /// Of none.
    #[default]
    None,
    /// Of every platform that is described.
    All,
}

/// Why an image cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// It cannot be read.
    #[error("image cannot be looked into")]
    View(#[from] ViewError),
    /// Its packages cannot be listed.
    #[error("packages of the image cannot be listed")]
    Packages(#[from] PackagesError),
    /// There are too many platforms, or indexes lie within indexes too deep.
    #[error("image has more than {PLATFORMS_MAX} platforms, or indexes more than {INDEX_DEPTH_MAX} deep")]
    TooMany,
    /// It is not there for the platform.
    #[error("image is not for {wanted}")]
    NotForPlatform {
        /// The platform.
        wanted: Platform,
    },
}

impl ImageSummary {
    /// Describes the image of `descriptor`.
    ///
    /// # Errors
    /// When it is not whole, or over a limit.
    pub async fn of(
        source: &dyn Source,
        descriptor: &Descriptor,
        options: &SummaryOptions,
    ) -> Result<Self, SummaryError> {
        let manifest = source.manifest(descriptor).await.map_err(ViewError::from)?;
        let images = images(source, descriptor, &manifest).await?;
        let mut platforms = Vec::new();
        let mut referrers = referrers(source, &descriptor.digest).await?;
        for (entry, image) in images {
            let summary = PlatformSummary::of(source, &entry, &image, options).await?;
            let Some(summary) = summary else { continue };
            platforms.push(summary);
            if entry.digest != descriptor.digest {
                referrers.extend(self::referrers(source, &entry.digest).await?);
            }
        }
        if let (Some(wanted), true) = (&options.platform, platforms.is_empty()) {
            return Err(SummaryError::NotForPlatform {
                wanted: wanted.clone(),
            });
        }
        Ok(Self {
            digest: descriptor.digest.to_string(),
            media_type: manifest.media_type().to_string(),
            annotations: manifest.annotations().clone(),
            platforms,
            referrers,
        })
    }

    /// Writes it for people.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(out, "digest      {}", self.digest)?;
        writeln!(out, "media type  {}", self.media_type)?;
        write_map(out, "annotation  ", &self.annotations)?;
        for platform in &self.platforms {
            writeln!(out)?;
            platform.write_text(out)?;
        }
        for referrer in &self.referrers {
            let kind = referrer.artifact_type.as_deref().unwrap_or("unknown type");
            writeln!(
                out,
                "\nreferrer    {kind}\n            {}\n            of {}",
                referrer.digest, referrer.subject
            )?;
        }
        Ok(())
    }
}

impl PlatformSummary {
    /// `None` for another platform than the one that is asked for.
    async fn of(
        source: &dyn Source,
        descriptor: &Descriptor,
        image: &ImageManifest,
        options: &SummaryOptions,
    ) -> Result<Option<Self>, SummaryError> {
        let config = config_of(source, image).await?;
        let platform = config.platform();
        if options
            .platform
            .as_ref()
            .is_some_and(|wanted| !platform.satisfies(wanted))
        {
            return Ok(None);
        }
        let mut summary = Self {
            platform: platform.to_string(),
            digest: descriptor.digest.to_string(),
            compressed_bytes: image
                .layers
                .iter()
                .map(|layer| layer.size)
                .fold(0, u64::saturating_add),
            annotations: image.annotations.clone(),
            layers: layers(image, &config),
            config: ConfigSummary::of(&config),
            contents: None,
        };
        if options.contents == ContentsOf::All {
            let view = ImageView::open(source, descriptor, None).await?;
            for (layer, facts) in summary.layers.iter_mut().zip(view.layers()) {
                layer.unpacked_bytes = Some(facts.unpacked_bytes);
            }
            summary.contents = Some(ContentsSummary::of(&view).await?);
        }
        Ok(Some(summary))
    }

    fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(out, "platform    {}", visible(&self.platform.to_string()))?;
        writeln!(out, "manifest    {}", self.digest)?;
        match &self.contents {
            Some(contents) => {
                let ContentsSummary {
                    unpacked_bytes,
                    files,
                    directories,
                    packages,
                } = contents;
                writeln!(
                    out,
                    "size        {} bytes, {unpacked_bytes} unpacked",
                    self.compressed_bytes
                )?;
                writeln!(
                    out,
                    "contents    files {files}, directories {directories}, packages {}",
                    packages.len()
                )?;
            }
            None => writeln!(out, "size        {} bytes", self.compressed_bytes)?,
        }
        write_map(out, "annotation  ", &self.annotations)?;
        self.config.write_text(out)?;
        for (number, layer) in self.layers.iter().enumerate() {
            let said: Vec<&str> = [&layer.created_by, &layer.comment]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            let said = if said.is_empty() {
                "-".to_owned()
            } else {
                said.join(": ")
            };
            let said = visible(&said);
            writeln!(
                out,
                "layer {number:<5} {:>11} bytes  {said}",
                layer.compressed_bytes
            )?;
        }
        let packages = self.contents.iter().flat_map(|contents| &contents.packages);
        for package in packages {
            let (name, version) = (visible(&package.name), visible(&package.version));
            writeln!(out, "package     {name} {version}")?;
        }
        Ok(())
    }
}

impl ConfigSummary {
    fn of(config: &ImageConfig) -> Self {
        let container = &config.config;
        Self {
            created: config.created.clone(),
            user: container.user.clone(),
            workdir: container.working_dir.clone(),
            entrypoint: container.entrypoint.clone(),
            cmd: container.cmd.clone(),
            env: container.env.clone(),
            ports: container.exposed_ports.iter().cloned().collect(),
            volumes: container.volumes.iter().cloned().collect(),
            labels: container.labels.clone(),
            stop_signal: container.stop_signal.clone(),
        }
    }

    fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let words = |words: &Option<Vec<String>>| words.as_ref().map(|words| format!("{words:?}"));
        let lines = [
            ("created     ", self.created.clone()),
            ("user        ", self.user.clone()),
            ("workdir     ", self.workdir.clone()),
            ("entrypoint  ", words(&self.entrypoint)),
            ("cmd         ", words(&self.cmd)),
            ("stop signal ", self.stop_signal.clone()),
        ];
        for (title, value) in lines {
            if let Some(value) = value {
                writeln!(out, "{title}{}", visible(&value))?;
            }
        }
        for (title, values) in [
            ("env         ", &self.env),
            ("port        ", &self.ports),
            ("volume      ", &self.volumes),
        ] {
            for value in values {
                writeln!(out, "{title}{}", visible(value))?;
            }
        }
        write_map(out, "label       ", &self.labels)
    }
}

impl ContentsSummary {
    async fn of(view: &ImageView) -> Result<Self, PackagesError> {
        let directories = view
            .iter()
            .filter(|(_, facts)| facts.kind == FileKind::Directory)
            .count() as u64;
        Ok(Self {
            unpacked_bytes: view
                .layers()
                .iter()
                .map(|layer| layer.unpacked_bytes)
                .fold(0, u64::saturating_add),
            files: view.iter().count() as u64 - directories,
            directories,
            packages: packages(view).await?,
        })
    }
}

/// The image manifests that a descriptor leads to, in order; artifacts that are no images are left out.
async fn images(
    source: &dyn Source,
    descriptor: &Descriptor,
    manifest: &Manifest,
) -> Result<Vec<(Descriptor, ImageManifest)>, SummaryError> {
    let mut images = Vec::new();
    let mut visited = 0;
    let mut waiting = vec![(descriptor.clone(), manifest.clone(), 0)];
    while let Some((descriptor, manifest, depth)) = waiting.pop() {
        visited += 1;
        if depth > INDEX_DEPTH_MAX || visited > PLATFORMS_MAX {
            return Err(SummaryError::TooMany);
        }
        match manifest.parsed() {
            Parsed::Image(image) if image.config.media_type.is_image_config() => {
                images.push((descriptor, image.clone()));
            }
            Parsed::Image(_) if depth == 0 => {
                return Err(ViewError::NotAnImage {
                    digest: descriptor.digest,
                }
                .into());
            }
            Parsed::Image(_) => {}
            Parsed::Index(index) => {
                if index.manifests.len() > PLATFORMS_MAX {
                    return Err(SummaryError::TooMany);
                }
                for entry in index
                    .manifests
                    .iter()
                    .rev()
                    .filter(|entry| entry.media_type.is_manifest())
                {
                    let child = source.manifest(entry).await.map_err(ViewError::from)?;
                    waiting.push((entry.clone(), child, depth + 1));
                }
            }
        }
    }
    // buildkit's attestations look like images, for a platform that nobody has.
    images.retain(|(entry, _)| {
        entry
            .platform
            .as_ref()
            .is_none_or(|platform| platform.os != "unknown")
    });
    Ok(images)
}

async fn referrers(source: &dyn Source, digest: &Digest) -> Result<Vec<ReferrerSummary>, SummaryError> {
    let found = source.referrers(digest).await.map_err(ViewError::from)?;
    let summary = |entry: Descriptor| ReferrerSummary {
        digest: entry.digest.to_string(),
        artifact_type: entry.artifact_type.map(|kind| kind.to_string()),
        subject: digest.to_string(),
        annotations: entry.annotations,
    };
    Ok(found.into_iter().map(summary).collect())
}

fn layers(image: &ImageManifest, config: &ImageConfig) -> Vec<LayerSummary> {
    let mut history = config.history.iter().filter(|step| !step.empty_layer);
    let mut diff_ids = config.rootfs.diff_ids.iter();
    let layer = |descriptor: &Descriptor| {
        let step = history.next();
        LayerSummary {
            digest: descriptor.digest.to_string(),
            media_type: descriptor.media_type.to_string(),
            diff_id: diff_ids.next().map(Digest::to_string),
            compressed_bytes: descriptor.size,
            unpacked_bytes: None,
            created_by: step.and_then(|step| step.created_by.clone()),
            comment: step.and_then(|step| step.comment.clone()),
        }
    };
    image.layers.iter().map(layer).collect()
}

fn write_map(out: &mut dyn fmt::Write, title: &str, map: &BTreeMap<String, String>) -> fmt::Result {
    for (name, value) in map {
        writeln!(out, "{title}{}={}", visible(name), visible(value))?;
    }
    Ok(())
}
