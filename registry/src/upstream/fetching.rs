//! The one fetch of a blob: from the upstream into an upload, gone on with where it broke, and linked in the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::registry::BlobStream;
use oci::{Digest, Hasher, RepositoryName};
use store::{
    Append, Blob, BlobContent, Committed, Mode, PackagePath, StorageKey, StoreError, UploadKey, Upstream,
};
use tokio::time::sleep;

use super::Trouble;
use super::asking::absent;
use super::blob_flight::{End, Flight};
use super::extent::Extent;
use crate::registry::Registry;

/// How often a blob is gone on with after a cut, without a mebibyte of it coming in between.
const CUTS_MAX: u32 = 6;

/// So much of a blob makes earlier cuts forgotten, in bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The wait after the first cut; it doubles.
const CUT_DELAY: Duration = Duration::from_millis(200);

/// The longest that is waited because the upstream asks for it, while clients wait too.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much is brought to the clients at a time …
const PIECE_BYTES: u64 = 256 << 10;

/// … or what came until then, when nothing comes for so long.
const LINGER: Duration = Duration::from_millis(20);

/// Packages that are asked for a blob at a time, and how often: of so many one may be of the same upstream.
const PACKAGES: usize = 20;

/// What is fetched, from where, for whom.
pub(super) struct Errand {
    pub(super) registry: Registry,
    pub(super) flight: Arc<Flight>,
    pub(super) upstream: Upstream,
    pub(super) bytes_per_second_max: Option<u64>,
    pub(super) package: PackagePath,
    pub(super) name: RepositoryName,
}

/// The upload that it grows in.
struct Growing {
    upload: UploadKey,
    append: Box<dyn Append>,
    hasher: Hasher,
    /// Bytes that came.
    came: u64,
    /// Those of them that were brought to the clients.
    brought: u64,
    size: Option<u64>,
    extent: Extent,
}

/// Why it does not go on.
enum Stop {
    /// The connection broke: it is gone on with where it broke.
    Cut(Trouble),
    Absent,
    /// Nobody waits for it, and no end of it is in sight.
    Abandoned,
    Failed(Trouble),
}

impl Errand {
    /// Fetches it and says what became of it.
    pub(super) async fn run(self) -> End {
        match self.fetch().await {
            Ok(end) => end,
            Err(Stop::Absent) => End::Absent,
            Err(Stop::Abandoned) => End::Abandoned,
            Err(Stop::Cut(trouble) | Stop::Failed(trouble)) => End::Failed(trouble),
        }
    }

    async fn fetch(&self) -> Result<End, Stop> {
        let failed = |error: StoreError| {
            self.registry.trouble("upstream", &error);
            Stop::Failed(Trouble::of_store(&error))
        };
        if self.is_here().await.map_err(failed)? || self.is_beside().await? {
            self.link_others().await.map_err(failed)?;
            return Ok(End::Linked);
        }
        let first = self.open(0).await?;
        let (place, digest) = ((&*self.upstream.host, &self.package), &self.flight.digest);
        let extent = self.registry.extent_of(place, digest, first.size()).await;
        let extent = extent.map_err(Stop::Failed)?;
        let session = UploadKey::session(self.registry.entropy());
        let upload = UploadKey::of(&session, &self.package.to_string()).map_err(failed)?;
        let append = self.begin(&upload).await.map_err(failed)?;
        let mut growing = Growing {
            upload,
            append,
            hasher: Hasher::new(self.flight.digest.algorithm()),
            came: 0,
            brought: 0,
            size: first.size(),
            extent,
        };
        let came = self.take_all(first, &mut growing).await;
        let Growing {
            upload,
            append,
            hasher,
            came: length,
            ..
        } = growing;
        let finished = match came {
            Ok(()) => append.finish().await.map_err(failed),
            Err(stop) => {
                drop(append);
                Err(stop)
            }
        };
        let right = finished.and_then(|_| self.compared(hasher.finish()));
        if let Err(stop) = right {
            // What came is of no use; where it cannot be removed, a collection does.
            let _ = self.registry.blobs().abort(&upload).await;
            return Err(stop);
        }
        self.flight.told(|progress| {
            progress.written = length;
            progress.end = Some(End::Right);
        });
        Ok(match self.link(&upload, length).await {
            Ok(true) => End::Linked,
            Ok(false) => End::Unkept,
            Err(error) => {
                self.registry.trouble("upstream", &error);
                End::Unkept
            }
        })
    }

    /// Somebody may have brought it since it was looked for.
    async fn is_here(&self) -> Result<bool, StoreError> {
        let metadata = self.registry.metadata();
        Ok(metadata.blob(&self.package, &self.flight.digest).await?.is_some())
    }

    /// Links a blob that another package of the same upstream has, if it is there under our name too.
    async fn is_beside(&self) -> Result<bool, Stop> {
        let digest = &self.flight.digest;
        let metadata = self.registry.metadata();
        let beside = metadata.packages_with_blob(digest, None, PACKAGES).await;
        for other in beside.unwrap_or_default() {
            let mode = self.registry.mode_of(&other.repository).await;
            let is_same = matches!(mode.as_deref(), Ok(Mode::Remote(remote)) if remote.upstream.host == self.upstream.host);
            if !is_same {
                continue;
            }
            let described = self
                .registry
                .describe_upstream_blob(&self.upstream, &self.package, digest)
                .await;
            if described.map_err(Stop::Failed)?.is_none() {
                return Err(Stop::Absent);
            }
            let mounted = metadata.mount_blob(&self.package, &other, digest, self.registry.now());
            if mounted.await.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn begin(&self, upload: &UploadKey) -> Result<Box<dyn Append>, StoreError> {
        let blobs = self.registry.blobs();
        blobs.begin(upload).await?;
        if let BlobContent::File { file, .. } = blobs.read_upload(upload).await? {
            self.flight.grows_in(file);
        }
        blobs.append(upload, 0).await
    }

    /// Asks for what is not there yet.
    async fn open(&self, start: u64) -> Result<BlobStream, Stop> {
        let digest = self.flight.digest;
        let asked = self
            .registry
            .ask_upstream(&self.upstream, &self.name, |repository| async move {
                absent(repository.blob(&digest, start).await)
            });
        match asked.await {
            Ok(Some(arriving)) => Ok(arriving),
            Ok(None) => Err(Stop::Absent),
            Err(trouble @ (Trouble::Unreachable { .. } | Trouble::Busy { .. })) => Err(Stop::Cut(trouble)),
            Err(trouble) => Err(Stop::Failed(trouble)),
        }
    }

    async fn take_all(&self, first: BlobStream, growing: &mut Growing) -> Result<(), Stop> {
        self.flight.told(|progress| {
            progress.has_begun = true;
            progress.size = growing.size;
        });
        let (mut next, mut cuts) = (Some(first), 0);
        loop {
            let before = growing.came;
            let opened = match next.take() {
                Some(arriving) => Ok(arriving),
                None => self.open(growing.came).await,
            };
            let trouble = match opened {
                Ok(arriving) => match self.take(arriving, growing).await {
                    Ok(()) => return Ok(()),
                    Err(Stop::Cut(trouble)) => trouble,
                    Err(stop) => return Err(stop),
                },
                Err(Stop::Cut(trouble)) => trouble,
                Err(stop) => return Err(stop),
            };
            cuts = match growing.came - before >= PROGRESS_BYTES {
                true => 1,
                false => cuts + 1,
            };
            let wait = match &trouble {
                Trouble::Busy { after, .. } => *after,
                _ => CUT_DELAY.saturating_mul(1 << cuts),
            };
            if cuts >= CUTS_MAX || wait > PATIENCE {
                return Err(Stop::Failed(trouble));
            }
            sleep(wait).await;
        }
    }

    /// Takes what comes over one connection.
    async fn take(&self, mut arriving: BlobStream, growing: &mut Growing) -> Result<(), Stop> {
        let host = &self.upstream.host;
        let wrong = |problem: &str| Stop::Failed(Trouble::wrong(host, problem));
        if arriving.size().is_some() && growing.size.is_some() && arriving.size() != growing.size {
            return Err(wrong("a blob that changes its length"));
        }
        // What comes again before the part that is asked for.
        let mut again = growing.came - arriving.start().min(growing.came);
        let bytes_max = growing.extent.bytes_max;
        loop {
            let piece = self.next(&mut arriving, growing).await?;
            let Some(mut piece) = piece else { break };
            let skipped = usize::try_from(again).unwrap_or(usize::MAX).min(piece.len());
            again -= skipped as u64;
            drop(piece.split_to(skipped));
            if piece.is_empty() {
                continue;
            }
            if growing.came.saturating_add(piece.len() as u64) > bytes_max {
                return Err(wrong("more bytes than it said or there is room for"));
            }
            self.write(piece, growing).await?;
        }
        match growing.size {
            Some(size) if growing.came < size => Err(Stop::Cut(Trouble::unreachable(host))),
            _ => Ok(()),
        }
    }

    /// The next piece. While none comes, clients get what there is.
    async fn next(&self, arriving: &mut BlobStream, growing: &mut Growing) -> Result<Option<Bytes>, Stop> {
        let next = arriving.next();
        tokio::pin!(next);
        let piece = match growing.came > growing.brought {
            false => next.await,
            true => tokio::select! {
                biased;
                piece = &mut next => piece,
                () = sleep(LINGER) => {
                    self.bring(growing).await?;
                    next.await
                }
            },
        };
        piece.map_err(|error| {
            let trouble = Trouble::of_registry(&self.upstream.host, &error);
            Stop::Cut(trouble)
        })
    }

    async fn write(&self, piece: Bytes, growing: &mut Growing) -> Result<(), Stop> {
        let length = piece.len();
        growing.hasher.update(&piece);
        let written = growing.append.write(piece).await;
        written.map_err(|error| self.store_failed(&error))?;
        growing.came += length as u64;
        if growing.came - growing.brought >= PIECE_BYTES {
            self.bring(growing).await?;
        }
        let pace = &self.registry.upstreams().bandwidth;
        pace.pace(&self.package.repository, length, self.bytes_per_second_max)
            .await;
        Ok(())
    }

    async fn bring(&self, growing: &mut Growing) -> Result<(), Stop> {
        let flushed = growing.append.flush().await;
        growing.brought = flushed.map_err(|error| self.store_failed(&error))?;
        let written = growing.brought;
        self.flight.told(|progress| progress.written = written);
        // One that ends is of use to whoever comes next. One without an end would fill the disk for nobody.
        let blobs = &self.registry.upstreams().blobs;
        if !growing.extent.is_told && blobs.forgets_unwanted(&self.upstream.host, &self.flight) {
            return Err(Stop::Abandoned);
        }
        Ok(())
    }

    fn store_failed(&self, error: &StoreError) -> Stop {
        self.registry.trouble("upstream", error);
        Stop::Failed(Trouble::of_store(error))
    }

    fn compared(&self, actual: Digest) -> Result<(), Stop> {
        let expected = self.flight.digest;
        if actual == expected {
            return Ok(());
        }
        let problem = format!("blob {expected} has the digest {actual}");
        let trouble = Trouble::wrong(&self.upstream.host, problem);
        self.registry.trouble("upstream", &trouble);
        Err(Stop::Failed(trouble))
    }

    /// Makes a blob of the upload, and has everybody link it who asked for it. False where the repository has no room or is
    /// gone: clients have it all the same, and it is fetched again the next time.
    async fn link(&self, upload: &UploadKey, size: u64) -> Result<bool, StoreError> {
        let (registry, digest) = (&self.registry, self.flight.digest);
        let key = StorageKey::new(&digest, registry.entropy());
        registry.blobs().seal(upload, &key, size).await?;
        let (actor, now) = (Registry::upstream_actor(&self.upstream), registry.now());
        let blob = Blob {
            digest,
            size,
            key,
            last_seen: now,
        };
        let committed = registry
            .metadata()
            .commit_blob(&self.package, &blob, &actor)
            .await;
        // After an error nobody knows whether a row names the object, so collection decides about it.
        if matches!(&committed, Ok(committed) if *committed != Committed::Kept) {
            let _ = registry.blobs().remove(&blob.key).await;
        }
        if !matches!(committed?, Committed::Kept | Committed::Superseded) {
            return Ok(false);
        }
        self.link_others().await?;
        Ok(true)
    }

    /// Has the other packages link it that asked for it. Where there is no room they have none of it.
    async fn link_others(&self) -> Result<(), StoreError> {
        let (metadata, digest, now) = (self.registry.metadata(), &self.flight.digest, self.registry.now());
        for package in self.flight.wanted_by() {
            if package != self.package {
                metadata.mount_blob(&package, &self.package, digest, now).await?;
            }
        }
        Ok(())
    }
}
