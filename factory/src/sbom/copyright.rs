//! Debian's copyright files. Spec: copyright-format/1.0.

use std::collections::{BTreeMap, BTreeSet};

use super::licence::{self, OtherLicence};

/// The licences in a machine-readable copyright file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copyright {
    /// All licences in it as one SPDX expression.
    pub(super) expression: String,
    /// The references in it, with their text.
    pub(super) others: BTreeMap<OtherLicence, String>,
}

/// Reads a copyright file; `None` when it is not machine-readable or names no licence.
pub(super) fn read(bytes: &[u8]) -> Option<Copyright> {
    let paragraphs = debian::control::parse_paragraphs(bytes).ok()?;
    let header = paragraphs.first()?.field("Format")?;
    if !header.contains("copyright-format") && !header.contains("dep5") {
        return None;
    }
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for paragraph in &paragraphs {
        let Some(field) = paragraph.field("License") else {
            continue;
        };
        let (name, text) = field.split_once('\n').unwrap_or((field, ""));
        let name = name.trim();
        if !name.is_empty() {
            names.insert(name.to_owned());
        }
        if !text.trim().is_empty() {
            texts.entry(name.to_owned()).or_insert_with(|| unfolded(text));
        }
    }
    let mut others = BTreeMap::new();
    let mut expressions: BTreeSet<String> = BTreeSet::new();
    for name in &names {
        let (expression, unknown) = licence::expression(name);
        expressions.insert(expression);
        for other in unknown {
            let text = texts.get(&other.name).or_else(|| texts.get(name));
            let text = text
                .cloned()
                .unwrap_or_else(|| format!("See the copyright file of the package: {}", other.name));
            others.insert(other, text);
        }
    }
    let expressions: Vec<String> = expressions.into_iter().collect();
    Some(Copyright {
        expression: licence::all_of(&expressions)?,
        others,
    })
}

/// The text without the blank before each line, and empty lines where a dot stands for one.
fn unfolded(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix(' ').unwrap_or(line).trim_end() {
        "." => String::new(),
        text => text.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZLIB: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: example

Files: *
Copyright: 2024 A
License: Zlib

Files: contrib/*
Copyright: 2024 B
License: Odd
 You may.
 .
 Or not.

License: Zlib
 The text.
";

    #[test]
    fn all_licences_of_a_file_are_named_once() {
        let read = read(ZLIB.as_bytes()).unwrap();
        assert_eq!(read.expression, "LicenseRef-debian-Odd AND Zlib");
        assert_eq!(read.others.values().collect::<Vec<_>>(), ["You may.\n\nOr not."]);
    }

    #[test]
    fn free_text_asserts_nothing() {
        assert_eq!(
            read(b"This package was debianized by hand.\n\nIt is GPL.\n"),
            None
        );
        assert_eq!(read(b""), None);
    }
}
