//! Numbers for Prometheus, in its text format. Labels are our own words only, so their number is bounded.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::routes::Operation;

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
    open_requests: AtomicU64,
}

#[derive(Debug, Default)]
struct Requests {
    by_status: [AtomicU64; STATUS_CLASSES.len()],
    by_latency: [AtomicU64; BOUNDS.len()],
    microseconds: AtomicU64,
}

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
}

impl Metrics {
    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn began(&self) {
        self.open_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, kind: Kind, status: u16, took: Duration) {
        self.open_requests.fetch_sub(1, Ordering::Relaxed);
        let Some(requests) = self.operations.get(kind.0) else {
            return;
        };
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = requests.by_status.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        requests.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        let bucket = BOUNDS.iter().position(|bound| microseconds <= *bound);
        if let Some(count) = bucket.and_then(|bucket| requests.by_latency.get(bucket)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut line = |words: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{words}");
        };
        line(format_args!("# TYPE lightship_requests_total counter"));
        for (operation, requests) in OPERATIONS.iter().zip(&self.operations) {
            for (class, count) in STATUS_CLASSES.iter().zip(&requests.by_status) {
                let count = read(count);
                line(format_args!(
                    "lightship_requests_total{{operation=\"{operation}\",status=\"{class}\"}} {count}"
                ));
            }
        }
        line(format_args!(
            "# TYPE lightship_request_duration_seconds histogram"
        ));
        for (operation, requests) in OPERATIONS.iter().zip(&self.operations) {
            let name = "lightship_request_duration_seconds";
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(&requests.by_latency) {
                below += read(count);
                let bound = Duration::from_micros(*bound).as_secs_f64();
                line(format_args!(
                    "{name}_bucket{{operation=\"{operation}\",le=\"{bound}\"}} {below}"
                ));
            }
            let all: u64 = requests.by_status.iter().map(read).sum();
            let sum = Duration::from_micros(read(&requests.microseconds)).as_secs_f64();
            line(format_args!(
                "{name}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {all}"
            ));
            line(format_args!("{name}_sum{{operation=\"{operation}\"}} {sum}"));
            line(format_args!("{name}_count{{operation=\"{operation}\"}} {all}"));
        }
        line(format_args!("# TYPE lightship_received_bytes_total counter"));
        line(format_args!(
            "lightship_received_bytes_total {}",
            read(&self.received_bytes)
        ));
        line(format_args!("# TYPE lightship_open_requests gauge"));
        line(format_args!(
            "lightship_open_requests {}",
            read(&self.open_requests)
        ));
        text
    }
}
