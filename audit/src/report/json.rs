//! The document of `--format json`, `lightship/audit/v1`.

use serde::Serialize;

use super::{composed, uri};
use crate::finding::{Class, Confidence, Finding, Resolves, Severity, Target};
use crate::own::SCHEMA;
use crate::tree::{Note, TreeReport};

/// Everything in one document; keys are only ever added.
#[derive(Debug, Serialize)]
pub struct Document<'r> {
    schema: &'static str,
    findings: Vec<Found<'r>>,
    files_scanned: u64,
    bytes_scanned: u64,
    ignored: usize,
    unread: usize,
    notes: &'r [Note],
    /// Of which those in `notes` are the first.
    notes_in_all: usize,
}

#[derive(Debug, Serialize)]
struct Found<'r> {
    rule: &'static str,
    severity: Severity,
    confidence: Confidence,
    class: Option<Class>,
    path: &'r str,
    /// The name of a file whose name is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_uri: Option<String>,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    reference: Option<&'r str>,
    r#match: &'r str,
    message: &'r str,
    documentation: Option<&'static str>,
    suggestion: Option<&'static str>,
    /// References that are put together from it.
    composed: Vec<&'r str>,
    fix: Option<Fix<'r>>,
    /// Why it is not rewritten, where a mapping was given.
    stays: Option<&'r str>,
    /// Where the reference is after that.
    target: Option<&'r Target>,
    resolves: Option<&'r Resolves>,
    fingerprint: &'r str,
}

#[derive(Debug, Serialize)]
struct Fix<'r> {
    replacement: &'r str,
    description: &'r str,
}

/// A report as a document.
#[must_use]
pub fn json(report: &TreeReport) -> Document<'_> {
    Document {
        schema: SCHEMA,
        findings: report
            .findings
            .iter()
            .map(|finding| found(report, finding))
            .collect(),
        files_scanned: report.files_scanned,
        bytes_scanned: report.bytes_scanned,
        ignored: report.ignored,
        unread: report.unread,
        notes: &report.notes,
        notes_in_all: report.notes_in_all,
    }
}

fn found<'r>(report: &'r TreeReport, finding: &'r Finding) -> Found<'r> {
    Found {
        rule: finding.rule.id,
        severity: finding.severity,
        confidence: finding.confidence,
        class: finding.class,
        path: &finding.path,
        path_uri: report
            .names
            .contains_key(&finding.path)
            .then(|| uri(report, &finding.path)),
        line: finding.start.line,
        column: finding.start.column,
        end_line: finding.end.line,
        end_column: finding.end.column,
        reference: finding.reference.as_deref(),
        r#match: &finding.matched,
        message: &finding.message,
        documentation: finding.rule.documentation(),
        suggestion: finding.suggestion,
        composed: composed(finding),
        fix: finding.fix.as_ref().map(|fix| Fix {
            replacement: &fix.replacement,
            description: &fix.description,
        }),
        stays: finding.stays.as_deref(),
        target: finding.target.as_ref(),
        resolves: finding.resolves.as_ref(),
        fingerprint: &finding.fingerprint,
    }
}
