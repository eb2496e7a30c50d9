//! Scalars: plain, quoted, and blocks.

use std::ops::Range;

use super::scan::{Scanner, Sort};
use super::template::Action;
use crate::mapped::Mapped;

impl Scanner<'_> {
    /// A plain scalar, with the lines that it goes on with.
    pub(super) fn plain(&mut self, at: usize, parent: Option<usize>) {
        let line = self.line_at(self.line);
        let end = self.plain_end(at, line.end);
        let mut text = self.source.part(at..end);
        let mut comment = self.comment_after(end, line.end);
        let is_sentence = self.text_of(at..end).contains(' ');
        let mut last = self.line;
        let mut next = self.line + 1;
        while comment.is_none() && next < self.lines.len() {
            let line = self.line_at(next);
            let content = self.text_of(line.clone());
            let start = line.end - content.trim_start().len();
            if start == line.end {
                next += 1;
                continue;
            }
            if !self.goes_on(start, &line, parent, is_sentence) {
                break;
            }
            let end = self.plain_end(start, line.end);
            self.join(&mut text, start);
            text.push_part(self.source, start..end);
            comment = self.comment_after(end, line.end);
            last = next;
            next += 1;
        }
        self.line = last;
        if !text.text().trim().is_empty() {
            self.leaf_of(text, Sort::Plain);
        }
        if let Some(comment) = comment {
            self.leaf(comment, Sort::Comment);
        }
        self.line = last + 1;
    }

    /// Whether a line belongs to the plain scalar before it.
    fn goes_on(&self, start: usize, line: &Range<usize>, parent: Option<usize>, is_sentence: bool) -> bool {
        let rest = self.text_of(start..line.end);
        let is_deeper = parent.is_some_and(|parent| start - line.start > parent);
        let is_other = rest.starts_with('#')
            || rest.starts_with("- ")
            || rest == "-"
            || self.actions.at(self.text, start).is_some();
        // A template may indent what is no continuation; after a word alone a key is one of its own.
        is_deeper && !is_other && (is_sentence || self.key(start, line.end).is_none())
    }

    /// Where a plain scalar ends on its line.
    fn plain_end(&self, at: usize, end: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut from = at;
        while let Some(next) = bytes
            .get(from..end)
            .and_then(|rest| memchr::memchr2(b'#', b'{', rest))
        {
            let next = from + next;
            let is_comment = bytes.get(next) == Some(&b'#')
                && next > at
                && matches!(bytes.get(next - 1), Some(b' ' | b'\t'));
            if is_comment {
                return at + self.text_of(at..next).trim_end().len();
            }
            from = self.actions.within(self.text, next, end).unwrap_or(next + 1);
        }
        at + self.text_of(at..end).trim_end().len()
    }

    fn comment_after(&self, end: usize, line_end: usize) -> Option<Range<usize>> {
        let rest = self.text_of(end..line_end);
        let comment = rest.trim_start().strip_prefix('#')?;
        Some(line_end - comment.len()..line_end)
    }

    /// Adds the space that stands for the end of a line, before what begins at `start`.
    fn join(&self, text: &mut Mapped, start: usize) {
        let source = self.source.span(start..start).start;
        text.push_instead(' ', source.saturating_sub(1));
    }

    /// A quoted scalar, and the byte after its quotation mark.
    pub(super) fn quoted(&self, at: usize, parent: Option<usize>) -> Option<(Mapped, usize)> {
        let quote = *self.text.as_bytes().get(at)?;
        let close = self.closing(at, quote, parent)?;
        let mut text = Mapped::new();
        let mut from = at + 1;
        let first = self.line_of(at);
        for number in first..=self.line_of(close) {
            let line = self.line_at(number);
            let mut end = line.end.min(close);
            if number > first {
                let content = self.text_of(line.start..end);
                from = end - content.trim_start().len();
                if from == end && end < close {
                    self.push_newline(&mut text, line.end);
                    continue;
                }
            }
            let is_last = end == close;
            let content = self.text_of(from..end);
            let escapes_end = quote == b'"' && !is_last && content.ends_with('\\');
            if escapes_end {
                end -= 1;
            } else if !is_last {
                end = from + content.trim_end().len();
            }
            self.unescape(&mut text, from..end.max(from), quote);
            if !is_last && !escapes_end {
                self.join(&mut text, line.end + 1);
            }
        }
        Some((text, close + 1))
    }

    /// Where the quotation mark is that closes.
    fn closing(&self, at: usize, quote: u8, parent: Option<usize>) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let memory = self.unclosed.get(usize::from(quote == b'\''))?;
        if at < memory.get() {
            return None;
        }
        let mut from = at + 1;
        while let Some(byte) = bytes.get(from) {
            match byte {
                b'\\' if quote == b'"' => from += 1,
                b'\'' if quote == b'\'' && bytes.get(from + 1) == Some(&b'\'') => from += 1,
                byte if *byte == quote => return Some(from),
                b'{' if bytes.get(from + 1) == Some(&b'{') => {
                    let line = self.line_at(self.line_of(from));
                    if let Some(after) = self.actions.within(self.text, from, line.end) {
                        from = after;
                        continue;
                    }
                }
                b'\n' if !self.is_within(from + 1, parent) => break,
                _ => {}
            }
            from += 1;
        }
        memory.set(from);
        None
    }

    /// Whether a line that begins at `start` can still belong to what stands below `parent`.
    fn is_within(&self, start: usize, parent: Option<usize>) -> bool {
        let line = self.line_at(self.line_of(start));
        let content = self.text_of(start..line.end);
        let indent = content.len() - content.trim_start().len();
        content.trim().is_empty()
            || match parent {
                Some(parent) => indent > parent,
                None => !content.starts_with("---"),
            }
    }

    /// Adds what stands between quotation marks on one line.
    fn unescape(&self, text: &mut Mapped, range: Range<usize>, quote: u8) {
        let bytes = self.text.as_bytes();
        let sign = if quote == b'"' { b'\\' } else { b'\'' };
        let mut from = range.start;
        while let Some(next) = bytes
            .get(from..range.end)
            .and_then(|rest| memchr::memchr(sign, rest))
        {
            let at = from + next;
            text.push_part(self.source, from..at);
            let Some(escaped) = self.text_of(at + 1..range.end).chars().next() else {
                return;
            };
            let source = self.source.span(at..at + 1).start;
            let mut length = 1 + escaped.len_utf8();
            match escaped {
                'n' | 'r' if sign == b'\\' => text.push_instead('\n', source),
                't' if sign == b'\\' => text.push_instead('\t', source),
                'u' | 'x' | 'U' if sign == b'\\' => {
                    let digits = match escaped {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let code = self.text_of(at + 2..(at + 2 + digits).min(range.end));
                    let decoded = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                    text.push_instead(decoded.unwrap_or('\u{fffd}'), source);
                    length = 2 + code.len();
                }
                _ => text.push_part(self.source, at + 1..at + length),
            }
            from = at + length;
        }
        text.push_part(self.source, from..range.end);
    }

    /// A block scalar, when `at` begins one's header.
    pub(super) fn block(&mut self, at: usize, parent: Option<usize>) -> bool {
        let line = self.line_at(self.line);
        let header = self.text_of(at..line.end);
        let Some(header) = Header::of(header) else {
            return false;
        };
        let first = self.line + 1;
        let Some(indent) = self.block_indent(first, parent, header.indent) else {
            if let Some(comment) = self.comment_after(at + header.length, line.end) {
                self.leaf(comment, Sort::Comment);
            }
            return true;
        };
        let mut text = Mapped::new();
        let mut actions = Vec::new();
        let mut pending: Vec<usize> = Vec::new();
        let mut number = first;
        let mut last_was_deep = false;
        while number < self.lines.len() {
            let line = self.line_at(number);
            let content = self.text_of(line.clone());
            let spaces = content.len() - content.trim_start_matches([' ', '\t']).len();
            if content.trim().is_empty() {
                pending.push(line.end);
            } else if parent.is_none_or(|parent| spaces > parent) && (parent.is_some() || spaces >= indent) {
                let is_deep = spaces > indent;
                self.push_line_ends(
                    &mut text,
                    &pending,
                    header.is_folded && !is_deep && !last_was_deep,
                );
                text.push_part(self.source, line.start + spaces.min(indent)..line.end);
                pending = vec![line.end];
                last_was_deep = is_deep;
            } else if let Some((action, end)) = self.action_within(line.start + spaces, line.end) {
                actions.push((line.start + spaces..end, action));
            } else {
                break;
            }
            number += 1;
        }
        if let Some(comment) = self.comment_after(at + header.length, line.end) {
            self.leaf(comment, Sort::Comment);
        }
        self.leaf_of(text, Sort::Block);
        for (range, action) in actions {
            self.leaf_of_action(range, action);
        }
        self.line = number;
        true
    }

    /// The indentation of a block's text: of its first line that is not empty, unless its header says.
    fn block_indent(&self, first: usize, parent: Option<usize>, said: Option<usize>) -> Option<usize> {
        for line in self.lines.get(first..)? {
            let content = self.text_of(line.clone());
            let spaces = content.len() - content.trim_start().len();
            if content.trim().is_empty() {
                continue;
            }
            if parent.is_none_or(|parent| spaces > parent) {
                return Some(said.map_or(spaces, |said| said + parent.unwrap_or(0)));
            }
            self.action_within(line.start + spaces, line.end)?;
        }
        None
    }

    /// An action that has one line to its end.
    fn action_within(&self, at: usize, end: usize) -> Option<(Action, usize)> {
        let (action, after) = self.actions.at(self.text, at)?;
        (after <= end && self.text_of(after..end).trim().is_empty()).then_some((action, after))
    }

    /// Adds the ends of lines between two lines of a block.
    fn push_line_ends(&self, text: &mut Mapped, ends: &[usize], is_folded: bool) {
        if text.is_empty() {
            return;
        }
        match ends {
            [end] if is_folded => {
                let source = self.source.span(*end..*end + 1).start;
                text.push_instead(' ', source);
            }
            ends => {
                for end in ends.iter().skip(usize::from(is_folded)) {
                    self.push_newline(text, *end);
                }
            }
        }
    }

    /// Adds the end of a line whose text ends at `end`.
    fn push_newline(&self, text: &mut Mapped, end: usize) {
        let at = end + usize::from(self.text.as_bytes().get(end) == Some(&b'\r'));
        text.push_part(self.source, at..at + 1);
    }
}

/// The header of a block: `|`, `>-`, `|2+`.
struct Header {
    is_folded: bool,
    indent: Option<usize>,
    length: usize,
}

impl Header {
    fn of(text: &str) -> Option<Header> {
        let signs = text.get(1..)?.bytes();
        let length = 1 + signs
            .take_while(|sign| sign.is_ascii_digit() || matches!(sign, b'-' | b'+'))
            .take(2)
            .count();
        let rest = text.get(length..)?;
        let is_header =
            rest.trim().is_empty() || rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
        is_header.then_some(Header {
            is_folded: text.starts_with('>'),
            indent: text
                .get(1..length)?
                .chars()
                .find_map(|sign| sign.to_digit(10))
                .map(|digit| digit as usize),
            length,
        })
    }
}
