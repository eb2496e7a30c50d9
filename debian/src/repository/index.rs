//! Package indexes: by hash where the archive has them so, compressed, checked before and after decompression.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use archive::{Codec, HashingReader, decode};
use cache::{Key, Shelf};
use progress::{Task, Work};
use transport::{Download, Url};

use super::files::remove;
use super::{Archives, Attempts, FetchError, FetchedIndex, Network, Repository, SignedRelease};
use super::{blocking, hex, sha256_of};
use crate::Architecture;
use crate::release::{Release, ReleaseFile};

/// The largest index accepted, compressed or not, in bytes. That of Debian's main component has 57 million.
pub const INDEX_BYTES_MAX: u64 = 512 << 20;

/// How much more than listed is taken of a compressed index, so that an error can name the digest of what came.
const SURPLUS_BYTES_MAX: u64 = 32 << 20;

/// Compressions in the order of preference: gzip costs a third more to fetch and a sixth of the time to read.
const ENCODINGS: [(&str, Codec); 3] = [(".gz", Codec::Gzip), (".xz", Codec::Xz), ("", Codec::None)];

/// An index as it is wanted.
#[derive(Clone)]
struct Wanted {
    suite: String,
    architecture: Architecture,
    /// The uncompressed file's path below the suite's directory.
    path: String,
    /// What the release lists for it.
    plain: ReleaseFile,
    by_hash: bool,
    encodings: Vec<Encoded>,
}

#[derive(Clone)]
struct Encoded {
    path: String,
    file: ReleaseFile,
    codec: Codec,
}

impl Archives {
    /// The index of one component and architecture, as `release` lists it: from the cache, else from the first mirror
    /// that has it.
    ///
    /// # Errors
    /// `ArchitectureAbsent` or `ComponentAbsent` when the suite does not have it; `IndexMismatch` when the mirrors have
    /// another than the signed one; others when it cannot be had.
    pub async fn index(
        &self,
        repository: &Repository,
        release: &SignedRelease,
        component: &str,
        architecture: &Architecture,
    ) -> Result<FetchedIndex, FetchError> {
        let wanted = Wanted::of(repository, &release.release, component, architecture)?;
        let key = Key::from_sha256(&wanted.plain.sha256);
        if let Some(bytes) = self.cached_index(&wanted, &key).await? {
            return Ok(wanted.found(bytes));
        }
        let _guard = self.lock(Shelf::Indexes, &key).await?;
        // Another process may have fetched it meanwhile.
        if let Some(bytes) = self.cached_index(&wanted, &key).await? {
            return Ok(wanted.found(bytes));
        }
        let mut attempts = Attempts::default();
        for base in repository.uris.iter().filter(|base| self.may_fetch(base)) {
            match self.index_at(base, &wanted).await {
                Ok(bytes) => {
                    self.cache
                        .insert(Shelf::Indexes, &key, &bytes)
                        .map_err(FetchError::Cache)?;
                    return Ok(wanted.found(bytes));
                }
                Err(error) => attempts.failed(error),
            }
        }
        Err(attempts.into_error(|| match self.options.network {
            Network::Online => FetchError::NoMirror {
                archive: repository.name.clone(),
            },
            Network::Offline => FetchError::Offline { what: wanted.name() },
        }))
    }

    async fn cached_index(&self, wanted: &Wanted, key: &Key) -> Result<Option<Vec<u8>>, FetchError> {
        let (cache, key, expected) = (self.cache.clone(), key.clone(), wanted.plain);
        blocking(move || {
            let Ok(Some(bytes)) = cache.read(Shelf::Indexes, &key, expected.size) else {
                return None;
            };
            (sha256_of(&bytes) == expected.sha256).then_some(bytes)
        })
        .await
    }

    async fn index_at(&self, base: &Url, wanted: &Wanted) -> Result<Vec<u8>, FetchError> {
        let directory = base.join("dists").join(&wanted.suite);
        let mut attempts = Attempts::default();
        for encoded in &wanted.encodings {
            for url in wanted.urls(&directory, encoded) {
                match self.fetch_index(&url, wanted, encoded).await {
                    Ok(bytes) => return Ok(bytes),
                    // Not there by its digest: it may be by its name; nor in this compression: perhaps in another.
                    Err(error) if error.is_missing() => attempts.failed(error),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(attempts.into_error(|| wanted.absent()))
    }

    async fn fetch_index(
        &self,
        url: &Url,
        wanted: &Wanted,
        encoded: &Encoded,
    ) -> Result<Vec<u8>, FetchError> {
        let key = Key::from_sha256(&encoded.file.sha256);
        let guard = self
            .lock(Shelf::Indexes, &super::key(&format!("fetch-{key}"))?)
            .await?;
        let partial = self
            .cache
            .partial(Shelf::Indexes, &key, &guard)
            .map_err(FetchError::Cache)?;
        // A mirror may have changed since an earlier run broke off; only attempts of one run are put together.
        remove(&partial)?;
        let task = Task::start(
            &*self.progress,
            Work::Index,
            &wanted.name(),
            Some(encoded.file.size),
        );
        let download = Download {
            path: &partial,
            size: None,
            limit_bytes: encoded.file.size.saturating_add(SURPLUS_BYTES_MAX),
            task: Some(&task),
        };
        let fetched = self.transport.download(url, &download).await;
        let result = match fetched {
            Err(source) => Err(FetchError::transport(wanted.name(), source)),
            Ok(_) => {
                let (wanted, encoded, path, url) =
                    (wanted.clone(), encoded.clone(), partial.clone(), url.clone());
                blocking(move || wanted.unpack(&encoded, &path, &url)).await?
            }
        };
        remove(&partial)?;
        result
    }
}

impl Wanted {
    fn of(
        repository: &Repository,
        release: &Release,
        component: &str,
        architecture: &Architecture,
    ) -> Result<Wanted, FetchError> {
        let path = Release::index_path(component, architecture);
        let listed = |suffix: &str| release.files.get(&format!("{path}{suffix}")).copied();
        let encodings: Vec<Encoded> = ENCODINGS
            .into_iter()
            .filter_map(|(suffix, codec)| {
                Some(Encoded {
                    path: format!("{path}{suffix}"),
                    file: listed(suffix)?,
                    codec,
                })
            })
            .collect();
        let suite = repository.suite.clone();
        let Some(plain) = listed("") else {
            let prefix = format!("{component}/binary-");
            let has_component = release.files.keys().any(|file| file.starts_with(&prefix));
            return Err(if has_component {
                FetchError::ArchitectureAbsent {
                    suite,
                    architecture: architecture.clone(),
                }
            } else {
                FetchError::ComponentAbsent {
                    suite,
                    component: component.to_owned(),
                }
            });
        };
        if let Some(large) = encodings
            .iter()
            .find(|encoded| encoded.file.size > INDEX_BYTES_MAX)
        {
            let (path, bytes) = (large.path.clone(), large.file.size);
            return Err(FetchError::IndexTooLarge {
                suite,
                path,
                bytes,
                limit_bytes: INDEX_BYTES_MAX,
            });
        }
        let by_hash = release.acquire_by_hash;
        Ok(Wanted {
            suite,
            architecture: architecture.clone(),
            path,
            plain,
            by_hash,
            encodings,
        })
    }

    fn name(&self) -> String {
        format!("the package index of {} for {}", self.suite, self.architecture)
    }

    fn found(self, bytes: Vec<u8>) -> FetchedIndex {
        FetchedIndex {
            bytes,
            sha256: self.plain.sha256,
            path: self.path,
        }
    }

    fn absent(&self) -> FetchError {
        FetchError::ArchitectureAbsent {
            suite: self.suite.clone(),
            architecture: self.architecture.clone(),
        }
    }

    fn urls(&self, directory: &Url, encoded: &Encoded) -> Vec<Url> {
        let plain = directory.join(&encoded.path);
        let above = encoded.path.rsplit_once('/').map_or("", |(above, _)| above);
        let by_hash = directory
            .join(above)
            .join("by-hash/SHA256")
            .join(&hex(&encoded.file.sha256));
        if self.by_hash {
            vec![by_hash, plain]
        } else {
            vec![plain]
        }
    }

    /// Checks the compressed file, decompresses it, and checks what comes out.
    fn unpack(&self, encoded: &Encoded, path: &Path, url: &Url) -> Result<Vec<u8>, FetchError> {
        let file = File::open(path).map_err(FetchError::CacheFile)?;
        let mut reader = HashingReader::new(file);
        let mut packed = Vec::new();
        reader.read_to_end(&mut packed).map_err(FetchError::CacheFile)?;
        let (_, actual, actual_bytes) = reader.finish();
        if actual != encoded.file.sha256 {
            return Err(self.mismatch(url, encoded, actual, actual_bytes));
        }
        let capacity = usize::try_from(self.plain.size).unwrap_or_default();
        let mut bytes = Vec::with_capacity(capacity);
        let unreadable = |source| FetchError::IndexUnreadable {
            suite: self.suite.clone(),
            path: encoded.path.clone(),
            source,
        };
        decode(encoded.codec, packed.as_slice(), self.plain.size)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let actual = sha256_of(&bytes);
        if actual != self.plain.sha256 {
            let plain = Encoded {
                path: self.path.clone(),
                file: self.plain,
                codec: Codec::None,
            };
            return Err(self.mismatch(url, &plain, actual, bytes.len() as u64));
        }
        Ok(bytes)
    }

    fn mismatch(&self, url: &Url, encoded: &Encoded, actual: [u8; 32], actual_bytes: u64) -> FetchError {
        FetchError::IndexMismatch {
            suite: self.suite.clone(),
            architecture: self.architecture.clone(),
            path: encoded.path.clone(),
            url: url.to_string(),
            expected: hex(&encoded.file.sha256),
            actual: hex(&actual),
            expected_bytes: encoded.file.size,
            actual_bytes,
        }
    }
}
