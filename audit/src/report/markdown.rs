//! For a pull request: a summary and a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Counts, in_words, looked_at};
use crate::finding::{Finding, Severity};
use crate::own::TITLE;
use crate::tree::TreeReport;

/// Rows of the table: services cut longer comments off.
const ROWS_MAX: usize = 200;

/// A summary, and a table of everything that has to be changed.
#[must_use]
pub fn markdown(report: &TreeReport) -> String {
    let mut text = format!("{TITLE}\n\n");
    let counts = in_words(Counts::of(&report.findings));
    let _ = writeln!(text, "{counts} {}.", looked_at(report));
    let mut shown: Vec<&Finding> = report.findings.iter().collect();
    if shown.is_empty() {
        return text;
    }
    // What matters most comes first: a table that is cut off loses the least.
    shown.sort_by(|one, other| {
        let severity = other.severity.cmp(&one.severity);
        severity.then_with(|| (&one.path, one.span).cmp(&(&other.path, other.span)))
    });
    let left = shown.len().saturating_sub(ROWS_MAX);
    shown.truncate(ROWS_MAX);
    text.push_str("\n| | Where | What stands there | What it means |\n|---|---|---|---|\n");
    for finding in &shown {
        let severity = match finding.severity {
            Severity::Error => "❌ error",
            Severity::Warning => "⚠️ warning",
            Severity::Note => "ℹ️ note",
            Severity::Info => "info",
        };
        let place = format!("{}:{}", finding.path, finding.start.line);
        let mut message = cell(&finding.message);
        if let Some(resolves) = &finding.resolves {
            let _ = write!(message, "; resolves: {}", cell(&resolves.told()));
        }
        if let Some(stays) = &finding.stays {
            let _ = write!(message, "; not rewritten: {}", cell(stays));
        }
        if let Some(fix) = &finding.fix {
            let _ = write!(message, " → {}", code(&fix.replacement));
        }
        let target = finding.target.as_ref();
        if let Some((target, resolves)) = target.and_then(|target| Some((target, target.resolves.as_ref()?)))
        {
            let told = cell(&resolves.told());
            let _ = write!(message, "; {} resolves: {told}", code(&target.reference));
        }
        let (place, matched, rule) = (code(&place), code(&finding.matched), finding.rule.id);
        let _ = writeln!(
            text,
            "| {severity} | {place} | {matched} | {message} (`{rule}`) |"
        );
    }
    if left > 0 {
        let _ = writeln!(text, "\n… and {left} more.");
    }
    suggestions(&mut text, &shown);
    text
}

/// Each step that is suggested, with the places that it is for.
fn suggestions(text: &mut String, shown: &[&Finding]) {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for finding in shown {
        if let Some(suggestion) = finding.suggestion {
            let place = code(&format!("{}:{}", finding.path, finding.start.line));
            places.entry(suggestion).or_default().push(place);
        }
    }
    for (suggestion, places) in places {
        let _ = writeln!(text, "\nIn place of the step at {}:\n", places.join(", "));
        let _ = writeln!(text, "```yaml\n{suggestion}```");
    }
}

/// Text of a cell: nothing of it may end the cell, or begin something else.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' | '|' | '<' | '>' | '[' | ']' | '*' | '_' | '`' | '@' => {
                escaped.push('\\');
                escaped.push(sign);
            }
            sign if sign.is_control() => escaped.push(' '),
            sign => escaped.push(sign),
        }
    }
    escaped
}

/// A span of code, with as many ticks as it needs.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    let longest = text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{ticks}{space}{}{space}{ticks}", text.replace('|', "\\|"))
}
