//! Terraform and OpenTofu, and what else is written in HCL: Packer, Nomad, bake files.

mod text;
mod value;

use std::sync::Arc;

use super::nest::{Nest, key_step};
use super::{Document, Piece, Role, Step, builders};
use crate::mapped::Mapped;

/// How many labels a block has at most.
const LABELS_MAX: usize = 8;

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let mut nest = Nest::default();
    nest.open(false, Vec::new());
    let mut reader = Reader {
        text,
        at: 0,
        nest,
        parentheses: vec![0],
        document: Document::default(),
    };
    while reader.step() {}
    builders::add_commands(&mut reader.document);
    reader.document
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nest: Nest,
    /// How many parentheses are open in each block, object or list: there, lines and commas end nothing.
    parentheses: Vec<usize>,
    document: Document,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads one token; says whether there was one.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.bytes().next() else {
            return false;
        };
        match first {
            b'\n' => {
                if !self.nest.is_list() && !self.in_parentheses() {
                    self.nest.next();
                }
                self.at += 1;
            }
            b'#' => self.comment("\n"),
            b'/' if rest.starts_with("//") => self.comment("\n"),
            b'/' if rest.starts_with("/*") => self.comment("*/"),
            b'"' => self.string(),
            b'<' if rest.starts_with("<<") => self.heredoc(),
            b'{' | b'[' => self.opening(first == b'[', Vec::new()),
            b'}' | b']' => self.closing(),
            b'(' | b')' => self.parenthesis(first == b'('),
            b',' => {
                if !self.in_parentheses() {
                    self.nest.next();
                }
                self.at += 1;
            }
            _ if first.is_ascii_alphabetic() || first == b'_' => self.name(),
            _ => self.at += rest.chars().next().map_or(1, char::len_utf8),
        }
        true
    }

    fn in_parentheses(&self) -> bool {
        self.parentheses.last().is_some_and(|open| *open > 0)
    }

    fn parenthesis(&mut self, is_open: bool) {
        if let Some(open) = self.parentheses.last_mut() {
            *open = match is_open {
                true => *open + 1,
                false => open.saturating_sub(1),
            };
        }
        self.at += 1;
    }

    fn opening(&mut self, is_list: bool, labels: Vec<Step>) {
        self.nest.open(is_list, labels);
        self.parentheses.push(0);
        self.at += 1;
    }

    fn closing(&mut self) {
        self.at += 1;
        // The file itself stays open, however many are closed.
        if self.nest.depth() > 1 {
            self.parentheses.pop();
            let words = self.nest.close().unwrap_or_default();
            self.document.run(words);
        }
    }

    /// A name: a key, the header of a block, or a part of an expression.
    fn name(&mut self) {
        let start = self.at;
        let length = name_length(self.rest());
        let end = start + length;
        let is_free = !self.nest.is_list() && !self.nest.has_key() && !self.in_parentheses();
        if is_free && self.is_key_at(end) {
            self.document
                .add_key(Mapped::verbatim(self.text, start..end), &mut self.nest);
        } else if is_free && let Some((labels, brace)) = self.header(end) {
            self.block(Mapped::verbatim(self.text, start..end), labels);
            self.at = brace + 1;
            return;
        }
        self.at = end.max(start + 1);
    }

    /// Whether what ends there is the key of what follows.
    fn is_key_at(&self, end: usize) -> bool {
        let rest = self
            .text
            .get(end..)
            .unwrap_or_default()
            .trim_start_matches([' ', '\t']);
        match rest.strip_prefix('=') {
            Some(after) => !after.starts_with(['=', '>']),
            None => rest.starts_with(':') && self.nest.depth() > 1,
        }
    }

    fn path(&mut self) -> Arc<[Step]> {
        self.nest.path(&mut self.document.room)
    }

    /// The labels after a block's type, and where its brace stands.
    fn header(&self, end: usize) -> Option<(Vec<Mapped>, usize)> {
        let mut labels = Vec::new();
        let mut at = end;
        while labels.len() <= LABELS_MAX {
            let rest = self.text.get(at..)?;
            at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let rest = self.text.get(at..)?;
            match rest.bytes().next()? {
                b'{' => return Some((labels, at)),
                b'"' => {
                    let (range, next) = text::string(self.text, at);
                    labels.push(Mapped::verbatim(self.text, range));
                    at = next;
                }
                first if first.is_ascii_alphabetic() || first == b'_' => {
                    let length = name_length(rest);
                    labels.push(Mapped::verbatim(self.text, at..at + length));
                    at += length;
                }
                _ => return None,
            }
        }
        None
    }

    fn block(&mut self, kind: Mapped, labels: Vec<Mapped>) {
        let is_inner = self.nest.depth() > 1;
        let mut steps = vec![key_step(kind.text())];
        if labels.is_empty() && is_inner {
            steps.push(Step::Item(self.nest.count(kind.text())));
        }
        let around = self.path();
        for label in labels {
            steps.push(key_step(label.text()));
            self.document.pieces.push(Piece {
                text: label,
                role: Role::Key,
                path: self.document.room.joined(&around, &steps),
            });
        }
        self.opening(false, steps);
    }

    fn comment(&mut self, end: &str) {
        let rest = self.rest();
        let length = match end {
            "\n" => rest.find(end),
            // `/*/` ends nothing.
            _ => rest
                .get(2..)
                .and_then(|rest| rest.find(end))
                .map(|at| 2 + at + end.len()),
        };
        let range = self.at..self.at + length.unwrap_or(rest.len());
        self.at = range.end;
        self.value_of(Mapped::verbatim(self.text, range), Role::Comment);
    }
}

/// The length of a name with dashes, and of a traversal: `var.x`.
fn name_length(text: &str) -> usize {
    let is_part = |sign: &u8| sign.is_ascii_alphanumeric() || matches!(sign, b'_' | b'-' | b'.');
    text.bytes().take_while(is_part).count()
}

#[cfg(test)]
mod tests;
