//! Where the strings of a program stand: in which calls, under which names.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::arguments;
use super::lexer::Token;
use super::meaning::{self, Context};
use super::strings::Text;
use crate::kind::Kind;
use crate::mapped::Mapped;
use crate::reading::embedded::Place;
use crate::reading::nest::{Part, cut};
use crate::reading::{Document, Piece, Role, Step, free, speech};

/// How many brackets may be open; deeper ones are read as if they did not open.
const DEPTH_MAX: usize = 32;

/// Reads the tokens of a text.
pub(super) fn read(text: &str, kind: Kind, tokens: &[Token], document: Document) -> Document {
    let mut parser = Parser {
        text,
        kind,
        tokens,
        frames: vec![Frame::default()],
        beyond: 0,
        first: None,
        counts: HashMap::new(),
        arguments_end: 0,
        document,
    };
    for index in 0..tokens.len() {
        parser.take(index);
    }
    parser.code();
    parser.document
}

struct Parser<'t> {
    text: &'t str,
    kind: Kind,
    tokens: &'t [Token],
    frames: Vec<Frame<'t>>,
    beyond: usize,
    /// The first name of the statement.
    first: Option<&'t str>,
    counts: HashMap<&'t str, usize>,
    /// The token after the last that was an argument of a command.
    arguments_end: usize,
    document: Document,
}

/// A bracket that is open; the first is the file.
#[derive(Default)]
struct Frame<'t> {
    bracket: u8,
    /// What is called, or what the block is of.
    name: Option<(&'t str, usize)>,
    /// The name of what comes next in it.
    key: Option<&'t str>,
    index: usize,
}

impl<'t> Parser<'t> {
    fn token(&self, index: usize) -> Option<&'t Token> {
        self.tokens.get(index)
    }

    /// A name, which is cut when it is long: every string in a call looks at its name.
    fn name_of(&self, range: &Range<usize>) -> &'t str {
        cut(self.text.get(range.clone()).unwrap_or_default())
    }

    fn take(&mut self, index: usize) {
        match self.token(index) {
            Some(Token::Name(range)) => self.name(index, self.name_of(range)),
            Some(Token::Sign(sign)) => self.sign(index, *sign),
            Some(Token::Text(text)) => self.string(index, text),
            Some(Token::Comment(range)) => self.comment(range.start, range.end),
            Some(Token::Line(_)) => self.line(index),
            None => {}
        }
    }

    fn frame(&mut self) -> Option<&mut Frame<'t>> {
        self.frames.last_mut()
    }

    fn name(&mut self, index: usize, name: &'t str) {
        if self.first.is_none() {
            self.first = Some(name);
        }
        self.key(index, name);
    }

    /// Notes a name that something is given to.
    fn key(&mut self, index: usize, name: &'t str) {
        let sign = |offset: usize, wanted: u8| {
            self.token(index + offset)
                .is_some_and(|token| token.is_sign(wanted))
        };
        let is_named = sign(1, b':') && !sign(2, b':') && !sign(2, b'=');
        let is_given = sign(1, b'=') && !sign(2, b'=')
            || sign(1, b':') && sign(2, b'=')
            || sign(1, b'+') && sign(2, b'=');
        if !is_named && !is_given {
            return;
        }
        // Go's `x string = …`; TypeScript's and Rust's `x: string = …`.
        let is_type = matches!(name, "string" | "str" | "String");
        let before = match index.checked_sub(1).and_then(|before| self.token(before)) {
            Some(Token::Name(range)) if is_type && !is_named => Some(self.name_of(range)),
            _ => None,
        };
        let Some(frame) = self.frame() else { return };
        if is_given && is_type && frame.key.is_some() {
            return;
        }
        frame.key = Some(before.unwrap_or(name).trim_start_matches('$'));
    }

    fn sign(&mut self, index: usize, sign: u8) {
        match sign {
            b'(' | b'[' | b'{' => self.open(index, sign),
            b')' | b']' | b'}' => self.close(sign),
            b',' => {
                if let Some(frame) = self.frame() {
                    frame.key = None;
                    frame.index += 1;
                }
            }
            b';' => self.end_statement(),
            _ => {}
        }
        if matches!(sign, b'{' | b'}') {
            self.first = None;
        }
    }

    fn end_statement(&mut self) {
        self.first = None;
        if let Some(frame) = self.frame() {
            frame.key = None;
            frame.index = 0;
        }
    }

    fn line(&mut self, index: usize) {
        let is_inside = self
            .frames
            .last()
            .is_some_and(|frame| matches!(frame.bracket, b'(' | b'['));
        let last = self.tokens.get(..index).and_then(|before| {
            before
                .iter()
                .rev()
                .find(|token| !matches!(token, Token::Comment(_)))
        });
        let goes_on = matches!(
            last,
            Some(Token::Sign(
                b'=' | b'+' | b',' | b'\\' | b'.' | b'?' | b':' | b'|' | b'&'
            ))
        );
        if !is_inside && !goes_on {
            self.end_statement();
        }
    }

    fn open(&mut self, index: usize, bracket: u8) {
        if self.frames.len() > DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        let name = self.name_before(index, bracket);
        let name = name.map(|name| {
            let count = self.counts.entry(name).or_default();
            *count += 1;
            (name, *count - 1)
        });
        self.frames.push(Frame {
            bracket,
            name,
            ..Frame::default()
        });
    }

    /// What is called with a bracket, or what its block is of.
    fn name_before(&self, index: usize, bracket: u8) -> Option<&'t str> {
        let before = index.checked_sub(1)?;
        match self.token(before)? {
            Token::Name(range) if bracket != b'[' => Some(self.name_of(range)),
            // Macros: `bail!(…)`.
            Token::Sign(b'!') if bracket == b'(' => match self.token(before.checked_sub(1)?)? {
                Token::Name(range) => Some(self.name_of(range)),
                _ => None,
            },
            _ => None,
        }
    }

    fn close(&mut self, sign: u8) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let opening = match sign {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // What does not fit closes what it can.
        if let Some(at) = self.frames.iter().rposition(|frame| frame.bracket == opening) {
            self.frames.truncate(at.max(1));
        }
    }

    fn path(&mut self, own: Option<&str>) -> Arc<[Step]> {
        let mut parts = Vec::new();
        for frame in &self.frames {
            if let Some((name, count)) = frame.name {
                parts.extend([Part::Key(name), Part::Item(count)]);
            }
            match frame.key {
                Some(key) => parts.push(Part::Key(key)),
                None if matches!(frame.bracket, b'(' | b'[') => parts.push(Part::Item(frame.index)),
                None => {}
            }
        }
        parts.extend(own.map(Part::Key));
        self.document.room.path_of(&parts)
    }

    fn string(&mut self, index: usize, text: &'t Text) {
        let is_key = self
            .token(index + 1)
            .is_some_and(|next| next.is_sign(b':') || next.is_sign(b'=') && self.is_arrow(index + 1));
        let is_entry = is_key
            && self
                .frames
                .last()
                .is_some_and(|frame| matches!(frame.bracket, b'{' | b'[' | b'('));
        if is_entry {
            if let Some(frame) = self.frame() {
                frame.key = Some(cut(text.body.text()));
            }
            let path = self.path(None);
            return self.document.pieces.push(Piece {
                text: text.body.clone(),
                role: if speech::is_sentence(text.body.text()) {
                    Role::Prose
                } else {
                    Role::Key
                },
                path,
            });
        }
        let before = index.checked_sub(1).and_then(|before| self.token(before));
        let called = match before {
            Some(Token::Name(range)) => Some(self.name_of(range)),
            _ => None,
        };
        let frame = self.frames.last();
        let context = Context {
            kind: self.kind,
            first: self.first,
            called,
            frame: frame.and_then(|frame| frame.name.as_ref()).map(|(name, _)| *name),
            is_call: frame.is_some_and(|frame| frame.bracket == b'('),
            key: frame.and_then(|frame| frame.key),
            is_alone: self.frames.len() <= 1 && self.is_alone(index)
                || self.is_alone(index) && self.is_body(),
        };
        let path = self.path(called.filter(|_| self.kind == Kind::Groovy));
        if before.is_some_and(|before| before.is_sign(b'='))
            && let Some(key) = context.key
        {
            self.document.bind(key, &text.body);
        }
        meaning::add(&mut self.document, &text.body, &path, &context);
        if index >= self.arguments_end
            && let Some((command, end)) = arguments::read(self.text, self.tokens, index)
        {
            self.arguments_end = end;
            self.document.commands.push(command);
        }
    }

    /// `=>`
    fn is_arrow(&self, index: usize) -> bool {
        self.token(index + 1).is_some_and(|next| next.is_sign(b'>'))
    }

    /// Whether the innermost bracket is a block of statements.
    fn is_body(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.bracket == b'{')
            && self
                .frames
                .iter()
                .all(|frame| !matches!(frame.bracket, b'(' | b'['))
    }

    /// Whether a string is a statement by itself, as those that document are.
    fn is_alone(&self, index: usize) -> bool {
        // Between backticks stands a command.
        let is_quoted = match self.token(index) {
            Some(Token::Text(text)) => self.text.as_bytes().get(text.range.start) != Some(&b'`'),
            _ => false,
        };
        let is_line =
            |token: Option<&Token>| matches!(token, None | Some(Token::Line(_) | Token::Comment(_)));
        let before = index.checked_sub(1).and_then(|before| self.token(before));
        let second = index.checked_sub(2).and_then(|before| self.token(before));
        let goes_on = matches!(
            second,
            Some(Token::Sign(b'=' | b'+' | b',' | b'\\' | b'(' | b'['))
        );
        is_quoted && is_line(before) && is_line(self.token(index + 1)) && !goes_on
    }

    fn comment(&mut self, start: usize, end: usize) {
        let text = Mapped::verbatim(self.text, start..end);
        let place = Place {
            text: &text,
            path: &Arc::default(),
            role: Role::Comment,
            depth: 0,
        };
        free::add_lines(&mut self.document, &place);
    }

    /// What stands outside of strings and comments: each line between them.
    fn code(&mut self) {
        let mut from = 0;
        let end = self.text.len();
        let tokens = self.tokens;
        let taken = tokens.iter().filter_map(|token| match token {
            Token::Text(text) => Some(text.range.clone()),
            Token::Comment(range) => Some(range.clone()),
            Token::Line(at) => Some(*at..*at + 1),
            _ => None,
        });
        for range in taken.chain(std::iter::once(end..end)) {
            self.segment(from, range.start);
            from = from.max(range.end);
        }
    }

    fn segment(&mut self, start: usize, end: usize) {
        let text = self.text.get(start..end).unwrap_or_default();
        if !text.contains('.') || text.len() < 5 {
            return;
        }
        // Text between tags, as JSX and templates have it.
        let is_shown = text.contains('>') && text.contains('<') || speech::is_sentence(text);
        self.document.pieces.push(Piece {
            text: Mapped::verbatim(self.text, start..end),
            role: if is_shown && speech::is_sentence(strip_tags(text)) {
                Role::Prose
            } else {
                Role::Unknown
            },
            path: Arc::default(),
        });
    }
}

/// A text from after its first tag to its last.
fn strip_tags(text: &str) -> &str {
    let text = text.split_once('>').map_or(text, |(_, inner)| inner);
    text.split_once('<').map_or(text, |(inner, _)| inner)
}
