//! `.env`, properties, INI, systemd's units, and configurations whose lines are words.

use std::sync::Arc;

use crate::mapped::Mapped;
use crate::reading::embedded::Place;
use crate::reading::nest::key_step;
use crate::reading::{Document, Piece, Role, Step, free, quoted, shell, speech};

/// Takes one apart.
pub(super) fn read(text: &str, document: Document, depth: usize) -> Document {
    let mut reader = Reader {
        text,
        at: 0,
        section: Arc::default(),
        document,
        depth,
        closes: [true; 2],
    };
    while reader.at < text.len() {
        reader.line();
    }
    reader.document
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    section: Arc<[Step]>,
    document: Document,
    /// How many files stand around it.
    depth: usize,
    /// Whether there may still be a double, and a single, quote further on.
    closes: [bool; 2],
}

impl Reader<'_> {
    fn line(&mut self) {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.at += length;
        let line = rest.get(..length).unwrap_or_default().trim_end();
        let indent = line.len() - line.trim_start().len();
        let bare = line.trim_start();
        let from = start + indent;
        match bare.bytes().next() {
            None => {}
            Some(b'#' | b';' | b'!') => self.piece(from, bare, Role::Comment),
            _ if bare.starts_with("//") || bare.starts_with("rem ") || bare.starts_with("REM ") => {
                self.piece(from, bare, Role::Comment)
            }
            Some(b'[') if bare.ends_with(']') && !bare.contains('=') => self.heading(from, bare),
            _ => self.setting(from, bare),
        }
    }

    fn heading(&mut self, from: usize, line: &str) {
        let name = line.trim_matches(['[', ']']);
        self.section = self.document.room.path(&[key_step(name)]);
        self.piece(from, line, Role::Key);
    }

    fn piece(&mut self, from: usize, text: &str, role: Role) {
        self.document.pieces.push(Piece {
            text: Mapped::verbatim(self.text, from..from + text.len()),
            role,
            path: Arc::clone(&self.section),
        });
    }

    /// `key = value`, `key: value`, or words.
    fn setting(&mut self, from: usize, line: &str) {
        let Some(separator) = separator(line) else {
            return self.words(from, line);
        };
        let key_text = line.get(..separator).unwrap_or_default().trim_end();
        let sign = line.get(separator..).unwrap_or_default();
        let assignment = sign.len() - sign.trim_start_matches(['=', ':', ' ', '\t']).len();
        self.piece(from, key_text, Role::Key);
        let value_from = from + separator + assignment.max(1);
        let value = self.value(value_from.min(from + line.len()), from + line.len());
        let key = key_text.strip_prefix("export ").unwrap_or(key_text).trim();
        self.add(key, &value);
    }

    /// The value that begins at `from`, without quotes, comment and the breaks of its lines.
    fn value(&mut self, from: usize, end: usize) -> Mapped {
        let line = self.text.get(from..end).unwrap_or_default();
        if let Some(value) = self.quoted(from, line) {
            return value;
        }
        let (value, comment) = match line.find(" #").or_else(|| line.find("\t#")) {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..)),
            None => (line, None),
        };
        if let Some(comment) = comment {
            self.piece(end - comment.len(), comment, Role::Comment);
        }
        let mut mapped = Mapped::new();
        mapped.push(value.trim_end_matches([' ', '\t', '\\']), from);
        if value.ends_with('\\') {
            self.continued(&mut mapped);
        }
        mapped
    }

    fn quoted(&mut self, from: usize, line: &str) -> Option<Mapped> {
        let quote = line
            .bytes()
            .next()
            .filter(|first| matches!(first, b'"' | b'\''))?;
        let which = usize::from(quote == b'\'');
        if !self.closes.get(which).copied().unwrap_or(false) {
            return None;
        }
        let rest = self.text.get(from + 1..)?;
        let Some(length) = quoted::closing(rest, 0, quote, true) else {
            if let Some(closes) = self.closes.get_mut(which) {
                *closes = false;
            }
            return None;
        };
        let after = rest.get(length + 1..).unwrap_or_default();
        let tail = after
            .get(..after.find('\n').unwrap_or(after.len()))
            .unwrap_or_default();
        // `"A=b" "C=d"` and JSON without quotes around it are no quoted value.
        let bare = tail.trim();
        if !bare.is_empty() && !bare.starts_with(['#', ';']) {
            return None;
        }
        if !bare.is_empty() {
            let at = from + 1 + length + 1 + (tail.len() - tail.trim_start().len());
            self.piece(at, bare, Role::Comment);
        }
        let end = from + 1 + length;
        let line_end = end + 1 + tail.len() + 1;
        self.at = self.at.max(line_end.min(self.text.len()));
        Some(Mapped::verbatim(self.text, from + 1..end))
    }

    /// Lines after one that ends with a backslash.
    fn continued(&mut self, mapped: &mut Mapped) {
        while let Some(rest) = self.text.get(self.at..).filter(|rest| !rest.is_empty()) {
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let line = rest.get(..length).unwrap_or_default().trim_end();
            let indent = line.len() - line.trim_start().len();
            let value = line.get(indent..).unwrap_or_default();
            mapped.push_instead(' ', (self.at + indent).min(self.text.len().saturating_sub(1)));
            mapped.push(value.trim_end_matches('\\').trim_end(), self.at + indent);
            self.at += length;
            if !value.ends_with('\\') {
                break;
            }
        }
    }

    fn add(&mut self, key: &str, value: &Mapped) {
        let path = self.document.room.joined(&self.section, &[key_step(key)]);
        let text = value.text();
        if text.trim().is_empty() {
            return;
        }
        if speech::is_for_people(key) || key.eq_ignore_ascii_case("name") && speech::is_sentence(text) {
            return self.document.pieces.push(Piece {
                text: value.clone(),
                role: Role::Prose,
                path,
            });
        }
        self.bind(key, value);
        if is_script(key) || speech::is_command(text) {
            // systemd's signs before a command: `-`, `@`, `+`, `!`.
            let signs = text.len() - text.trim_start_matches(['-', '@', '+', '!', ':']).len();
            let script = value.part(signs..text.len());
            return shell::read_into(&mut self.document, &script, &path, Role::Value);
        }
        if self.add_said(value, &path) {
            return;
        }
        let place = Place {
            text: value,
            path: &path,
            role: Role::Value,
            depth: self.depth,
        };
        free::add(&mut self.document, &place);
    }

    /// Adds a text with a sentence between quotes, as in `return 200 "…";`; says whether it is one.
    fn add_said(&mut self, text: &Mapped, path: &Arc<[Step]>) -> bool {
        let Some(said) = said(text.text()) else {
            return false;
        };
        let parts = [
            (0..said.start, Role::Value),
            (said.start..text.text().len(), Role::Prose),
        ];
        for (range, role) in parts {
            self.document.pieces.push(Piece {
                text: text.part(range),
                role,
                path: Arc::clone(path),
            });
        }
        true
    }

    fn bind(&mut self, key: &str, value: &Mapped) {
        let text = value.text();
        if !key.eq_ignore_ascii_case("environment") {
            self.document.bind(key, value);
            return;
        }
        // `Environment="A=b" "C=d"` of systemd.
        let mut at = 0;
        for word in text.split([' ', '"', '\'']) {
            let start = at;
            at += word.len() + 1;
            if let Some((name, _)) = word.split_once('=') {
                self.document
                    .bind(name, &value.part(start + name.len() + 1..start + word.len()));
            }
        }
    }

    /// A line of words: an access list, a source of packages, a name of an image.
    fn words(&mut self, from: usize, line: &str) {
        let (line, comment) = match line.find(" #") {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..)),
            None => (line, None),
        };
        if let Some(comment) = comment {
            self.piece(from + line.len() + 1, comment, Role::Comment);
        }
        let first = line.split_whitespace().next().unwrap_or_default();
        let path = self.document.room.joined(&self.section, &[key_step(first)]);
        let text = Mapped::verbatim(self.text, from..from + line.trim_end().len());
        if self.add_said(&text, &path) {
            return;
        }
        if speech::is_command(line) {
            return shell::read_into(&mut self.document, &text, &path, Role::Value);
        }
        self.document.pieces.push(Piece {
            text,
            role: Role::Value,
            path,
        });
    }
}

/// Where a line has a sentence between quotes.
fn said(line: &str) -> Option<std::ops::Range<usize>> {
    let start = line.find('"')?;
    let end = line.rfind('"').filter(|end| *end > start)?;
    let quoted = line.get(start + 1..end)?;
    let quoted = quoted.strip_suffix("\\n").unwrap_or(quoted);
    speech::is_sentence(quoted).then_some(start..end)
}

/// Where the sign after a key stands; nothing when the line has no key.
fn separator(line: &str) -> Option<usize> {
    let bare = line.strip_prefix("export ").unwrap_or(line);
    let skipped = line.len() - bare.len();
    let at = bare.find(['=', ':', ' ', '\t', '"', '\''])?;
    let rest = bare.get(at..)?;
    let sign = rest.trim_start_matches([' ', '\t']);
    let is_key = at > 0
        && match sign.bytes().next() {
            Some(b'=') => true,
            // `image:tag` and `https://…` are words.
            Some(b':') => sign
                .get(1..)
                .is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t'])),
            _ => false,
        };
    is_key.then_some(skipped + at)
}

/// Keys whose values a shell, or systemd, runs.
fn is_script(key: &str) -> bool {
    let is_unit = ["ExecStart", "ExecStop", "ExecReload", "ExecCondition"]
        .iter()
        .any(|name| key.starts_with(name));
    is_unit || matches!(key, "command" | "commands" | "commands_pre" | "commands_post")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn seen(text: &str) -> Vec<String> {
        let document = crate::reading::read(crate::Kind::Settings, text);
        let pieces = document
            .pieces
            .iter()
            .filter(|piece| piece.text.text().contains(".io"));
        pieces
            .map(|piece| format!("{:?} {}", piece.role, piece.text.text()))
            .collect()
    }

    #[test]
    fn values_comments_and_prose_are_told_apart() {
        for (text, wanted) in [
            ("A=gcr.io/p # gcr.io", vec!["Value gcr.io/p", "Comment # gcr.io"]),
            ("export A=\"gcr.io/p\" # x", vec!["Value gcr.io/p"]),
            (
                "; gcr.io\n# gcr.io\n",
                vec!["Comment ; gcr.io", "Comment # gcr.io"],
            ),
            ("a.b: gcr.io/p\r\n", vec!["Value gcr.io/p"]),
            ("Description=Pulls gcr.io/p", vec!["Prose Pulls gcr.io/p"]),
            ("x = a,\\\n    gcr.io/p\n", vec!["Value a, gcr.io/p"]),
            ("acl ok dstdomain gcr.io\n", vec!["Value acl ok dstdomain gcr.io"]),
            (
                "location / { return 200 \"gcr.io is gone\\n\"; }",
                vec!["Prose \"gcr.io is gone\\n\"; }"],
            ),
            (
                "local-data: \"gcr.io. 300 IN A 1.2.3.4\"",
                vec!["Value gcr.io. 300 IN A 1.2.3.4"],
            ),
            ("gcr.io/p/x:1\n", vec!["Value gcr.io/p/x:1"]),
            ("A='{\n\"image\": \"gcr.io/p\"\n}'\nB=1", vec!["Value gcr.io/p"]),
            (
                "A=\"gcr.io/p\nB=gcr.io/q",
                vec!["Value \"gcr.io/p", "Value gcr.io/q"],
            ),
        ] {
            assert_eq!(seen(text), wanted, "{text}");
        }
    }

    #[test]
    fn names_stand_for_values() {
        let document = crate::reading::read(crate::Kind::Settings, "A=b\nEnvironment=\"C=gcr.io\" D=e\n");
        let bindings: Vec<String> = document
            .bindings
            .iter()
            .map(|binding| format!("{}={}", binding.name, binding.value.text()))
            .collect();
        assert_eq!(bindings, ["A=b", "C=gcr.io", "D=e"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"([\[\]=:"'\\#;\n é\r]|gcr\.io|A=|Exec|export |Environment=|\{"a":|\\\n){0,40}"#) {
            crate::reading::check::stands_where_it_says(&text, &crate::reading::read(crate::Kind::Settings, &text));
        }
    }
}
