//! Programs: their strings, comments, and the commands that they start.
//!
//! [`lexer`] knows what strings and comments look like, [`parser`] where they stand, [`meaning`] what they are for, and
//! [`arguments`] which of them are a command together.

mod arguments;
mod lexer;
mod meaning;
mod names;
mod parser;
mod strings;

use super::Document;
use crate::kind::Kind;

/// Takes one apart.
pub(super) fn read(text: &str, kind: Kind) -> Document {
    read_nested(text, kind, Document::default())
}

/// Takes one apart that stands in another file; `document` is an empty one of that.
pub(super) fn read_nested(text: &str, kind: Kind, document: Document) -> Document {
    let tokens = lexer::tokens(text, kind);
    parser::read(text, kind, &tokens, document)
}

#[cfg(test)]
mod tests;
