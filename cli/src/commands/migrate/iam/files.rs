//! The files of `lightship migrate iam`: policies that are read, and those for review.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use migrate::iam::{
    Access, Grant, POLICY_FILE_BYTES_MAX, PolicyFile, review_file, reviewed as read_reviewed,
};
use serde_json::Value;

use super::super::sides::replace_below;
use crate::failure::{Failure, Kind};
use crate::output;

/// Most files for review that are read of one directory.
const FILES_MAX: usize = 10_000;

/// A file, and what it is said to be about: `[NAME=]FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    name: Option<String>,
    path: PathBuf,
}

impl Named {
    pub(super) fn parse(text: &str) -> Result<Named, Infallible> {
        Ok(match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !Path::new(text).exists() => Named {
                name: Some(name.to_owned()),
                path: PathBuf::from(path),
            },
            _ => Named::of(Path::new(text)),
        })
    }

    pub(super) fn of(path: &Path) -> Named {
        Named {
            name: None,
            path: path.to_owned(),
        }
    }
}

/// Reads files of policies, JSON or YAML.
pub(super) fn read_all(files: &[Named]) -> Result<Vec<PolicyFile>, Failure> {
    let read = |file: &Named| {
        Ok(PolicyFile {
            name: file.path.display().to_string(),
            scope: file.name.clone(),
            document: read(&file.path)?,
        })
    };
    files.iter().map(read).collect()
}

/// JSON is YAML, too.
fn read(path: &Path) -> Result<Value, Failure> {
    let attempt = || format!("cannot read {}", path.display());
    let mut text = String::new();
    let opened =
        File::open(path).and_then(|file| file.take(POLICY_FILE_BYTES_MAX + 1).read_to_string(&mut text));
    opened.map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    if text.len() as u64 > POLICY_FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} is too large for a policy",
            path.display()
        )));
    }
    if let Ok(document) = serde_json::from_str(&text) {
        return Ok(document);
    }
    serde_saphyr::from_str(&text).map_err(|error| Failure::new(Kind::Usage, attempt(), error))
}

/// Writes the files for review, and says where they are.
pub(super) fn write(directory: &Path, found: &[Access]) -> Result<(), Failure> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for access in found {
        let (path, text) = review_file(access);
        let below = PathBuf::from(path);
        let path = directory.join(&below);
        if paths.contains(&path) {
            return Err(Failure::usage(format!(
                "{} would be the file of two repositories of one name, which are in two locations",
                path.display()
            ))
            .hint("write them into two directories, with one --policy each"));
        }
        replace_below(directory, &below, text.as_bytes())?;
        paths.push(path);
    }
    for path in &paths {
        output::talk(&format!("wrote {}", path.display()));
    }
    output::talk(&format!(
        "read them, change what should be otherwise, then: lightship migrate iam --apply {} --server HOST",
        directory.display()
    ));
    Ok(())
}

/// Reads all `DIRECTORY/PROJECT/REPOSITORY.yaml`.
pub(super) fn reviewed(directory: &Path) -> Result<Vec<Access>, Failure> {
    let mut found = Vec::new();
    for project in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&project)? {
            let Some(id) = name(&path).strip_suffix(".yaml").map(str::to_owned) else {
                continue;
            };
            let place = (name(&project), id.as_str());
            let (repository, policy) = read_reviewed(place, &read(&path)?).map_err(|error| {
                Failure::new(Kind::Usage, format!("cannot apply {}", path.display()), error)
            })?;
            let source = path.display().to_string();
            let grants = policy.pairs().map(|(role, member)| Grant {
                member: member.clone(),
                role,
                because: vec![source.clone()],
            });
            found.push(Access {
                repository,
                grants: grants.collect(),
                listed: Vec::new(),
                sources: vec![source],
            });
        }
    }
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "there is no PROJECT/REPOSITORY.yaml in {}",
            directory.display()
        ))
        .hint("`lightship migrate iam --policy FILE --write DIR` writes them"));
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |error| Failure::new(Kind::Usage, format!("cannot read {}", directory.display()), error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        paths.push(entry.map_err(cannot)?.path());
        if paths.len() > FILES_MAX {
            return Err(Failure::usage(format!(
                "{} has more than {FILES_MAX} files",
                directory.display()
            )));
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_before_the_file_is_what_it_is_about() {
        let named = Named::parse("artifacts.p.appspot.com=a=b.json").unwrap();
        assert_eq!(named.name.as_deref(), Some("artifacts.p.appspot.com"));
        assert_eq!(named.path, Path::new("a=b.json"));
        assert_eq!(Named::parse("p.json").unwrap(), Named::of(Path::new("p.json")));
        let place = tempfile::tempdir().unwrap();
        let odd = place.path().join("a=b");
        fs::write(&odd, "").unwrap();
        assert_eq!(Named::parse(odd.to_str().unwrap()).unwrap(), Named::of(&odd));
    }
}
