//! The merged file system of one image, read from its layers without unpacking them.
//!
//! Opening a view reads every layer once, several at a time: blob digest and diff ID are verified,
//! every file is hashed, and small files are kept in one unnamed temporary file. So listing and reading
//! many small files is quick afterwards; a large file is read by going through its layer again.

mod contents;
mod error;
mod file_system;
mod layer;
mod merge;
mod resolve;
mod unpack;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use archive::EntryPath;
use client::{Source, select_platform};
use oci::{CONFIG_BYTES_MAX, Descriptor, Digest, ImageConfig, ImageManifest, Manifest, Platform};

pub use error::{ReadError, ResolveError, UnpackError, ViewError};
pub use resolve::LINKS_MAX;
pub use unpack::Owners;

use contents::Contents;
use layer::LayerFile;

/// Most layers of an image that is looked into. Engines run no more than 127.
pub const LAYERS_MAX: usize = 256;

/// Most entries of all layers of an image together.
pub const ENTRIES_MAX: u64 = 4_000_000;

/// Most bytes of one layer once it is decompressed.
pub const LAYER_BYTES_MAX: u64 = 64 << 30;

/// The merged file system of one image for one platform.
#[derive(Debug)]
pub struct ImageView {
    descriptor: Descriptor,
    manifest: Manifest,
    config: ImageConfig,
    layers: Vec<LayerFacts>,
    files: BTreeMap<EntryPath, FileFacts>,
    contents: Contents,
}

/// What is known of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// The blob.
    pub descriptor: Descriptor,
    /// Digest of its tar archive.
    pub diff_id: Digest,
    /// Entries of that archive, whiteouts included.
    pub entries: u64,
    /// Bytes of that archive.
    pub unpacked_bytes: u64,
}

/// What is known of a file of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, set-uid, set-gid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of content; 0 for everything but files.
    pub size: u64,
    /// Modification time, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Number of the layer that it is from, counted from 0 at the bottom.
    pub layer: usize,
    /// SHA-256 of its content, of files alone.
    pub digest: Option<[u8; 32]>,
    /// Its number in that layer. Hard links of one file share it.
    entry: u64,
    /// Where its content is kept, if it is.
    kept_at: Option<u64>,
}

/// What a file is. A hard link is the file that it links to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its text, verbatim.
        target: Box<[u8]>,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl FileKind {
    /// What it is, in a word or two, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink { .. } => "symbolic link",
            Self::CharDevice { .. } => "character device",
            Self::BlockDevice { .. } => "block device",
            Self::Fifo => "named pipe",
        }
    }
}

impl FileFacts {
    /// Whether both are names of one file: hard links.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.kind == FileKind::File
            && other.kind == FileKind::File
            && (self.layer, self.entry) == (other.layer, other.entry)
    }
}

impl ImageView {
    /// Reads the image that `descriptor` leads to on `platform`, else on this machine's (an image that is
    /// no index is taken as it is).
    ///
    /// Memory: facts of every file. Disk: an unnamed temporary file with the small files, and the layers
    /// themselves if they come from the network.
    ///
    /// # Errors
    /// When the image is not whole, not what its digests say, or over a limit.
    pub async fn open(
        source: &dyn Source,
        descriptor: &Descriptor,
        platform: Option<&Platform>,
    ) -> Result<Self, ViewError> {
        let descriptor = select_platform(source, descriptor, platform).await?;
        let manifest = source.manifest(&descriptor).await?;
        let image = manifest.image().ok_or(ViewError::NotAnImage {
            digest: descriptor.digest,
        })?;
        let config = config_of(source, image).await?;
        if image.layers.len() != config.rootfs.diff_ids.len() {
            return Err(ViewError::LayerCount {
                manifest: image.layers.len(),
                config: config.rootfs.diff_ids.len(),
            });
        }
        if image.layers.len() > LAYERS_MAX {
            return Err(ViewError::TooManyLayers {
                actual: image.layers.len(),
            });
        }
        let mut blobs = Vec::with_capacity(image.layers.len());
        for (layer, diff_id) in image.layers.iter().zip(&config.rootfs.diff_ids) {
            blobs.push(LayerFile::fetch(source, layer, *diff_id).await?);
        }
        let (scanned, contents) = layer::scan_all(blobs).await?;
        let mut layers = Vec::with_capacity(scanned.len());
        let mut merge = merge::Merge::new();
        for scanned in scanned {
            layers.push(scanned.facts.clone());
            merge.apply(scanned.entries)?;
        }
        Ok(Self {
            descriptor,
            config,
            layers,
            files: merge.finish(),
            contents,
            manifest,
        })
    }

    /// The descriptor of this platform's manifest.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// The layers, from the bottom up.
    #[must_use]
    pub fn layers(&self) -> &[LayerFacts] {
        &self.layers
    }

    /// The file of exactly that path; no link is followed.
    #[must_use]
    pub fn lstat(&self, path: &EntryPath) -> Option<&FileFacts> {
        self.files.get(path)
    }

    /// Every file, the root first, directories before what is in them.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryPath, &FileFacts)> {
        self.files.iter()
    }

    /// What lies directly in the directory of exactly that path, by name; empty for anything else.
    pub fn list<'v>(
        &'v self,
        dir: &EntryPath,
    ) -> impl Iterator<Item = (&'v EntryPath, &'v FileFacts)> + use<'v> {
        let depth = dir.components().count() + 1;
        self.below(dir)
            .filter(move |(path, _)| path.components().count() == depth)
    }

    /// The directory of exactly that path and everything below it.
    pub fn below<'v>(
        &'v self,
        dir: &EntryPath,
    ) -> impl Iterator<Item = (&'v EntryPath, &'v FileFacts)> + use<'v> {
        let dir = dir.clone();
        self.files
            .range(dir.clone()..)
            .take_while(move |(path, _)| path.starts_with(&dir))
    }

    /// The content of a file, links followed.
    ///
    /// # Errors
    /// When there is no such file, it is no regular file, or it is longer than `limit_bytes`.
    pub async fn read(&self, path: &EntryPath, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
        let facts = self.regular_file(path)?;
        if facts.size > limit_bytes {
            return Err(ReadError::TooLarge {
                path: path.clone(),
                size: facts.size,
                limit_bytes,
            });
        }
        let mut bytes = Vec::new();
        self.contents.copy(path, facts, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the content of a file, links followed, to `out`, and returns its length in bytes. Blocks.
    ///
    /// # Errors
    /// As [`ImageView::read`], and when `out` fails.
    pub fn copy_content(&self, path: &EntryPath, out: &mut dyn Write) -> Result<u64, ReadError> {
        let facts = self.regular_file(path)?;
        self.contents.copy(path, facts, out)?;
        Ok(facts.size)
    }

    fn regular_file(&self, path: &EntryPath) -> Result<&FileFacts, ReadError> {
        let resolved = self.resolve(path)?;
        match self.files.get(&resolved) {
            Some(facts) if facts.kind == FileKind::File => Ok(facts),
            Some(facts) => Err(ReadError::NotAFile {
                path: path.clone(),
                kind: facts.kind.name(),
            }),
            None => Err(ResolveError::NotFound { path: path.clone() }.into()),
        }
    }
}

/// Reads the configuration of an image, verified.
pub(crate) async fn config_of(source: &dyn Source, image: &ImageManifest) -> Result<ImageConfig, ViewError> {
    if !image.config.media_type.is_image_config() {
        return Err(ViewError::NotAnImage {
            digest: image.config.digest,
        });
    }
    let read = source
        .blob(&image.config)
        .await?
        .read_all(CONFIG_BYTES_MAX as u64)
        .await;
    let bytes = read.map_err(|source| ViewError::Blob {
        digest: image.config.digest,
        source,
    })?;
    let actual = Digest::of(image.config.digest.algorithm(), &bytes);
    if actual != image.config.digest {
        return Err(ViewError::Digest {
            expected: image.config.digest,
            actual,
        });
    }
    Ok(ImageConfig::parse(&bytes)?)
}

/// Shared by everything that goes through a layer a second time.
type Layers = Arc<[LayerFile]>;
