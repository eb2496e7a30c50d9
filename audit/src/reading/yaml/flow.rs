//! Flow collections, which JSON is too: `{a: 1, "b": [c, d]}`.

use std::ops::Range;

use super::super::Step;
use super::super::nest::{DEPTH_MAX, key_step};
use super::scan::{Scanner, Sort};
use crate::image::variable_length;
use crate::mapped::Mapped;

/// A collection that is open.
struct Frame {
    is_map: bool,
    /// How long the path to it is.
    base: usize,
    items: usize,
    /// Whether the path leads to the value of a key.
    has_key: bool,
}

impl Scanner<'_> {
    /// A collection that begins at `at`; the byte after its end. One that is not closed ends before the next line that
    /// cannot be in it.
    pub(super) fn flow(&mut self, at: usize, parent: Option<usize>) -> usize {
        let outside = self.path.len();
        let end = self.collections(at, parent);
        self.path.truncate(outside);
        end
    }

    fn collections(&mut self, mut at: usize, parent: Option<usize>) -> usize {
        let mut frames: Vec<Frame> = Vec::new();
        let mut is_spaced = false;
        while let Some(byte) = self.text.as_bytes().get(at).copied() {
            let was_spaced = std::mem::replace(&mut is_spaced, matches!(byte, b' ' | b'\t' | b'\n'));
            match byte {
                b'\n' if self.breaks(at + 1, parent) => return at,
                b'\n' | b' ' | b'\t' | b'\r' | b':' => at += 1,
                b'#' if was_spaced => {
                    let end = self.line_at(self.line_of(at)).end;
                    self.leaf(at + 1..end, Sort::Comment);
                    at = end;
                }
                b'{' | b'[' if self.actions.at(self.text, at).is_none() && frames.len() < DEPTH_MAX => {
                    self.begin_value(&mut frames);
                    frames.push(Frame {
                        is_map: byte == b'{',
                        base: self.path.len(),
                        items: 0,
                        has_key: false,
                    });
                    at += 1;
                }
                b'}' | b']' => {
                    if let Some(frame) = frames.pop() {
                        self.path.truncate(frame.base);
                    }
                    at += 1;
                    if frames.is_empty() {
                        return at;
                    }
                }
                b',' => {
                    if let Some(frame) = frames.last_mut() {
                        self.path.truncate(frame.base);
                        frame.has_key = false;
                        frame.items += 1;
                    }
                    at += 1;
                }
                _ => at = self.flow_scalar(at, parent, &mut frames),
            }
        }
        at
    }

    /// Whether a line cannot be in a collection that stands below `parent`.
    fn breaks(&self, start: usize, parent: Option<usize>) -> bool {
        let line = self.line_at(self.line_of(start));
        let content = self.text_of(line.clone());
        let text = content.trim_start();
        let Some(parent) = parent else {
            return text.starts_with("---");
        };
        if text.is_empty() || content.len() - text.len() > parent {
            return false;
        }
        let is_closing = text.starts_with(['}', ']', ',', '"', '\'']);
        let is_entry = text.starts_with("- ") || self.key(line.end - text.len(), line.end).is_some();
        !is_closing && is_entry
    }

    /// A scalar that begins at `at`, a key or a value; the byte after it.
    fn flow_scalar(&mut self, at: usize, parent: Option<usize>, frames: &mut [Frame]) -> usize {
        let first = self.text.as_bytes().get(at).copied();
        let quoted = match first {
            Some(b'"' | b'\'') => self.quoted(at, parent),
            _ => None,
        };
        let is_quoted = quoted.is_some();
        let (text, mut end) = quoted.unwrap_or_else(|| {
            let range = self.flow_plain(at);
            (self.source.part(range.clone()), range.end)
        });
        // What cannot be read is passed over.
        end = end.max(
            at + self
                .text_of(at..self.text.len())
                .chars()
                .next()
                .map_or(1, char::len_utf8),
        );
        let colon = end
            + self
                .text_of(end..self.text.len())
                .bytes()
                .take_while(|byte| *byte == b' ')
                .count();
        let after = self.text.as_bytes().get(colon + 1);
        let is_key = self.text.as_bytes().get(colon) == Some(&b':')
            && (is_quoted || after.is_none_or(|next| b" \t\r\n,[]{}".contains(next)))
            && frames.last().is_some_and(|frame| !frame.has_key);
        if is_key {
            self.begin_key(text, frames);
            return colon + 1;
        }
        self.begin_value(frames);
        let sort = if is_quoted { Sort::Quoted } else { Sort::Plain };
        if !text.text().trim().is_empty() {
            self.leaf_of(text, sort);
        }
        end
    }

    fn begin_key(&mut self, text: Mapped, frames: &mut [Frame]) {
        let Some(frame) = frames.last_mut() else { return };
        self.path.truncate(frame.base);
        if !frame.is_map {
            self.path.push(Step::Item(frame.items));
        }
        self.path.push(key_step(text.text()));
        frame.has_key = true;
        self.leaf_of(text, Sort::Key);
    }

    /// Makes the path lead to the value that comes.
    fn begin_value(&mut self, frames: &mut [Frame]) {
        let Some(frame) = frames.last_mut() else { return };
        if !frame.has_key {
            self.path.truncate(frame.base);
            if !frame.is_map {
                self.path.push(Step::Item(frame.items));
            }
        }
    }

    /// Where a plain scalar in a collection stands.
    fn flow_plain(&self, at: usize) -> Range<usize> {
        let line = self.line_at(self.line_of(at));
        let bytes = self.text.as_bytes();
        let mut end = at;
        while end < line.end {
            let Some(byte) = bytes.get(end) else { break };
            let next = bytes.get(end + 1);
            let skipped = match byte {
                b'{' => self
                    .actions
                    .within(self.text, end, line.end)
                    .map(|after| after - end),
                b'$' if matches!(next, Some(b'{' | b'(')) => variable_length(self.text_of(end..line.end)),
                _ => None,
            };
            if let Some(length) = skipped {
                end += length;
                continue;
            }
            let is_end = match byte {
                b',' | b'}' | b']' => true,
                b'{' => end > at,
                b':' => end + 1 >= line.end || next.is_some_and(|next| b" \t\r,[]{}".contains(next)),
                b'#' => end > at && matches!(bytes.get(end - 1), Some(b' ' | b'\t')),
                _ => false,
            };
            if is_end {
                break;
            }
            end += 1;
        }
        at..at + self.text_of(at..end).trim_end().len()
    }
}
