//! For a terminal: each finding with its line, and what was found marked in it.

use std::fmt::Write as _;

use super::{Counts, composed, in_words, looked_at};
use crate::finding::{Finding, Severity, is_harmless};
use crate::tree::TreeReport;

/// How text may look.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextStyle {
    /// Whether colours may be used. Nothing is told by them alone.
    pub is_coloured: bool,
}

/// Everything, file by file.
#[must_use]
pub fn text(report: &TreeReport, style: TextStyle) -> String {
    let mut text = String::new();
    let mut path = None;
    for finding in &report.findings {
        if path != Some(&finding.path) {
            if path.is_some() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", style.bold(&visible(&finding.path)));
            path = Some(&finding.path);
        }
        one(&mut text, finding, style);
    }
    if !report.findings.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} {}",
        in_words(Counts::of(&report.findings)),
        looked_at(report)
    );
    text
}

fn one(text: &mut String, finding: &Finding, style: TextStyle) {
    let severity = match finding.severity {
        Severity::Error => style.paint("31;1", "error"),
        Severity::Warning => style.paint("33;1", "warning"),
        Severity::Note => style.paint("36", "note"),
        Severity::Info => style.paint("2", "info"),
    };
    let (line, column) = (finding.start.line, finding.start.column);
    let _ = writeln!(
        text,
        "  {line}:{column}  {severity}[{}]  {}",
        finding.rule.id, finding.message
    );
    let excerpt = &finding.excerpt;
    let indent = excerpt
        .text
        .chars()
        .take_while(|sign| sign.is_whitespace())
        .count();
    // Without its indentation, which says nothing here.
    let indent = indent.min(excerpt.before);
    let shown: String = excerpt.text.chars().skip(indent).collect();
    let _ = writeln!(text, "      {}", shown.trim_end());
    let marks = style.paint("31", &"^".repeat(excerpt.length));
    let _ = writeln!(text, "      {}{marks}", " ".repeat(excerpt.before - indent));
    let written = (finding.reference.as_ref()).filter(|reference| **reference != finding.matched);
    if let Some(reference) = written {
        let _ = writeln!(text, "      = {}", visible(reference));
    }
    if let Some(resolves) = &finding.resolves {
        let _ = writeln!(text, "      resolves: {}", visible(&resolves.told()));
    }
    let others: Vec<&str> = composed(finding)
        .into_iter()
        .filter(|other| Some(*other) != finding.reference.as_deref() && *other != finding.matched)
        .collect();
    for other in others.iter().take(USES_MAX) {
        let _ = writeln!(text, "      = {}", visible(other));
    }
    if let Some(more) = others.len().checked_sub(USES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "      = … and {more} more");
    }
    if let Some(stays) = &finding.stays {
        let _ = writeln!(text, "      not rewritten: {}", visible(stays));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "      → {}", visible(&fix.replacement));
    }
    let target = finding.target.as_ref();
    if let Some((target, resolves)) = target.and_then(|target| Some((target, target.resolves.as_ref()?))) {
        let (name, told) = (visible(&target.reference), visible(&resolves.told()));
        let _ = writeln!(text, "      {name} resolves: {told}");
    }
}

/// References that are put together from one place, and shown.
const USES_MAX: usize = 5;

fn visible(text: &str) -> String {
    text.chars()
        .map(|sign| if is_harmless(sign) { sign } else { '\u{fffd}' })
        .collect()
}

impl TextStyle {
    fn paint(self, code: &str, text: &str) -> String {
        match self.is_coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}
