//! Files that stand inside texts of other files.

use std::sync::Arc;

use super::{Command, Document, Role, Step};
use crate::mapped::Mapped;

/// How deep files may stand in texts of files.
pub(super) const DEPTH_MAX: usize = 3;

/// What a file stands in.
pub(super) struct Place<'p> {
    /// Its text, without the quotes and escapes that it has there.
    pub(super) text: &'p Mapped,
    /// Where that stands in the structure of the file around it.
    pub(super) path: &'p Arc<[Step]>,
    /// What it is to the file around it: in a comment, everything is only a mention.
    pub(super) role: Role,
    /// How many files stand around it.
    pub(super) depth: usize,
}

/// Adds what was read from the text of a place to the document of the file around it.
pub(super) fn add(document: &mut Document, place: &Place<'_>, inner: Document) {
    let role = |role: Role| match place.role.is_mention() {
        true => place.role,
        false => role,
    };
    document.room = inner.room;
    // Neighbours share their paths, inside and here.
    let mut last = (Arc::default(), Arc::clone(place.path));
    for mut piece in inner.pieces {
        piece.text = piece.text.within(place.text);
        piece.role = role(piece.role);
        if !Arc::ptr_eq(&last.0, &piece.path) {
            let path = joined(document, place.path, &piece.path);
            last = (piece.path, path);
        }
        piece.path = Arc::clone(&last.1);
        document.pieces.push(piece);
    }
    for command in inner.commands {
        document.commands.push(Command {
            words: within(&command.words, place.text),
            input: within(&command.input, place.text),
            role: role(command.role),
        });
    }
    for mut binding in inner.bindings {
        binding.value = binding.value.within(place.text);
        document.bindings.push(binding);
    }
}

/// The path of what stands below another.
fn joined(document: &mut Document, outer: &Arc<[Step]>, inner: &Arc<[Step]>) -> Arc<[Step]> {
    match (outer.is_empty(), inner.is_empty()) {
        (_, true) => Arc::clone(outer),
        (true, _) => Arc::clone(inner),
        _ => document.room.joined(outer, inner),
    }
}

fn within(words: &[Mapped], outer: &Mapped) -> Vec<Mapped> {
    words.iter().map(|word| word.within(outer)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;
    use crate::mapped::Span;

    #[test]
    fn places_of_what_is_embedded_are_those_of_the_file() {
        let file = "x: 'a\\nb'";
        let mut text = Mapped::verbatim(file, 4..5);
        text.push_instead('\n', 5);
        text.push("b", 7);
        let mut document = Document::default();
        let place = Place {
            text: &text,
            path: &Arc::default(),
            role: Role::Value,
            depth: 0,
        };
        add(&mut document, &place, plain::unknown(text.text()));
        let spans: Vec<_> = document
            .pieces
            .iter()
            .map(|piece| piece.text.whole_span())
            .collect();
        assert_eq!(spans, [Span { start: 4, end: 5 }, Span { start: 7, end: 8 }]);
    }
}
