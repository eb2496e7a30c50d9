//! Documents that are generated from the code, so that they cannot drift from it.

use std::fs;
use std::path::Path;

use crate::{Findings, steps};

/// A generated file, and what the program is asked to print it.
const DOCUMENTS: [(&str, &str); 3] = [
    ("docs/cli.md", "cli"),
    ("docs/lightship.example.toml", "configuration"),
    ("docs/specification.schema.json", "specification-schema"),
];

/// Writes every generated document.
pub(crate) fn write(root: &Path) -> Result<(), Findings> {
    for (file, name) in DOCUMENTS {
        let text = generate(root, name)?;
        fs::write(root.join(file), text).map_err(|error| vec![format!("cannot write {file}: {error}")])?;
    }
    Ok(())
}

/// Fails when a committed document differs from what the code says now.
pub(crate) fn check(root: &Path) -> Result<(), Findings> {
    let mut findings = Findings::new();
    for (file, name) in DOCUMENTS {
        if fs::read(root.join(file)).ok() != Some(generate(root, name)?) {
            findings.push(format!(
                "{file} is not what the code says; run `cargo xtask docs`"
            ));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

fn generate(root: &Path, name: &str) -> Result<Vec<u8>, Findings> {
    steps::cargo_output(
        root,
        &["run", "--quiet", "--package", "cli", "--", "generate", name],
    )
}
