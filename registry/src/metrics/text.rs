//! The text format of Prometheus, version 0.0.4.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{BOUNDS, FREED, Metrics, OPERATIONS, STATUS_CLASSES, STORE_TROUBLE, WRITES_REFUSED};

impl Metrics {
    pub(crate) fn text(&self) -> String {
        let mut page = Page(String::new());
        self.requests(&mut page);
        self.latencies(&mut page);
        page.one(
            "received_bytes_total",
            "counter",
            "Bytes of request bodies.",
            &self.received_bytes,
        );
        page.one(
            "sent_bytes_total",
            "counter",
            "Bytes of answer bodies.",
            &self.sent_bytes,
        );
        page.one(
            "open_connections",
            "gauge",
            "Connections that are open.",
            &self.open_connections,
        );
        page.begin(
            "manifest_cache_total",
            "counter",
            "Manifests looked for in memory.",
        );
        for (result, count) in [("hit", &self.cache_hits), ("miss", &self.cache_misses)] {
            page.value("manifest_cache_total", &[("result", &result)], &read(count));
        }
        page.begin(
            "store_errors_total",
            "counter",
            "Requests that the store could not serve.",
        );
        for (kind, count) in STORE_TROUBLE.iter().zip(&self.store) {
            page.value("store_errors_total", &[("kind", kind)], &read(count));
        }
        page.begin(
            "writes_refused",
            "gauge",
            "Whether pushes are refused at present, or fail, while pulls go on.",
        );
        for ((reason, _), gauge) in WRITES_REFUSED.iter().zip(&self.writes) {
            page.value("writes_refused", &[("reason", reason)], &read(gauge));
        }
        self.collections(&mut page);
        self.upkeep.write(&mut page);
        page.0
    }

    fn requests(&self, page: &mut Page) {
        let name = "requests_total";
        page.begin(name, "counter", "Requests that were answered.");
        for (operation, requests) in OPERATIONS.iter().zip(&self.operations) {
            for (class, count) in STATUS_CLASSES.iter().zip(&requests.by_status) {
                page.value(name, &[("operation", operation), ("status", class)], &read(count));
            }
        }
        let name = "open_requests";
        page.begin(
            name,
            "gauge",
            "Requests that are not answered yet; uploads are among them.",
        );
        for (operation, requests) in OPERATIONS.iter().zip(&self.operations) {
            page.value(name, &[("operation", operation)], &read(&requests.open));
        }
    }

    fn latencies(&self, page: &mut Page) {
        let name = "request_duration_seconds";
        page.begin(name, "histogram", "Until the headers of the answer were ready.");
        for (operation, requests) in OPERATIONS.iter().zip(&self.operations) {
            // Read before what is contained in it, so that no bucket seems to hold more than all.
            let counts: Vec<u64> = requests.by_latency.iter().map(read).collect();
            let all: u64 = requests.by_status.iter().map(read).sum();
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(counts) {
                below += count;
                let labels: [(&str, &dyn fmt::Display); 2] =
                    [("operation", operation), ("le", &seconds(*bound))];
                page.value("request_duration_seconds_bucket", &labels, &below.min(all));
            }
            let labels: [(&str, &dyn fmt::Display); 2] = [("operation", operation), ("le", &"+Inf")];
            page.value("request_duration_seconds_bucket", &labels, &all);
            let labels: [(&str, &dyn fmt::Display); 1] = [("operation", operation)];
            let sum = seconds(read(&requests.microseconds));
            page.value("request_duration_seconds_sum", &labels, &sum);
            page.value("request_duration_seconds_count", &labels, &all);
        }
    }

    fn collections(&self, page: &mut Page) {
        let collection = &self.collection;
        page.begin(
            "collections_total",
            "counter",
            "Collections of what nobody needs.",
        );
        for (outcome, count) in [("done", &collection.done), ("failed", &collection.failed)] {
            page.value("collections_total", &[("outcome", &outcome)], &read(count));
        }
        page.begin(
            "collection_freed_total",
            "counter",
            "Things that collections removed.",
        );
        for (kind, (count, _)) in FREED.iter().zip(&collection.freed) {
            page.value("collection_freed_total", &[("kind", kind)], &read(count));
        }
        page.begin(
            "collection_freed_bytes_total",
            "counter",
            "Bytes that collections freed.",
        );
        for (kind, (_, bytes)) in FREED.iter().zip(&collection.freed) {
            page.value("collection_freed_bytes_total", &[("kind", kind)], &read(bytes));
        }
        page.one(
            "collection_last_end_timestamp_seconds",
            "gauge",
            "When the last collection was done; 0 before the first one.",
            &collection.ended,
        );
        let name = "collection_last_duration_seconds";
        page.begin(name, "gauge", "How long the last collection took.");
        page.value(name, &[], &seconds(read(&collection.microseconds)));
    }
}

/// What was written so far.
pub(super) struct Page(String);

impl Page {
    pub(super) fn begin(&mut self, name: &str, kind: &str, what: &str) {
        self.line(format_args!(
            "# HELP lightship_{name} {what}\n# TYPE lightship_{name} {kind}"
        ));
    }

    pub(super) fn one(&mut self, name: &str, kind: &str, what: &str, number: &AtomicU64) {
        self.begin(name, kind, what);
        self.value(name, &[], &read(number));
    }

    /// Labels and their values are our own words: nothing in them has to be escaped.
    pub(super) fn value(
        &mut self,
        name: &str,
        labels: &[(&str, &dyn fmt::Display)],
        value: &dyn fmt::Display,
    ) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        self.line(format_args!("lightship_{name}{labels} {value}"));
    }

    fn line(&mut self, words: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{words}");
    }
}

pub(super) fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

pub(super) fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use store::{Cleaned, CollectionReport, Copied, Freed, MadeBackup, ScrubReport};

    use super::super::{Kind, Metrics};
    use super::*;
    use crate::room::Pushes;

    /// Reads the format as Prometheus does: every sample after the type of its family, labels quoted, values numbers,
    /// no sample twice.
    fn parse(text: &str) -> BTreeMap<String, f64> {
        let (mut samples, mut families, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(
                    help.split_once(' ').is_some_and(|(_, text)| text.ends_with('.')),
                    "{line}"
                );
                continue;
            }
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(families.insert(name.to_owned()), "twice: {line}");
                current = name.to_owned();
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let rest = name
                .strip_prefix(current.as_str())
                .unwrap_or_else(|| panic!("{line}"));
            assert!(["", "_bucket", "_sum", "_count"].contains(&rest), "{line}");
            for label in labels
                .strip_suffix('}')
                .unwrap()
                .split(',')
                .filter(|label| !label.is_empty())
            {
                let (label, quoted) = label.split_once('=').unwrap();
                assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
                let inner = quoted
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'))
                    .unwrap();
                assert!(!inner.contains(['"', '\\', '\n']), "{line}");
            }
            let before = samples.insert(sample.to_owned(), value.parse::<f64>().unwrap());
            assert_eq!(before, None, "twice: {line}");
        }
        samples
    }

    #[test]
    fn what_is_counted_can_be_read_as_prometheus_does() {
        let metrics = Metrics::default();
        let empty = parse(&metrics.text());
        let kind = Kind::default();
        let open = metrics.began(kind);
        metrics.answered(kind, 200, Duration::from_micros(900));
        metrics.answered(kind, 404, Duration::from_secs(3600));
        metrics.received(7);
        metrics.sent(8);
        metrics.found_in_memory(true);
        metrics.refused(&crate::refusal::Refusal::Full);
        let report = CollectionReport {
            blobs: Freed { count: 2, bytes: 300 },
            ..CollectionReport::default()
        };
        metrics.collected(Some(&report), Duration::from_millis(1500), 1_800_000_000);
        metrics.collected(None, Duration::ZERO, 1_900_000_000);
        let samples = parse(&metrics.text());
        assert_eq!(samples.len(), empty.len(), "labels are bounded");
        for (sample, expected) in [
            ("requests_total{operation=\"other\",status=\"2xx\"}", 1.0),
            ("requests_total{operation=\"other\",status=\"4xx\"}", 1.0),
            ("open_requests{operation=\"other\"}", 1.0),
            (
                "request_duration_seconds_bucket{operation=\"other\",le=\"0.00025\"}",
                0.0,
            ),
            (
                "request_duration_seconds_bucket{operation=\"other\",le=\"0.001\"}",
                1.0,
            ),
            (
                "request_duration_seconds_bucket{operation=\"other\",le=\"30\"}",
                1.0,
            ),
            (
                "request_duration_seconds_bucket{operation=\"other\",le=\"+Inf\"}",
                2.0,
            ),
            ("request_duration_seconds_sum{operation=\"other\"}", 3600.0009),
            ("request_duration_seconds_count{operation=\"other\"}", 2.0),
            ("received_bytes_total", 7.0),
            ("sent_bytes_total", 8.0),
            ("manifest_cache_total{result=\"hit\"}", 1.0),
            ("store_errors_total{kind=\"full\"}", 1.0),
            ("collections_total{outcome=\"done\"}", 1.0),
            ("collections_total{outcome=\"failed\"}", 1.0),
            ("collection_freed_total{kind=\"blob\"}", 2.0),
            ("collection_freed_bytes_total{kind=\"blob\"}", 300.0),
            ("collection_last_end_timestamp_seconds", 1_800_000_000.0),
            ("collection_last_duration_seconds", 1.5),
        ] {
            assert_eq!(
                samples.get(&format!("lightship_{sample}")),
                Some(&expected),
                "{sample}"
            );
        }
        drop(open);
        let samples = parse(&metrics.text());
        assert_eq!(samples["lightship_open_requests{operation=\"other\"}"], 0.0);
    }

    #[test]
    fn what_becomes_of_pushes_is_one_of_three() {
        let metrics = Metrics::default();
        for (pushes, no_space, failure) in [
            (Pushes::NoRoom, 1.0, 0.0),
            (Pushes::Failing, 0.0, 1.0),
            (Pushes::Taken, 0.0, 0.0),
        ] {
            metrics.writes(pushes);
            let samples = parse(&metrics.text());
            let of = |reason: &str| samples[&format!("lightship_writes_refused{{reason=\"{reason}\"}}")];
            assert_eq!((of("no_space"), of("failure")), (no_space, failure), "{pushes:?}");
        }
    }

    #[test]
    fn what_is_done_beside_requests_is_counted_by_kind() {
        let metrics = Metrics::default();
        let empty = parse(&metrics.text());
        let removed = Cleaned {
            versions: 3,
            tags: 4,
            bytes: 5,
        };
        metrics.cleaned(Some(removed), Duration::from_millis(500), 1_800_000_001);
        metrics.cleaned(None, Duration::ZERO, 1_900_000_000);
        metrics.scrubbing(11);
        let scrubbed = ScrubReport {
            blobs: 6,
            findings_left_out: 1,
            ..ScrubReport::default()
        };
        metrics.scrubbed(Some(&scrubbed), Duration::ZERO, 1_800_000_002);
        let made = MadeBackup {
            name: "a".to_owned(),
            copied: Copied {
                bytes: 20,
                ..Copied::default()
            },
            metadata_bytes: 1,
        };
        metrics.backed_up(Some(&made), Duration::ZERO, 1_800_000_003);
        metrics.backed_up(None, Duration::ZERO, 1_900_000_000);
        let samples = parse(&metrics.text());
        assert_eq!(samples.len(), empty.len(), "labels are bounded");
        for (sample, expected) in [
            ("cleanups_total{outcome=\"done\"}", 1.0),
            ("cleanups_total{outcome=\"failed\"}", 1.0),
            ("cleanup_removed_total{kind=\"version\"}", 3.0),
            ("cleanup_removed_total{kind=\"tag\"}", 4.0),
            ("cleanup_last_end_timestamp_seconds", 1_800_000_001.0),
            ("cleanup_last_duration_seconds", 0.5),
            ("scrub_read_bytes_total", 11.0),
            ("scrub_last_findings", 1.0),
            ("scrubs_total{outcome=\"done\"}", 1.0),
            ("backups_total{outcome=\"failed\"}", 1.0),
            ("backup_last_end_timestamp_seconds", 1_800_000_003.0),
            ("backup_last_bytes", 21.0),
        ] {
            let found = samples.get(&format!("lightship_{sample}"));
            assert_eq!(found, Some(&expected), "{sample}");
        }
    }
}
