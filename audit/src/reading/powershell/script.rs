//! PowerShell.

use std::ops::Range;

use crate::mapped::Mapped;
use crate::reading::{Command, Document, Role, shell};

/// Commands that show their arguments.
const SPEAKERS: [&str; 14] = [
    "write-host",
    "write-output",
    "write-verbose",
    "write-warning",
    "write-error",
    "write-information",
    "write-debug",
    "write-log",
    "write-step",
    "write-progress",
    "throw",
    "echo",
    "write",
    "read-host",
];

/// How many strings may have no end before none is looked for: each costs a look at the rest of the file.
const UNCLOSED_MAX: usize = 16;

/// The longest `$(…)` that is one.
const BRACKETS_BYTES_MAX: usize = 256;

/// Takes one apart.
pub(super) fn read(file: &Mapped) -> Document {
    let mut reader = Reader {
        document: Document::default(),
        file,
        text: file.text(),
        at: 0,
        words: Vec::new(),
        input: Vec::new(),
        unclosed: 0,
        lacks_end: [false; 2],
    };
    while reader.step() {}
    reader.end(false);
    reader.document
}

struct Word {
    text: Mapped,
    is_quoted: bool,
}

struct Reader<'t> {
    document: Document,
    file: &'t Mapped,
    text: &'t str,
    at: usize,
    words: Vec<Word>,
    input: Vec<Mapped>,
    /// How many strings in double quotes had no end.
    unclosed: usize,
    /// Whether a here-string with double, and one with single, quotes had no end: then none after it is looked for.
    lacks_end: [bool; 2],
}

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes a comment up to a sign, or to the end when it is missing.
    fn comment(&mut self, end: &str) {
        let from = self.at;
        let length = self
            .rest()
            .find(end)
            .map_or(self.rest().len(), |at| at + end.len());
        self.at += length;
        let kept = self.text.get(from..self.at).unwrap_or_default().trim_end().len();
        let text = self.file.part(from..from + kept);
        self.document.add(text, Role::Comment);
    }

    fn step(&mut self) -> bool {
        let Some(byte) = self.byte(0) else { return false };
        match (byte, self.byte(1)) {
            (b'<', Some(b'#')) => self.comment("#>"),
            (b'#', _) => self.comment("\n"),
            (b'`', Some(b'\n')) => self.at += 2,
            (b'`', Some(b'\r')) => self.at += 3,
            (b'\n' | b';' | b'{' | b'}' | b'(' | b')' | b'&', _) => {
                let is_call = byte == b'&' && self.words.is_empty();
                self.at += 1;
                if byte == b'(' || byte == b')' || is_call {
                    self.group(byte);
                } else {
                    self.end(false);
                }
            }
            (b'|', Some(b'|')) => {
                self.at += 2;
                self.end(false);
            }
            (b'|', _) => {
                self.at += 1;
                self.end(true);
                self.skip_blank_lines();
            }
            (b' ' | b'\t' | b'\r' | b',', _) => self.at += 1,
            _ => self.word(),
        }
        true
    }

    /// A pipe at the end of a line goes on in the next.
    fn skip_blank_lines(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Parentheses: after an assignment a command may begin in them.
    fn group(&mut self, byte: u8) {
        let is_assigned = self.words.last().is_some_and(|word| word.text.text() == "=");
        if byte == b'(' && is_assigned {
            self.end(false);
        }
    }

    fn word(&mut self) {
        let mut word = Word {
            text: Mapped::new(),
            is_quoted: false,
        };
        while let Some(byte) = self.byte(0) {
            match (byte, self.byte(1)) {
                (b'@', Some(b'"' | b'\'')) if word.text.is_empty() && self.here_string(&mut word) => break,
                (b'"', _) => {
                    word.is_quoted = true;
                    self.double(&mut word);
                }
                (b'\'', _) => {
                    word.is_quoted = true;
                    self.single(&mut word);
                }
                (b'`', Some(b'\n' | b'\r')) => break,
                (b'`', Some(_)) => {
                    self.at += 1;
                    let length = self.rest().chars().next().map_or(0, char::len_utf8);
                    self.push(&mut word, length);
                }
                (b'$', Some(b'(' | b'{')) => self.bracketed(&mut word),
                (b'{', Some(b'{')) | (b'$', _) => self.push(&mut word, 1),
                (b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'{' | b'}' | b'(' | b')' | b',', _) => break,
                _ => {
                    let length = self.rest().chars().next().map_or(1, char::len_utf8);
                    self.push(&mut word, length);
                }
            }
        }
        if word.text.is_empty() && !word.is_quoted {
            // A sign that no word begins with.
            self.at += self.rest().chars().next().map_or(1, char::len_utf8);
            return;
        }
        self.words.push(word);
    }

    fn push(&mut self, word: &mut Word, length: usize) {
        word.text.push_part(self.file, self.at..self.at + length);
        self.at += length;
    }

    /// `$(…)` and `${…}`, in one line.
    fn bracketed(&mut self, word: &mut Word) {
        let close = if self.byte(1) == Some(b'(') { b')' } else { b'}' };
        let open = if close == b')' { b'(' } else { b'{' };
        let mut depth = 0_usize;
        let line = self
            .rest()
            .bytes()
            .take(BRACKETS_BYTES_MAX)
            .take_while(|byte| *byte != b'\n');
        let end = line.enumerate().position(|(_, byte)| {
            depth += usize::from(byte == open);
            depth = depth.saturating_sub(usize::from(byte == close));
            byte == close && depth == 0
        });
        self.push(word, end.map_or(1, |end| end + 1));
    }

    fn double(&mut self, word: &mut Word) {
        if self.unclosed >= UNCLOSED_MAX {
            return self.push(word, 1);
        }
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut from = end;
        loop {
            match (bytes.get(end), bytes.get(end + 1)) {
                (None, _) => {
                    self.unclosed += 1;
                    self.push(word, 1);
                    return;
                }
                (Some(b'`'), Some(_)) => {
                    parts.push(from..end);
                    from = end + 1;
                    end += 2;
                }
                (Some(b'"'), Some(b'"')) => {
                    parts.push(from..end);
                    from = end + 1;
                    end += 2;
                }
                (Some(b'"'), _) => break,
                _ => end += 1,
            }
        }
        parts.push(from..end);
        for part in parts {
            word.text.push_part(self.file, part);
        }
        self.at = end + 1;
    }

    fn single(&mut self, word: &mut Word) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        match rest.find('\'') {
            Some(length) => {
                self.at += 1;
                self.push(word, length);
                self.at += 1;
            }
            None => self.push(word, 1),
        }
    }

    /// `@"` to `"@` at the beginning of a line.
    fn here_string(&mut self, word: &mut Word) -> bool {
        let (which, quote) = match self.byte(1) {
            Some(b'"') => (0, "\n\"@"),
            _ => (1, "\n'@"),
        };
        let is_lost = self.lacks_end.get(which).copied().unwrap_or(true);
        let found = if is_lost { None } else { self.rest().find(quote) };
        let Some(end) = found else {
            if let Some(lacks) = self.lacks_end.get_mut(which) {
                *lacks = true;
            }
            return false;
        };
        self.at += 2;
        self.push(word, end - 2);
        self.at += quote.len();
        word.is_quoted = true;
        true
    }

    /// The end of a command.
    fn end(&mut self, is_piped: bool) {
        let words = std::mem::take(&mut self.words);
        let input = std::mem::take(&mut self.input);
        if words.is_empty() {
            return;
        }
        let words = self.assignment(words);
        let first = words
            .first()
            .map_or("", |word| word.text.text())
            .to_ascii_lowercase();
        let has_target = words
            .iter()
            .any(|word| !word.is_quoted && word.text.text().starts_with('>'));
        let is_speaker = SPEAKERS.contains(&first.as_str())
            || first == "log"
            || first.starts_with("log-")
            || first.starts_with("show-")
            || first.starts_with("write-") && !first.contains("file") && !first.contains("content");
        let is_talk = is_speaker
            && !is_piped
            && !has_target
            && !words
                .iter()
                .any(|word| shell::is_workflow_command(word.text.text()));
        for (at, word) in words.iter().enumerate() {
            let is_help = is_help(&words, at);
            let role = if is_help || is_talk && at > 0 {
                Role::Prose
            } else {
                Role::Value
            };
            self.document.add(word.text.clone(), role);
        }
        let texts: Vec<Mapped> = words.into_iter().map(|word| word.text).collect();
        if is_piped {
            self.input.clone_from(&texts);
        }
        if !texts.is_empty() {
            self.document.commands.push(Command {
                words: texts,
                input,
                role: if is_talk { Role::Prose } else { Role::Value },
            });
        }
    }

    /// `$name = value`, `[type]$name = value`, `$env:NAME = value`; gives back what may be a command.
    fn assignment(&mut self, mut words: Vec<Word>) -> Vec<Word> {
        let place = words
            .iter()
            .take(3)
            .position(|word| !word.is_quoted && matches!(word.text.text(), "=" | "+=" | "?="));
        let Some(equals) = place else {
            return self.joined_assignment(words);
        };
        let Some(name) = equals
            .checked_sub(1)
            .and_then(|at| words.get(at))
            .and_then(|word| variable(word.text.text()))
        else {
            return words;
        };
        let values: Vec<Word> = words.drain(equals + 1..).collect();
        self.bind(&name, values)
    }

    /// `$name="value"` without blanks.
    fn joined_assignment(&mut self, words: Vec<Word>) -> Vec<Word> {
        let first = words.first().map_or("", |word| word.text.text());
        let Some((left, _)) = first.split_once('=') else {
            return words;
        };
        let (Some(name), length) = (variable(left), left.len() + 1) else {
            return words;
        };
        let mut words = words;
        if let Some(word) = words.first_mut() {
            word.text = word.text.part(length..word.text.text().len());
        }
        self.bind(&name, words)
    }

    fn bind(&mut self, name: &str, values: Vec<Word>) -> Vec<Word> {
        let is_said = shell::is_text_for_people(name);
        let is_value = values
            .first()
            .is_some_and(|word| word.is_quoted || word.text.text().starts_with('$'));
        if let (true, Some(value)) = (is_value, values.first()) {
            self.document.bind(name, &value.text);
        }
        if !is_value && !is_said {
            return values;
        }
        for at in 0..values.len() {
            // Parameters of a function on one line.
            if let [left, equals, value, ..] = values.get(at..).unwrap_or_default()
                && equals.text.text() == "="
                && value.is_quoted
                && let Some(name) = variable(left.text.text())
            {
                self.document.bind(&name, &value.text);
            }
        }
        for (at, value) in values.iter().enumerate() {
            let is_said = is_said || is_help(&values, at);
            self.document.add(
                value.text.clone(),
                if is_said { Role::Prose } else { Role::Value },
            );
        }
        Vec::new()
    }
}

/// Whether a word is the value of a parameter's `HelpMessage`.
fn is_help(words: &[Word], at: usize) -> bool {
    let before = |back: usize| {
        at.checked_sub(back)
            .and_then(|at| words.get(at))
            .map_or("", |word| word.text.text())
    };
    let own = words
        .get(at)
        .is_some_and(|word| word.text.text().starts_with("HelpMessage="));
    own || before(2) == "HelpMessage" && before(1) == "="
}

/// The name of a variable: `$name`, `${name}`, `$env:NAME`, `[string]$name`, `$script:name`; in a table of names also `name`.
fn variable(text: &str) -> Option<String> {
    let bare = text.rsplit(']').next().unwrap_or(text);
    let name = bare.strip_prefix('$').unwrap_or(bare).trim_matches(['{', '}']);
    let name = match name.split_once(':') {
        Some((scope, name)) if !scope.eq_ignore_ascii_case("env") => name,
        Some((_, name)) => name,
        None => name,
    };
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    is_name.then(|| name.to_owned())
}
