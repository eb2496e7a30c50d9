//! Layers that exist, and the making of those that do not.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use archive::{Encoder, tar};
use cache::{Cache, CacheError, Key, Shelf};
use oci::Digest;
use progress::{Progress, Task, Work};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use super::{
    Layer, Recipe,
    compress::Compressor,
    recipe::{recipe, tar_entry},
};
use crate::{
    cache_key::cache_key,
    sealed::{seal, unseal},
    tree::Content,
};

/// A compressed layer in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredLayer {
    /// Digest of the compressed bytes.
    pub digest: Digest,
    /// Length of the compressed bytes.
    pub bytes: u64,
    /// Digest of the tar.
    pub diff_id: Digest,
    /// Length of the tar.
    pub unpacked_bytes: u64,
}

/// Why a layer cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The cache does not work.
    #[error("cannot use the layer cache")]
    Cache(#[from] CacheError),
    /// A file's content cannot be read, or is not what it was.
    #[error("cannot read the content of {path}")]
    Content {
        /// The path in the image.
        path: archive::EntryPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tar cannot be written.
    #[error("cannot write layer {layer}")]
    Write {
        /// Name of the layer.
        layer: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An entry does not fit a tar archive.
    #[error("cannot put {path} into a layer")]
    Entry {
        /// The path in the image.
        path: archive::EntryPath,
        /// Why.
        #[source]
        source: tar::WriteError,
    },
}

/// Opens the bytes of files, from front to back.
pub trait ContentOpener: Sync {
    /// A reader of exactly the content's bytes.
    ///
    /// # Errors
    /// When they cannot be had. Reading fails when they turn out to be others than the digest says.
    fn open<'c>(&'c self, content: &'c Content) -> io::Result<Box<dyn Read + 'c>>;
}

/// The layers of a run: each is made at most once, and found again by later runs.
pub struct LayerStore<'s> {
    cache: &'s Cache,
    encoder: Encoder,
    pool: &'s ThreadPool,
    /// Members of one layer that may be under way.
    window: usize,
    progress: &'s dyn Progress,
    known: Mutex<HashMap<Recipe, Arc<Mutex<Option<StoredLayer>>>>>,
    built: AtomicU64,
    reused: AtomicU64,
}

impl<'s> LayerStore<'s> {
    /// A store that compresses with `encoder` on `pool`, at most `window` members of a layer at a time.
    pub fn new(
        cache: &'s Cache,
        encoder: Encoder,
        pool: &'s ThreadPool,
        window: usize,
        progress: &'s dyn Progress,
    ) -> Self {
        Self {
            cache,
            encoder,
            pool,
            window,
            progress,
            known: Mutex::default(),
            built: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        }
    }

    /// The compressed form of `layer`, from this run, from the cache, or made now.
    ///
    /// When two threads ask for one layer, one makes it and the other waits.
    ///
    /// # Errors
    /// When the content cannot be read or the cache not be written.
    pub fn store(&self, layer: &Layer<'_>, contents: &dyn ContentOpener) -> Result<StoredLayer, LayerError> {
        let recipe = recipe(layer);
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(recipe).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match slot.take() {
            Some(stored) => Some(stored),
            None => self.find(&recipe)?,
        };
        let stored = match found.filter(|stored| is_there(self.cache, stored)) {
            Some(stored) => {
                self.reused.fetch_add(1, Ordering::Relaxed);
                stored
            }
            None => {
                let stored = self.build(layer, &recipe, contents)?;
                self.built.fetch_add(1, Ordering::Relaxed);
                stored
            }
        };
        *slot = Some(stored.clone());
        Ok(stored)
    }

    /// How many layers were made and how many were there already.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.built.load(Ordering::Relaxed),
            self.reused.load(Ordering::Relaxed),
        )
    }

    fn find(&self, recipe: &Recipe) -> Result<Option<StoredLayer>, LayerError> {
        let Some(bytes) = self
            .cache
            .read(Shelf::Layers, &self.key(recipe)?, RECORD_BYTES_MAX)?
        else {
            return Ok(None);
        };
        Ok(unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok()))
    }

    fn build(
        &self,
        layer: &Layer<'_>,
        recipe: &Recipe,
        contents: &dyn ContentOpener,
    ) -> Result<StoredLayer, LayerError> {
        let task = Task::start(
            self.progress,
            Work::Compress,
            &layer.name,
            Some(layer.content_bytes),
        );
        let blob = self.cache.writer(Shelf::Layers)?;
        let compressor = Compressor::new(self.encoder, self.pool, self.window, blob);
        let mut tar = tar::Writer::new(compressor);
        for entry in &layer.entries {
            let unreadable = |source| LayerError::Content {
                path: entry.path.clone(),
                source,
            };
            let header = tar_entry(entry);
            let mut content = match entry.content {
                Some(content) => contents.open(content).map_err(unreadable)?,
                None => Box::new(io::empty()),
            };
            tar.append(&header, &mut content)
                .map_err(|source| LayerError::Entry {
                    path: entry.path.clone(),
                    source,
                })?;
            task.advance(header.size);
        }
        let unwritable = |source| LayerError::Write {
            layer: layer.name.clone(),
            source,
        };
        let compressor = tar
            .finish()
            .map_err(|source| unwritable(io::Error::other(source)))?;
        let compressed = compressor.finish().map_err(unwritable)?;
        let stored = StoredLayer {
            digest: Digest::from_sha256(compressed.sha256),
            bytes: compressed.bytes,
            diff_id: Digest::from_sha256(compressed.unpacked_sha256),
            unpacked_bytes: compressed.unpacked_bytes,
        };
        compressed.out.commit(&blob_key(&stored.digest)?)?;
        let record = serde_json::to_vec(&stored).map_err(|source| unwritable(source.into()))?;
        self.cache
            .insert(Shelf::Layers, &self.key(recipe)?, &seal(record))?;
        Ok(stored)
    }

    fn key(&self, recipe: &Recipe) -> Result<Key, LayerError> {
        Ok(cache_key(format!("{recipe}.{}", self.encoder.id()))?)
    }
}

/// Opens the compressed bytes of a layer; `None` when the cache no longer has them.
///
/// # Errors
/// When the file cannot be opened.
pub fn open_layer(cache: &Cache, layer: &StoredLayer) -> Result<Option<File>, LayerError> {
    let key = blob_key(&layer.digest)?;
    cache
        .open_file(Shelf::Layers, &key)
        .map_err(|source| LayerError::Write {
            layer: layer.digest.to_string(),
            source,
        })
}

/// Takes a layer's bytes out of the cache when they are not what their digest says, and says whether
/// that was so. The next run, or a second attempt of this one, makes them again.
///
/// # Errors
/// When the cache cannot be changed.
pub fn discard_damaged_layer(cache: &Cache, layer: &StoredLayer) -> Result<bool, LayerError> {
    let unreadable = |source| LayerError::Write {
        layer: layer.digest.to_string(),
        source,
    };
    let Some(file) = open_layer(cache, layer)? else {
        return Ok(true);
    };
    let mut hashing = archive::HashingReader::new(file);
    io::copy(&mut hashing, &mut io::sink()).map_err(unreadable)?;
    let (_, sha256, _) = hashing.finish();
    let damaged = Digest::from_sha256(sha256) != layer.digest;
    if damaged {
        cache.remove(Shelf::Layers, &blob_key(&layer.digest)?)?;
    }
    Ok(damaged)
}

/// A record is a few hundred bytes.
const RECORD_BYTES_MAX: u64 = 64 << 10;

fn blob_key(digest: &Digest) -> Result<Key, CacheError> {
    cache_key(digest.hex())
}

/// Whether the bytes lie in the cache, as far as their length tells; their digest is compared when they
/// are copied out.
pub(crate) fn is_there(cache: &Cache, layer: &StoredLayer) -> bool {
    let Ok(Some(file)) = open_layer(cache, layer) else {
        return false;
    };
    file.metadata()
        .is_ok_and(|metadata| metadata.len() == layer.bytes)
}
