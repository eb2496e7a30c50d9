//! A report for people, at most 80 columns wide where the words allow it.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{Outcome, Report, Status, TestResult};
use crate::visible;

/// Columns of a line.
const WIDTH: usize = 80;

/// Lines of a failed command's output that are shown; the JSON report has all of it.
const OUTPUT_LINES_MAX: usize = 10;

impl Report {
    /// The report as text: a line per test, what failed below its test, a summary at the end.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut file = None;
        for result in &self.results {
            if file.replace(&result.file) != Some(&result.file) {
                let _ = writeln!(out, "{}", result.file);
            }
            write_result(&mut out, result);
        }
        for note in &self.notes {
            wrap(&mut out, "note: ", note);
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    /// One line: how many tests ended how, e.g. `12 passed, 1 failed, 2 skipped in 0.35 s`.
    pub fn summary(&self) -> String {
        if self.results.is_empty() {
            return "no tests".to_owned();
        }
        let (passed, failed, skipped) = (
            self.count(Status::Passed),
            self.count(Status::Failed),
            self.count(Status::Skipped),
        );
        let mut out = format!("{passed} passed");
        if failed > 0 {
            let _ = write!(out, ", {failed} failed");
        }
        if skipped > 0 {
            let _ = write!(out, ", {skipped} skipped");
        }
        let _ = write!(out, " in {}", seconds(self.duration));
        out
    }
}

fn write_result(out: &mut String, result: &TestResult) {
    let word = match result.outcome.status() {
        Status::Passed => "pass",
        Status::Failed => "FAIL",
        Status::Skipped => "skip",
    };
    let mut title = result.title();
    if result.duration >= SLOW {
        let _ = write!(title, " ({})", seconds(result.duration));
    }
    wrap(out, &format!("  {word}  "), &title);
    match &result.outcome {
        Outcome::Passed => {}
        Outcome::Skipped(reason) => wrap(out, "        ", reason),
        Outcome::Failed(errors) => {
            errors.iter().for_each(|error| wrap(out, "        - ", error));
            write_output(out, "stdout", &result.stdout);
            write_output(out, "stderr", &result.stderr);
        }
    }
}

fn write_output(out: &mut String, name: &str, text: &str) {
    let lines: Vec<_> = text.lines().collect();
    for line in lines.iter().take(OUTPUT_LINES_MAX) {
        let shown: String = visible(line).chars().take(WIDTH - 18).collect();
        let _ = writeln!(out, "        {name} | {shown}");
    }
    if let Some(more) = lines.len().checked_sub(OUTPUT_LINES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "        {name} | ... and {more} lines more");
    }
}

/// Writes `text` with `prefix` before it, broken at spaces; following lines are indented under the first.
fn wrap(out: &mut String, prefix: &str, text: &str) {
    let indent = " ".repeat(prefix.chars().count());
    let mut line = prefix.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let word = visible(word);
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    let _ = writeln!(out, "{line}");
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Tests that take less say nothing about it.
const SLOW: Duration = Duration::from_millis(100);
