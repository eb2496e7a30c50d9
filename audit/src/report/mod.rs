//! What was found, for people and for programs.

mod json;
mod markdown;
mod sarif;
mod text;

use std::fmt::Write as _;

use crate::finding::{Finding, Severity};
use crate::tree::TreeReport;

pub use json::json;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::{TextStyle, text};

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
    /// Mentions.
    pub mentions: usize,
}

impl Counts {
    /// Of these findings.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Counts {
        let of = |severity| {
            findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        Counts {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            notes: of(Severity::Note),
            mentions: of(Severity::Info),
        }
    }
}

/// References that are put together from what stands at a place, where there are several or it is no reference itself.
fn composed(finding: &Finding) -> Vec<&str> {
    let wholes = finding.composed.iter().flat_map(|composed| &composed.references);
    wholes.map(|whole| whole.reference.as_str()).collect()
}

/// How many, in words: `1 error, 2 warnings`.
fn in_words(counts: Counts) -> String {
    let parts = [
        (counts.errors, "error"),
        (counts.warnings, "warning"),
        (counts.notes, "note"),
        (counts.mentions, "mention"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    match told.is_empty() {
        true => "nothing".to_owned(),
        false => told.join(", "),
    }
}

/// The name of a file as a relative reference: each byte that may not stand in one is escaped.
fn uri(report: &TreeReport, path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in report.file(path).as_os_str().as_encoded_bytes() {
        match *byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) => {
                uri.push(char::from(byte))
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// One line on what was looked at.
fn looked_at(report: &TreeReport) -> String {
    let files = report.files_scanned;
    let unread = match report.unread {
        0 => String::new(),
        unread => format!("; {unread} could not be read"),
    };
    format!("in {files} file{}{unread}", if files == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
