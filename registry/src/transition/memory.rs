//! Which repositories are in transition, without asking the store for each request.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use oci::Tag;
use store::{InTransition, MetadataStore, PackagePath, RepositoryPath, StoreError, Transition};

use super::held::Held;

/// How long what was read is believed: a change by another server of the store counts that much later.
const CHECKED_MILLISECONDS: i64 = 1000;

/// When every server of the store has heard of a change.
pub(super) const HEARD_AFTER: Duration = Duration::from_millis(CHECKED_MILLISECONDS.unsigned_abs() + 200);

/// Tags that are remembered to be settled.
const SETTLED_MAX: usize = 100_000;

/// Transitions by repository.
type All = HashMap<RepositoryPath, Arc<Transition>>;

/// What is known of transitions.
#[derive(Debug)]
pub(crate) struct TransitionMemory {
    current: RwLock<Arc<All>>,
    /// When they were read, in milliseconds.
    checked: AtomicI64,
    /// How often they were forgotten.
    forgotten: AtomicU64,
    /// Tags that were compared with the old side since this one has owned them.
    settled: Mutex<HashSet<(PackagePath, Tag, Timestamp)>>,
    held: Held,
    /// Manifests that are being passed on to the old side, by repository.
    passed_on: Mutex<HashMap<RepositoryPath, usize>>,
    /// Where the next run through the debts of a repository begins; nothing while one runs.
    repaying: Mutex<HashMap<RepositoryPath, Option<After>>>,
}

/// After which debt; none is with the first.
type After = Option<InTransition>;

impl Default for TransitionMemory {
    fn default() -> TransitionMemory {
        TransitionMemory {
            current: RwLock::default(),
            checked: AtomicI64::new(i64::MIN),
            forgotten: AtomicU64::new(0),
            settled: Mutex::default(),
            held: Held::default(),
            passed_on: Mutex::default(),
            repaying: Mutex::default(),
        }
    }
}

impl TransitionMemory {
    /// Answers of old registries that are held.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// All of them at `now`.
    ///
    /// # Errors
    /// When the store cannot say; nothing older is believed then.
    pub(crate) async fn current(
        &self,
        metadata: &dyn MetadataStore,
        now: Timestamp,
    ) -> Result<Arc<All>, StoreError> {
        let now = now.as_millisecond();
        let age = now.saturating_sub(self.checked.load(Ordering::Relaxed));
        if (0..CHECKED_MILLISECONDS).contains(&age) {
            return Ok(Arc::clone(
                &self.current.read().unwrap_or_else(PoisonError::into_inner),
            ));
        }
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        let read = metadata.transitions().await?;
        let read: Arc<All> = Arc::new(
            read.into_iter()
                .map(|(path, transition)| (path, Arc::new(transition)))
                .collect(),
        );
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change is good for the request that read it, and for no later one.
        if self.forgotten.load(Ordering::Relaxed) == forgotten {
            *current = Arc::clone(&read);
            self.checked.store(now, Ordering::Relaxed);
        }
        Ok(read)
    }

    /// A manifest is passed on to the old side until what this gives is dropped.
    pub(super) fn passing_on<'m>(&'m self, repository: &'m RepositoryPath) -> PassingOn<'m> {
        let mut all = self.passed_on.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(repository.clone()).or_default() += 1;
        PassingOn {
            memory: self,
            repository,
        }
    }

    /// Whether this server passes on manifests of a repository at this moment.
    pub(super) fn passes_on(&self, repository: &RepositoryPath) -> bool {
        let all = self.passed_on.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains_key(repository)
    }

    /// Whether a tag was compared with the old side since this one has owned the tags.
    pub(super) fn is_settled(&self, package: &PackagePath, tag: &Tag, owned_since: Timestamp) -> bool {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.contains(&(package.clone(), tag.clone(), owned_since))
    }

    pub(super) fn settled(&self, package: &PackagePath, tag: &Tag, owned_since: Timestamp) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        // What is forgotten is compared once more.
        if settled.len() >= SETTLED_MAX {
            settled.clear();
        }
        settled.insert((package.clone(), tag.clone(), owned_since));
    }

    /// After which debt a run through those of a repository begins; nothing when one runs already.
    pub(super) fn begin_repaying(&self, repository: &RepositoryPath) -> Option<Option<InTransition>> {
        let mut repaying = self.repaying.lock().unwrap_or_else(PoisonError::into_inner);
        match repaying.insert(repository.clone(), None) {
            None => Some(None),
            Some(from) => from,
        }
    }

    /// The run has ended after this one.
    pub(super) fn end_repaying(&self, repository: &RepositoryPath, after: Option<InTransition>) {
        let mut repaying = self.repaying.lock().unwrap_or_else(PoisonError::into_inner);
        repaying.insert(repository.clone(), Some(after));
    }

    /// To be called after a change and before it is answered.
    pub(crate) fn forget(&self) {
        let _current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        self.checked.store(i64::MIN, Ordering::Relaxed);
    }
}

/// A manifest that is being passed on.
pub(super) struct PassingOn<'m> {
    memory: &'m TransitionMemory,
    repository: &'m RepositoryPath,
}

impl Drop for PassingOn<'_> {
    fn drop(&mut self) {
        let mut all = self
            .memory
            .passed_on
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(self.repository) {
            *count -= 1;
            if *count == 0 {
                all.remove(self.repository);
            }
        }
    }
}
