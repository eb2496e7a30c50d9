//! Shell, also where it stands inside other files.
//!
//! Not a shell's grammar but what findings need of it: words without their quotes, which of them are commands, which are
//! variables, and which are only shown to people. What is broken, or half a template, is read as far as it goes.

mod emission;
mod extent;
pub(super) mod here;
mod lexer;
mod talk;
mod through;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::{Document, Role, Step};
use crate::mapped::Mapped;
use emission::Emission;
use lexer::{Lexer, Redirect, Token, Word};

pub(super) use talk::{is_speaker, is_text_for_people, is_workflow_command};

/// How deep scripts may stand in scripts: in substitutions, `bash -c`, here-documents.
const NESTING_MAX: usize = 6;

/// How many commands are joined by pipes before they are read as if they were not.
const PIPELINE_MAX: usize = 64;

/// How deep groups and loops may stand in each other before they are read as if they did not.
const BLOCKS_MAX: usize = 256;

/// Takes a script apart and adds what it has to a document: pieces below `path`, commands and bindings.
///
/// `role` is what the text is to its file: in a comment or in prose everything is only a mention.
pub(super) fn read_into(document: &mut Document, script: &Mapped, path: &Arc<[Step]>, role: Role) {
    read_deeper(document, script, path, role, 0);
}

/// The same for a script that stands in other scripts, `depth` deep; beyond a bound nothing is read.
pub(super) fn read_deeper(
    document: &mut Document,
    script: &Mapped,
    path: &Arc<[Step]>,
    role: Role,
    depth: usize,
) {
    let surroundings = Surroundings {
        path,
        role,
        depth,
        is_captured: false,
        captured_functions: Rc::new(captured_functions(script.text())),
    };
    read_nested(document, script, &surroundings);
}

/// What a script stands in.
#[derive(Clone)]
struct Surroundings<'s> {
    path: &'s Arc<[Step]>,
    role: Role,
    depth: usize,
    /// Whether its output goes somewhere.
    is_captured: bool,
    /// Functions whose output somebody takes.
    captured_functions: Rc<BTreeSet<String>>,
}

fn read_nested(document: &mut Document, script: &Mapped, surroundings: &Surroundings<'_>) {
    if surroundings.depth > NESTING_MAX {
        return;
    }
    let mut parser = Parser {
        emission: Emission::new(document, surroundings),
        pipeline: Vec::new(),
        current: Simple::default(),
        blocks: Vec::new(),
        target: None,
        is_pattern: false,
        function: None,
    };
    let mut lexer = Lexer::new(script);
    while let Some(token) = lexer.next() {
        parser.take(token);
    }
    parser.flush();
}

/// Names that stand right after the beginning of a command substitution.
fn captured_functions(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("$(").map(|(at, _)| at + 2);
    let starts = starts.chain(text.match_indices('`').map(|(at, _)| at + 1));
    starts
        .filter_map(|at| {
            let rest = text.get(at..)?.trim_start_matches([' ', '\t']);
            let end =
                rest.find(|last: char| !(last.is_ascii_alphanumeric() || matches!(last, '_' | '-' | ':')))?;
            rest.get(..end).filter(|name| !name.is_empty()).map(str::to_owned)
        })
        .collect()
}

/// A simple command.
#[derive(Default)]
struct Simple {
    words: Vec<Word>,
    /// Words that are values but no arguments: assignments, elements of arrays and loops, patterns.
    values: Vec<Word>,
    redirects: Vec<(Redirect, Word)>,
    here_documents: usize,
    /// Where the block began that this command is the end of.
    closes: Option<Mark>,
    /// Whether elements of an array are being read.
    is_array: bool,
    /// The variable of a loop whose values are being read.
    loop_variable: Option<Rc<str>>,
}

impl Simple {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.values.is_empty() && self.redirects.is_empty() && self.closes.is_none()
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.text())
    }
}

/// How much there was when a block began.
#[derive(Clone, Copy)]
struct Mark {
    pieces: usize,
    commands: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    Paren,
    /// A parenthesis that groups no commands.
    Stray,
    Brace,
    Loop,
    If,
    Case,
}

struct Block {
    kind: BlockKind,
    mark: Mark,
    /// Whether the block is the body of a function whose output somebody takes.
    is_captured: bool,
    /// Whether it is the body of a function.
    is_function: bool,
}

/// What a command stands in.
#[derive(Clone, Copy)]
struct Place {
    /// A function whose output somebody takes.
    is_captured: bool,
    is_function: bool,
}

struct Parser<'d, 's> {
    emission: Emission<'d, 's>,
    pipeline: Vec<Simple>,
    current: Simple,
    blocks: Vec<Block>,
    /// A redirection whose target comes next.
    target: Option<Redirect>,
    /// Whether patterns of a `case` are being read.
    is_pattern: bool,
    /// The name of a function whose body comes next.
    function: Option<String>,
}

impl Parser<'_, '_> {
    fn take(&mut self, token: Token) {
        match token {
            Token::Word(word) => self.word(word),
            Token::Comment(text) => self.emission.comment(text),
            Token::Redirect(kind) => self.target = Some(kind),
            Token::HereDocument => {
                self.current.here_documents += 1;
            }
            Token::Pipe if self.is_pattern => {}
            Token::Pipe => {
                let simple = std::mem::take(&mut self.current);
                self.pipeline.push(simple);
                if self.pipeline.len() >= PIPELINE_MAX {
                    self.flush();
                }
            }
            Token::End => self.flush(),
            Token::Newline(bodies) => {
                if !self.current.is_array {
                    self.flush();
                }
                self.emission.here_documents(bodies);
            }
            Token::CaseEnd => {
                self.flush();
                self.is_pattern = self
                    .blocks
                    .last()
                    .is_some_and(|block| block.kind == BlockKind::Case);
            }
            Token::Open => self.open(),
            Token::Close => self.close(),
        }
    }

    fn flush(&mut self) {
        self.target = None;
        let last = std::mem::take(&mut self.current);
        if !last.is_empty() || last.here_documents > 0 || !self.pipeline.is_empty() {
            self.pipeline.push(last);
            let pipeline = std::mem::take(&mut self.pipeline);
            let place = Place {
                is_captured: self.blocks.iter().any(|block| block.is_captured),
                is_function: self.blocks.iter().any(|block| block.is_function),
            };
            self.emission.pipeline(&pipeline, place);
        }
    }

    fn word(&mut self, word: Word) {
        if let Some(kind) = self.target.take() {
            self.current.redirects.push((kind, word));
            return;
        }
        if self.is_pattern && word.text.text() != "esac" {
            self.current.values.push(word);
            return;
        }
        if self.current.is_array {
            self.current.values.push(word);
            return;
        }
        if self.current.words.is_empty() && self.keyword(&word) {
            return;
        }
        if self.current.words.is_empty() && word.assignment().is_some() {
            self.emission.assignment(&word);
            self.current.values.push(word);
            return;
        }
        if let Some(name) = self.current.loop_variable.clone() {
            if word.text.text() != "in" || !self.current.values.is_empty() {
                self.emission.binding(&name, &word.text);
                self.current.values.push(word);
            }
            return;
        }
        let words = &mut self.current.words;
        words.push(word);
        match (self.current.word(0), self.current.words.len()) {
            ("case", 3) if self.current.word(2) == "in" => {
                self.flush();
                self.push_block(BlockKind::Case, false);
                self.is_pattern = true;
            }
            ("for" | "select" | "foreach", 2) => {
                self.current.loop_variable = Some(Rc::from(self.current.word(1)));
                self.current.words.clear();
            }
            ("function", 2) => {
                self.function = Some(self.current.word(1).trim_end_matches("()").to_owned());
                self.current.words.clear();
            }
            _ => {}
        }
    }

    /// Takes a word that begins or ends something, or only introduces a command.
    fn keyword(&mut self, word: &Word) -> bool {
        if word.is_quoted {
            return false;
        }
        let kind = match word.text.text() {
            "{" => {
                let function = self.function.take();
                let is_captured = function
                    .as_ref()
                    .is_some_and(|name| self.emission.is_captured(name));
                self.push_block(BlockKind::Brace, is_captured);
                if let Some(block) = self.blocks.last_mut() {
                    block.is_function = function.is_some();
                }
                return true;
            }
            "if" => {
                self.push_block(BlockKind::If, false);
                return true;
            }
            "while" | "until" | "do" => {
                if word.text.text() == "do" {
                    self.push_block(BlockKind::Loop, false);
                }
                return true;
            }
            "then" | "else" | "elif" | "!" | "coproc" | "begin" | "and" | "or" | "not" => return true,
            "}" => BlockKind::Brace,
            "done" => BlockKind::Loop,
            "fi" => BlockKind::If,
            "esac" => {
                self.is_pattern = false;
                BlockKind::Case
            }
            _ => return false,
        };
        self.pop_block(kind);
        true
    }

    fn push_block(&mut self, kind: BlockKind, is_captured: bool) {
        if self.blocks.len() < BLOCKS_MAX {
            self.blocks.push(Block {
                kind,
                mark: self.emission.mark(),
                is_captured,
                is_function: false,
            });
        }
    }

    fn pop_block(&mut self, kind: BlockKind) {
        if self.blocks.last().is_some_and(|block| block.kind == kind) {
            self.current.closes = self.blocks.pop().map(|block| block.mark);
        }
    }

    fn open(&mut self) {
        if self.is_pattern {
            return;
        }
        let current = &mut self.current;
        let ends_in_equals = |word: &Word| word.text.text().ends_with('=');
        if current.words.is_empty() && current.values.last().is_some_and(ends_in_equals)
            || current.words.len() > 1 && current.words.last().is_some_and(ends_in_equals)
        {
            current.is_array = true;
        } else if current.words.len() == 1 && self.blocks.len() < BLOCKS_MAX {
            self.function = current.words.pop().map(|word| word.text.text().to_owned());
            self.push_block(BlockKind::Stray, false);
        } else if current.words.is_empty() {
            self.push_block(BlockKind::Paren, false);
        } else {
            self.push_block(BlockKind::Stray, false);
        }
    }

    fn close(&mut self) {
        if self.current.is_array {
            self.current.is_array = false;
            return;
        }
        if self.is_pattern {
            self.is_pattern = false;
            self.flush();
            return;
        }
        match self.blocks.last().map(|block| block.kind) {
            Some(BlockKind::Stray) => _ = self.blocks.pop(),
            Some(BlockKind::Paren) => {
                self.flush();
                self.pop_block(BlockKind::Paren);
            }
            _ => self.flush(),
        }
    }
}
