//! Words and signs of a script.

use std::cell::Cell;
use std::ops::Range;

use super::extent::{closing_backtick, closing_brace, closing_paren, closing_quote};
use super::here::{self, Mark};
use crate::mapped::Mapped;

/// The longest command substitution that stays in a word as it is written: a longer one stands there as `$()`.
const INLINE_BYTES_MAX: usize = 200;

/// How many quotes and substitutions may have no end before signs are taken for plain text: each costs a look at the whole script.
const UNCLOSED_MAX: usize = 16;

/// The longest `{{ … }}` that is one.
const TEMPLATE_BYTES_MAX: usize = 256;

/// The longest `<NAME>` that stands for something.
const PLACE_BYTES_MAX: usize = 64;

/// A word without its quotes.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    pub(super) text: Mapped,
    /// What is run for its output within.
    pub(super) scripts: Vec<Mapped>,
    /// Names with what they stand for when they have no value.
    pub(super) defaults: Vec<(String, Mapped)>,
    /// Messages of `${NAME:?message}`.
    pub(super) messages: Vec<Mapped>,
    /// Whether its first character is quoted: then it is no keyword and no assignment.
    pub(super) is_quoted: bool,
    /// Where it begins and ends in the script.
    pub(super) range: Range<usize>,
}

impl Word {
    /// The name of the variable that it gives a value to, and where that value begins; `NAME=`, `NAME+=`, `NAME[key]=`.
    pub(super) fn assignment(&self) -> Option<(&str, usize)> {
        let text = self.text.text();
        let equals = text.find('=').filter(|_| !self.is_quoted)?;
        let left = text.get(..equals)?;
        let left = left.strip_suffix('+').unwrap_or(left);
        let name = match left.split_once('[') {
            Some((name, index)) if index.ends_with(']') => name,
            Some(_) => return None,
            None => left,
        };
        is_name(name).then_some((name, equals + 1))
    }
}

/// Whether this can be the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[derive(Debug, Clone)]
pub(super) enum Token {
    Word(Word),
    Comment(Mapped),
    /// The end of a line, with the texts of the here-documents that were announced on it.
    Newline(Vec<Mapped>),
    /// `;`, `&`, `&&`, `||`.
    End,
    /// `;;` and its kin.
    CaseEnd,
    Pipe,
    Open,
    Close,
    /// A redirection; its target is the next word.
    Redirect(Redirect),
    /// A here-document, whose text comes with the end of the line.
    HereDocument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirect {
    In,
    Out,
    HereString,
}

pub(super) struct Lexer<'s> {
    script: &'s Mapped,
    text: &'s str,
    at: usize,
    marks: Vec<Mark>,
    unclosed: usize,
    /// How many here-documents in substitutions had no end.
    unended: Cell<usize>,
    /// Whether the target of a redirection comes next, which may begin with `&`.
    is_target: bool,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(script: &'s Mapped) -> Lexer<'s> {
        Lexer {
            script,
            text: script.text(),
            at: 0,
            marks: Vec::new(),
            unclosed: 0,
            unended: Cell::new(0),
            is_target: false,
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The length of a line continuation here.
    fn continuation(&self) -> Option<usize> {
        match (self.byte(0), self.byte(1), self.byte(2)) {
            (Some(b'\\'), Some(b'\n'), _) => Some(2),
            (Some(b'\\'), Some(b'\r'), Some(b'\n')) => Some(3),
            _ => None,
        }
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        loop {
            match self.byte(0)? {
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                _ => match self.continuation() {
                    Some(length) => self.at += length,
                    None => break,
                },
            }
        }
        let is_target = std::mem::take(&mut self.is_target);
        let token = match self.byte(0)? {
            b'&' if is_target => self.stream(),
            b'\n' => self.newline(),
            b'#' => self.comment(),
            b';' if matches!(self.byte(1), Some(b';' | b'&')) => self.sign(2, Token::CaseEnd),
            b'&' if self.byte(1) == Some(b'>') => {
                self.at += 1;
                self.redirect()
            }
            b'&' if self.byte(1) == Some(b'&') => self.sign(2, Token::End),
            b'|' if self.byte(1) == Some(b'|') => self.sign(2, Token::End),
            b'|' if self.byte(1) == Some(b'&') => self.sign(2, Token::Pipe),
            b'|' => self.sign(1, Token::Pipe),
            b';' | b'&' => self.sign(1, Token::End),
            b'(' => self.sign(1, Token::Open),
            b')' => self.sign(1, Token::Close),
            b'<' | b'>' if self.byte(1) != Some(b'(') && !self.begins_with_place() => self.redirect(),
            _ => self.word(),
        };
        Some(token)
    }

    fn sign(&mut self, length: usize, token: Token) -> Token {
        self.at += length;
        token
    }

    /// `&2` after a redirection.
    fn stream(&mut self) -> Token {
        let from = self.at;
        let rest = self.rest().as_bytes().iter().skip(1);
        self.at += 1 + rest
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
            .count();
        Token::Word(Word {
            text: self.script.part(from..self.at),
            range: from..self.at,
            ..Word::default()
        })
    }

    fn newline(&mut self) -> Token {
        self.at += 1;
        let mut bodies = Vec::new();
        for mark in std::mem::take(&mut self.marks) {
            let from = self.at;
            let body = self.closed(|text, _, _| here::body(text, from, &mark), 0);
            bodies.push(body.map_or_else(Mapped::new, |body| {
                self.at = body.next;
                here::content(self.script, body.lines, mark.expands)
            }));
        }
        Token::Newline(bodies)
    }

    fn comment(&mut self) -> Token {
        let from = self.at;
        self.at += memchr::memchr(b'\n', self.rest().as_bytes()).unwrap_or(self.rest().len());
        let line = self.text.get(from..self.at).unwrap_or_default();
        Token::Comment(self.script.part(from..from + line.trim_end().len()))
    }

    fn redirect(&mut self) -> Token {
        let rest = self.rest();
        if let Some(after) = rest.strip_prefix("<<<") {
            self.at = self.text.len() - after.len();
            return Token::Redirect(Redirect::HereString);
        }
        if rest.starts_with("<<") {
            if let Some(mark) = here::mark(self.text, self.at) {
                self.at = mark.end;
                self.marks.push(mark);
                return Token::HereDocument;
            }
            return self.sign(2, Token::End);
        }
        let kind = if rest.starts_with('<') {
            Redirect::In
        } else {
            Redirect::Out
        };
        // `>&2` keeps its sign in the target: what goes to another stream goes to no file.
        self.is_target = true;
        let signs = [">>", ">|", "<>"].iter().any(|signs| rest.starts_with(signs));
        self.sign(1 + usize::from(signs), Token::Redirect(kind))
    }

    fn word(&mut self) -> Token {
        let mut word = Word {
            range: self.at..self.at,
            is_quoted: matches!(self.byte(0), Some(b'"' | b'\'' | b'\\')),
            ..Word::default()
        };
        while let Some(byte) = self.byte(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b')' | b'(' => break,
                b'<' | b'>' if !self.bracketed(&mut word) => {
                    if self.is_descriptor(&word) {
                        return self.redirect();
                    }
                    break;
                }
                b'<' | b'>' => {}
                b'\\' => self.escape(&mut word),
                b'\'' => self.single(&mut word),
                b'"' => self.double(&mut word),
                b'`' => self.backticks(&mut word),
                b'$' => self.expansion(&mut word),
                b'{' if self.byte(1) == Some(b'{') => self.template(&mut word, 0),
                _ => self.plain(&mut word),
            }
        }
        word.range.end = self.at;
        Token::Word(word)
    }

    /// `2>` and the like: the number is no word.
    fn is_descriptor(&self, word: &Word) -> bool {
        let text = word.text.text();
        !word.is_quoted
            && !text.is_empty()
            && text.len() <= 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// `<(…)`, and `<NAME>` within a word as documentation writes it.
    fn bracketed(&mut self, word: &mut Word) -> bool {
        if self.byte(1) == Some(b'(') {
            return self.parenthesised(word, 1) || self.push(word, 2);
        }
        let is_place = matches!(
            word.text.text().chars().next_back(),
            Some('/' | ':' | '=' | '-' | '.')
        ) || word.text.is_empty() && self.begins_with_place();
        let rest = self.rest();
        let length = rest
            .bytes()
            .take(PLACE_BYTES_MAX)
            .position(|byte| byte == b'>')
            .filter(|end| *end > 1);
        let is_name = |length: usize| {
            let name = rest.get(1..length).unwrap_or_default();
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        match length.filter(|length| is_place && rest.starts_with('<') && is_name(*length)) {
            Some(length) => self.push(word, length + 1),
            None => false,
        }
    }

    /// `<NAME>-`, `<NAME>/` or `<NAME>.`: no file is read into a word that goes on behind.
    fn begins_with_place(&self) -> bool {
        let is_sign = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let rest = self.rest().as_bytes();
        let name = rest
            .iter()
            .skip(1)
            .take(PLACE_BYTES_MAX)
            .take_while(is_sign)
            .count();
        let after = rest.get(name + 1..).unwrap_or_default();
        rest.starts_with(b"<") && name > 0 && matches!(after, [b'>', b'-' | b'/' | b'.', ..])
    }

    /// Takes bytes as they are.
    fn push(&mut self, word: &mut Word, length: usize) -> bool {
        let end = (self.at + length).min(self.text.len());
        word.text.push_part(self.script, self.at..end);
        self.at = end;
        true
    }

    fn plain(&mut self, word: &mut Word) {
        let stop = |byte: &u8| {
            matches!(
                byte,
                b' ' | b'\t'
                    | b'\r'
                    | b'\n'
                    | b';'
                    | b'&'
                    | b'|'
                    | b'('
                    | b')'
                    | b'<'
                    | b'>'
                    | b'\\'
                    | b'\''
                    | b'"'
                    | b'`'
                    | b'$'
                    | b'{'
            )
        };
        let bytes = self.rest().as_bytes();
        let length = bytes
            .iter()
            .skip(1)
            .position(stop)
            .map_or(bytes.len(), |length| length + 1);
        self.push(word, length);
    }

    fn escape(&mut self, word: &mut Word) {
        if let Some(length) = self.continuation() {
            self.at += length;
            return;
        }
        self.at += 1;
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        self.push(word, length);
    }

    fn single(&mut self, word: &mut Word) {
        let from = self.at + 1;
        let rest = self.text.get(from..).unwrap_or_default();
        match memchr::memchr(b'\'', rest.as_bytes()) {
            Some(length) => {
                self.at = from;
                self.push(word, length);
                self.at += 1;
            }
            None => _ = self.push(word, 1),
        }
    }

    fn double(&mut self, word: &mut Word) {
        let end = self.closed(closing_quote, 1);
        let Some(end) = end else {
            self.push(word, 1);
            return;
        };
        self.at += 1;
        while self.at < end {
            match self.byte(0) {
                Some(b'\\') => match (self.continuation(), self.byte(1)) {
                    (Some(length), _) => self.at += length,
                    (None, Some(b'"' | b'\\' | b'$' | b'`')) => {
                        self.at += 1;
                        self.push(word, 1);
                    }
                    _ => _ = self.push(word, 1),
                },
                Some(b'$') if !matches!(self.byte(1), Some(b'\'' | b'"')) => self.expansion(word),
                Some(b'`') => self.backticks(word),
                Some(b'{') if self.byte(1) == Some(b'{') => self.template(word, 0),
                _ => {
                    let bytes = self.text.as_bytes().get(self.at..end).unwrap_or_default();
                    let stop = |byte: &u8| matches!(byte, b'\\' | b'$' | b'`' | b'{');
                    let length = bytes
                        .iter()
                        .skip(1)
                        .position(stop)
                        .map_or(bytes.len(), |length| length + 1);
                    self.push(word, length.max(1));
                }
            }
        }
        self.at = self.at.max(end + 1);
    }

    /// Where something ends that begins here, after `skip` bytes.
    fn closed<T>(&mut self, find: impl Fn(&str, usize, &Cell<usize>) -> Option<T>, skip: usize) -> Option<T> {
        if self.unclosed >= UNCLOSED_MAX {
            return None;
        }
        let end = find(self.text, self.at + skip, &self.unended);
        if end.is_none() {
            self.unclosed += 1;
        }
        end
    }

    fn backticks(&mut self, word: &mut Word) {
        let Some(end) = self.closed(|text, from, _| closing_backtick(text, from), 1) else {
            self.push(word, 1);
            return;
        };
        let inner = self.at + 1..end;
        self.substitution(word, inner, self.at, end);
        self.at = end + 1;
    }

    /// Adds a command substitution in the notation `$(…)`.
    fn substitution(&mut self, word: &mut Word, inner: Range<usize>, open: usize, close: usize) {
        let written = self.text.get(inner.clone()).unwrap_or_default();
        if written.trim_start().starts_with('#') {
            // A comment among arguments runs nothing.
            word.scripts.push(self.script.part(inner));
            return;
        }
        let place = |at: usize| self.script.span(at..at + 1).start;
        word.text.push_instead('$', place(open));
        word.text.push_instead('(', place(open));
        if written.len() <= INLINE_BYTES_MAX && !written.contains('\n') {
            word.text.push_part(self.script, inner.clone());
        }
        word.text.push_instead(')', place(close));
        word.scripts.push(self.script.part(inner));
    }

    /// A `(…)` that is run, after a sign of one byte; takes nothing when it has no end.
    fn parenthesised(&mut self, word: &mut Word, sign: usize) -> bool {
        let Some(end) = self.closed(closing_paren, sign + 1) else {
            return false;
        };
        let (start, inner) = (self.at, self.at + sign + 1..end);
        let written = self.text.get(inner.clone()).unwrap_or_default();
        if written.len() <= INLINE_BYTES_MAX && !written.contains('\n') {
            word.text.push_part(self.script, start..end + 1);
        } else {
            word.text.push_part(self.script, start..inner.start);
            word.text.push_part(self.script, end..end + 1);
        }
        if !written.starts_with('(') {
            word.scripts.push(self.script.part(inner));
        }
        self.at = end + 1;
        true
    }

    fn expansion(&mut self, word: &mut Word) {
        match self.byte(1) {
            Some(b'(') => _ = self.parenthesised(word, 1) || self.push(word, 2),
            Some(b'{') if self.byte(2) == Some(b'{') => self.template(word, 1),
            Some(b'{') => self.parameter(word),
            Some(b'\'' | b'"') => self.at += 1,
            _ => _ = self.push(word, 1),
        }
    }

    /// `{{ … }}` of a template, in one line; quotes in it are its own.
    fn template(&mut self, word: &mut Word, before: usize) {
        let bytes = self.rest().as_bytes();
        let near = bytes.get(..TEMPLATE_BYTES_MAX).unwrap_or(bytes);
        let line = memchr::memchr(b'\n', near).unwrap_or(near.len());
        let end = memchr::memmem::find(near.get(..line).unwrap_or_default(), b"}}");
        self.push(word, end.map_or(before + 1, |end| end + 2));
    }

    /// `${NAME}` and what may stand in it.
    fn parameter(&mut self, word: &mut Word) {
        let Some(end) = self.closed(closing_brace, 2) else {
            self.push(word, 2);
            return;
        };
        let (start, mut from, close) = (self.at, self.at + 2, end);
        let mut end = end;
        // Defaults stand in each other from the outside in.
        for _ in 0..DEFAULTS_MAX {
            let inner = self.text.get(from..end).unwrap_or_default();
            let length = inner
                .find(|last: char| !(last.is_ascii_alphanumeric() || last == '_'))
                .unwrap_or(inner.len());
            let (name, rest) = inner.split_at_checked(length).unwrap_or_default();
            let operator = match rest.as_bytes() {
                [b':', b'-' | b'=' | b'?', ..] => 2,
                [b'-' | b'=' | b'?', ..] => 1,
                _ => break,
            };
            let is_message = rest.as_bytes().get(operator - 1) == Some(&b'?');
            let value = from + length + operator..end;
            let written = self.text.get(value.clone()).unwrap_or_default();
            let unquoted = written.trim_matches(['"', '\'']);
            let lead = written.len() - written.trim_start_matches(['"', '\'']).len();
            let begin = value.start + lead.min(written.len());
            let text = self.script.part(begin..begin + unquoted.len());
            if is_message {
                word.messages.push(text);
                break;
            }
            word.defaults.push((name.to_owned(), text));
            if !(unquoted.starts_with("${") && unquoted.ends_with('}')) {
                break;
            }
            (from, end) = (begin + 2, begin + unquoted.len() - 1);
        }
        let written = self.text.get(start..close).unwrap_or_default();
        if word.messages.is_empty() {
            word.text.push_part(self.script, start..close + 1);
        } else {
            let name = written.find(['?', ':']).unwrap_or(written.len());
            word.text.push_part(self.script, start..start + name);
            word.text.push_part(self.script, close..close + 1);
        }
        self.at = close + 1;
    }
}

/// How many defaults may stand in each other.
const DEFAULTS_MAX: usize = 4;
