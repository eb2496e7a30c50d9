//! The checks of files: existence, content, licences. Each gives what is wrong, in words; nothing when all is well.

use std::collections::BTreeMap;

use archive::EntryPath;

use super::excerpt::excerpt;
use super::expansion::expand;
use super::file_system::{FileStatus, FileSystem, written_path};
use super::permissions::go_file_mode;
use super::suite::{ContentTest, ExecutableBy, ExistenceTest, LicenseTest, Schema};

/// Largest file that a content or licence test reads, in bytes.
pub const CONTENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) fn existence(
    test: &ExistenceTest,
    schema: Schema,
    variables: &BTreeMap<String, String>,
    files: &impl FileSystem,
) -> Vec<String> {
    let path = match located(&test.path, schema, variables) {
        Ok(path) => path,
        Err(message) => return vec![message],
    };
    match (files.status(&path), test.should_exist) {
        (None, true) => vec![format!("{path} does not exist")],
        (None, false) => Vec::new(),
        (Some(status), false) => vec![format!(
            "{path} exists ({}), it should not",
            go_file_mode(&status)
        )],
        (Some(status), true) => attributes(test, &path, &status),
    }
}

fn attributes(test: &ExistenceTest, path: &EntryPath, status: &FileStatus) -> Vec<String> {
    let mut errors = Vec::new();
    let actual = go_file_mode(status);
    if let Some(expected) = test.permissions.as_ref().filter(|expected| **expected != actual) {
        errors.push(format!("{path} has permissions {actual}, expected {expected}"));
    }
    if let Some(expected) = test.uid.filter(|expected| *expected != status.uid) {
        errors.push(format!(
            "{path} is owned by user {}, expected {expected}",
            status.uid
        ));
    }
    if let Some(expected) = test.gid.filter(|expected| *expected != status.gid) {
        errors.push(format!(
            "{path} is owned by group {}, expected {expected}",
            status.gid
        ));
    }
    let (bits, whom) = match test.executable_by {
        None => return errors,
        Some(ExecutableBy::Owner) => (0o100, "its owner"),
        Some(ExecutableBy::Group) => (0o010, "its group"),
        Some(ExecutableBy::Other) => (0o001, "others"),
        Some(ExecutableBy::Any) => (0o111, "anybody"),
    };
    if status.mode & bits == 0 {
        errors.push(format!("{path} is not executable by {whom} ({actual})"));
    }
    errors
}

pub(super) async fn content(
    test: &ContentTest,
    schema: Schema,
    variables: &BTreeMap<String, String>,
    files: &impl FileSystem,
) -> Vec<String> {
    let path = match located(&test.path, schema, variables) {
        Ok(path) => path,
        Err(message) => return vec![message],
    };
    let content = match files.read(&path, CONTENT_BYTES_MAX).await {
        Ok(content) => content,
        Err(reason) => return vec![format!("{path} cannot be read: {reason}")],
    };
    let mut errors = Vec::new();
    for pattern in test.expected.iter().filter(|pattern| !pattern.is_match(&content)) {
        errors.push(format!(
            "{path} does not match {:?}; it has {}",
            pattern.as_str(),
            excerpt(&content)
        ));
    }
    for pattern in test.excluded.iter().filter(|pattern| pattern.is_match(&content)) {
        errors.push(format!("{path} matches {:?}, it should not", pattern.as_str()));
    }
    errors
}

pub(super) async fn licenses(test: &LicenseTest, schema: Schema, files: &impl FileSystem) -> Vec<String> {
    let mut errors = Vec::new();
    if test.debian {
        match debian_copyrights(schema, files) {
            Ok(paths) => {
                for path in paths {
                    errors.extend(license_fault(&path, files).await);
                }
            }
            Err(message) => errors.push(message),
        }
    }
    for text in &test.files {
        match written_path(text) {
            Ok(path) => errors.extend(license_fault(&path, files).await),
            Err(message) => errors.push(message),
        }
    }
    errors
}

/// The copyright files that packages must have. Links to another package's directory are not looked at twice.
fn debian_copyrights(schema: Schema, files: &impl FileSystem) -> Result<Vec<EntryPath>, String> {
    let root = written_path(DEBIAN_DOCUMENTATION)?;
    let names = files
        .directories(&root)
        .map_err(|reason| format!("{root} cannot be listed: {reason}"))?;
    let checked = names
        .iter()
        .filter(|name| schema == Schema::V1 || **name != EXEMPT_PACKAGE);
    let below = |name: &Vec<u8>| root.join(name).and_then(|directory| directory.join(b"copyright"));
    checked
        .map(|name| below(name).map_err(|error| error.to_string()))
        .collect()
}

async fn license_fault(path: &EntryPath, files: &impl FileSystem) -> Option<String> {
    let text = match files.read(path, CONTENT_BYTES_MAX).await {
        Ok(text) => text.to_ascii_uppercase(),
        Err(reason) => return Some(format!("{path} cannot be read: {reason}")),
    };
    let found = FORBIDDEN_LICENSES.iter().find(|license| {
        text.windows(license.len())
            .any(|window| window == license.as_bytes())
    })?;
    Some(format!("{path} names the licence {found}"))
}

/// The path of a test; variables of the image count in schema 2.0.0 only.
fn located(text: &str, schema: Schema, variables: &BTreeMap<String, String>) -> Result<EntryPath, String> {
    match schema {
        Schema::V1 => written_path(text),
        Schema::V2 => written_path(&expand(text, variables)),
    }
}

const DEBIAN_DOCUMENTATION: &str = "/usr/share/doc";
const FORBIDDEN_LICENSES: [&str; 2] = ["AGPL", "WTFPL"];
/// Its copyright names the AGPL though no part of it in the package is under it; schema 2.0.0 passes over it.
const EXEMPT_PACKAGE: &[u8] = b"libgnutls30";
