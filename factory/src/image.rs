//! Configuration, manifest and index of an image.
//!
//! Spec: image-spec "OCI Image Configuration", "OCI Image Manifest", "OCI Image Index".

use std::collections::BTreeMap;

use archive::Encoder;
use jiff::Timestamp;
use oci::{
    ContainerConfig, Descriptor, History, ImageConfig, ImageIndex, ImageManifest, Manifest, MediaType,
    Platform, RootFs,
};

use crate::{
    layers::StoredLayer,
    release::Architecture,
    specification::{Plan, VersionOf},
};

/// What the documents of one platform are made of.
pub struct ImageInputs<'i> {
    /// The specification, for this architecture.
    pub plan: &'i Plan,
    /// The architecture.
    pub architecture: Architecture,
    /// The layers from the bottom up, each with its name.
    pub layers: &'i [(String, StoredLayer)],
    /// What compressed them.
    pub encoder: Encoder,
    /// Versions of the packages by name, for what the plan says of versions.
    pub versions: &'i BTreeMap<String, String>,
    /// When the image counts as made.
    pub created: Timestamp,
}

/// The documents of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The configuration as JSON.
    pub config: Vec<u8>,
    /// The manifest.
    pub manifest: Manifest,
    /// The platform.
    pub platform: Platform,
}

/// Puts configuration and manifest around layers.
pub fn compose(inputs: &ImageInputs<'_>) -> Image {
    let platform = Platform::linux(inputs.architecture.name(), inputs.architecture.variant());
    let config = config(inputs, &platform).to_json();
    let config_descriptor = Descriptor::of(MediaType::OCI_CONFIG, &config);
    let media_type = match inputs.encoder {
        Encoder::Gzip => MediaType::OCI_LAYER_GZIP,
        Encoder::Zstd => MediaType::OCI_LAYER_ZSTD,
    };
    let layers = inputs
        .layers
        .iter()
        .map(|(_, layer)| Descriptor::new(media_type.clone(), layer.digest, layer.bytes))
        .collect();
    let mut manifest = ImageManifest::new(config_descriptor, layers);
    manifest.annotations = inputs.plan.annotations.clone();
    manifest
        .annotations
        .extend(versions(inputs, |version| version.annotation.as_ref()));
    Image {
        config,
        manifest: Manifest::from_image(&manifest),
        platform,
    }
}

/// The index over the platforms of an image, in the order given.
pub fn index(plan: &Plan, platforms: &[(Descriptor, Platform)]) -> Manifest {
    let manifests = platforms
        .iter()
        .map(|(descriptor, platform)| descriptor.clone().with_platform(platform.clone()))
        .collect();
    let mut index = ImageIndex::new(manifests);
    index.annotations = plan.annotations.clone();
    Manifest::from_index(&index)
}

/// A manifest that carries `document` as the one layer of an artifact about `subject`.
///
/// Spec: image-spec "Guidelines for Artifact Usage".
pub fn attachment(subject: &Descriptor, media_type: &MediaType, document: &[u8]) -> Manifest {
    let config = Descriptor::of(MediaType::OCI_EMPTY, EMPTY_CONFIG);
    let mut manifest = ImageManifest::new(config, vec![Descriptor::of(media_type.clone(), document)]);
    manifest.artifact_type = Some(media_type.clone());
    // The subject's platform and annotations belong to the index that lists it.
    manifest.subject = Some(Descriptor::new(
        subject.media_type.clone(),
        subject.digest,
        subject.size,
    ));
    Manifest::from_image(&manifest)
}

/// The configuration of artifacts: an empty JSON object.
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// RFC 3339 in UTC with whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

fn config(inputs: &ImageInputs<'_>, platform: &Platform) -> ImageConfig {
    let plan = inputs.plan;
    let created = rfc3339(inputs.created);
    let mut environment = plan.environment.clone();
    environment.extend(versions(inputs, |version| version.environment.as_ref()));
    let history = |(name, _): &(String, StoredLayer)| History {
        created: Some(created.clone()),
        created_by: Some("lightship".to_owned()),
        comment: Some(name.clone()),
        ..History::default()
    };
    let not_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ImageConfig {
        created: Some(created.clone()),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        os: platform.os.clone(),
        config: ContainerConfig {
            user: not_empty(&plan.user),
            exposed_ports: plan.ports.iter().cloned().collect(),
            env: environment
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            entrypoint: plan.entrypoint.clone(),
            cmd: plan.cmd.clone(),
            volumes: plan.volumes.iter().cloned().collect(),
            working_dir: not_empty(&plan.workdir),
            labels: plan.labels.clone(),
            stop_signal: plan.stop_signal.clone(),
            ..ContainerConfig::default()
        },
        rootfs: RootFs {
            diff_ids: inputs.layers.iter().map(|(_, layer)| layer.diff_id).collect(),
            ..RootFs::default()
        },
        history: inputs.layers.iter().map(history).collect(),
        ..ImageConfig::default()
    }
}

/// Names, picked from what the plan says of versions, with the versions of their packages.
fn versions(inputs: &ImageInputs<'_>, name: impl Fn(&VersionOf) -> Option<&String>) -> Vec<(String, String)> {
    let value = |version: &VersionOf| Some(VersionOf::value(inputs.versions.get(version.package.as_str())?));
    inputs
        .plan
        .versions
        .iter()
        .filter_map(|version| Some((name(version)?.clone(), value(version)?)))
        .collect()
}
