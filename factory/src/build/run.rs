//! The state of a build: which images are still to be made, and the rounds that make them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use oci::Digest;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    BuildError, BuildReport, BuildRequest, Failure, FailurePolicy, ImageReport, LayerCounts, SbomPolicy,
    Services,
    deliver::Delivery,
    fetch::fetch,
    image_cache,
    jobs::platform_jobs,
    pipeline::{Outcome, Pipeline},
    platform::{BuiltPlatform, PlatformJob},
};

/// A build under way.
pub(super) struct Run<'s> {
    request: BuildRequest,
    services: &'s Services,
    date: Timestamp,
    images: Vec<ImageState>,
    /// Of pending images, what was last found damaged.
    damage: BTreeMap<usize, BuildError>,
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

impl<'s> Run<'s> {
    pub(super) fn new(request: BuildRequest, services: &'s Services) -> Result<Self, BuildError> {
        let lock = &request.lock;
        lock.check_ids()?;
        // Without a package there is no archive in the lock, and nothing that a date could be taken from.
        let date = request
            .options
            .date
            .or(lock.date())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let images = request.images.iter().map(|_| ImageState::Pending).collect();
        Ok(Self {
            request,
            services,
            date,
            images,
            damage: BTreeMap::new(),
            layers: BTreeSet::new(),
            layers_built: 0,
            warnings: BTreeSet::new(),
        })
    }

    /// Positions of the images that are still to be made.
    pub(super) fn pending(&self) -> Vec<usize> {
        let pending = self
            .images
            .iter()
            .enumerate()
            .filter(|(_, state)| matches!(state, ImageState::Pending));
        pending.map(|(position, _)| position).collect()
    }

    /// Tries every pending image once.
    pub(super) async fn round(&mut self) -> Result<(), BuildError> {
        let pending = self.pending();
        let mut jobs = Vec::new();
        for &image in &pending {
            match platform_jobs(&self.request, image, self.date) {
                Ok(of_image) => jobs.extend(of_image),
                Err(error) => self.fail(image, error)?,
            }
        }
        let mut parts = self.find_whole(jobs).await?;
        let missing = std::mem::take(&mut parts.missing);
        let policy = self.request.options.failures;
        let fetched = fetch(&self.request.lock, &self.services.packages, policy, missing).await?;
        for (image, error) in fetched.failures {
            self.fail(image, error)?;
        }
        self.make_and_deliver(pending, parts.found, fetched.jobs).await
    }

    /// Finishes the outputs.
    pub(super) async fn finish(mut self) -> Result<BuildReport, BuildError> {
        for image in self.pending() {
            // The disk itself must be broken: what was made again is damaged again.
            let error = self.damage.remove(&image).unwrap_or(BuildError::GivenUp);
            self.fail(image, error)?;
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

    /// Looks every platform up in the cache of whole images.
    async fn find_whole(&self, jobs: Vec<PlatformJob>) -> Result<Parts, BuildError> {
        let (cache, sboms) = (self.services.cache.clone(), self.wants_sboms());
        let look_up = move || -> Result<Parts, BuildError> {
            let mut parts = Parts {
                found: Vec::new(),
                missing: Vec::new(),
            };
            for job in jobs {
                let found = match job.key {
                    Some(key) => image_cache::find(&cache, key, sboms)?,
                    None => None,
                };
                match found {
                    Some(built) => {
                        parts.found.push(Outcome {
                            image: job.image,
                            platform: job.platform,
                            result: Ok(built),
                        });
                    }
                    None => parts.missing.push(job),
                }
            }
            Ok(parts)
        };
        unwound(tokio::task::spawn_blocking(look_up).await)?
    }

    fn wants_sboms(&self) -> bool {
        let policy = &self.request.options.sbom;
        matches!(policy, SbomPolicy::Directory(_) | SbomPolicy::Attach)
            || self
                .request
                .outputs
                .iter()
                .any(|output| output.wants_bills(policy))
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
            if jobs.is_empty() {
                Ok(0)
            } else {
                pipeline.run(jobs, &sender)
            }
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
        let mut order: VecDeque<usize> = pending
            .into_iter()
            .filter(|&image| self.is_pending(image))
            .collect();
        let mut arrived: BTreeMap<usize, BTreeMap<usize, Result<BuiltPlatform, BuildError>>> =
            BTreeMap::new();
        loop {
            while let Some(&image) = order.front() {
                let wanted = self
                    .request
                    .images
                    .get(image)
                    .map_or(0, |request| request.architectures.len());
                if arrived.get(&image).map_or(0, BTreeMap::len) < wanted {
                    break;
                }
                order.pop_front();
                self.end(image, arrived.remove(&image).unwrap_or_default())
                    .await?;
            }
            match outcomes.recv().await {
                Some(Outcome {
                    image,
                    platform,
                    result,
                }) => {
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
                self.services
                    .progress
                    .event(progress::Event::Note(&error.to_string()));
                self.damage.insert(image, error);
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

    async fn deliver(
        &mut self,
        image: usize,
        platforms: &[BuiltPlatform],
    ) -> Result<ImageReport, BuildError> {
        let Some(request) = self.request.images.get(image) else {
            return Err(BuildError::GivenUp);
        };
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
            self.layers
                .extend(built.layers.iter().map(|(_, layer)| layer.digest));
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

/// The value of a task; its panic becomes this one's.
pub(super) fn unwound<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, BuildError> {
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => BuildError::GivenUp,
    })
}
