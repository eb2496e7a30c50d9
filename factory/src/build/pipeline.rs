//! All platforms of a round, on plain threads and one pool.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use archive::Encoder;
use cache::Cache;
use progress::Progress;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    BuildError, FailurePolicy, image_cache,
    platform::{BuiltPlatform, PlatformJob, Workshop},
};
use crate::{contents::PackageSet, layers::LayerStore, sbom::Sha1Sums};

/// What a round runs with.
pub(super) struct Pipeline {
    pub(super) cache: Cache,
    pub(super) progress: std::sync::Arc<dyn Progress>,
    pub(super) threads: NonZeroUsize,
    pub(super) encoder: Encoder,
    pub(super) sboms: bool,
    pub(super) failures: FailurePolicy,
}

/// A platform's end.
pub(super) struct Outcome {
    pub(super) image: usize,
    pub(super) platform: usize,
    pub(super) result: Result<BuiltPlatform, BuildError>,
}

/// More platforms at once than this only cost memory: each already uses all cores.
const PLATFORMS_AT_ONCE_MAX: usize = 4;
/// More threads than this only cost memory: there is no more to do at once.
const THREADS_MAX: usize = 64;
/// Compressed and uncompressed members that are held at once, in all layers together.
const MEMBERS_MAX: usize = 96;

impl Pipeline {
    /// Makes `jobs`, about in their order, and sends each as it ends. Returns how many layers it made.
    ///
    /// After a failure under [`FailurePolicy::Stop`] nothing new is begun. It also ends when nobody
    /// listens any more.
    ///
    /// # Errors
    /// When no threads can be started.
    pub(super) fn run(
        &self,
        jobs: Vec<PlatformJob>,
        outcomes: &UnboundedSender<Outcome>,
    ) -> Result<u64, BuildError> {
        let threads = self.threads.get().min(THREADS_MAX);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("build-{number}"))
            .build()
            .map_err(|error| BuildError::Threads(io::Error::other(error)))?;
        let platforms_at_once = threads.min(PLATFORMS_AT_ONCE_MAX).min(jobs.len()).max(1);
        let layers_at_once = threads.min(4);
        let window = (MEMBERS_MAX / (platforms_at_once * layers_at_once)).clamp(1, threads * 2);
        let set = PackageSet::new(&self.cache);
        let layers = LayerStore::new(&self.cache, self.encoder, &pool, window, &*self.progress);
        let sums = Sha1Sums::default();
        let workshop = Workshop {
            set: &set,
            layers: &layers,
            pool: &pool,
            encoder: self.encoder,
            layers_at_once,
            sboms: self.sboms.then_some(&sums),
        };
        for job in &jobs {
            set.retain(&job.packages, &job.archives);
        }
        let queue = Mutex::new(VecDeque::from(jobs));
        let stopped = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..platforms_at_once {
                scope.spawn(|| self.work(&workshop, &queue, &stopped, outcomes));
            }
        });
        Ok(layers.counts().0)
    }

    fn work(
        &self,
        workshop: &Workshop<'_>,
        queue: &Mutex<VecDeque<PlatformJob>>,
        stopped: &AtomicBool,
        outcomes: &UnboundedSender<Outcome>,
    ) {
        loop {
            let Some(job) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                return;
            };
            let result = if stopped.load(Ordering::Relaxed) || outcomes.is_closed() {
                Err(BuildError::GivenUp)
            } else {
                self.make(workshop, &job)
            };
            workshop.set.release(&job.packages, &job.archives);
            let failed = result.as_ref().is_err_and(|error| !error.is_damage());
            if failed && self.failures == FailurePolicy::Stop {
                stopped.store(true, Ordering::Relaxed);
            }
            let _ = outcomes.send(Outcome {
                image: job.image,
                platform: job.platform,
                result,
            });
        }
    }

    fn make(&self, workshop: &Workshop<'_>, job: &PlatformJob) -> Result<BuiltPlatform, BuildError> {
        let built = workshop.make(job)?;
        if let Some(key) = job.key {
            image_cache::keep(&self.cache, key, &built)?;
        }
        Ok(built)
    }
}
