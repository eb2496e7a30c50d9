//! Whole images of earlier runs: for an unchanged request, nothing is opened but this.

use archive::Encoder;
use cache::{Cache, CacheError, Shelf};
use jiff::Timestamp;
use oci::{Digest, Manifest, MediaType};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::platform::BuiltPlatform;
use crate::{
    cache_key::cache_key,
    contents::PackageToRead,
    emulation::EMULATION_ID,
    image::Image,
    layers::{StoredLayer, is_there},
    release::Architecture,
    sbom::Format,
    sealed::{seal, unseal},
    specification::{LayerPolicy, Plan},
};

/// Digest of everything that determines the image of one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageKey([u8; 32]);

/// What an [`ImageKey`] is made of.
pub(super) struct KeyInputs<'k> {
    pub(super) plan: &'k Plan,
    pub(super) architecture: Architecture,
    pub(super) packages: &'k [PackageToRead],
    /// State of the files on disk that the plan names.
    pub(super) disk: [u8; 32],
    pub(super) policy: LayerPolicy,
    pub(super) encoder: Encoder,
    pub(super) date: Timestamp,
}

impl ImageKey {
    pub(super) fn new(inputs: &KeyInputs<'_>) -> Self {
        let mut hash = Sha256::new();
        // The plan as its types print it: every field is in it, so none can be forgotten. Should a
        // compiler print it in another way, an image is made once more.
        let parts = format!(
            "{FORMAT}\n{EMULATION_ID}\n{}\n{:?}\n{:?}\n{}\n{:?}\n",
            inputs.encoder.id(),
            inputs.policy,
            inputs.architecture,
            inputs.date,
            inputs.plan,
        );
        hash.update(parts);
        for package in inputs.packages {
            hash.update(format!(
                "{} {} {} ",
                package.name, package.version, package.architecture
            ));
            hash.update(package.sha256);
        }
        hash.update(inputs.disk);
        Self(hash.finalize().into())
    }

    fn name(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Goes up when images of the same inputs become others, or records are written in another way.
const FORMAT: &str = "image-1";

/// A platform as it lies in the cache.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    config: String,
    manifest: String,
    layers: Vec<(String, StoredLayer)>,
    sboms: Vec<(String, Digest)>,
    warnings: Vec<String>,
}

/// The largest record that is read: a thousand times a usual one.
const RECORD_BYTES_MAX: u64 = 32 << 20;
const SBOM_BYTES_MAX: u64 = 1 << 30;

/// The platform of that key, whole; `None` when it or a part of it is not there. With `sboms`, only a
/// record that has them counts.
pub(super) fn find(cache: &Cache, key: ImageKey, sboms: bool) -> Result<Option<BuiltPlatform>, CacheError> {
    let Some(bytes) = cache.read(Shelf::Images, &cache_key(key.name())?, RECORD_BYTES_MAX)? else {
        return Ok(None);
    };
    let record: Option<Record> = unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok());
    let Some(record) = record else { return Ok(None) };
    if record.layers.iter().any(|(_, layer)| !is_there(cache, layer)) {
        return Ok(None);
    }
    let mut documents = Vec::new();
    if sboms {
        for format in Format::ALL {
            let Some((_, digest)) = record.sboms.iter().find(|(suffix, _)| suffix == format.suffix()) else {
                return Ok(None);
            };
            match read_sbom(cache, digest)? {
                Some(document) => documents.push((format, document)),
                None => return Ok(None),
            }
        }
    }
    let Ok(manifest) = Manifest::parse(record.manifest.into_bytes(), Some(&MediaType::OCI_MANIFEST)) else {
        return Ok(None);
    };
    let config = record.config.into_bytes();
    let Ok(parsed) = oci::ImageConfig::parse(&config) else {
        return Ok(None);
    };
    let image = Image {
        config,
        manifest,
        platform: parsed.platform(),
    };
    Ok(Some(BuiltPlatform {
        image,
        layers: record.layers,
        sboms: documents,
        warnings: record.warnings,
    }))
}

/// Keeps a platform for later runs. Its layers are in the cache already.
pub(super) fn keep(cache: &Cache, key: ImageKey, built: &BuiltPlatform) -> Result<(), CacheError> {
    let mut sboms = Vec::new();
    for (format, document) in &built.sboms {
        let digest = Digest::sha256_of(document);
        cache.insert(Shelf::Generated, &cache_key(digest.hex())?, document)?;
        sboms.push((format.suffix().to_owned(), digest));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let record = Record {
        config: text(&built.image.config),
        manifest: text(built.image.manifest.bytes()),
        layers: built.layers.clone(),
        sboms,
        warnings: built.warnings.clone(),
    };
    let body = serde_json::to_vec(&record).map_err(|source| CacheError::Io {
        action: "describe an image for",
        path: cache.root().to_owned(),
        source: source.into(),
    })?;
    cache.insert(Shelf::Images, &cache_key(key.name())?, &seal(body))?;
    Ok(())
}

fn read_sbom(cache: &Cache, digest: &Digest) -> Result<Option<Vec<u8>>, CacheError> {
    let bytes = cache.read(Shelf::Generated, &cache_key(digest.hex())?, SBOM_BYTES_MAX)?;
    Ok(bytes.filter(|bytes| Digest::sha256_of(bytes) == *digest))
}
