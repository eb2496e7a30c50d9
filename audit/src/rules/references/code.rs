//! Names in programs that are no references: paths of Go's packages, and patterns of hosts.

use super::super::{Look, Spotted, policies};
use crate::mapped::Span;
use crate::place::Place;
use crate::reading::Role;

/// Lines of a block of imports that are looked back through.
const IMPORTS_MAX: usize = 256;

/// Whether a place is in a path of a package that a Go file imports.
pub(super) fn is_import(look: &Look<'_>, span: Span) -> bool {
    if !look.path.ends_with(".go") {
        return false;
    }
    let number = look.source.position(span.start).line;
    let line = look.source.line(number).trim();
    if line.starts_with("import ") {
        return true;
    }
    let mut above = (1..number).rev().take(IMPORTS_MAX);
    is_import_line(line)
        && above
            .find_map(|above| {
                let line = look.source.line(above).trim();
                let is_block = line.starts_with("import") && line.ends_with('(');
                match is_block {
                    true => Some(true),
                    false if line.is_empty() || line.starts_with("//") || is_import_line(line) => None,
                    false => Some(false),
                }
            })
            .unwrap_or(false)
}

/// A path in quotes, with a name before it or without.
fn is_import_line(line: &str) -> bool {
    let line = line.split("//").next().unwrap_or(line).trim();
    let Some((name, path)) = line.split_once('"') else {
        return false;
    };
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.');
    name.trim().chars().all(is_name) && path.find('"') == Some(path.len().saturating_sub(1))
}

/// Hosts in regular expressions, where their dots are escaped: what is read by them has to be known by its new name, too.
pub(super) fn detect_patterns(look: &mut Look<'_>) {
    let document = look.document;
    for piece in &document.pieces {
        if piece.role.is_mention() || piece.role == Role::Unknown {
            continue;
        }
        for (name, range) in policies::escaped_hosts(piece.text.text()) {
            let written = piece
                .text
                .text()
                .get(range.clone())
                .unwrap_or_default()
                .to_owned();
            let message =
                format!("a pattern for {name}: what it is for has to be known by its new name, too");
            look.spot(Spotted {
                reference: Some(written),
                place: Place::fixed("a pattern is not rewritten: old and new names may both have to fit"),
                ..Spotted::new("host-legacy", piece.text.span(range), piece.role, message)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::found::found;

    #[test]
    fn paths_of_packages_are_no_references() {
        for text in [
            "package a\nimport \"gcr.io/foo/bar\"\n",
            "package a\nimport x \"gcr.io/foo/bar\"\n",
            "package a\nimport (\n\t\"fmt\"\n\n\t// one\n\tx \"gcr.io/foo/bar\" // two\n)\n",
        ] {
            assert_eq!(found("a.go", text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(
            found("a.go", "package a\nvar x = []string{\n\t\"gcr.io/foo/bar\",\n}\n").len(),
            1
        );
    }

    #[test]
    fn patterns_of_hosts_are_found() {
        assert_eq!(
            found(
                "a.go",
                "package a\nvar r = regexp.MustCompile(`^gcr\\.io/acme/`)\n"
            ),
            ["2 host-legacy gcr\\.io"]
        );
        assert_eq!(
            found("a.py", "r = re.compile(r'^ghcr\\.io/')\n"),
            Vec::<String>::new()
        );
    }
}
