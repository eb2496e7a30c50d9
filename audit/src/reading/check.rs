//! What every reader has to keep, for tests.

use super::{Document, Role};

/// Pieces with their roles.
pub(super) fn pieces(document: &Document) -> Vec<String> {
    let shown = document.pieces.iter().map(|piece| {
        let role = match piece.role {
            Role::Value => "value",
            Role::Key => "key",
            Role::Literal => "literal",
            Role::Comment => "comment",
            Role::Prose => "prose",
            Role::Unknown => "unknown",
        };
        format!("{role} {}", piece.text.text())
    });
    shown.collect()
}

/// Every piece, word and value lies in the file, whatever part of it is asked for, and what is verbatim is the file's own text.
pub(super) fn stands_where_it_says(file: &str, document: &Document) {
    let pieces = document.pieces.iter().map(|piece| &piece.text);
    let words = document
        .commands
        .iter()
        .flat_map(|command| command.words.iter().chain(&command.input));
    let values = document.bindings.iter().map(|binding| &binding.value);
    for text in pieces.chain(words).chain(values) {
        let written = text.text();
        for (at, sign) in written.char_indices() {
            let range = at..at + sign.len_utf8();
            for part in [0..range.end, range.start..written.len(), range.clone()] {
                let span = text.span(part.clone());
                let is_inside = span.start <= span.end && span.end <= file.len();
                assert!(is_inside, "{span:?} of {part:?} of {written:?} in {file:?}");
            }
            let span = text.span(range.clone());
            let there = file.get(span.start..span.end);
            let is_same = !text.is_verbatim(range.clone()) || there == written.get(range);
            assert!(is_same, "{there:?} is not {sign:?} of {written:?} in {file:?}");
        }
    }
}

/// Pieces that name a host below `.io`: role, length of the path, text.
pub(super) fn hosts(document: &Document) -> Vec<String> {
    let pieces = document.pieces.iter();
    let pieces = pieces.filter(|piece| piece.text.text().contains(".io"));
    pieces
        .map(|piece| {
            format!(
                "{:?} {} {}",
                piece.role,
                piece.path.len(),
                piece.text.text().trim()
            )
        })
        .collect()
}
