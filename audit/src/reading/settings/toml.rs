//! TOML.

use std::ops::Range;
use std::sync::Arc;

use crate::mapped::Mapped;
use crate::reading::embedded::Place;
use crate::reading::nest::{DEPTH_MAX, Nest, key_step};
use crate::reading::outline::last_key;
use crate::reading::{Document, Piece, Role, Step, free, quoted, shell, speech};

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let mut reader = Reader {
        text,
        at: 0,
        tables: 0,
        nest: Nest::default(),
        document: Document::default(),
        is_line_start: true,
        is_dotted: false,
    };
    reader.nest.open(false, Vec::new());
    while reader.step() {}
    reader.document
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// How many headings of lists there were.
    tables: usize,
    nest: Nest,
    document: Document,
    is_line_start: bool,
    /// Whether a dot follows the key before: then another part of it comes.
    is_dotted: bool,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(first) = rest.bytes().next() else {
            return false;
        };
        match first {
            b'\n' => {
                if self.nest.depth() <= 1 {
                    self.nest.next();
                    self.is_line_start = true;
                    self.is_dotted = false;
                }
                self.at += 1;
                return true;
            }
            b' ' | b'\t' | b'\r' => {
                self.at += 1;
                return true;
            }
            b'#' => self.comment(),
            b'[' if self.is_line_start => self.heading(),
            b'[' | b'{' => {
                self.nest.open(first == b'[', Vec::new());
                self.at += 1;
            }
            b']' | b'}' => self.closing(),
            b',' => {
                self.nest.next();
                self.at += 1;
            }
            b'"' | b'\'' => self.string(first),
            b'=' => self.at += 1,
            _ => self.bare(),
        }
        self.is_line_start = false;
        true
    }

    fn closing(&mut self) {
        self.at += 1;
        if self.nest.depth() > 1 {
            let words = self.nest.close().unwrap_or_default();
            self.document.run(words);
        }
    }

    fn comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find('\n').unwrap_or(rest.len());
        self.push(self.at..self.at + length, Role::Comment, Arc::default());
        self.at += length;
    }

    fn push(&mut self, range: Range<usize>, role: Role, path: Arc<[Step]>) {
        self.document.pieces.push(Piece {
            text: Mapped::verbatim(self.text, range),
            role,
            path,
        });
    }

    /// `[a."b.c"]`, `[[a]]`.
    fn heading(&mut self) {
        // Nothing of what was open before goes on below a heading.
        while self.nest.close().is_some() {}
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let mut table = Vec::new();
        let mut at = 0;
        while at < line.len() {
            let part = line.get(at..).unwrap_or_default();
            match part.bytes().next() {
                Some(b'#') => {
                    self.push(self.at + at..self.at + length, Role::Comment, Arc::default());
                    break;
                }
                Some(quote @ (b'"' | b'\'')) => {
                    let end = quoted::closing(line, at + 1, quote, false).unwrap_or(line.len());
                    self.label(self.at + at + 1..self.at + end, &mut table);
                    at = end + 1;
                }
                Some(b'[' | b']' | b'.' | b' ' | b'\t' | b'\r') => at += 1,
                _ => {
                    let end = part
                        .find(['.', ']', '"', '\'', '#', ' ', '\t'])
                        .unwrap_or(part.len());
                    self.label(self.at + at..self.at + at + end, &mut table);
                    at += end.max(part.chars().next().map_or(1, char::len_utf8));
                }
            }
        }
        if line.starts_with("[[") {
            table.push(Step::Item(self.tables));
            self.tables += 1;
        }
        self.nest.open(false, table);
        self.at += length;
    }

    /// A part of a heading; beyond a depth they are no steps.
    fn label(&mut self, range: Range<usize>, table: &mut Vec<Step>) {
        if table.len() < DEPTH_MAX {
            table.push(key_step(self.text.get(range.clone()).unwrap_or_default()));
        }
        let path = self.document.room.path(table);
        self.push(range, Role::Key, path);
    }

    fn path(&mut self) -> Arc<[Step]> {
        self.nest.path(&mut self.document.room)
    }

    fn string(&mut self, quote: u8) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let triple = if quote == b'"' { "\"\"\"" } else { "'''" };
        let (range, next) = match rest.starts_with(triple) {
            true => self.on_lines(triple),
            false => self.on_line(quote),
        };
        let text = match quote {
            b'"' => quoted::unescaped(self.text, range),
            _ => Mapped::verbatim(self.text, range),
        };
        self.at = next;
        if self.takes_key() {
            self.key(text);
        } else {
            self.value(&text);
        }
    }

    /// A string over several lines; one that is not closed ends with the file.
    fn on_lines(&self, triple: &str) -> (Range<usize>, usize) {
        let from = self.at + triple.len();
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(triple.as_bytes()) {
                return (from..at, at + triple.len());
            }
            let is_escape = triple.starts_with('"') && rest.starts_with(b"\\");
            at += 1 + usize::from(is_escape);
        }
        (from..self.text.len(), self.text.len())
    }

    /// A string that ends on its line, closed or not.
    fn on_line(&self, quote: u8) -> (Range<usize>, usize) {
        let from = self.at + 1;
        if let Some(end) = quoted::closing(self.text, from, quote, false) {
            return (from..end, end + 1);
        }
        let rest = self.text.get(from..).unwrap_or_default();
        let end = from + rest.find('\n').unwrap_or(rest.len());
        (from..end, end)
    }

    fn takes_key(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let rest = rest.trim_start_matches([' ', '\t']);
        let is_free = self.is_dotted || !self.nest.has_key();
        !self.nest.is_list() && is_free && rest.starts_with(['=', '.'])
    }

    /// A key, or the next part of a dotted one.
    fn key(&mut self, text: Mapped) {
        self.add_key(text.text(), self.is_dotted);
        self.push_key(text);
    }

    fn add_key(&mut self, key: &str, is_inner: bool) {
        match is_inner {
            true => self.nest.inner_key(key),
            false => self.nest.key(key),
        }
    }

    fn push_key(&mut self, text: Mapped) {
        let path = self.path();
        self.document.pieces.push(Piece {
            text,
            role: Role::Key,
            path,
        });
        let rest = self.text.get(self.at..).unwrap_or_default();
        let bare = rest.trim_start_matches([' ', '\t']);
        self.is_dotted = bare.starts_with('.');
        if self.is_dotted {
            self.at += rest.len() - bare.len() + 1;
        }
    }

    fn value(&mut self, text: &Mapped) {
        let path = self.path();
        let name = last_key(&path).map(|(_, name)| name);
        self.nest.collect(text);
        if let Some(name) = name.filter(|_| !self.nest.is_list()) {
            self.document.bind(name, text);
        }
        let is_prose = name.is_some_and(speech::is_for_people);
        if !is_prose && matches!(name, Some("run" | "command" | "script" | "inline")) && !self.nest.is_list()
        {
            return shell::read_into(&mut self.document, text, &path, Role::Value);
        }
        let place = Place {
            text,
            path: &path,
            role: if is_prose { Role::Prose } else { Role::Value },
            depth: 0,
        };
        free::add(&mut self.document, &place);
    }

    fn bare(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest
            .find(|sign: char| sign.is_whitespace() || "=,[]{}\"'#".contains(sign))
            .unwrap_or(rest.len());
        // A dot before a quote only joins: `a."b"`.
        let name = rest.get(..end).unwrap_or_default().trim_end_matches('.');
        let start = self.at;
        self.at += name.len().max(rest.chars().next().map_or(1, char::len_utf8));
        let text = Mapped::verbatim(self.text, start..start + name.len());
        if self.takes_key() {
            // `a.b = 1` has two steps, as `[a.b]` has.
            for (at, part) in name.split('.').filter(|part| !part.is_empty()).enumerate() {
                self.add_key(part, self.is_dotted || at > 0);
            }
            self.push_key(text);
        } else if name.contains('.') && name.bytes().any(|sign| sign.is_ascii_alphabetic()) {
            let path = self.path();
            self.document.pieces.push(Piece {
                text,
                role: Role::Unknown,
                path,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::check;

    fn seen(text: &str) -> Vec<String> {
        check::hosts(&read(text))
    }

    #[test]
    fn keys_values_and_comments_are_told_apart() {
        for (text, wanted) in [
            (
                "[a.\"gcr.io\"]\nb = \"https://gcr.io\"",
                vec!["Key 2 gcr.io", "Value 3 https://gcr.io"],
            ),
            (
                "a = [\n 'gcr.io/p', # gcr.io\n]",
                vec!["Value 2 gcr.io/p", "Comment 0 # gcr.io"],
            ),
            ("a = { b = \"gcr.io/p\" }\n", vec!["Value 2 gcr.io/p"]),
            (
                "[[e]]\nname='A'\nvalue='''\ngcr.io/p'''\n",
                vec!["Value 3 gcr.io/p"],
            ),
            ("description = \"uses gcr.io\"", vec!["Prose 1 uses gcr.io"]),
            (
                "a = \"gcr.io/p\nb = \"gcr.io/q\"",
                vec!["Value 1 gcr.io/p", "Value 1 gcr.io/q"],
            ),
            ("a.\"gcr.io\".b = 1", vec!["Key 2 gcr.io"]),
            (
                "a.b = \"gcr.io/p\"\nc = \"gcr.io/q\"",
                vec!["Value 2 gcr.io/p", "Value 1 gcr.io/q"],
            ),
            ("[a]\nb . 'c'.d = 'gcr.io/p'", vec!["Value 4 gcr.io/p"]),
            (
                "['a\\'] # gcr.io\nb = 'gcr.io/p'",
                vec!["Comment 0 # gcr.io", "Value 2 gcr.io/p"],
            ),
            (
                "a = \"\"\"\\\"\"\" gcr.io/p\"\"\"\nb = \"gcr.io/q\"",
                vec!["Value 1 \"\"\" gcr.io/p", "Value 1 gcr.io/q"],
            ),
        ] {
            assert_eq!(seen(text), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"([\[\]=:"'\\#,{}.\n é\r]|gcr\.io|a = |"""|'''|\[\[a\]\]|run = "x){0,40}"#) {
            crate::reading::check::stands_where_it_says(&text, &read(&text));
        }
    }
}
