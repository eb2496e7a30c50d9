//! What is counted. Labels are our own words only, so their number is bounded.

mod text;
mod upkeep;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::CollectionReport;

use crate::refusal::Refusal;
use crate::room::Pushes;
use crate::routes::Operation;
use upkeep::Upkeep;

/// Upper bounds of the histogram of latencies, in microseconds.
const BOUNDS: [u64; 10] = [
    250, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000,
];

const OPERATIONS: [&str; 11] = [
    "other",
    "ping",
    "catalog",
    "blob",
    "upload",
    "manifest",
    "tags",
    "referrers",
    "operator",
    "token",
    "administration",
];

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    operations: [Requests; OPERATIONS.len()],
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    open_connections: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    /// Errors, no room, too much to do.
    store: [AtomicU64; STORE_TROUBLE.len()],
    /// Whether writes are refused for want of room, or fail.
    writes: [AtomicU64; WRITES_REFUSED.len()],
    collection: Collections,
    upkeep: Upkeep,
}

const WRITES_REFUSED: [(&str, Pushes); 2] = [("no_space", Pushes::NoRoom), ("failure", Pushes::Failing)];

const STORE_TROUBLE: [&str; 3] = ["error", "full", "busy"];

#[derive(Debug, Default)]
struct Requests {
    open: AtomicU64,
    by_status: [AtomicU64; STATUS_CLASSES.len()],
    by_latency: [AtomicU64; BOUNDS.len()],
    microseconds: AtomicU64,
}

#[derive(Debug, Default)]
struct Collections {
    done: AtomicU64,
    failed: AtomicU64,
    /// What went of each kind, how many and how many bytes.
    freed: [(AtomicU64, AtomicU64); FREED.len()],
    /// Of the last one that was done, in seconds since 1970.
    ended: AtomicU64,
    microseconds: AtomicU64,
}

const FREED: [&str; 5] = ["manifest", "link", "blob", "orphan", "upload"];

/// The place of an operation in [`OPERATIONS`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind(usize);

impl Kind {
    pub(crate) fn of(operation: &Operation) -> Kind {
        Kind(match operation {
            Operation::Ping => 1,
            Operation::Catalog => 2,
            Operation::Blob { .. } => 3,
            Operation::Uploads { .. } | Operation::Upload { .. } => 4,
            Operation::Manifest { .. } => 5,
            Operation::Tags { .. } => 6,
            Operation::Referrers { .. } => 7,
            Operation::Health | Operation::Ready | Operation::Metrics => 8,
            Operation::Token => 9,
            Operation::Administration => 10,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATIONS.get(self.0).copied().unwrap_or_default()
    }
}

/// Counts something as open for as long as it lives, however that ends.
#[must_use]
pub(crate) struct Open<'m>(&'m AtomicU64);

impl<'m> Open<'m> {
    fn new(gauge: &'m AtomicU64) -> Open<'m> {
        add(gauge, 1);
        Open(gauge)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received_bytes, bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.sent_bytes, bytes as u64);
    }

    pub(crate) fn connected(&self) -> Open<'_> {
        Open::new(&self.open_connections)
    }

    /// A request that its client gives up is not answered, but not open any more either.
    pub(crate) fn began(&self, kind: Kind) -> Option<Open<'_>> {
        self.operations
            .get(kind.0)
            .map(|requests| Open::new(&requests.open))
    }

    /// How many requests were answered so far.
    pub(crate) fn answered_so_far(&self) -> u64 {
        let answered = self.operations.iter().flat_map(|requests| &requests.by_status);
        answered.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn answered(&self, kind: Kind, status: u16, took: Duration) {
        let Some(requests) = self.operations.get(kind.0) else {
            return;
        };
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = requests.by_status.get(class) {
            add(count, 1);
        }
        let microseconds = microseconds(took);
        add(&requests.microseconds, microseconds);
        let bucket = BOUNDS.iter().position(|bound| microseconds <= *bound);
        if let Some(count) = bucket.and_then(|bucket| requests.by_latency.get(bucket)) {
            add(count, 1);
        }
    }

    pub(crate) fn found_in_memory(&self, found: bool) {
        add(
            if found {
                &self.cache_hits
            } else {
                &self.cache_misses
            },
            1,
        );
    }

    /// What a refusal says of the store, if anything.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let [error, full, busy] = &self.store;
        match refusal {
            Refusal::Store(_) => add(error, 1),
            Refusal::Full => add(full, 1),
            Refusal::Busy => add(busy, 1),
            _ => {}
        }
    }

    /// What becomes of writes now.
    pub(crate) fn writes(&self, writes: Pushes) {
        for ((_, refused), gauge) in WRITES_REFUSED.iter().zip(&self.writes) {
            gauge.store(u64::from(writes == *refused), Ordering::Relaxed);
        }
    }

    /// A collection ended; `report` when it was done.
    pub(crate) fn collected(&self, report: Option<&CollectionReport>, took: Duration, ended: i64) {
        let collection = &self.collection;
        let Some(report) = report else {
            return add(&collection.failed, 1);
        };
        add(&collection.done, 1);
        let freed = [
            (report.manifests, 0),
            (report.links, 0),
            (report.blobs.count, report.blobs.bytes),
            (report.orphans.count, report.orphans.bytes),
            (report.uploads.count, report.uploads.bytes),
        ];
        for ((count, bytes), (freed_count, freed_bytes)) in collection.freed.iter().zip(freed) {
            add(count, freed_count);
            add(bytes, freed_bytes);
        }
        let ended = u64::try_from(ended).unwrap_or_default();
        collection.ended.store(ended, Ordering::Relaxed);
        collection
            .microseconds
            .store(microseconds(took), Ordering::Relaxed);
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
