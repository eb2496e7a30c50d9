//! What a structure test file asks for, checked and in one form for both schema versions.

use super::pattern::Pattern;

/// The tests of one document of a file, in the order in which they run: commands, file contents, file existence,
/// licences, metadata.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The file's name as it was given.
    pub file: String,
    /// The version of the format.
    pub schema: Schema,
    /// Variables of every command, setup and teardown.
    pub variables: Vec<Variable>,
    /// Commands to run inside the image.
    pub command_tests: Vec<CommandTest>,
    /// Files to search.
    pub content_tests: Vec<ContentTest>,
    /// Files that must or must not exist.
    pub existence_tests: Vec<ExistenceTest>,
    /// Licences to look for.
    pub license_tests: Vec<LicenseTest>,
    /// What the image's configuration must say.
    pub metadata_test: Option<MetadataTest>,
    /// How commands are run.
    pub run_options: RunOptions,
}

impl Suite {
    /// Number of tests in it; the metadata test counts as one.
    pub fn tests(&self) -> usize {
        self.command_tests.len()
            + self.content_tests.len()
            + self.existence_tests.len()
            + self.license_tests.len()
            + usize::from(self.metadata_test.is_some())
    }
}

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// 1.0.0: a command is a list of words; no metadata, owners, `isExecutableBy` or run options; paths are literal.
    V1,
    /// 2.0.0.
    V2,
}

/// An environment variable. `$NAME` and `${NAME}` in the value stand for variables of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name; never empty.
    pub key: String,
    /// Its value before expansion.
    pub value: String,
}

/// A command to run and what it must print.
#[derive(Debug, Clone)]
pub struct CommandTest {
    /// Its name; never empty.
    pub name: String,
    /// Commands before it, in the same copy of the image; each a list of words, none empty.
    pub setup: Vec<Vec<String>>,
    /// Commands after it.
    pub teardown: Vec<Vec<String>>,
    /// Variables for this test on top of those of the suite.
    pub variables: Vec<Variable>,
    /// The exit code it must end with.
    pub exit_code: i64,
    /// The command and its arguments; the first is never empty. `$NAME` is expanded from the image's variables.
    pub command: Vec<String>,
    /// What standard output must match, each.
    pub expected_output: Vec<Pattern>,
    /// What standard output must not match.
    pub excluded_output: Vec<Pattern>,
    /// What standard error must match, each.
    pub expected_error: Vec<Pattern>,
    /// What standard error must not match.
    pub excluded_error: Vec<Pattern>,
}

/// A file that must, or must not, exist. Symbolic links are not followed.
#[derive(Debug, Clone)]
pub struct ExistenceTest {
    /// Its name; never empty.
    pub name: String,
    /// The path; in schema 2.0.0 `$NAME` is expanded from the image's variables.
    pub path: String,
    /// Whether it must exist.
    pub should_exist: bool,
    /// Kind and permissions as Go prints them, e.g. `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`.
    pub permissions: Option<String>,
    /// The owner it must have.
    pub uid: Option<u64>,
    /// The group it must have.
    pub gid: Option<u64>,
    /// Who must be able to execute it.
    pub executable_by: Option<ExecutableBy>,
}

/// Who must be able to execute a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutableBy {
    /// Its owner.
    Owner,
    /// Its group.
    Group,
    /// Everybody else.
    Other,
    /// At least one of the three.
    Any,
}

/// A file to search. Symbolic links are followed inside the image.
#[derive(Debug, Clone)]
pub struct ContentTest {
    /// Its name; never empty.
    pub name: String,
    /// The path; in schema 2.0.0 `$NAME` is expanded from the image's variables.
    pub path: String,
    /// What the content must match, each.
    pub expected: Vec<Pattern>,
    /// What the content must not match.
    pub excluded: Vec<Pattern>,
}

/// Fails when a licence text names a licence that must not be there (AGPL, WTFPL).
#[derive(Debug, Clone)]
pub struct LicenseTest {
    /// Look at the `copyright` file of every directory of `/usr/share/doc`.
    pub debian: bool,
    /// More files to look at.
    pub files: Vec<String>,
}

/// What the image's configuration must say.
#[derive(Debug, Clone, Default)]
pub struct MetadataTest {
    /// Variables that must be set so.
    pub variables: Vec<ExpectedPair>,
    /// Variables that must not be set.
    pub unbound_variables: Vec<String>,
    /// Labels that must be set so.
    pub labels: Vec<ExpectedPair>,
    /// The exact entrypoint; an empty list means none.
    pub entrypoint: Option<Vec<String>>,
    /// The exact command; an empty list means none.
    pub cmd: Option<Vec<String>>,
    /// Ports that must be exposed; the protocol is not compared.
    pub exposed_ports: Vec<String>,
    /// Ports that must not be exposed.
    pub unexposed_ports: Vec<String>,
    /// Volumes that must be declared.
    pub volumes: Vec<String>,
    /// Volumes that must not be declared.
    pub unmounted_volumes: Vec<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// The user, as it is written in the configuration.
    pub user: Option<String>,
}

/// A name with the value it must have.
#[derive(Debug, Clone)]
pub struct ExpectedPair {
    /// The name; never empty.
    pub key: String,
    /// The value.
    pub value: ExpectedValue,
}

/// The value that something must have.
#[derive(Debug, Clone)]
pub enum ExpectedValue {
    /// Exactly this.
    Exact(String),
    /// Anything that matches.
    Matching(Pattern),
}

/// How commands are run (`containerRunOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The user instead of the image's.
    pub user: Option<String>,
    /// A file of `NAME=VALUE` lines.
    pub env_file: Option<String>,
    /// Names of variables to pass on from the caller's environment.
    pub env_vars: Vec<String>,
    /// Directories and files of the host that commands see.
    pub bind_mounts: Vec<BindMount>,
    /// What is asked for and cannot be had in a sandbox without privileges, in words.
    pub unsupported: Vec<String>,
}

/// A directory or file of the host that commands see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Absolute path on the host.
    pub host: String,
    /// Absolute path in the image.
    pub target: String,
    /// Not to be written to.
    pub read_only: bool,
}
