//! The size rules: how long a file or a document may be.
//!
//! Functions are held to 60 lines by clippy (`clippy.toml`).

use std::fs;
use std::path::Path;

use crate::{Findings, tidy};

/// Lines of code a source file may have without a reason; comments, blanks and inline tests do not count.
const FILE_CODE_LINES_MAX: usize = 500;

/// A file over the limit says why in a line with this mark within its first lines.
const REASON_MARK: &str = "Longer than 500 lines because";
const REASON_WITHIN_LINES: usize = 25;

const ARCHITECTURE_LINES_MAX: usize = 299;

/// Fails for a file or document that is too long.
pub(crate) fn check(root: &Path) -> Result<(), Findings> {
    let mut findings = Findings::new();
    for file in tidy::tracked(root)? {
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        if file.ends_with(".rs") {
            let lines = code_lines(&text);
            let excused = text
                .lines()
                .take(REASON_WITHIN_LINES)
                .any(|line| line.contains(REASON_MARK));
            if lines > FILE_CODE_LINES_MAX && !excused {
                findings.push(format!(
                    "{file} has {lines} lines of code; the limit is {FILE_CODE_LINES_MAX}"
                ));
            }
        } else if file == "ARCHITECTURE.md" && text.lines().count() > ARCHITECTURE_LINES_MAX {
            findings.push(format!("{file} is longer than {ARCHITECTURE_LINES_MAX} lines"));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

/// Lines that are neither blank, nor comments, nor in an inline test module at the end of the file.
fn code_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_neither_comments_nor_blanks_nor_inline_tests() {
        let text = "//! Doc.\n\nfn a() {\n    // why\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(code_lines(text), 2);
    }
}
