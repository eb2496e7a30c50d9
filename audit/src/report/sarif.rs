//! SARIF 2.1.0, for code scanning services.
//!
//! Spec: OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", §3.

use serde_json::{Value, json};

use super::{composed, uri};
use crate::finding::{Finding, Severity};
use crate::own::SCHEMA;
use crate::rules::{RULES, Rule};
use crate::tree::TreeReport;

/// One run with everything that was found; columns are counted in code points.
#[must_use]
pub fn sarif(report: &TreeReport, version: &str) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "properties": {"document": SCHEMA},
        "runs": [{
            "tool": {"driver": {
                "name": "lightship",
                "semanticVersion": version,
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.unread == 0,
                "toolExecutionNotifications": notifications(report),
            }],
            "results": report.findings.iter().map(|finding| result(report, finding)).collect::<Vec<_>>(),
        }],
    })
}

/// What was not read; how much more of it there is, where not all of it is told.
fn notifications(report: &TreeReport) -> Vec<Value> {
    let notes = report.notes.iter().map(|note| {
        json!({
            "level": if note.is_failure { "error" } else { "note" },
            "message": {"text": note.reason},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(report, &note.path)}}}],
        })
    });
    let more = report.notes_in_all.saturating_sub(report.notes.len());
    let rest = (more > 0).then(|| {
        json!({
            "level": "note",
            "message": {"text": format!("{more} more files were not read")},
        })
    });
    notes.chain(rest).collect()
}

fn rule(rule: &Rule) -> Value {
    let mut told = json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": level(rule.severity)},
    });
    if let (Some(address), Some(object)) = (rule.documentation(), told.as_object_mut()) {
        object.insert("helpUri".to_owned(), address.into());
    }
    told
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note | Severity::Info => "note",
    }
}

fn result(report: &TreeReport, finding: &Finding) -> Value {
    let region = json!({
        "startLine": finding.start.line,
        "startColumn": finding.start.column,
        "endLine": finding.end.line,
        "endColumn": finding.end.column,
    });
    let artifact = json!({"uri": uri(report, &finding.path)});
    let message = match finding.suggestion {
        Some(suggestion) => format!("{}\n\nInstead:\n\n{suggestion}", finding.message),
        None => finding.message.clone(),
    };
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.rule.id),
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
        "partialFingerprints": {"lightship/v1": finding.fingerprint},
        "properties": {
            "confidence": finding.confidence,
            "class": finding.class,
            "reference": finding.reference,
            "composed": composed(finding),
            "stays": finding.stays,
            "target": finding.target,
            "resolves": finding.resolves,
        },
    });
    if let (Some(fix), Some(object)) = (&finding.fix, result.as_object_mut()) {
        let fixes = json!([{
            "description": {"text": fix.description},
            "artifactChanges": [{
                "artifactLocation": artifact,
                "replacements": [{"deletedRegion": region, "insertedContent": {"text": fix.replacement}}],
            }],
        }]);
        object.insert("fixes".to_owned(), fixes);
    }
    result
}
