//! Texts in strings: what they are is seen from themselves.

use std::sync::Arc;

use super::embedded::{self, Place};
use super::{Document, Piece, Role, dockerfile, json, settings, shell, speech, yaml};

/// Adds a text: as a script, as JSON or YAML when it is that, as a sentence, and else as a value of the role that its place has.
pub(super) fn add(document: &mut Document, place: &Place<'_>) {
    let text = place.text.text();
    if place.role.is_mention() {
        return add_lines(document, place);
    }
    let may_embed = place.depth < embedded::DEPTH_MAX;
    let depth = place.depth + 1;
    if may_embed && is_json(text) {
        let inner = json::read_nested(text, document.inner(), depth);
        embedded::add(document, place, inner);
    } else if may_embed && is_unit(text) {
        let inner = settings::read_nested(text, document.inner(), depth);
        embedded::add(document, place, inner);
    } else if may_embed && is_dockerfile(text) {
        dockerfile::read_into(document, place.text, place.path, Role::Value);
    } else if speech::is_command(text) {
        shell::read_into(document, place.text, place.path, place.role);
    } else if may_embed && is_yaml(text) {
        let inner = yaml::read_nested(text, document.inner(), depth);
        embedded::add(document, place, inner);
    } else {
        add_lines(document, place);
    }
}

/// Adds each line by itself: a comment of whatever it is, a sentence, or a value.
pub(super) fn add_lines(document: &mut Document, place: &Place<'_>) {
    let text = place.text.text();
    let has_lines = text.contains('\n');
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        let line = text.get(range.clone()).unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        let is_comment = has_lines && is_comment(line.trim_start());
        let role = match place.role {
            role if role.is_mention() => role,
            _ if is_comment => Role::Comment,
            _ if speech::is_sentence(line) => Role::Prose,
            role => role,
        };
        document.pieces.push(Piece {
            text: place.text.part(range),
            role,
            path: Arc::clone(place.path),
        });
    }
}

fn is_comment(line: &str) -> bool {
    let rest = ["#", "//", ";;", "--"]
        .iter()
        .find_map(|sign| line.strip_prefix(sign));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '#', '/']))
}

/// Whether a text is a map or a list in JSON, or begins as one and is broken.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.trim();
    let is_map = text.starts_with('{') && text.ends_with('}') && text.contains(':');
    let is_list = text.starts_with('[') && text.ends_with(']');
    (is_map || is_list) && text.contains('"') && !text.starts_with("{{") && !text.starts_with("{%")
}

/// Whether a text is a unit of systemd.
fn is_unit(text: &str) -> bool {
    text.contains('\n')
        && text
            .lines()
            .any(|line| matches!(line.trim(), "[Unit]" | "[Service]"))
}

/// Whether a text is a Dockerfile.
fn is_dockerfile(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.find(|line| !line.starts_with("ARG ")).unwrap_or_default();
    text.contains('\n')
        && first
            .strip_prefix("FROM ")
            .is_some_and(|image| !speech::is_sentence(image))
}

/// Whether the lines of a text are YAML's.
pub(super) fn is_yaml(text: &str) -> bool {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut keys, mut items, mut others) = (0_usize, 0_usize, 0_usize);
    for line in lines {
        match line.strip_prefix("- ") {
            _ if is_entry(line) => keys += 1,
            Some(item) if is_entry(item) => keys += 1,
            Some(_) => items += 1,
            None if line == "---" || line.starts_with("{{") => {}
            None => others += 1,
        }
    }
    keys >= 2 && keys + items > 2 * others
}

/// `key: value` or `key:`.
fn is_entry(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else {
        return false;
    };
    let key = key.trim_matches(['"', '\'']);
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|sign| sign.is_ascii_alphanumeric() || b"_-./$".contains(&sign));
    is_key && (value.is_empty() || value.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapped::Mapped;

    #[test]
    fn what_stands_too_deep_is_not_looked_into() {
        for text in [
            "{\"a\": \"x\"}",
            "[Unit]\nA=x\n",
            "FROM x\nUSER y\n",
            "a: b\nc: d\ne: f\n",
        ] {
            let pieces = |depth| {
                let mut document = Document::default();
                let place = Place {
                    text: &Mapped::whole(text),
                    path: &Arc::default(),
                    role: Role::Value,
                    depth,
                };
                add(&mut document, &place);
                let texts = document.pieces.iter().map(|piece| piece.text.text().to_owned());
                texts.collect::<Vec<_>>()
            };
            let lines: Vec<&str> = text.lines().collect();
            assert_ne!(pieces(embedded::DEPTH_MAX - 1), lines, "{text}");
            assert_eq!(pieces(embedded::DEPTH_MAX), lines, "{text}");
        }
    }

    #[test]
    fn texts_are_what_they_look_like() {
        for (text, json, yaml) in [
            ("{\"a\": 1}", true, false),
            ("{{ .Values.x }}", false, false),
            ("[\"a\"]", true, false),
            ("a: b\nc:\n  - d: gcr.io/p/x\n", false, true),
            ("docker push x\necho done: y", false, false),
            ("Usage: x\nAn image: y of z\n", false, false),
        ] {
            assert_eq!(is_json(text), json, "{text}");
            assert_eq!(is_yaml(text), yaml, "{text}");
        }
    }
}
