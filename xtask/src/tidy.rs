//! Small rules about names and texts that no other tool holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Findings;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "shared",
];

/// Fails on an empty name, a dependency without a reason, and a room that the code map does not show.
pub(crate) fn check(root: &Path) -> Result<(), Findings> {
    let files = tracked(root)?;
    let mut findings = empty_names(&files);
    findings.extend(dependencies_without_reason(&read(root, "Cargo.toml")?));
    let map = read(root, "ARCHITECTURE.md")?;
    for room in rooms(&files) {
        if !map.contains(&format!("`{room}/`")) && !map.contains(&format!("{room}/ ")) {
            findings.push(format!("ARCHITECTURE.md does not say what `{room}/` is"));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

/// The files git tracks, relative to the root.
pub(crate) fn tracked(root: &Path) -> Result<Vec<String>, Findings> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output();
    let output = output.map_err(|error| vec![format!("cannot run git ls-files: {error}")])?;
    let names = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

fn empty_names(files: &[String]) -> Findings {
    let sources = files.iter().filter(|file| file.ends_with(".rs"));
    let bad = sources.filter(|file| {
        let mut parts = Path::new(file)
            .components()
            .map(|part| part.as_os_str().to_string_lossy());
        parts.any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")))
    });
    bad.map(|file| format!("{file}: a name that says nothing; name it after what it holds"))
        .collect()
}

/// Every outside dependency is one line of the workspace manifest and carries its reason behind a `#`.
fn dependencies_without_reason(manifest: &str) -> Findings {
    let section = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let outside =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("{ path ="));
    outside
        .filter(|line| {
            line.split_once(" # ")
                .is_none_or(|(_, reason)| reason.trim().is_empty())
        })
        .map(|line| format!("Cargo.toml: no reason given for `{line}`"))
        .collect()
}

/// Directories at the top that hold something.
fn rooms(files: &[String]) -> Vec<&str> {
    let mut rooms: Vec<&str> = files
        .iter()
        .filter_map(|file| file.split_once('/').map(|(room, _)| room))
        .filter(|room| !room.starts_with('.'))
        .collect();
    rooms.dedup();
    rooms
}

fn read(root: &Path, name: &str) -> Result<String, Findings> {
    fs::read_to_string(root.join(name)).map_err(|error| vec![format!("cannot read {name}: {error}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_dependency_without_a_reason() {
        let manifest = "[workspace.dependencies]\n# rooms\noci = { path = \"oci\" }\na = \"1\" # why\nb = \"1\"\n\n[x]\nc = \"1\"\n";
        assert_eq!(
            dependencies_without_reason(manifest),
            ["Cargo.toml: no reason given for `b = \"1\"`"]
        );
    }

    #[test]
    fn finds_a_file_name_that_says_nothing() {
        let files = ["oci/src/digest.rs".to_owned(), "oci/src/utils.rs".to_owned()];
        assert_eq!(empty_names(&files).len(), 1);
    }

    #[test]
    fn the_workspace_itself_is_tidy() {
        assert_eq!(check(&crate::root()), Ok(()));
    }
}
