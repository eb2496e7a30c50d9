//! What documents tell of a manifest beyond its row: when it was built, which platforms it has, how often it is used.

use std::collections::HashMap;

use jiff::Timestamp;
use oci::{Digest, Parsed};
use serde_json::{Map, Value, json};
use store::{BlobContent, ByteRange, Counted, PackagePath, Version};
use tokio::io::AsyncReadExt as _;

use super::{Asked, documents};
use crate::manifests;
use crate::refusal::Refusal;

/// Largest configuration that is read for the time at which an image was built.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Children of an index that are told.
const CHILDREN_MAX: usize = 256;

/// What a manifest and its configuration say.
#[derive(Default)]
pub(crate) struct Facts {
    /// The configuration's `created`.
    pub(crate) build_time: Option<String>,
    /// The children of an index.
    pub(crate) image_manifests: Vec<Value>,
}

/// Reads a manifest, and the configuration of an image.
pub(crate) async fn of(
    asked: &Asked<'_>,
    package: &PackagePath,
    version: &Version,
) -> Result<Facts, Refusal> {
    let metadata = asked.registry.metadata();
    let Some(stored) = metadata.manifest(package, &version.digest).await? else {
        return Ok(Facts::default());
    };
    // It was read when it was pushed.
    let Ok(manifest) = manifests::parsed(&stored) else {
        return Ok(Facts::default());
    };
    match manifest.parsed() {
        Parsed::Index(index) => Ok(Facts {
            build_time: None,
            image_manifests: index.manifests.iter().take(CHILDREN_MAX).map(child).collect(),
        }),
        Parsed::Image(image) => Ok(Facts {
            build_time: built(asked, package, &image.config.digest).await?,
            image_manifests: Vec::new(),
        }),
    }
}

/// Source: `ImageManifest` of Artifact Registry's REST API.
fn child(entry: &oci::Descriptor) -> Value {
    let mut document = json!({"mediaType": entry.media_type.as_str(), "digest": entry.digest.to_string()});
    if let Some(platform) = &entry.platform {
        document["architecture"] = platform.architecture.as_str().into();
        document["os"] = platform.os.as_str().into();
        if let Some(variant) = &platform.variant {
            document["variant"] = variant.as_str().into();
        }
    }
    document
}

/// Artifacts have configurations that are something else; of those nothing is told.
async fn built(asked: &Asked<'_>, package: &PackagePath, config: &Digest) -> Result<Option<String>, Refusal> {
    let blob = asked.registry.metadata().blob(package, config).await?;
    let Some(blob) = blob.filter(|blob| blob.size <= CONFIG_BYTES_MAX) else {
        return Ok(None);
    };
    let range = ByteRange {
        start: 0,
        end: blob.size,
    };
    // A blob that cannot be read is a matter for whoever pulls it, and for a scrub.
    let Ok(content) = asked.registry.blobs().read(&blob.key, blob.size, range).await else {
        return Ok(None);
    };
    let bytes = match content {
        BlobContent::File { file, range } => {
            let mut bytes = Vec::new();
            let file = tokio::fs::File::from_std(file);
            let read = file.take(range.end).read_to_end(&mut bytes).await;
            read.ok().map(|_| bytes)
        }
        BlobContent::Stream(stream) => {
            let mut bytes = Vec::new();
            let read = stream.take(CONFIG_BYTES_MAX).read_to_end(&mut bytes).await;
            read.ok().map(|_| bytes)
        }
        BlobContent::Redirect(_) => None,
    };
    let config: Option<Map<String, Value>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let created = config.as_ref().and_then(|config| config.get("created")?.as_str());
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    Ok(created.map(documents::time))
}

/// How often the versions were pulled and pushed, by digest.
pub(crate) async fn usages(
    asked: &Asked<'_>,
    package: &PackagePath,
    versions: &[Version],
) -> Result<HashMap<Digest, Value>, Refusal> {
    let digests: Vec<Digest> = versions.iter().map(|version| version.digest).collect();
    let written = asked.registry.metadata().usage(package, &digests).await?;
    let of_version = |digest: Digest| {
        let written = written.iter().find(|usage| usage.digest == digest);
        let (pulls, pushes) = asked.registry.usage().of(package, &digest);
        let mut document = Map::new();
        let mut tell = |count: &str, last: &str, counted: Option<Counted>| {
            if let Some(counted) = counted {
                document.insert(count.to_owned(), counted.count.to_string().into());
                document.insert(last.to_owned(), documents::time(counted.last).into());
            }
        };
        tell(
            "pullCount",
            "lastPullTime",
            together(written.and_then(|usage| usage.pulls), pulls),
        );
        tell(
            "pushCount",
            "lastPushTime",
            together(written.and_then(|usage| usage.pushes), pushes),
        );
        (!document.is_empty()).then_some((digest, Value::Object(document)))
    };
    Ok(digests.into_iter().filter_map(of_version).collect())
}

/// What is written and what is not yet.
fn together(written: Option<Counted>, counted: Option<Counted>) -> Option<Counted> {
    match (written, counted) {
        (Some(one), Some(other)) => Some(Counted {
            count: one.count.saturating_add(other.count),
            last: one.last.max(other.last),
        }),
        (one, other) => one.or(other),
    }
}

/// The name of a version as an image.
pub(crate) fn image_name(package: &PackagePath, digest: &Digest) -> String {
    let escaped = package.name.as_str().replace('/', "%2F");
    format!("{}/dockerImages/{escaped}@{digest}", package.repository)
}
