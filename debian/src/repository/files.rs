//! Packages and other files that are named with their digest: fetched once, resumed, checked, kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::HashingReader;
use cache::{Key, Shelf};
use progress::{Task, Work};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use transport::{Download, Url};

use super::{Archives, Attempts, FetchError, Network, blocking};
use crate::mirror::is_within_snapshot;

/// A package file as an index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Its path below the archive's base URL: `pool/…`.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A package file, and the base URLs that it may be had from, in the order in which they are tried.
#[derive(Debug, Clone)]
pub struct PackageRequest {
    /// Base URLs. One of a snapshot at the end serves for files that mirrors have dropped.
    pub uris: Vec<Url>,
    /// The file.
    pub file: PackageFile,
}

/// How many packages are fetched at a time. The limit per host may be lower.
pub const PACKAGES_AT_A_TIME: usize = 8;

/// How many files are fetched at a time from a snapshot of the past.
pub const SNAPSHOT_FILES_AT_A_TIME: usize = 2;

/// The largest file accepted, in bytes.
pub const FILE_BYTES_MAX: u64 = 8 << 30;

impl Archives {
    /// The file of a package in the cache, fetched if it is not there. It was checked by size and SHA-256 when it came
    /// into the cache; whoever reads it much later should check again.
    ///
    /// A download that broke off is resumed by the next call, also of another process. Only one process at a time
    /// fetches a file.
    ///
    /// # Errors
    /// `SizeMismatch` or `FileMismatch` when the mirrors have another file, which is then not kept; others when it cannot
    /// be had.
    pub async fn package(&self, uris: &[Url], file: &PackageFile) -> Result<PathBuf, FetchError> {
        if !is_plain_path(&file.path) {
            return Err(FetchError::Path {
                path: file.path.clone(),
            });
        }
        let urls: Vec<Url> = uris.iter().map(|base| base.join(&file.path)).collect();
        self.wanted_file(&urls, &file.path, Some(file.size), &file.sha256)
            .await
    }

    /// Several packages, up to [`PACKAGES_AT_A_TIME`] at a time, in the order of `requests`.
    ///
    /// # Errors
    /// The first one; what is fetched by then stays.
    pub async fn packages(&self, requests: &[PackageRequest]) -> Result<Vec<PathBuf>, FetchError> {
        let limit = Arc::new(Semaphore::new(PACKAGES_AT_A_TIME));
        let mut tasks = JoinSet::new();
        for (at, request) in requests.iter().cloned().enumerate() {
            let (archives, limit) = (self.clone(), Arc::clone(&limit));
            tasks.spawn(async move {
                // Never closed, so it is always acquired.
                let _permit = limit.acquire().await;
                (at, archives.package(&request.uris, &request.file).await)
            });
        }
        let mut paths = vec![PathBuf::new(); requests.len()];
        while let Some(joined) = tasks.join_next().await {
            let (at, path) = joined.map_err(|_| FetchError::Interrupted)?;
            if let Some(place) = paths.get_mut(at) {
                *place = path?;
            }
        }
        Ok(paths)
    }

    /// A file of any address that is named with its SHA-256, in the cache; fetched if it is not there.
    ///
    /// # Errors
    /// As [`Archives::package`].
    pub async fn file(&self, url: &Url, sha256: &[u8; 32]) -> Result<PathBuf, FetchError> {
        self.wanted_file(std::slice::from_ref(url), url.last_segment(), None, sha256)
            .await
    }

    async fn wanted_file(
        &self,
        urls: &[Url],
        name: &str,
        size: Option<u64>,
        sha256: &[u8; 32],
    ) -> Result<PathBuf, FetchError> {
        let key = Key::from_sha256(sha256);
        if let Some(path) = self.cached_file(&key, size)? {
            return Ok(path);
        }
        let guard = self.lock(Shelf::Packages, &key).await?;
        if let Some(path) = self.cached_file(&key, size)? {
            return Ok(path);
        }
        let partial = self
            .cache
            .partial(Shelf::Packages, &key, &guard)
            .map_err(FetchError::Cache)?;
        let mut attempts = Attempts::default();
        for url in urls.iter().filter(|url| self.may_fetch(url)) {
            let wanted = WantedFile {
                url,
                name,
                size,
                sha256,
                partial: &partial,
            };
            match self.fetch_file(&wanted).await {
                Ok(()) => {
                    return self
                        .cache
                        .adopt(Shelf::Packages, &key, &partial)
                        .map_err(FetchError::Cache);
                }
                Err(error) => attempts.failed(error),
            }
        }
        Err(attempts.into_error(|| match self.options.network {
            Network::Online => FetchError::NoMirror {
                archive: name.to_owned(),
            },
            Network::Offline => FetchError::Offline {
                what: name.to_owned(),
            },
        }))
    }

    /// The file in the cache, if it is there and as large as it should be.
    fn cached_file(&self, key: &Key, size: Option<u64>) -> Result<Option<PathBuf>, FetchError> {
        let path = self.cache.path(Shelf::Packages, key);
        match fs::metadata(&path) {
            Ok(facts) if size.is_none_or(|size| size == facts.len()) => Ok(Some(path)),
            Ok(_) => {
                self.cache
                    .remove(Shelf::Packages, key)
                    .map_err(FetchError::Cache)?;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FetchError::CacheFile(error)),
        }
    }

    /// Fills the partial file with what is wanted. What came and does not match is removed.
    async fn fetch_file(&self, wanted: &WantedFile<'_>) -> Result<(), FetchError> {
        // Never closed, so it is always acquired.
        let _permit = match is_within_snapshot(wanted.url) {
            true => Some(self.snapshots.acquire().await),
            false => None,
        };
        let label = wanted.name.rsplit('/').next().unwrap_or(wanted.name);
        let task = Task::start(&*self.progress, Work::Download, label, wanted.size);
        let download = Download {
            path: wanted.partial,
            size: wanted.size,
            limit_bytes: FILE_BYTES_MAX,
            task: Some(&task),
        };
        loop {
            let downloaded = match self.transport.download(wanted.url, &download).await {
                Ok(downloaded) => downloaded,
                Err(source) => return Err(wanted.failed(source)),
            };
            let path = wanted.partial.to_path_buf();
            let actual = blocking(move || sha256_of_file(&path))
                .await?
                .map_err(FetchError::CacheFile)?;
            if actual == *wanted.sha256 {
                return Ok(());
            }
            remove(wanted.partial)?;
            // The beginning may have been another file's, of an earlier run or another mirror: once more, whole.
            if downloaded.resumed_from == 0 {
                return Err(FetchError::mismatch(
                    wanted.name,
                    wanted.url,
                    wanted.sha256,
                    &actual,
                ));
            }
        }
    }
}

struct WantedFile<'a> {
    url: &'a Url,
    name: &'a str,
    size: Option<u64>,
    sha256: &'a [u8; 32],
    partial: &'a Path,
}

impl WantedFile<'_> {
    fn failed(&self, source: transport::FetchError) -> FetchError {
        match source {
            transport::FetchError::SizeDiffers { expected, actual, .. } => FetchError::SizeMismatch {
                path: self.name.to_owned(),
                url: self.url.to_string(),
                expected_bytes: expected,
                actual_bytes: actual,
            },
            source => FetchError::transport(self.name, source),
        }
    }
}

/// Whether a path of an index stays below the archive's directory.
fn is_plain_path(path: &str) -> bool {
    let segments_are_plain = path
        .split('/')
        .all(|segment| !segment.is_empty() && segment != "." && segment != "..");
    segments_are_plain && !path.contains(['\\', '\0'])
}

fn sha256_of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut reader = HashingReader::new(File::open(path)?);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().1)
}

pub(super) fn remove(path: &Path) -> Result<(), FetchError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FetchError::CacheFile(error)),
        _ => Ok(()),
    }
}
