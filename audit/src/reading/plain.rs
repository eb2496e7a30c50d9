//! Text without a structure: each line by itself.

use std::sync::Arc;

use super::{Document, Piece, Role};
use crate::mapped::Mapped;

/// Text for people.
pub(super) fn prose(text: &str) -> Document {
    lines(text, Role::Prose)
}

/// Text of a file that is not understood.
pub(super) fn unknown(text: &str) -> Document {
    lines(text, Role::Unknown)
}

/// What lines of comments begin with in most files, of zones and configurations too.
const COMMENTS: [&str; 4] = ["#", "//", ";", "<!--"];

fn lines(text: &str, role: Role) -> Document {
    let mut document = Document::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end_matches(['\n', '\r']).len();
        start += line.len();
        if !line.trim().is_empty() {
            let is_comment =
                role == Role::Unknown && COMMENTS.iter().any(|sign| line.trim_start().starts_with(sign));
            document.pieces.push(Piece {
                text: Mapped::verbatim(text, range),
                role: if is_comment { Role::Comment } else { role },
                path: Arc::default(),
            });
        }
    }
    document
}
