//! What cleanup, collection, scrub and backup report, as JSON: the same from a running registry and from a data directory.

use serde_json::{Value, json};
use store::{Cleaned, CleanupReport, CollectionReport, Expired, Freed, MadeBackup, ScrubReport};

use super::routes::package_name;

/// What a cleanup removed, and what it only counted: all in a dry run, else what is in repositories whose policies only
/// report.
#[must_use]
pub fn cleanup(report: &CleanupReport, dry_run: bool) -> Value {
    let version = |expired: &Expired| {
        json!({
            "package": package_name(&expired.version.package),
            "digest": expired.version.digest.to_string(),
            "tags": expired.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "bytes": expired.size_bytes,
            "policy": expired.policy,
        })
    };
    let cleaned = |cleaned: Cleaned, listed: &[Expired]| {
        json!({
            "versions": cleaned.versions,
            "tags": cleaned.tags,
            "bytes": cleaned.bytes,
            "listed": listed.iter().map(version).collect::<Vec<_>>(),
        })
    };
    json!({
        "dry_run": dry_run,
        "repositories": report.repositories,
        "removed": cleaned(report.removed, &report.removed_versions),
        "would_remove": cleaned(report.counted, &report.counted_versions),
    })
}

/// What a collection freed, or would have.
#[must_use]
pub fn collection(report: &CollectionReport, dry_run: bool) -> Value {
    let freed = |freed: Freed| json!({"count": freed.count, "bytes": freed.bytes});
    json!({
        "dry_run": dry_run,
        "manifests": report.manifests,
        "links": report.links,
        "packages": report.packages,
        "blobs": freed(report.blobs),
        "orphans": freed(report.orphans),
        "uploads": freed(report.uploads),
        "failures": report.failures,
        "bytes_freed": report.blobs.bytes + report.orphans.bytes + report.uploads.bytes,
    })
}

/// What a scrub looked at and found.
#[must_use]
pub fn scrub(report: &ScrubReport) -> Value {
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    json!({
        "blobs": report.blobs,
        "bytes": report.bytes,
        "manifests": report.manifests,
        "missing_children": report.missing_children,
        "elsewhere": report.elsewhere,
        "findings": findings,
        "findings_left_out": report.findings_left_out,
    })
}

/// What is in a backup, and what it is called.
#[must_use]
pub fn backup(made: &MadeBackup) -> Value {
    let copied = made.copied;
    json!({
        "name": made.name,
        "objects": copied.objects,
        "bytes": copied.bytes,
        "linked": copied.linked,
        "metadata_bytes": made.metadata_bytes,
    })
}
