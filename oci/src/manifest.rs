//! Image manifests and indexes, with the bytes they came with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Algorithm, Descriptor, Digest, MediaType};

/// Longest manifest that is read, in bytes: what registries take.
///
/// Spec: distribution-spec "Pushing Manifests" (at least 4 MB must be supported).
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Most layers of an image, and most manifests of an index.
pub const MANIFEST_ENTRIES_MAX: usize = 16_384;

/// An image, or any artifact in the form of one.
///
/// Spec: image-spec "OCI Image Manifest Specification".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What kind of artifact it is, if not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, from the bottom up.
    #[serde(default, deserialize_with = "crate::json::null_is_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// An OCI image manifest of that configuration and those layers.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The configuration and the layers from the bottom up, but for those that are had from their own URLs: what a registry
    /// that has the image has of it.
    ///
    /// Spec: image-spec "Non-Distributable Layers".
    pub fn distributable_blobs(&self) -> impl Iterator<Item = &Descriptor> + Clone {
        let layers = self
            .layers
            .iter()
            .filter(|layer| !layer.media_type.is_nondistributable());
        std::iter::once(&self.config).chain(layers)
    }
}

/// A list of manifests, one for each platform.
///
/// Spec: image-spec "OCI Image Index Specification".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What kind of artifact it is, if not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The manifests.
    #[serde(default, deserialize_with = "crate::json::null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl ImageIndex {
    /// An OCI image index of those manifests.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A manifest of either kind, with its bytes exactly as they came: the digest covers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Vec<u8>,
    media_type: MediaType,
    parsed: Parsed,
}

/// What a [`Manifest`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// An image, or an artifact in the form of one.
    Image(ImageManifest),
    /// An index.
    Index(ImageIndex),
}

/// Why bytes are not a [`Manifest`].
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// They are more than [`MANIFEST_BYTES_MAX`].
    #[error("manifest of {actual_bytes} bytes, at most {MANIFEST_BYTES_MAX} are read")]
    TooLarge {
        /// Their number.
        actual_bytes: usize,
    },
    /// They name more than [`MANIFEST_ENTRIES_MAX`] layers or manifests.
    #[error("manifest names {actual} layers or manifests, at most {MANIFEST_ENTRIES_MAX} are read")]
    TooManyEntries {
        /// How many.
        actual: usize,
    },
    /// They are not JSON of this form.
    #[error("manifest cannot be read")]
    Json(#[source] serde_json::Error),
    /// It is Docker's schema 1, which has not been written since 2017.
    #[error("manifest is of Docker's schema 1, which is not supported")]
    SchemaOne,
    /// The version of its schema is not 2.
    #[error("manifest has schema version {version}, only 2 is known")]
    SchemaVersion {
        /// The version.
        version: u64,
    },
    /// The media type is that of neither an image nor an index.
    #[error("media type {media_type} is not that of a manifest")]
    NotAManifest {
        /// The media type.
        media_type: MediaType,
    },
    /// It says that it is something else than what it was said to be.
    #[error("manifest says that it is {inside}, but is described as {outside}")]
    MediaTypeDiffers {
        /// What it says.
        inside: MediaType,
        /// What it was said to be.
        outside: MediaType,
    },
    /// It has both layers and manifests, or neither: readers would disagree about it.
    #[error("manifest is not clearly an image or an index")]
    Ambiguous,
}

/// What tells the kinds apart.
///
/// Spec: image-spec "OCI Image Manifest Specification" (media type confusion, CVE-2021-41190).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<MediaType>,
    #[serde(default, deserialize_with = "crate::json::is_present")]
    manifests: bool,
    #[serde(default, deserialize_with = "crate::json::is_present")]
    layers: bool,
    #[serde(default, deserialize_with = "crate::json::is_present")]
    config: bool,
    #[serde(default, deserialize_with = "crate::json::is_present")]
    fs_layers: bool,
}

impl Manifest {
    /// Reads a manifest, keeping `bytes` verbatim. `media_type` is what whoever named it said that it
    /// is; when nobody did, its own word counts.
    ///
    /// # Errors
    /// Over the limits; not a manifest; or something else than was said.
    pub fn parse(bytes: Vec<u8>, media_type: Option<&MediaType>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge {
                actual_bytes: bytes.len(),
            });
        }
        let probe: Probe = serde_json::from_slice(&bytes).map_err(ManifestError::Json)?;
        let media_type = probe.media_type(media_type)?;
        let parsed = if media_type.is_index() {
            Parsed::Index(serde_json::from_slice(&bytes).map_err(ManifestError::Json)?)
        } else {
            Parsed::Image(serde_json::from_slice(&bytes).map_err(ManifestError::Json)?)
        };
        let actual = match &parsed {
            Parsed::Image(image) => image.layers.len(),
            Parsed::Index(index) => index.manifests.len(),
        };
        if actual > MANIFEST_ENTRIES_MAX {
            return Err(ManifestError::TooManyEntries { actual });
        }
        Ok(Self {
            bytes,
            media_type,
            parsed,
        })
    }

    /// A new manifest with that content.
    #[must_use]
    pub fn from_image(image: &ImageManifest) -> Self {
        Self {
            bytes: to_json(image),
            media_type: image.media_type.clone().unwrap_or(MediaType::OCI_MANIFEST),
            parsed: Parsed::Image(image.clone()),
        }
    }

    /// A new index with that content.
    #[must_use]
    pub fn from_index(index: &ImageIndex) -> Self {
        Self {
            bytes: to_json(index),
            media_type: index.media_type.clone().unwrap_or(MediaType::OCI_INDEX),
            parsed: Parsed::Index(index.clone()),
        }
    }

    /// The bytes, verbatim.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is.
    #[must_use]
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// What it says.
    #[must_use]
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// The image, if it is one.
    #[must_use]
    pub fn image(&self) -> Option<&ImageManifest> {
        match &self.parsed {
            Parsed::Image(image) => Some(image),
            Parsed::Index(_) => None,
        }
    }

    /// The index, if it is one.
    #[must_use]
    pub fn index(&self) -> Option<&ImageIndex> {
        match &self.parsed {
            Parsed::Index(index) => Some(index),
            Parsed::Image(_) => None,
        }
    }

    /// The SHA-256 digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::sha256_of(&self.bytes)
    }

    /// The digest of its bytes by `algorithm`.
    #[must_use]
    pub fn digest_by(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// A descriptor of it, with its SHA-256 digest.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = Descriptor::of(self.media_type.clone(), &self.bytes);
        descriptor.artifact_type = self.artifact_type().cloned();
        descriptor
    }

    /// The manifest that this one says something about.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.parsed {
            Parsed::Image(image) => image.subject.as_ref(),
            Parsed::Index(index) => index.subject.as_ref(),
        }
    }

    /// Annotations.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        match &self.parsed {
            Parsed::Image(image) => &image.annotations,
            Parsed::Index(index) => &index.annotations,
        }
    }

    /// What kind of artifact it is: as it says, else by the type of its configuration; none for an image.
    ///
    /// Spec: distribution-spec "Listing Referrers".
    #[must_use]
    pub fn artifact_type(&self) -> Option<&MediaType> {
        match &self.parsed {
            Parsed::Index(index) => index.artifact_type.as_ref(),
            Parsed::Image(image) => image.artifact_type.as_ref().or_else(|| {
                Some(&image.config.media_type).filter(|media_type| !media_type.is_image_config())
            }),
        }
    }
}

impl Probe {
    /// The media type that inside and outside agree on.
    fn media_type(&self, outside: Option<&MediaType>) -> Result<MediaType, ManifestError> {
        if self.schema_version == 1 || self.fs_layers {
            return Err(ManifestError::SchemaOne);
        }
        if self.schema_version != 2 {
            return Err(ManifestError::SchemaVersion {
                version: self.schema_version,
            });
        }
        if let (Some(inside), Some(outside)) = (&self.media_type, outside)
            && inside != outside
        {
            return Err(ManifestError::MediaTypeDiffers {
                inside: inside.clone(),
                outside: outside.clone(),
            });
        }
        let looks_like_index = self.manifests;
        let looks_like_image = self.layers || self.config;
        if looks_like_index && looks_like_image {
            return Err(ManifestError::Ambiguous);
        }
        match self.media_type.as_ref().or(outside) {
            Some(media_type) if !media_type.is_manifest() => Err(ManifestError::NotAManifest {
                media_type: media_type.clone(),
            }),
            Some(media_type) if media_type.is_index() && looks_like_image => Err(ManifestError::Ambiguous),
            Some(media_type) if !media_type.is_index() && looks_like_index => Err(ManifestError::Ambiguous),
            Some(media_type) => Ok(media_type.clone()),
            None if looks_like_index => Ok(MediaType::OCI_INDEX),
            None if looks_like_image => Ok(MediaType::OCI_MANIFEST),
            None => Err(ManifestError::Ambiguous),
        }
    }
}

/// Compact JSON, fields in the order of their struct, maps by key.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Writing to memory does not fail, and no type here has keys other than strings.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;

    fn image() -> ImageManifest {
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        ImageManifest::new(config, vec![Descriptor::of(MediaType::OCI_LAYER_GZIP, b"layer")])
    }

    #[test]
    fn image_json_is_as_it_always_was() {
        let mut image = image();
        image.annotations.insert("b".to_owned(), "2".to_owned());
        image.annotations.insert("a".to_owned(), "1".to_owned());
        let manifest = Manifest::from_image(&image);
        insta::assert_snapshot!(String::from_utf8_lossy(manifest.bytes()), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85","size":5}],"annotations":{"a":"1","b":"2"}}"#);
        let again = Manifest::parse(manifest.bytes().to_vec(), Some(&MediaType::OCI_MANIFEST)).unwrap();
        assert_eq!(again, manifest);
    }

    #[test]
    fn index_json_is_as_it_always_was() {
        let manifest = Manifest::from_image(&image());
        let platform = Platform::linux("arm", Some("v7"));
        let index = ImageIndex::new(vec![
            manifest
                .descriptor()
                .with_platform(platform)
                .with_annotation(crate::annotation::REF_NAME, "latest"),
        ]);
        let manifest = Manifest::from_index(&index);
        insta::assert_snapshot!(String::from_utf8_lossy(manifest.bytes()), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:042190ac6aca1a704e70a62706e50adbb620db197a494e3d2cf00bd4f7bbece8","size":397,"annotations":{"org.opencontainers.image.ref.name":"latest"},"platform":{"architecture":"arm","os":"linux","variant":"v7"}}]}"#);
        let again = Manifest::parse(manifest.bytes().to_vec(), None).unwrap();
        assert_eq!(again, manifest);
    }

    #[test]
    fn bytes_are_kept_as_they_came() {
        let bytes = b"{ \"manifests\" : null,\n\"unknown\":1, \"schemaVersion\":2 }".to_vec();
        let manifest = Manifest::parse(bytes.clone(), None).unwrap();
        assert_eq!(manifest.bytes(), bytes);
        assert_eq!(manifest.digest(), Digest::sha256_of(&bytes));
        assert_eq!(manifest.media_type(), &MediaType::OCI_INDEX);
    }

    #[test]
    fn manifests_are_read_up_to_their_limit() {
        let mut bytes = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
        bytes.resize(MANIFEST_BYTES_MAX, b' ');
        assert!(Manifest::parse(bytes.clone(), None).is_ok());
        bytes.push(b' ');
        assert!(matches!(
            Manifest::parse(bytes, None),
            Err(ManifestError::TooLarge { .. })
        ));
    }

    #[test]
    fn layers_are_counted_up_to_their_limit() {
        let layer = Descriptor::new(MediaType::OCI_LAYER_TAR, Digest::sha256_of(b""), 0);
        let mut many = image();
        many.layers = vec![layer.clone(); MANIFEST_ENTRIES_MAX];
        let parse = |image: &ImageManifest| Manifest::parse(to_json(image), None);
        assert!(parse(&many).is_ok());
        many.layers.push(layer);
        assert!(matches!(parse(&many), Err(ManifestError::TooManyEntries { .. })));
    }

    #[test]
    fn refuses_what_readers_would_disagree_about() {
        let config = r#""config":{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#;
        let parse = |json: String, outside: Option<&MediaType>| Manifest::parse(json.into_bytes(), outside);
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],"layers":[],{config}}}"#);
        assert!(matches!(parse(both, None), Err(ManifestError::Ambiguous)));
        let neither = r#"{"schemaVersion":2}"#.to_owned();
        assert!(matches!(parse(neither, None), Err(ManifestError::Ambiguous)));
        let image = format!(r#"{{"schemaVersion":2,"layers":[],{config}}}"#);
        assert!(matches!(
            parse(image.clone(), Some(&MediaType::OCI_INDEX)),
            Err(ManifestError::Ambiguous)
        ));
        assert!(parse(image, None).is_ok());
        let typed = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#.to_owned();
        assert!(matches!(
            parse(typed.clone(), Some(&MediaType::OCI_MANIFEST)),
            Err(ManifestError::MediaTypeDiffers { .. })
        ));
        assert!(parse(typed, None).is_ok());
    }

    #[test]
    fn refuses_other_schemas_and_other_documents() {
        let parse = |json: &str| Manifest::parse(json.as_bytes().to_vec(), None);
        assert!(matches!(
            parse(r#"{"schemaVersion":1,"fsLayers":[]}"#),
            Err(ManifestError::SchemaOne)
        ));
        assert!(matches!(
            parse(r#"{"schemaVersion":3}"#),
            Err(ManifestError::SchemaVersion { version: 3 })
        ));
        assert!(matches!(
            parse(r#"{"schemaVersion":2,"mediaType":"text/plain"}"#),
            Err(ManifestError::NotAManifest { .. })
        ));
        for json in [
            "",
            "{}",
            "[]",
            "null",
            "{\"schemaVersion\":2,",
            r#"{"schemaVersion":"2"}"#,
        ] {
            assert!(matches!(parse(json), Err(ManifestError::Json(_))), "{json}");
        }
        let negative = r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1}]}"#;
        assert!(matches!(parse(negative), Err(ManifestError::Json(_))));
        let traversal = r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../etc/passwd","size":1}]}"#;
        assert!(matches!(parse(traversal), Err(ManifestError::Json(_))));
    }

    #[test]
    fn artifact_type_falls_back_to_the_configuration() {
        let mut artifact = image();
        assert_eq!(Manifest::from_image(&artifact).artifact_type(), None);
        artifact.config.media_type = "application/vnd.cncf.helm.config.v1+json".parse().unwrap();
        let manifest = Manifest::from_image(&artifact);
        assert_eq!(manifest.artifact_type(), Some(&artifact.config.media_type));
        artifact.artifact_type = Some("application/spdx+json".parse().unwrap());
        let manifest = Manifest::from_image(&artifact);
        assert_eq!(manifest.descriptor().artifact_type, artifact.artifact_type);
    }
}
