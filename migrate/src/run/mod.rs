//! Doing what a plan says.
//!
//! Every blob is sent once: into the first repository that needs it, and mounted into the others from there. Children are
//! put before what names them, tags last. What fails is noted and tried again at the end; nothing stops for it.

mod blobs;
mod images;
mod report;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use oci::{Digest, RepositoryName};
use progress::{Progress, Task, Work};
use tokio::sync::Semaphore;

use crate::failure::{Failed, Failure, PlaceError};
use crate::filter::Filter;
use crate::journal::{Journal, JournalError};
use crate::place::{OriginRepository, TargetRepository};
use crate::plan::{Closures, Plan, PlannedRepository, Sides, TagState};

use blobs::Blobs;
pub use report::{Moved, Report};

/// Images that are worked on at once; the pace bounds the requests, and the blobs what is in memory.
const IMAGES_AT_ONCE: usize = 64;

/// How often the failed ones are tried again at the end.
const PASSES_MORE: u32 = 2;

/// How often the journal is made durable.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Images after which a destination that keeps things together makes them durable.
const SETTLE_IMAGES: usize = 64;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Blobs that are copied at once.
    pub blobs_at_once: NonZeroUsize,
    /// The plan was made just now, and knows better than the journal what the destination has.
    pub is_fresh: bool,
    /// Leave tags that name something else at the destination as they are.
    pub keep_differing: bool,
    /// What is wanted of indexes.
    pub filter: Filter,
}

/// Does what a plan says, and notes it in the journal.
///
/// # Errors
/// When the journal cannot be written, or a side cannot be opened. What fails of a single image is in the report.
pub async fn run(
    sides: &Sides,
    plan: &Plan,
    journal: &Arc<Journal>,
    options: &RunOptions,
    progress: &dyn Progress,
) -> Result<Report, RunError> {
    let engine = Engine::new(sides, plan, journal, options, progress)?;
    let jobs = engine.jobs(plan);
    engine.task.count_to(jobs.iter().map(Job::count).sum());
    let work = async {
        let mut failed = engine.pass(jobs, 1).await;
        for pass in 2..2 + PASSES_MORE {
            if failed.is_empty() {
                break;
            }
            engine.closures.forget_failures();
            engine.blobs.forget_failures();
            let jobs = failed.into_iter().map(|(job, _)| job).collect();
            failed = engine.pass(jobs, pass).await;
        }
        failed
    };
    let upkeep = engine.upkeep();
    let failed = tokio::select! {
        failed = work => failed,
        error = upkeep => return Err(error),
    };
    sides.target.settle().await.map_err(RunError::Settle)?;
    journal.sync()?;
    engine.tell();
    Ok(engine.report(plan, failed))
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A side cannot be opened.
    #[error("cannot open a side")]
    Open(#[source] PlaceError),
    /// The destination cannot be completed.
    #[error("cannot complete the destination")]
    Settle(#[source] PlaceError),
}

/// Both sides of one repository.
struct Pair {
    name: RepositoryName,
    to: RepositoryName,
    origin: Arc<dyn OriginRepository>,
    target: Arc<dyn TargetRepository>,
    /// Whether something may be there of which the journal does not tell.
    exists: bool,
}

/// An image to copy into one repository, with its tags.
#[derive(Debug, Clone)]
struct Job {
    pair: usize,
    digest: Digest,
    tags: Vec<String>,
    attempts: u32,
}

impl Job {
    /// How many images it counts as.
    fn count(&self) -> u64 {
        self.tags.len().max(1) as u64
    }
}

struct Engine<'e> {
    sides: &'e Sides,
    journal: &'e Arc<Journal>,
    options: &'e RunOptions,
    pairs: Vec<Pair>,
    closures: Closures<'e>,
    blobs: Blobs,
    /// Bounds what is in memory.
    transfers: Arc<Semaphore>,
    moved: Mutex<Vec<Moved>>,
    counts: Mutex<report::Counts>,
    bytes: Arc<AtomicU64>,
    told: AtomicU64,
    task: Task<'e>,
}

impl<'e> Engine<'e> {
    fn new(
        sides: &'e Sides,
        plan: &Plan,
        journal: &'e Arc<Journal>,
        options: &'e RunOptions,
        progress: &'e dyn Progress,
    ) -> Result<Self, RunError> {
        let mut pairs = Vec::with_capacity(plan.repositories.len());
        for (name, repository) in &plan.repositories {
            if options.is_fresh && !repository.exists && journal.has_tags(&repository.to) {
                journal.lost(&repository.to)?;
            }
            pairs.push(Pair {
                name: name.clone(),
                to: repository.to.clone(),
                origin: sides.origin.repository(name).map_err(RunError::Open)?,
                target: sides.target.repository(&repository.to).map_err(RunError::Open)?,
                exists: repository.exists,
            });
        }
        let estimate = plan.estimate();
        Ok(Self {
            sides,
            journal,
            options,
            pairs,
            closures: Closures::new(
                &sides.from_pace,
                journal.manifests(),
                &options.filter,
                &plan.manifests,
            ),
            blobs: Blobs::default(),
            transfers: Arc::new(Semaphore::new(options.blobs_at_once.get())),
            moved: Mutex::default(),
            counts: Mutex::default(),
            bytes: Arc::default(),
            told: AtomicU64::new(0),
            task: Task::start(progress, Work::Migrate, &plan.to, Some(estimate.bytes)),
        })
    }

    fn jobs(&self, plan: &Plan) -> Vec<Job> {
        let repositories = plan.repositories.values().enumerate();
        repositories
            .flat_map(|(pair, repository)| self.jobs_of(pair, repository))
            .collect()
    }

    fn jobs_of(&self, pair: usize, repository: &PlannedRepository) -> Vec<Job> {
        let mut images: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (tag, planned) in &repository.tags {
            let is_wanted = match planned.state {
                TagState::Same => false,
                TagState::Missing => true,
                TagState::Differs { .. } => !self.options.keep_differing,
            };
            // A run that goes on with an older plan has set some of them already.
            let is_done =
                || !self.options.is_fresh && self.journal.tag(&repository.to, tag) == Some(planned.digest);
            if is_wanted && !is_done() {
                images.entry(planned.digest).or_default().push(tag.clone());
            }
        }
        for digest in &repository.untagged {
            if self.options.is_fresh || !self.journal.has_manifest(&repository.to, digest) {
                images.entry(*digest).or_default();
            }
        }
        let job = |(digest, tags)| Job {
            pair,
            digest,
            tags,
            attempts: 0,
        };
        let mut jobs: Vec<Job> = images.into_iter().map(job).collect();
        // What has a tag comes first: a subject stands before its referrers.
        jobs.sort_by_key(|job| job.tags.is_empty());
        jobs
    }

    /// Copies images, and returns those that failed.
    async fn pass(&self, jobs: Vec<Job>, number: u32) -> Vec<(Job, Failed)> {
        let work = stream::iter(jobs).map(|mut job| async move {
            job.attempts = number;
            let result = self.image(&job).await;
            match result {
                Ok(()) => {
                    self.task.count(job.count());
                    None
                }
                Err(error) => {
                    if number == 1 {
                        self.task.count_error();
                    }
                    Some((job, error.told()))
                }
            }
        });
        let mut results = work.buffer_unordered(IMAGES_AT_ONCE);
        let (mut failed, mut unsettled) = (Vec::new(), 0);
        while let Some(result) = results.next().await {
            failed.extend(result);
            unsettled += 1;
            if unsettled >= SETTLE_IMAGES && !self.sides.target.is_durable_at_once() {
                unsettled = 0;
                // If it fails, so does the end of the run, which tells why.
                let _ = self.sides.target.settle().await;
            }
        }
        failed
    }

    /// Makes the journal durable and tells of progress, until the work ends. Returns only when the journal fails.
    async fn upkeep(&self) -> RunError {
        let mut since_sync = Duration::ZERO;
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            self.tell();
            since_sync += TELL_EVERY;
            if since_sync >= SYNC_EVERY {
                since_sync = Duration::ZERO;
                if let Err(error) = self.journal.sync() {
                    return error.into();
                }
            }
        }
    }

    fn report(&self, plan: &Plan, failed: Vec<(Job, Failed)>) -> Report {
        let mut failures = plan.failures.clone();
        for (job, Failed { kind, error }) in failed {
            let pair = self.pairs.get(job.pair);
            let repository = pair.map(|pair| pair.name.to_string()).unwrap_or_default();
            let references = match job.tags.is_empty() {
                true => vec![job.digest.to_string()],
                false => job.tags,
            };
            failures.extend(references.into_iter().map(|reference| Failure {
                repository: repository.clone(),
                reference,
                digest: Some(job.digest),
                error: error.clone(),
                kind,
                attempts: job.attempts,
            }));
        }
        let moved = std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner));
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Report::new(plan, self.sides, (counts, moved, failures))
    }
}
