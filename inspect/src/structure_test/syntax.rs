//! The syntax of structure test files: YAML and JSON, and what is wrong with a file, with its place.

use serde::de::DeserializeOwned;
use serde_saphyr::Error as YamlError;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {message}{}", place(.line, .column), hint(.help.as_deref()))]
pub struct ParseError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1, when it is known.
    pub line: Option<u64>,
    /// The column in characters, from 1, when it is known.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ParseError {
    pub(super) fn of(file: &str, message: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message,
            help: None,
        }
    }
}

fn place(line: &Option<u64>, column: &Option<u64>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        (Some(line), None) => format!(":{line}"),
        _ => String::new(),
    }
}

fn hint(help: Option<&str>) -> String {
    help.map_or_else(String::new, |help| format!(" ({help})"))
}

/// All documents of a file; a name that ends in `.json` is JSON, any other YAML.
pub(super) fn documents<D: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<D>, ParseError> {
    if name.ends_with(".json") {
        json(name, text)
    } else {
        yaml(name, text)
    }
}

fn json<D: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<D>, ParseError> {
    let document = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let message = message
            .rsplit_once(" at line ")
            .map_or(message.as_str(), |(message, _)| message)
            .to_owned();
        let help = message
            .split('`')
            .nth(1)
            .filter(|_| message.starts_with("unknown field"))
            .and_then(suggest);
        ParseError {
            line: u64::try_from(error.line()).ok(),
            column: u64::try_from(error.column()).ok(),
            help,
            ..ParseError::of(name, message)
        }
    })?;
    Ok(vec![document])
}

fn yaml<D: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<D>, ParseError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: 256,
            max_depth: 32,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| yaml_fault(name, &error))
}

fn yaml_fault(name: &str, error: &YamlError) -> ParseError {
    let (message, help) = match error.without_snippet() {
        YamlError::SerdeUnknownField { field, .. } => (format!("unknown key `{field}`"), suggest(field)),
        YamlError::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("the key `{key}` is there twice"), None)
        }
        error => (plain(&error.to_string()), None),
    };
    let location = error.location();
    ParseError {
        line: location.map(|location| location.line()),
        column: location.map(|location| location.column()),
        help,
        ..ParseError::of(name, message)
    }
}

/// A message of the YAML reader on one line and without the place, which we say ourselves.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let line = match line.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => line,
    };
    line.rsplit_once(" at line ")
        .map_or(line, |(line, _)| line)
        .to_owned()
}

/// The known key nearest to `key`.
fn suggest(key: &str) -> Option<String> {
    KEYS.iter()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&key.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| format!("did you mean `{known}`?"))
}

/// Every key that either version knows, for suggestions.
const KEYS: [&str; 49] = [
    "allocateTty",
    "args",
    "bindMounts",
    "capabilities",
    "cmd",
    "command",
    "commandTests",
    "containerRunOptions",
    "debian",
    "entrypoint",
    "env",
    "envFile",
    "envVars",
    "excludedContents",
    "excludedError",
    "excludedOutput",
    "exitCode",
    "expectedContents",
    "expectedError",
    "expectedOutput",
    "exposedPorts",
    "fileContentTests",
    "fileExistenceTests",
    "files",
    "gid",
    "globalEnvVars",
    "isExecutableBy",
    "isRegex",
    "key",
    "labels",
    "licenseTests",
    "metadataTest",
    "name",
    "network",
    "path",
    "permissions",
    "privileged",
    "schemaVersion",
    "setup",
    "shouldExist",
    "teardown",
    "uid",
    "unboundEnvVars",
    "unexposedPorts",
    "unmountedVolumes",
    "user",
    "value",
    "volumes",
    "workdir",
];
