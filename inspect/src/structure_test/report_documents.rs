//! Reports for programs: JSON and JUnit XML.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::report::{Outcome, Report, Status, TestKind};

/// First value of every JSON report.
pub const JSON_SCHEMA: &str = "lightship/test/v1";

impl Report {
    /// The report as a JSON document that begins with `"schema":"lightship/test/v1"`; keys are only ever added.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let results = self.results.iter().map(|result| ResultDocument {
            file: &result.file,
            kind: result.kind,
            name: &result.name,
            status: result.outcome.status(),
            errors: match &result.outcome {
                Outcome::Failed(errors) => errors,
                _ => &[],
            },
            reason: match &result.outcome {
                Outcome::Skipped(reason) => Some(reason.as_str()),
                _ => None,
            },
            stdout: &result.stdout,
            stderr: &result.stderr,
            elapsed_ms: milliseconds(result.duration),
        });
        serde_json::to_string(&ReportDocument {
            schema: JSON_SCHEMA,
            image: &self.image,
            architecture: &self.architecture,
            passed: self.count(Status::Passed),
            failed: self.count(Status::Failed),
            skipped: self.count(Status::Skipped),
            total: self.results.len(),
            elapsed_ms: milliseconds(self.duration),
            notes: &self.notes,
            results: results.collect(),
        })
    }

    /// The report as JUnit XML: one suite per file, `skipped` for what could not be run.
    pub fn to_junit(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let totals = Totals::of(self.results.iter().map(|result| &result.outcome));
        let _ = writeln!(
            out,
            "<testsuites {totals} time=\"{:.3}\">",
            self.duration.as_secs_f64()
        );
        let mut rest = self.results.as_slice();
        while let Some(first) = rest.first() {
            let length = rest.iter().take_while(|result| result.file == first.file).count();
            let (suite, others) = rest.split_at(length);
            rest = others;
            let totals = Totals::of(suite.iter().map(|result| &result.outcome));
            let time: Duration = suite.iter().map(|result| result.duration).sum();
            let name = escaped(&first.file);
            let _ = writeln!(
                out,
                "  <testsuite name=\"{name}\" {totals} time=\"{:.3}\">",
                time.as_secs_f64()
            );
            for result in suite {
                let (title, time) = (escaped(&result.title()), result.duration.as_secs_f64());
                let _ = write!(
                    out,
                    "    <testcase name=\"{title}\" classname=\"{name}\" time=\"{time:.3}\">"
                );
                match &result.outcome {
                    Outcome::Passed => {}
                    Outcome::Skipped(reason) => {
                        let _ = write!(out, "<skipped message=\"{}\"/>", escaped(reason));
                    }
                    Outcome::Failed(errors) => {
                        for error in errors {
                            let error = escaped(error);
                            let _ = write!(out, "<failure message=\"{error}\">{error}</failure>");
                        }
                    }
                }
                for (tag, text) in [("system-out", &result.stdout), ("system-err", &result.stderr)] {
                    if !text.is_empty() {
                        let _ = write!(out, "<{tag}>{}</{tag}>", escaped(text));
                    }
                }
                out.push_str("</testcase>\n");
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }
}

/// The counts that JUnit wants on every level.
struct Totals {
    tests: usize,
    failures: usize,
    skipped: usize,
}

impl Totals {
    fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Self {
        let mut totals = Self {
            tests: 0,
            failures: 0,
            skipped: 0,
        };
        for outcome in outcomes {
            totals.tests += 1;
            totals.failures += usize::from(outcome.status() == Status::Failed);
            totals.skipped += usize::from(outcome.status() == Status::Skipped);
        }
        totals
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            tests,
            failures,
            skipped,
        } = self;
        write!(
            formatter,
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\""
        )
    }
}

/// Text for an attribute or an element. XML 1.0 cannot carry most control characters even when escaped, so they
/// become the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            control if control.is_control() && control < ' ' => out.push(char::REPLACEMENT_CHARACTER),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct ReportDocument<'r> {
    schema: &'static str,
    image: &'r str,
    architecture: &'r str,
    passed: usize,
    failed: usize,
    skipped: usize,
    total: usize,
    elapsed_ms: u64,
    notes: &'r [String],
    results: Vec<ResultDocument<'r>>,
}

#[derive(Serialize)]
struct ResultDocument<'r> {
    file: &'r str,
    kind: TestKind,
    name: &'r str,
    status: Status,
    errors: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    stdout: &'r str,
    stderr: &'r str,
    elapsed_ms: u64,
}
