//! The state of a build: which images are still to be made, and the rounds that make them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use oci::Digest;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};

use super::{
    BuildError, BuildReport, BuildRequest, Damage, Failure, FailurePolicy, ImageReport, ImageRequest, LayerCounts,
    SbomPolicy, Services,
    deliver::Delivery,
    disk_state::disk_state,
    image_cache::{self, ImageKey, KeyInputs},
    pipeline::{Outcome, Pipeline},
    platform::{BuiltPlatform, PlatformJob},
};
use crate::{
    contents::{ArchiveToRead, PackageToRead},
    lock::{LockedArchive, LockedPackage},
    release::Architecture,
};

/// A build under way.
pub(super) struct Run<'s> {
    request: BuildRequest,
    services: &'s Services,
    date: Timestamp,
    images: Vec<ImageState>,
    /// Layers by digest, of all images that are done.
    layers: BTreeSet<Digest>,
    layers_built: u64,
    warnings: BTreeSet<String>,
}

enum ImageState {
    Pending,
    Done(ImageReport),
    Failed(BuildError),
}

/// Downloads at the same time.
const FETCHES_AT_ONCE: usize = 8;

impl<'s> Run<'s> {
    pub(super) fn new(request: BuildRequest, services: &'s Services) -> Result<Self, BuildError> {
        let lock = &request.lock;
        lock.check_ids()?;
        let date = request.options.date.or(lock.date()).ok_or(BuildError::NoDate)?;
        let images = request.images.iter().map(|_| ImageState::Pending).collect();
        Ok(Self {
            request,
            services,
            date,
            images,
            layers: BTreeSet::new(),
            layers_built: 0,
            warnings: BTreeSet::new(),
        })
    }

    /// Positions of the images that are still to be made.
    pub(super) fn pending(&self) -> Vec<usize> {
        let pending = self.images.iter().enumerate().filter(|(_, state)| matches!(state, ImageState::Pending));
        pending.map(|(position, _)| position).collect()
    }

    /// Tries every pending image once.
    pub(super) async fn round(&mut self) -> Result<(), BuildError> {
        let pending = self.pending();
        let mut jobs = Vec::new();
        for &image in &pending {
            match self.jobs_of(image) {
                Ok(of_image) => jobs.extend(of_image),
                Err(error) => self.fail(image, error)?,
            }
        }
        let mut parts = self.find_whole(jobs).await?;
        let missing = std::mem::take(&mut parts.missing);
        let jobs = self.fetch(missing).await?;
        self.make_and_deliver(pending, parts.found, jobs).await
    }

    /// Finishes the outputs.
    pub(super) async fn finish(mut self) -> Result<BuildReport, BuildError> {
        for image in self.pending() {
            let what = "something that was made again several times".to_owned();
            self.fail(image, BuildError::Damaged(Damage { what }))?;
        }
        for output in &self.request.outputs {
            output.sink.finish().await.map_err(|source| BuildError::Output {
                image: "the images".to_owned(),
                output: output.label.clone(),
                source: Box::new(source),
            })?;
        }
        let mut report = BuildReport {
            images: Vec::new(),
            failures: Vec::new(),
            layers: LayerCounts {
                built: self.layers_built,
                reused: (self.layers.len() as u64).saturating_sub(self.layers_built),
            },
            warnings: self.warnings.into_iter().collect(),
        };
        for (state, request) in self.images.into_iter().zip(&self.request.images) {
            let (name, variant) = (request.plan.name.clone(), request.plan.variant.clone());
            match state {
                ImageState::Done(image) => report.images.push(image),
                ImageState::Failed(error) => report.failures.push(Failure { name, variant, error }),
                ImageState::Pending => {}
            }
        }
        Ok(report)
    }

    fn fail(&mut self, image: usize, error: BuildError) -> Result<(), BuildError> {
        if self.request.options.failures == FailurePolicy::Stop {
            return Err(error);
        }
        if let Some(state) = self.images.get_mut(image) {
            *state = ImageState::Failed(error);
        }
        Ok(())
    }

    fn is_pending(&self, image: usize) -> bool {
        matches!(self.images.get(image), Some(ImageState::Pending))
    }

    fn jobs_of(&self, image: usize) -> Result<Vec<PlatformJob>, BuildError> {
        let Some(request) = self.request.images.get(image) else { return Ok(Vec::new()) };
        let job = |(platform, &architecture)| self.job(request, image, platform, architecture);
        request.architectures.iter().enumerate().map(job).collect()
    }

    fn job(
        &self,
        request: &ImageRequest,
        image: usize,
        platform: usize,
        architecture: Architecture,
    ) -> Result<PlatformJob, BuildError> {
        let plan = request.plan.for_architecture(architecture);
        let not_locked =
            || BuildError::NotLocked { name: plan.name.clone(), variant: plan.variant.clone(), architecture };
        let lock = &self.request.lock;
        let locked = lock.image(&plan.name, &plan.variant).ok_or_else(not_locked)?;
        let packages: Vec<PackageToRead> = lock
            .packages_of(locked, architecture)
            .ok_or_else(not_locked)?
            .into_iter()
            .map(package_to_read)
            .collect::<Result<_, _>>()?;
        let archives = plan
            .archives
            .iter()
            .map(|archive| ArchiveToRead { url: archive.url.clone(), sha256: archive.sha256, path: PathBuf::new() })
            .collect();
        let policy = self.request.options.layers.unwrap_or(plan.layers);
        let disk = disk_state(&plan);
        let key = disk.map(|disk| {
            ImageKey::new(&KeyInputs {
                plan: &plan,
                architecture,
                packages: &packages,
                disk,
                policy,
                encoder: self.request.options.encoder,
                date: self.date,
            })
        });
        let plan = Arc::new(plan);
        Ok(PlatformJob { image, platform, plan, architecture, packages, archives, policy, date: self.date, key })
    }

    /// Looks every platform up in the cache of whole images.
    async fn find_whole(&self, jobs: Vec<PlatformJob>) -> Result<Parts, BuildError> {
        let (cache, sboms) = (self.services.cache.clone(), self.wants_sboms());
        let look_up = move || -> Result<Parts, BuildError> {
            let mut parts = Parts { found: Vec::new(), missing: Vec::new() };
            for job in jobs {
                let found = match job.key {
                    Some(key) => image_cache::find(&cache, key, sboms)?,
                    None => None,
                };
                match found {
                    Some(built) => {
                        parts.found.push(Outcome { image: job.image, platform: job.platform, result: Ok(built) });
                    }
                    None => parts.missing.push(job),
                }
            }
            Ok(parts)
        };
        unwound(tokio::task::spawn_blocking(look_up).await)?
    }

    fn wants_sboms(&self) -> bool {
        self.request.options.sbom != SbomPolicy::None
    }

    /// Fetches what the jobs need and fills in where it lies. Jobs of images whose files cannot be had
    /// are dropped, and the images fail.
    async fn fetch(&mut self, mut jobs: Vec<PlatformJob>) -> Result<Vec<PlatformJob>, BuildError> {
        let mut wanted: VecDeque<Wanted> = self.wanted(&jobs).into();
        let mut paths: BTreeMap<[u8; 32], PathBuf> = BTreeMap::new();
        let mut failures: BTreeMap<[u8; 32], BuildError> = BTreeMap::new();
        let mut under_way: JoinSet<([u8; 32], Result<PathBuf, BuildError>)> = JoinSet::new();
        loop {
            while under_way.len() < FETCHES_AT_ONCE
                && let Some(next) = wanted.pop_front()
            {
                let source = self.services.packages.clone();
                under_way.spawn(async move { (next.sha256(), next.fetch(&*source).await) });
            }
            let Some(done) = under_way.join_next().await else { break };
            match unwound(done)? {
                (sha256, Ok(path)) => drop(paths.insert(sha256, path)),
                (_, Err(error)) if self.request.options.failures == FailurePolicy::Stop => return Err(error),
                (sha256, Err(error)) => drop(failures.insert(sha256, error)),
            }
        }
        for job in &mut jobs {
            for package in &mut job.packages {
                fill(&mut package.path, &package.sha256, &paths);
            }
            for archive in &mut job.archives {
                fill(&mut archive.path, &archive.sha256, &paths);
            }
        }
        for (sha256, error) in failures {
            let mut error = Some(error);
            let needs = |job: &PlatformJob| {
                job.packages.iter().any(|package| package.sha256 == sha256)
                    || job.archives.iter().any(|archive| archive.sha256 == sha256)
            };
            let images: BTreeSet<usize> = jobs.iter().filter(|job| needs(job)).map(|job| job.image).collect();
            for image in images {
                // The first image that needs it carries the cause.
                self.fail(image, error.take().unwrap_or(BuildError::GivenUp))?;
            }
        }
        jobs.retain(|job| self.is_pending(job.image));
        Ok(jobs)
    }

    /// Every file that the jobs need, once, the largest first.
    fn wanted(&self, jobs: &[PlatformJob]) -> Vec<Wanted> {
        let lock = &self.request.lock;
        let needed: BTreeSet<String> =
            jobs.iter().flat_map(|job| &job.packages).map(|package| hex(&package.sha256)).collect();
        let mut wanted: BTreeMap<[u8; 32], Wanted> = BTreeMap::new();
        for package in lock.packages.iter().filter(|package| needed.contains(&package.sha256)) {
            if let (Some(archive), Some(sha256)) = (lock.archive_of(package), unhex(&package.sha256)) {
                let (package, archive) = (package.clone(), archive.clone());
                wanted.insert(sha256, Wanted::Package { package, archive, sha256 });
            }
        }
        for archive in jobs.iter().flat_map(|job| &job.archives) {
            wanted.insert(archive.sha256, Wanted::Archive { url: archive.url.clone(), sha256: archive.sha256 });
        }
        let mut wanted: Vec<Wanted> = wanted.into_values().collect();
        wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.size()));
        wanted
    }

    async fn make_and_deliver(
        &mut self,
        pending: Vec<usize>,
        found: Vec<Outcome>,
        jobs: Vec<PlatformJob>,
    ) -> Result<(), BuildError> {
        let (sender, outcomes) = unbounded_channel();
        for outcome in found {
            let _ = sender.send(outcome);
        }
        let pipeline = Pipeline {
            cache: self.services.cache.clone(),
            progress: self.services.progress.clone(),
            threads: self.services.threads,
            encoder: self.request.options.encoder,
            sboms: self.wants_sboms(),
            failures: self.request.options.failures,
        };
        let worker = tokio::task::spawn_blocking(move || {
            if jobs.is_empty() { Ok(0) } else { pipeline.run(jobs, &sender) }
        });
        let delivered = self.deliver_all(pending, outcomes).await;
        // It ends soon when the delivery gave up: nobody listens to it any more.
        let built = unwound(worker.await)?;
        delivered?;
        self.layers_built += built?;
        Ok(())
    }

    /// Writes images in the order of the request, each as soon as its platforms are there.
    async fn deliver_all(
        &mut self,
        pending: Vec<usize>,
        mut outcomes: UnboundedReceiver<Outcome>,
    ) -> Result<(), BuildError> {
        let mut order: VecDeque<usize> = pending.into_iter().filter(|&image| self.is_pending(image)).collect();
        let mut arrived: BTreeMap<usize, BTreeMap<usize, Result<BuiltPlatform, BuildError>>> = BTreeMap::new();
        loop {
            while let Some(&image) = order.front() {
                let wanted = self.request.images.get(image).map_or(0, |request| request.architectures.len());
                if arrived.get(&image).map_or(0, BTreeMap::len) < wanted {
                    break;
                }
                order.pop_front();
                self.end(image, arrived.remove(&image).unwrap_or_default()).await?;
            }
            match outcomes.recv().await {
                Some(Outcome { image, platform, result }) => {
                    // Under `Stop` the first failure counts, in whatever order images are written.
                    if let Err(error) = &result
                        && self.request.options.failures == FailurePolicy::Stop
                        && !error.is_damage()
                        && !matches!(error, BuildError::GivenUp)
                    {
                        return result.map(drop);
                    }
                    arrived.entry(image).or_default().insert(platform, result);
                }
                None => return Ok(()),
            }
        }
    }

    /// All platforms of an image have ended, well or not.
    async fn end(
        &mut self,
        image: usize,
        platforms: BTreeMap<usize, Result<BuiltPlatform, BuildError>>,
    ) -> Result<(), BuildError> {
        let platforms: Result<Vec<BuiltPlatform>, BuildError> = platforms.into_values().collect();
        let result = match platforms {
            Ok(platforms) => self.deliver(image, &platforms).await,
            Err(error) => Err(error),
        };
        match result {
            // It stays pending for the next round.
            Err(error) if error.is_damage() => {
                self.services.progress.event(progress::Event::Note(&error.to_string()));
                Ok(())
            }
            Err(error) => self.fail(image, error),
            Ok(report) => {
                if let Some(state) = self.images.get_mut(image) {
                    *state = ImageState::Done(report);
                }
                Ok(())
            }
        }
    }

    async fn deliver(&mut self, image: usize, platforms: &[BuiltPlatform]) -> Result<ImageReport, BuildError> {
        let Some(request) = self.request.images.get(image) else { return Err(BuildError::GivenUp) };
        let delivery = Delivery {
            plan: &request.plan,
            form: request.form,
            platforms,
            outputs: &self.request.outputs,
            sbom: &self.request.options.sbom,
            alone: self.request.images.len() == 1,
            cache: &self.services.cache,
            progress: &self.services.progress,
        };
        let report = delivery.deliver().await?;
        for built in platforms {
            self.layers.extend(built.layers.iter().map(|(_, layer)| layer.digest));
            self.warnings.extend(built.warnings.iter().cloned());
        }
        Ok(report)
    }
}

/// What the cache of whole images had and had not.
struct Parts {
    found: Vec<Outcome>,
    missing: Vec<PlatformJob>,
}

/// A file to fetch.
enum Wanted {
    Package { package: LockedPackage, archive: LockedArchive, sha256: [u8; 32] },
    Archive { url: String, sha256: [u8; 32] },
}

impl Wanted {
    fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Package { sha256, .. } | Self::Archive { sha256, .. } => *sha256,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Package { package, .. } => package.size,
            // Not known before it is here.
            Self::Archive { .. } => u64::MAX,
        }
    }

    async fn fetch(self, source: &dyn super::PackageSource) -> Result<PathBuf, BuildError> {
        match &self {
            Self::Package { package, archive, .. } => source
                .package(package, archive)
                .await
                .map_err(|source| BuildError::Fetch { name: package.name.clone(), source: Box::new(source) }),
            Self::Archive { url, sha256 } => source
                .archive(url, sha256)
                .await
                .map_err(|source| BuildError::Fetch { name: url.clone(), source: Box::new(source) }),
        }
    }
}

fn package_to_read(package: &LockedPackage) -> Result<PackageToRead, BuildError> {
    let damaged = || BuildError::LockedPackage { package: package.name.clone() };
    Ok(PackageToRead {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: unhex(&package.sha256).ok_or_else(damaged)?,
        size: package.size,
        path: PathBuf::new(),
    })
}

fn fill(path: &mut PathBuf, sha256: &[u8; 32], paths: &BTreeMap<[u8; 32], PathBuf>) {
    *path = paths.get(sha256).map_or_else(|| Path::new("").to_owned(), Clone::clone);
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digest: Digest = format!("sha256:{text}").parse().ok()?;
    digest.as_bytes().try_into().ok()
}

/// The value of a task; its panic becomes this one's.
fn unwound<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, BuildError> {
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => BuildError::GivenUp,
    })
}
