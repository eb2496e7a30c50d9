//! Text that was taken out of a file, and where each byte of it stands there.

use std::ops::Range;

/// A range of bytes of the decoded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span {
            start: range.start,
            end: range.end,
        }
    }
}

impl Span {
    /// Whether both have a byte in common; an empty one has none.
    #[must_use]
    pub fn overlaps(&self, other: &Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Text without the quotes, escapes, line continuations and indentation that it had in the file.
///
/// Bytes that stood together in the file stand together here: a run begins wherever something was left out or stands for
/// something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    text: String,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Where it begins in the text.
    at: usize,
    /// Where that stands in the file.
    source: usize,
    /// Whether it is what stands there, and does not only stand for it.
    is_same: bool,
}

impl Mapped {
    /// An empty text.
    #[must_use]
    pub fn new() -> Mapped {
        Mapped::default()
    }

    /// All of a file.
    #[must_use]
    pub fn whole(file: &str) -> Mapped {
        Mapped::verbatim(file, 0..file.len())
    }

    /// What stands in the file just so.
    #[must_use]
    pub fn verbatim(file: &str, range: Range<usize>) -> Mapped {
        let mut mapped = Mapped::new();
        let start = range.start;
        mapped.push(file.get(range).unwrap_or_default(), start);
        mapped
    }

    /// Adds text that stands at `source` in the file.
    pub fn push(&mut self, text: &str, source: usize) {
        let follows = self
            .runs
            .last()
            .is_some_and(|run| run.is_same && run.source + (self.text.len() - run.at) == source);
        if !follows && !text.is_empty() {
            let at = self.text.len();
            self.push_run(at, source, true);
        }
        self.text.push_str(text);
    }

    /// Adds a sign that stands for what is at `source`, as an escape does: what has it is never taken for what stands in the
    /// file.
    pub fn push_instead(&mut self, sign: char, source: usize) {
        self.push_substitute(sign.encode_utf8(&mut [0; 4]), source);
    }

    /// The same for several signs, which stand for one byte together.
    pub fn push_substitute(&mut self, text: &str, source: usize) {
        self.push_run(self.text.len(), source, false);
        self.text.push_str(text);
    }

    fn push_run(&mut self, at: usize, source: usize, is_same: bool) {
        if self.runs.is_empty() {
            // Most texts have no other, and there are many texts.
            self.runs.reserve_exact(1);
        }
        self.runs.push(Run { at, source, is_same });
    }

    /// Adds a part of another text of the same file.
    pub fn push_part(&mut self, other: &Mapped, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let end = other.run_end(at).min(range.end);
            let Some(text) = other.text.get(at..end) else {
                return;
            };
            match other.run_of(at) {
                Some(run) if !run.is_same => self.push_substitute(text, other.source_of(at)),
                _ => self.push(text, other.source_of(at)),
            }
            at = end;
        }
    }

    /// A part of it.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Mapped {
        let mut part = Mapped::new();
        part.push_part(self, range);
        part
    }

    /// Its words, between blanks and ends of lines.
    pub fn words(&self) -> impl Iterator<Item = Mapped> {
        let mut start = 0;
        let words = self.text.split_inclusive(char::is_whitespace).map(move |word| {
            let range = start..start + word.trim_end().len();
            start += word.len();
            range
        });
        words
            .filter(|range| !range.is_empty())
            .map(|range| self.part(range))
    }

    /// The same text where this one was taken out of `outer`, and not out of the file: its places are those of the file.
    #[must_use]
    pub fn within(&self, outer: &Mapped) -> Mapped {
        let mut mapped = Mapped::new();
        let mut at = 0;
        while at < self.text.len() {
            let end = self.run_end(at).max(at + 1);
            let Some(text) = self.text.get(at..end) else { break };
            let source = self.source_of(at);
            let there = source..source + text.len();
            let is_same = self.run_of(at).is_some_and(|run| run.is_same);
            match outer.text.get(there.clone()) {
                Some(same) if is_same && same == text => mapped.push_part(outer, there),
                _ => mapped.push_substitute(text, outer.source_of(source)),
            }
            at = end;
        }
        mapped
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Where a range of the text stands in the file, from its first byte to after its last; of what stands for something else,
    /// an escape, that is the first byte.
    #[must_use]
    pub fn span(&self, range: Range<usize>) -> Span {
        let start = self.source_of(range.start);
        let end = match range.end > range.start {
            true => self.source_of(range.end - 1) + 1,
            false => start,
        };
        Span {
            start,
            end: end.max(start),
        }
    }

    /// Where all of it stands.
    #[must_use]
    pub fn whole_span(&self) -> Span {
        self.span(0..self.text.len())
    }

    /// Whether a range stands in the file byte for byte as here: only that can be rewritten without thinking.
    #[must_use]
    pub fn is_verbatim(&self, range: Range<usize>) -> bool {
        let is_same = self.run_of(range.start).is_some_and(|run| run.is_same);
        range.is_empty() || is_same && self.run_end(range.start) >= range.end
    }

    fn run_of(&self, at: usize) -> Option<&Run> {
        let next = self.runs.partition_point(|run| run.at <= at);
        next.checked_sub(1).and_then(|last| self.runs.get(last))
    }

    fn run_end(&self, at: usize) -> usize {
        let next = self.runs.partition_point(|run| run.at <= at);
        self.runs.get(next).map_or(self.text.len(), |run| run.at)
    }

    fn source_of(&self, at: usize) -> usize {
        self.run_of(at).map_or(0, |run| match run.is_same {
            true => run.source + (at - run.at),
            false => run.source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_what_was_taken_apart_stood() {
        let mut mapped = Mapped::new();
        mapped.push("ab", 10);
        mapped.push("cd", 12);
        mapped.push("ef", 20);
        assert_eq!(mapped.text(), "abcdef");
        assert_eq!(mapped.span(1..3), Span { start: 11, end: 13 });
        assert_eq!(mapped.span(3..5), Span { start: 13, end: 21 });
        assert!(mapped.is_verbatim(0..4));
        assert!(!mapped.is_verbatim(3..5));
        assert_eq!(mapped.part(3..5).span(0..2), Span { start: 13, end: 21 });
    }

    #[test]
    fn what_stands_for_something_else_is_not_verbatim() {
        let mut mapped = Mapped::new();
        mapped.push("ab", 10);
        mapped.push_instead('\n', 12);
        mapped.push("cd", 14);
        assert!(mapped.is_verbatim(0..2) && mapped.is_verbatim(3..5));
        assert!(!mapped.is_verbatim(1..3) && !mapped.is_verbatim(2..3));
        assert!(!mapped.part(2..4).is_verbatim(0..1));
        assert_eq!(mapped.span(2..4), Span { start: 12, end: 15 });
        let mut mapped = Mapped::verbatim("name", 0..4);
        mapped.push_substitute("}}", 3);
        assert_eq!(mapped.whole_span(), Span { start: 0, end: 4 });
        assert_eq!(
            mapped.part(1..6).part(3..5).whole_span(),
            Span { start: 3, end: 4 }
        );
    }
}
