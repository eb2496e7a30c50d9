//! Jupyter's notebooks.

use std::sync::Arc;

use crate::kind::Kind;
use crate::mapped::Mapped;
use crate::reading::embedded::{self, Place};
use crate::reading::nest::key_step;
use crate::reading::{Document, Piece, Role, Step, code, shell};

/// Whether a text is one.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("\"nbformat\"") && text.contains("\"cells\"")
}

/// Reads cells by what they are: code, or text for people.
pub(super) fn read(mut read: Document) -> Document {
    let mut cells: Vec<Cell> = Vec::new();
    for piece in std::mem::take(&mut read.pieces) {
        let [Step::Key(top), Step::Item(number), Step::Key(part), ..] = &*piece.path else {
            read.pieces.push(piece);
            continue;
        };
        if top != "cells" {
            read.pieces.push(piece);
            continue;
        }
        if cells.last().is_none_or(|cell| cell.number != *number) {
            cells.push(Cell {
                number: *number,
                is_code: false,
                source: Mapped::new(),
                others: Vec::new(),
            });
        }
        let Some(cell) = cells.last_mut() else { continue };
        match (part.as_str(), piece.role) {
            (_, Role::Key) => {}
            ("cell_type", _) => cell.is_code = piece.text.text() == "code",
            ("source", _) => cell.source.push_part(&piece.text, 0..piece.text.text().len()),
            _ => cell.others.push(piece),
        }
    }
    for cell in cells {
        cell.add_to(&mut read);
    }
    read
}

struct Cell {
    number: usize,
    is_code: bool,
    source: Mapped,
    /// Outputs and data about it.
    others: Vec<Piece>,
}

impl Cell {
    fn add_to(self, document: &mut Document) {
        let steps = [key_step("cells"), Step::Item(self.number)];
        let path = document.room.path(&steps);
        match self.is_code {
            true => add_code(document, &self.source, &path),
            false => document.pieces.push(Piece {
                text: self.source,
                role: Role::Prose,
                path,
            }),
        }
        for other in self.others {
            document.pieces.push(Piece {
                role: Role::Prose,
                ..other
            });
        }
    }
}

/// Python, with lines for a shell: `!docker push …`, and cells that are a shell's as a whole.
fn add_code(document: &mut Document, source: &Mapped, path: &Arc<[Step]>) {
    let text = source.text();
    let first = text.lines().next().unwrap_or_default();
    if ["%%bash", "%%sh", "%%script"]
        .iter()
        .any(|magic| first.starts_with(magic))
    {
        let body = source.part(first.len()..text.len());
        return shell::read_into(document, &body, path, Role::Value);
    }
    let mut python = Mapped::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let length = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        let Some(command) = line.trim_start().strip_prefix('!') else {
            python.push_part(source, start..start + length);
            start += length;
            continue;
        };
        let from = start + line.len() - command.len();
        start += command_length(rest);
        shell::read_into(document, &source.part(from..start), path, Role::Value);
    }
    let place = Place {
        text: &python,
        path,
        role: Role::Value,
        depth: 0,
    };
    let inner = code::read_nested(python.text(), Kind::HashComment, document.inner());
    embedded::add(document, &place, inner);
}

/// The length of a line and of those that continue it.
fn command_length(text: &str) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        length += line.len();
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    length
}
