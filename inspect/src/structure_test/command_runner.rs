//! How commands inside an image are run; the sandbox implements it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::suite::BindMount;

/// Runs commands inside an image.
pub trait CommandRunner {
    /// A fresh copy of the image's files for one test; its commands see each other's changes, nobody else does.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when this machine cannot run commands of this image.
    fn session(&mut self) -> Result<Box<dyn Session + '_>, CommandError>;
}

/// One copy of the image's files.
pub trait Session {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it could not be started; a command that fails is a [`CommandOutput`] with its exit code.
    fn run(&mut self, request: &CommandRequest) -> Result<CommandOutput, CommandError>;
}

/// A command to run. The image's entrypoint plays no part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandRequest {
    /// The program, looked up in `PATH` when it has no slash, and its arguments.
    pub words: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// The user instead of the image's, written as in a configuration.
    pub user: Option<String>,
    /// Files of the host that it sees.
    pub bind_mounts: Vec<BindMount>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandOutput {
    /// What it wrote on standard output, up to a limit.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error, up to a limit.
    pub stderr: Vec<u8>,
    /// It wrote more than is kept: this much is.
    pub cut_at_bytes: Option<u64>,
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub exit_code: i64,
    /// It was ended because it ran this long.
    pub timed_out: Option<Duration>,
}

/// Why a command was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Not the image's fault: this machine cannot do it.
    #[error("cannot run here: {reason}")]
    Unavailable {
        /// Why, in words.
        reason: String,
    },
    /// The command cannot be started in this image.
    #[error("{reason}")]
    NotStarted {
        /// Why, in words.
        reason: String,
    },
}

/// Runs nothing: every command test is skipped with the same reason.
#[derive(Debug, Clone)]
pub struct NoCommands {
    /// Why, in words.
    pub reason: String,
}

impl CommandRunner for NoCommands {
    fn session(&mut self) -> Result<Box<dyn Session + '_>, CommandError> {
        Err(CommandError::Unavailable {
            reason: self.reason.clone(),
        })
    }
}
