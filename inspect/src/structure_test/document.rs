//! The shape of a structure test file, as serde reads it: both schema versions in one, but for `command`.
//!
//! Which keys a version has is decided in `parse`, so that the message can name the version that has them.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One document of a file. `null` and an absent key mean the same everywhere, as in the tool that this format
/// comes from; only `entrypoint` and `cmd` tell an absent list from an empty one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document<W> {
    #[expect(dead_code, reason = "read before the rest, as `Version`")]
    pub(super) schema_version: Option<String>,
    pub(super) global_env_vars: Option<Vec<Pair>>,
    pub(super) command_tests: Option<Vec<Command<W>>>,
    pub(super) file_existence_tests: Option<Vec<FileExistence>>,
    pub(super) file_content_tests: Option<Vec<FileContent>>,
    pub(super) metadata_test: Option<Metadata>,
    pub(super) license_tests: Option<Vec<License>>,
    pub(super) container_run_options: Option<RunOptions>,
}

/// What is read first, to know how to read the rest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) schema_version: Option<String>,
}

/// A key with a value: an environment variable or a label.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) is_regex: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Command<W> {
    pub(super) name: Option<String>,
    pub(super) setup: Option<Vec<Vec<String>>>,
    pub(super) teardown: Option<Vec<Vec<String>>>,
    pub(super) env_vars: Option<Vec<Pair>>,
    pub(super) exit_code: Option<i64>,
    pub(super) command: Option<W>,
    pub(super) args: Option<Vec<String>>,
    pub(super) expected_output: Option<Vec<String>>,
    pub(super) excluded_output: Option<Vec<String>>,
    pub(super) expected_error: Option<Vec<String>>,
    pub(super) excluded_error: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileExistence {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) should_exist: Option<bool>,
    pub(super) permissions: Option<String>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) is_executable_by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileContent {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) expected_contents: Option<Vec<String>>,
    pub(super) excluded_contents: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    /// The older name of `envVars`; both are read.
    pub(super) env: Option<Vec<Pair>>,
    pub(super) env_vars: Option<Vec<Pair>>,
    pub(super) unbound_env_vars: Option<Vec<Pair>>,
    pub(super) labels: Option<Vec<Pair>>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) exposed_ports: Option<Vec<String>>,
    pub(super) unexposed_ports: Option<Vec<String>>,
    pub(super) volumes: Option<Vec<String>>,
    pub(super) unmounted_volumes: Option<Vec<String>>,
    pub(super) workdir: Option<String>,
    pub(super) user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct License {
    pub(super) debian: Option<bool>,
    pub(super) files: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RunOptions {
    pub(super) user: Option<String>,
    pub(super) privileged: Option<bool>,
    pub(super) allocate_tty: Option<bool>,
    pub(super) env_file: Option<String>,
    pub(super) env_vars: Option<Vec<String>>,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) bind_mounts: Option<Vec<String>>,
    pub(super) network: Option<String>,
}

/// `command` in schema 1.0.0.
#[derive(Debug)]
pub(super) struct WordList(pub(super) Vec<String>);

/// `command` in schema 2.0.0. Asked for as text, `true` and `y` are words like any other.
#[derive(Debug)]
pub(super) struct Word(pub(super) String);

impl<'de> Deserialize<'de> for WordList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = WordList;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of words, as in schemaVersion 1.0.0")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<WordList, A::Error> {
                let mut list = Vec::new();
                while let Some(word) = words.next_element()? {
                    list.push(word);
                }
                Ok(WordList(list))
            }
        }
        deserializer.deserialize_seq(ListVisitor)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl Visitor<'_> for WordVisitor {
            type Value = Word;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one word, as in schemaVersion 2.0.0; the others go into `args`")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Word, E> {
                Ok(Word(word.to_owned()))
            }
        }
        deserializer.deserialize_str(WordVisitor)
    }
}

impl From<WordList> for Vec<String> {
    fn from(words: WordList) -> Self {
        words.0
    }
}

impl From<Word> for Vec<String> {
    fn from(word: Word) -> Self {
        vec![word.0]
    }
}
