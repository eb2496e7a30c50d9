//! YAML, and templates that make YAML.
//!
//! [`scan`] takes lines apart into leaves: texts with their paths. What a leaf is to its file, a value, a script, an argument,
//! a sentence for people, is seen from its keys in [`meaning`].

mod bindings;
mod commands;
mod flow;
mod meaning;
mod prose;
mod scalar;
mod scan;
mod template;

use std::sync::Arc;

use super::embedded::DEPTH_MAX;
use super::{Document, Role, Step, shell};
use crate::mapped::Mapped;

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    read_nested(text, Document::default(), 0)
}

/// Takes one apart that stands in so many others; `document` is an empty one of theirs.
pub(super) fn read_nested(text: &str, mut document: Document, depth: usize) -> Document {
    let file = Mapped::whole(text);
    if meaning::is_shebang(text) {
        // A template of a script, by its name only a template.
        shell::read_into(&mut document, &file, &Arc::default(), Role::Value);
    } else {
        read_into(&mut document, &file, &[], depth);
    }
    document
}

/// Takes a text of a script apart that looks like YAML; scripts in it are texts only, so that neither stands in the other without
/// end. False when it looks like something else.
pub(super) fn read_within(document: &mut Document, source: &Mapped, base: &[Step]) -> bool {
    let is_yaml = meaning::looks_like_yaml(source.text());
    if is_yaml {
        read_into(document, source, base, DEPTH_MAX + 1);
    }
    is_yaml
}

/// Takes a text apart that stands below a path, in so many others.
fn read_into(document: &mut Document, source: &Mapped, base: &[Step], embedding: usize) {
    let scan = scan::scan(source, base, &mut document.room);
    meaning::add(document, &scan, embedding);
}

#[cfg(test)]
mod tests;
