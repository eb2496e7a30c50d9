//! Reading a docker archive: docker's own, old and new, podman's and skopeo's.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use archive::{Codec, EntryPath};
use async_trait::async_trait;
use oci::{
    Algorithm, CONFIG_BYTES_MAX, ConfigError, Descriptor, Digest, Hasher, ImageConfig, ImageManifest,
    Manifest, MediaType,
};

use super::{Listed, MANIFEST, MANIFEST_BYTES_MAX, normalised};
use crate::layout::Opened;
use crate::tar_index::TarIndex;
use crate::{BlobRead, OpenError, RangeReader, Selector, Source, SourceError};

/// A docker archive for reading. It has no manifests with digests: they are made here, from what it
/// lists, always the same for the same archive.
pub(crate) struct DockerArchiveSource {
    archive: TarIndex,
    images: Vec<Image>,
    /// Where blobs are, by their digest.
    blobs: BTreeMap<Digest, EntryPath>,
}

struct Image {
    names: Vec<String>,
    manifest: Manifest,
}

impl DockerArchiveSource {
    /// Opens an archive, compressed or not. Layers that are compressed are read once to know their
    /// digest; of others it is their diff ID.
    pub(crate) fn open(file: &Path) -> Result<Self, OpenError> {
        let archive = TarIndex::open(file)?;
        let opening = Opening {
            archive: &archive,
            blobs: BTreeMap::new(),
        };
        let (images, blobs) = opening.read()?;
        Ok(Self {
            archive,
            images,
            blobs,
        })
    }

    fn not_found(&self, selector: &Selector) -> SourceError {
        let names = self.images.iter().flat_map(|image| image.names.clone());
        SourceError::NotFound {
            selector: selector.clone(),
            available: sorted(names),
        }
    }

    fn by_name(&self, wanted: &str) -> Result<&Image, SourceError> {
        let full = normalised(wanted);
        let find = |matches: &dyn Fn(&str) -> bool| -> Vec<&Image> {
            let named = |image: &&Image| image.names.iter().any(|name| matches(name));
            self.images.iter().filter(named).collect()
        };
        let mut found = find(&|name| normalised(name) == full);
        if found.is_empty() {
            found = find(&|name| name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with(':')));
        }
        match found.as_slice() {
            [] => Err(self.not_found(&Selector::Tag(wanted.to_owned()))),
            [image] => Ok(image),
            several => Err(not_unique(several.iter().copied())),
        }
    }
}

#[async_trait]
impl Source for DockerArchiveSource {
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError> {
        let image = match selector {
            Selector::Tag(name) => self.by_name(name)?,
            Selector::Digest(digest) => {
                let has_digest = |image: &&Image| image.manifest.digest() == *digest;
                let found = self.images.iter().find(has_digest);
                found.ok_or_else(|| self.not_found(selector))?
            }
            Selector::Only => match self.images.as_slice() {
                [] => return Err(self.not_found(selector)),
                [image] => image,
                several => return Err(not_unique(several.iter())),
            },
        };
        Ok(image.manifest.descriptor())
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let has_digest = |image: &&Image| image.manifest.digest() == descriptor.digest;
        let image = self.images.iter().find(has_digest).ok_or(SourceError::Missing {
            digest: descriptor.digest,
        })?;
        let actual = image.manifest.bytes().len() as u64;
        if actual != descriptor.size {
            return Err(SourceError::Size {
                digest: descriptor.digest,
                expected: descriptor.size,
                actual,
            });
        }
        Ok(image.manifest.clone())
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError> {
        let missing = || SourceError::Missing {
            digest: descriptor.digest,
        };
        let path = self.blobs.get(&descriptor.digest).ok_or_else(missing)?;
        let opened = self.archive.open_file(path).map_err(|source| SourceError::Io {
            path: self.archive.path().join(path.to_string().trim_start_matches('/')),
            source,
        })?;
        let opened = opened.ok_or_else(missing)?;
        if opened.length != descriptor.size {
            return Err(SourceError::Size {
                digest: descriptor.digest,
                expected: descriptor.size,
                actual: opened.length,
            });
        }
        Ok(BlobRead::File {
            file: opened.file,
            offset: opened.offset,
            length: opened.length,
        })
    }

    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError> {
        let named = |image: &Image| {
            let descriptor = image.manifest.descriptor();
            let names = image.names.clone();
            names.into_iter().map(move |name| (name, descriptor.clone()))
        };
        let mut tags: Vec<_> = self.images.iter().flat_map(named).collect();
        tags.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(tags)
    }

    /// None: such an archive has no room for them.
    async fn referrers(&self, _digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(Vec::new())
    }
}

fn not_unique<'i>(images: impl Iterator<Item = &'i Image>) -> SourceError {
    let shown = |image: &Image| {
        let name = image.names.first().cloned();
        name.unwrap_or_else(|| image.manifest.digest().to_string())
    };
    SourceError::NotUnique {
        available: sorted(images.map(shown)),
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What is known while an archive is being opened.
struct Opening<'a> {
    archive: &'a TarIndex,
    blobs: BTreeMap<Digest, EntryPath>,
}

impl Opening<'_> {
    fn read(mut self) -> Result<(Vec<Image>, BTreeMap<Digest, EntryPath>), OpenError> {
        let Some(opened) = self.open_file(MANIFEST)? else {
            return Err(self.not_that("it has no file manifest.json"));
        };
        let json = self.read_file(MANIFEST, opened, MANIFEST_BYTES_MAX)?;
        let list: Vec<Listed> =
            serde_json::from_slice(&json).map_err(|source| self.document(MANIFEST, source))?;
        let images = list
            .into_iter()
            .map(|listed| self.image(listed))
            .collect::<Result<_, _>>()?;
        Ok((images, self.blobs))
    }

    fn image(&mut self, listed: Listed) -> Result<Image, OpenError> {
        let opened = self.require(&listed.config)?;
        let json = self.read_file(&listed.config, opened, CONFIG_BYTES_MAX as u64)?;
        let config = ImageConfig::parse(&json).map_err(|error| match error {
            ConfigError::Json(source) => self.document(&listed.config, source),
            ConfigError::TooLarge { .. } => self.too_large(&listed.config, CONFIG_BYTES_MAX as u64),
        })?;
        let names = listed.layers.unwrap_or_default();
        if names.len() != config.rootfs.diff_ids.len() || names.len() > oci::MANIFEST_ENTRIES_MAX {
            return Err(self.not_that("an image has not as many layers as its configuration says"));
        }
        let config_descriptor = Descriptor::of(MediaType::OCI_CONFIG, &json);
        self.note(config_descriptor.digest, &listed.config);
        let mut layers = Vec::with_capacity(names.len());
        for (name, diff_id) in names.iter().zip(&config.rootfs.diff_ids) {
            layers.push(self.layer(name, diff_id)?);
        }
        Ok(Image {
            names: listed.repo_tags.unwrap_or_default(),
            manifest: Manifest::from_image(&ImageManifest::new(config_descriptor, layers)),
        })
    }

    fn layer(&mut self, name: &str, diff_id: &Digest) -> Result<Descriptor, OpenError> {
        let opened = self.require(name)?;
        let size = opened.length;
        let io = |source| OpenError::Io {
            path: self.path_of(name),
            source,
        };
        let mut reader = RangeReader::new(opened.file, opened.offset, size);
        let mut start = Vec::new();
        reader.by_ref().take(6).read_to_end(&mut start).map_err(io)?;
        let media_type = match Codec::sniff(&start) {
            Codec::Gzip => MediaType::OCI_LAYER_GZIP,
            Codec::Zstd => MediaType::OCI_LAYER_ZSTD,
            Codec::None => MediaType::OCI_LAYER_TAR,
            Codec::Xz | Codec::Bzip2 => {
                return Err(self.not_that("a layer is compressed in a way that images cannot have"));
            }
        };
        // An uncompressed layer is what its diff ID names: whoever keeps it will verify that.
        let digest = if media_type == MediaType::OCI_LAYER_TAR {
            *diff_id
        } else {
            hash(&start, reader).map_err(io)?
        };
        self.note(digest, name);
        Ok(Descriptor::new(media_type, digest, size))
    }

    fn note(&mut self, digest: Digest, name: &str) {
        if let Ok(path) = EntryPath::parse(name.as_bytes()) {
            self.blobs.insert(digest, path);
        }
    }

    fn open_file(&self, name: &str) -> Result<Option<Opened>, OpenError> {
        self.archive
            .open_named(name.as_bytes())
            .map_err(|source| OpenError::Io {
                path: self.path_of(name),
                source,
            })
    }

    fn require(&self, name: &str) -> Result<Opened, OpenError> {
        self.open_file(name)?.ok_or_else(|| OpenError::Missing {
            path: self.archive.path().to_owned(),
            name: name.to_owned(),
        })
    }

    fn read_file(&self, name: &str, opened: Opened, limit_bytes: u64) -> Result<Vec<u8>, OpenError> {
        let bytes = opened.read(limit_bytes).map_err(|source| OpenError::Io {
            path: self.path_of(name),
            source,
        })?;
        bytes.ok_or_else(|| self.too_large(name, limit_bytes))
    }

    fn path_of(&self, name: &str) -> PathBuf {
        // For messages alone: the name is shown behind that of the archive.
        PathBuf::from(format!("{}/{name}", self.archive.path().display()))
    }

    fn not_that(&self, problem: &'static str) -> OpenError {
        OpenError::NotThat {
            path: self.archive.path().to_owned(),
            expected: "a docker archive",
            problem,
        }
    }

    fn document(&self, name: &str, source: serde_json::Error) -> OpenError {
        OpenError::Document {
            path: self.archive.path().to_owned(),
            document: name.to_owned(),
            source,
        }
    }

    fn too_large(&self, name: &str, limit_bytes: u64) -> OpenError {
        OpenError::TooLarge {
            path: self.archive.path().to_owned(),
            document: name.to_owned(),
            limit_bytes,
        }
    }
}

fn hash(start: &[u8], mut rest: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(start);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
