//! Settings line by line: `KEY=VALUE`, sections, words; and TOML.

mod lines;
mod toml;

use super::Document;
use crate::kind::Kind;

/// Takes one apart.
pub(super) fn read(text: &str, kind: Kind) -> Document {
    match kind {
        Kind::Toml => toml::read(text),
        _ => read_nested(text, Document::default(), 0),
    }
}

/// Takes one apart, line by line, that stands in so many other files; `document` is an empty one of theirs.
pub(super) fn read_nested(text: &str, document: Document, depth: usize) -> Document {
    lines::read(text, document, depth)
}
