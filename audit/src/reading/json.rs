//! JSON, with comments and trailing commas too; Jsonnet and notebooks.

mod notebook;

use std::sync::Arc;

use super::embedded::Place;
use super::nest::Nest;
use super::outline::last_key;
use super::{Document, Piece, Role, Step, builders, free, quoted, shell, speech};
use crate::mapped::Mapped;

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let is_notebook = notebook::is_one(text);
    let document = Reader::new(text, Document::default(), 0, is_notebook).read();
    match is_notebook {
        true => notebook::read(document),
        false => document,
    }
}

/// Takes one apart that stands in so many others; `document` is an empty one of theirs.
pub(super) fn read_nested(text: &str, document: Document, depth: usize) -> Document {
    Reader::new(text, document, depth, false).read()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nest: Nest,
    document: Document,
    depth: usize,
    /// Cells of a notebook are read when all of it is known.
    is_notebook: bool,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, document: Document, depth: usize, is_notebook: bool) -> Reader<'t> {
        Reader {
            text,
            at: 0,
            nest: Nest::default(),
            document,
            depth,
            is_notebook,
        }
    }

    fn read(mut self) -> Document {
        while self.step() {}
        builders::add_commands(&mut self.document);
        self.document
    }

    fn path(&mut self) -> Arc<[Step]> {
        self.nest.path(&mut self.document.room)
    }

    /// Reads one token; says whether there was one.
    fn step(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(first) = rest.bytes().next() else {
            return false;
        };
        match first {
            b'{' | b'[' => {
                self.nest.open(first == b'[', Vec::new());
                self.at += 1;
            }
            b'}' | b']' => {
                if let Some(words) = self.nest.close() {
                    self.document.run(words);
                }
                self.at += 1;
            }
            b',' => {
                self.nest.next();
                self.at += 1;
            }
            b'"' | b'\'' => self.string(first),
            b'#' => self.comment("\n"),
            b'/' if rest.starts_with("//") => self.comment("\n"),
            b'/' if rest.starts_with("/*") => self.comment("*/"),
            b'|' if rest.starts_with("|||") => self.block(),
            _ if first.is_ascii_whitespace() || b":=;+()|/`".contains(&first) => self.at += 1,
            _ => self.bare(),
        }
        true
    }

    fn string(&mut self, quote: u8) {
        let from = self.at + 1;
        let line = || {
            let rest = self.text.get(from..).unwrap_or_default();
            from + rest.find('\n').unwrap_or(rest.len())
        };
        // What is not closed ends with its line.
        let (end, next) = match quoted::end(self.text, from, quote, false) {
            Some(end) => (end, end + 1),
            None => (line(), line()),
        };
        self.at = next;
        let text = quoted::unescaped(self.text, from..end);
        if self.takes_key() {
            self.document.add_key(text, &mut self.nest);
        } else {
            self.value(text, Role::Value);
        }
    }

    /// Whether what was just read is the key of what follows.
    fn takes_key(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default().trim_start();
        rest.starts_with(':') && !self.nest.is_list() && !self.nest.has_key()
    }

    fn value(&mut self, text: Mapped, role: Role) {
        let path = self.path();
        self.nest.collect(&text);
        let role = role_of(&path, role);
        if self.is_notebook || prints_a_value(&path, text.text()) {
            self.document.pieces.push(Piece { text, role, path });
        } else if is_script(&path) && !role.is_mention() {
            shell::read_into(&mut self.document, &text, &path, role);
        } else {
            let place = Place {
                text: &text,
                path: &path,
                role,
                depth: self.depth,
            };
            free::add(&mut self.document, &place);
        }
    }

    fn comment(&mut self, end: &str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = match end {
            "\n" => rest.find(end),
            // `/*/` ends nothing.
            _ => rest
                .get(2..)
                .and_then(|rest| rest.find(end))
                .map(|at| 2 + at + end.len()),
        };
        let length = length.unwrap_or(rest.len());
        let text = Mapped::verbatim(self.text, self.at..self.at + length);
        self.at += length;
        let place = Place {
            text: &text,
            path: &Arc::default(),
            role: Role::Comment,
            depth: self.depth,
        };
        free::add_lines(&mut self.document, &place);
    }

    /// Jsonnet's text over several lines.
    fn block(&mut self) {
        let from = self.at + 3;
        let rest = self.text.get(from..).unwrap_or_default();
        let length = rest.find("|||").unwrap_or(rest.len());
        let text = Mapped::verbatim(self.text, from..from + length);
        self.at = (from + length + 3).min(self.text.len());
        self.value(text, Role::Value);
    }

    /// Numbers, names and what else stands without quotes.
    fn bare(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |sign: char| sign.is_whitespace() || "{}[],\"'#;()".contains(sign);
        let length = rest
            .char_indices()
            .find(|(at, sign)| {
                ends(*sign) || *sign == ':' && rest.get(at + 1..).is_none_or(|next| !next.starts_with('/'))
            })
            .map_or(rest.len(), |(at, _)| at);
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let text = Mapped::verbatim(self.text, self.at..self.at + length);
        self.at += length.max(first);
        if self.takes_key() {
            self.document.add_key(text, &mut self.nest);
        } else if text.text().contains('.') {
            let path = self.path();
            self.document.pieces.push(Piece {
                text,
                role: Role::Unknown,
                path,
            });
        }
    }
}

fn role_of(path: &[Step], role: Role) -> Role {
    match last_key(path).map(|(_, key)| key) {
        Some(key)
            if key.starts_with("//")
                || key.starts_with('#')
                || key.trim_start_matches(['$', '_']).eq_ignore_ascii_case("comment") =>
        {
            Role::Comment
        }
        Some(key) if speech::is_for_people(key) => Role::Prose,
        _ => role,
    }
}

/// Whether a script of a package does nothing but print one word: `npm run --silent NAME` gives it to others.
fn prints_a_value(path: &[Step], script: &str) -> bool {
    if !matches!(path, [Step::Key(scripts), Step::Key(_)] if scripts == "scripts") {
        return false;
    }
    let Some(word) = script.trim().strip_prefix("echo ") else {
        return false;
    };
    // What is put in may be a command with words of its own.
    let (mut depth, mut is_quoted) = (0_usize, false);
    let mut before = ' ';
    word.trim().chars().all(|sign| {
        match sign {
            '(' if before == '$' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '`' => is_quoted = !is_quoted,
            _ => {}
        }
        before = sign;
        let is_within = depth > 0 || is_quoted;
        is_within || !(sign.is_whitespace() || matches!(sign, ';' | '&' | '|' | '<' | '>'))
    })
}

/// Values that are scripts of a shell, by their place.
fn is_script(path: &[Step]) -> bool {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["scripts" | "wireit" | "tasks", ..] => !matches!(keys.last(), Some(&("image" | "registry" | "cwd"))),
        [.., last] => matches!(
            *last,
            "postCreateCommand"
                | "onCreateCommand"
                | "postStartCommand"
                | "updateContentCommand"
                | "initializeCommand"
                | "UserData"
                | "user_data"
        ),
        [] => false,
    }
}

#[cfg(test)]
mod tests;
