//! What is counted of cleanups, scrubs and backups.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::{Cleaned, MadeBackup, ScrubReport};

use super::text::{Page, read, seconds};
use super::{Metrics, add, microseconds};

#[derive(Debug, Default)]
pub(super) struct Upkeep {
    cleanups: Runs,
    removed_versions: AtomicU64,
    removed_tags: AtomicU64,
    scrubs: Runs,
    scrubbed_bytes: AtomicU64,
    findings: AtomicU64,
    backups: Runs,
    backup_bytes: AtomicU64,
}

/// Work of one kind.
#[derive(Debug, Default)]
struct Runs {
    done: AtomicU64,
    failed: AtomicU64,
    /// Of the last one that was done, in seconds since 1970.
    ended: AtomicU64,
    microseconds: AtomicU64,
}

impl Runs {
    /// One ended.
    fn ended(&self, is_done: bool, took: Duration, ended: i64) {
        if !is_done {
            return add(&self.failed, 1);
        }
        add(&self.done, 1);
        let ended = u64::try_from(ended).unwrap_or_default();
        self.ended.store(ended, Ordering::Relaxed);
        self.microseconds.store(microseconds(took), Ordering::Relaxed);
    }

    fn write(&self, page: &mut Page, kind: &str) {
        let name = format!("{kind}s_total");
        page.begin(&name, "counter", &format!("Work of the kind {kind} that ended."));
        for (outcome, count) in [("done", &self.done), ("failed", &self.failed)] {
            page.value(&name, &[("outcome", &outcome)], &read(count));
        }
        let what = format!("When the last {kind} was done; 0 before the first one.");
        let name = format!("{kind}_last_end_timestamp_seconds");
        page.one(&name, "gauge", &what, &self.ended);
        let name = format!("{kind}_last_duration_seconds");
        page.begin(&name, "gauge", &format!("How long the last {kind} took."));
        page.value(&name, &[], &seconds(read(&self.microseconds)));
    }
}

impl Upkeep {
    pub(super) fn write(&self, page: &mut Page) {
        self.cleanups.write(page, "cleanup");
        let name = "cleanup_removed_total";
        page.begin(name, "counter", "Things that cleanup policies removed.");
        for (kind, count) in [("version", &self.removed_versions), ("tag", &self.removed_tags)] {
            page.value(name, &[("kind", &kind)], &read(count));
        }
        self.scrubs.write(page, "scrub");
        page.one(
            "scrub_read_bytes_total",
            "counter",
            "Bytes of blobs that scrubs have hashed again.",
            &self.scrubbed_bytes,
        );
        page.one(
            "scrub_last_findings",
            "gauge",
            "What the last scrub that was done found wrong.",
            &self.findings,
        );
        self.backups.write(page, "backup");
        page.one(
            "backup_last_bytes",
            "gauge",
            "What the last backup that was made holds.",
            &self.backup_bytes,
        );
    }
}

impl Metrics {
    /// A cleanup ended; `removed` when it was done.
    pub(crate) fn cleaned(&self, removed: Option<Cleaned>, took: Duration, ended: i64) {
        let upkeep = &self.upkeep;
        upkeep.cleanups.ended(removed.is_some(), took, ended);
        let removed = removed.unwrap_or_default();
        add(&upkeep.removed_versions, removed.versions);
        add(&upkeep.removed_tags, removed.tags);
    }

    /// A scrub that goes on has hashed so many bytes more.
    pub(crate) fn scrubbing(&self, bytes: u64) {
        add(&self.upkeep.scrubbed_bytes, bytes);
    }

    /// A scrub ended; `report` when it was done.
    pub(crate) fn scrubbed(&self, report: Option<&ScrubReport>, took: Duration, ended: i64) {
        let upkeep = &self.upkeep;
        upkeep.scrubs.ended(report.is_some(), took, ended);
        if let Some(report) = report {
            let findings = report.findings.len() as u64 + report.findings_left_out;
            upkeep.findings.store(findings, Ordering::Relaxed);
        }
    }

    /// A backup ended; `made` when it was made.
    pub(crate) fn backed_up(&self, made: Option<&MadeBackup>, took: Duration, ended: i64) {
        let upkeep = &self.upkeep;
        upkeep.backups.ended(made.is_some(), took, ended);
        if let Some(made) = made {
            let bytes = made.copied.bytes.saturating_add(made.metadata_bytes);
            upkeep.backup_bytes.store(bytes, Ordering::Relaxed);
        }
    }
}
