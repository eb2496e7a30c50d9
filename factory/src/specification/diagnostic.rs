//! What is wrong with a specification, and where.

use std::fmt::Write as _;
use std::sync::Arc;

use super::at::Mark;

/// A fault at a place in a specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The file, as it was named; `catalogue:NAME` for one that ships with the program.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters are at fault, at least 1.
    pub width: u32,
    /// The line's text, cut after 200 characters.
    pub source_line: String,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// The fault as people read it: message, place, line, caret and help; ends with a newline.
    pub fn render(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let mut out = format!("error: {}\n", self.message);
        let _ = writeln!(out, "{margin}--> {}:{}:{}", self.file, self.line, self.column);
        if !self.source_line.is_empty() {
            let line = self.source_line.replace('\t', " ");
            let before = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0);
            let room = line.chars().count().saturating_sub(before).max(1);
            let width = usize::try_from(self.width).unwrap_or(1).clamp(1, room);
            let _ = writeln!(out, "{margin} |");
            let _ = writeln!(out, "{number} | {line}");
            let _ = writeln!(
                out,
                "{margin} | {}{}",
                " ".repeat(before.min(SOURCE_LINE_CHARACTERS)),
                "^".repeat(width)
            );
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{margin} = help: {help}");
        }
        out
    }
}

/// The text of a specification, for diagnostics.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
}

impl Source {
    pub(crate) fn diagnostic(
        &self,
        mark: Mark,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Diagnostic {
        let index = usize::try_from(mark.line.saturating_sub(1)).unwrap_or(0);
        let line = self.text.lines().nth(index).unwrap_or_default();
        Diagnostic {
            file: self.file.to_string(),
            line: mark.line.max(1),
            column: mark.column.max(1),
            width: mark.width.max(1),
            source_line: line.chars().take(SOURCE_LINE_CHARACTERS).collect(),
            message: message.into(),
            help,
        }
    }

    /// The mark of the key of `value`, when it stands before it on its line; else that of the value.
    pub(crate) fn key_mark(&self, key: &str, value: Mark) -> Mark {
        let index = usize::try_from(value.line.saturating_sub(1)).unwrap_or(0);
        let before = usize::try_from(value.column.saturating_sub(1)).unwrap_or(0);
        let line: String = self
            .text
            .lines()
            .nth(index)
            .unwrap_or_default()
            .chars()
            .take(before)
            .collect();
        let Some(start) = line.rfind(key) else {
            return value;
        };
        let column = line.get(..start).map_or(0, |text| text.chars().count()) + 1;
        Mark {
            line: value.line,
            column: u32::try_from(column).unwrap_or(value.column),
            width: u32::try_from(key.chars().count()).unwrap_or(1).max(1),
        }
    }
}

/// The nearest of `known` to `word`, when it is near enough to be what was meant.
pub(crate) fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

const SOURCE_LINE_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            file: Arc::from("app.yaml"),
            text: Arc::from(text),
        }
    }

    #[test]
    fn the_caret_stands_under_the_fault() {
        let mark = Mark {
            line: 2,
            column: 7,
            width: 3,
        };
        let fault = source("a: 1\nmode: abc\n").diagnostic(mark, "bad mode", Some("write 0644".to_owned()));
        let expected =
            "error: bad mode\n --> app.yaml:2:7\n  |\n2 | mode: abc\n  |       ^^^\n  = help: write 0644\n";
        assert_eq!(fault.render(), expected);
    }

    #[test]
    fn the_key_is_found_before_its_value() {
        let text = source("environment:\n  1BAD: x\n");
        let mark = text.key_mark(
            "1BAD",
            Mark {
                line: 2,
                column: 9,
                width: 1,
            },
        );
        assert_eq!(
            mark,
            Mark {
                line: 2,
                column: 3,
                width: 4
            }
        );
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["packages", "entrypoint"];
        assert_eq!(suggestion("pakages", known), Some("packages"));
        assert_eq!(suggestion("entry-point", known), Some("entrypoint"));
        assert_eq!(suggestion("colour", known), None);
    }

    #[test]
    fn a_caret_never_runs_past_its_line() {
        let fault = source("ab\n").diagnostic(
            Mark {
                line: 1,
                column: 2,
                width: 500,
            },
            "bad",
            None,
        );
        assert!(fault.render().contains("\n  |  ^\n"));
    }
}
