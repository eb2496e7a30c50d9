//! Lists of arguments that start a program: `["docker", "login"]`, `exec.Command("docker", "login")`, `Command::new("docker").arg("login")`.

use std::ops::Range;

use super::lexer::Token;
use crate::mapped::Mapped;
use crate::reading::{Command, Role, speech};

/// How many tokens a list of arguments has at most.
const TOKENS_MAX: usize = 512;

/// The command that begins with the string at `index`, if it is one, and the token after it.
pub(super) fn read(text: &str, tokens: &[Token], index: usize) -> Option<(Command, usize)> {
    let Some(Token::Text(program)) = tokens.get(index) else {
        return None;
    };
    if !speech::is_program(program.body.text()) {
        return None;
    }
    let mut list = List {
        text,
        tokens,
        at: index + 1,
        depth: 0,
        words: vec![program.body.clone()],
        is_bracketed: is_bracketed(tokens, index),
    };
    while list.at < index + TOKENS_MAX && list.step() {}
    let words = list.split();
    (words.len() > 1).then_some((
        Command {
            words,
            input: Vec::new(),
            role: Role::Value,
        },
        list.at,
    ))
}

/// Whether the list stands in brackets: then lines do not end it.
fn is_bracketed(tokens: &[Token], index: usize) -> bool {
    let before = tokens
        .get(..index)
        .unwrap_or_default()
        .iter()
        .rev()
        .take(TOKENS_MAX);
    let last = before
        .into_iter()
        .take_while(|token| !token.is_sign(b';'))
        .find(|token| matches!(token, Token::Sign(b'[' | b'(' | b'{') | Token::Line(_)));
    // A line may end between the bracket and the first word.
    match last {
        Some(Token::Line(_)) => {
            let before = tokens.get(..index).unwrap_or_default().iter().rev();
            let sign = before
                .into_iter()
                .find(|token| !matches!(token, Token::Line(_) | Token::Comment(_)));
            sign.is_some_and(|sign| matches!(sign, Token::Sign(b'[' | b'(' | b',')))
        }
        Some(Token::Sign(b'[' | b'(')) => true,
        _ => false,
    }
}

struct List<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    words: Vec<Mapped>,
    is_bracketed: bool,
}

impl List<'_> {
    fn sign(&self, index: usize) -> Option<u8> {
        match self.tokens.get(index) {
            Some(Token::Sign(sign)) => Some(*sign),
            _ => None,
        }
    }

    /// Reads what follows a word; says whether the list goes on.
    fn step(&mut self) -> bool {
        match self.tokens.get(self.at) {
            Some(Token::Sign(b',')) => {
                self.at += 1;
                self.argument()
            }
            Some(Token::Sign(b')' | b']')) if self.depth > 0 => {
                self.depth -= 1;
                self.at += 1;
                true
            }
            Some(Token::Sign(b')')) => self.method(),
            Some(Token::Line(_)) if self.is_bracketed || self.depth > 0 => {
                self.at += 1;
                true
            }
            Some(Token::Comment(_)) => {
                self.at += 1;
                true
            }
            _ => false,
        }
    }

    /// `.args([…])` and `.arg(…)` after what starts a program.
    fn method(&mut self) -> bool {
        let mut next = self.at + 1;
        while matches!(self.tokens.get(next), Some(Token::Line(_))) {
            next += 1;
        }
        let is_method = self.sign(next) == Some(b'.') && self.sign(next + 2) == Some(b'(');
        let name = match self.tokens.get(next + 1) {
            Some(Token::Name(range)) if is_method => self.text.get(range.clone()),
            _ => None,
        };
        if !matches!(name, Some("arg" | "args")) {
            return false;
        }
        self.at = next + 3;
        self.argument()
    }

    /// One argument: a string, a list of strings, or an expression, which stands as it is written.
    fn argument(&mut self) -> bool {
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Line(_) | Token::Comment(_) => self.at += 1,
                Token::Sign(b'&') => self.at += 1,
                Token::Sign(b'[' | b'(') => {
                    self.depth += 1;
                    self.at += 1;
                }
                _ => break,
            }
        }
        match self.tokens.get(self.at) {
            Some(Token::Text(text)) => {
                self.words.push(text.body.clone());
                self.at += 1;
                self.rest_of_expression(None)
            }
            Some(Token::Name(range)) if !matches!(self.sign(self.at + 1), Some(b':' | b'=')) => {
                self.at += 1;
                self.rest_of_expression(Some(range.clone()))
            }
            Some(Token::Sign(b')' | b']')) => true,
            _ => false,
        }
    }

    /// Passes over what belongs to an argument; adds it, when it is no string.
    fn rest_of_expression(&mut self, name: Option<Range<usize>>) -> bool {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Sign(b'(' | b'[' | b'{') => depth += 1,
                Token::Sign(b')' | b']' | b'}') if depth > 0 => depth -= 1,
                Token::Sign(b',' | b')' | b']' | b'}') | Token::Line(_) if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        if let Some(range) = name {
            self.words.push(Mapped::verbatim(self.text, range));
        }
        true
    }

    /// The words; where all arguments are one text, those of that.
    fn split(&self) -> Vec<Mapped> {
        let [program, line] = self.words.as_slice() else {
            return self.words.clone();
        };
        std::iter::once(program.clone()).chain(line.words()).collect()
    }
}
