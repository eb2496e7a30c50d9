//! What came out of a run.

use std::time::Duration;

use serde::Serialize;

/// The results of a run, in the order in which the tests ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The image as the user named it.
    pub image: String,
    /// Its architecture.
    pub architecture: String,
    /// Every test.
    pub results: Vec<TestResult>,
    /// What the reader should know besides, e.g. options that could not be honoured.
    pub notes: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

impl Report {
    /// How many tests ended so.
    pub fn count(&self, status: Status) -> usize {
        self.results
            .iter()
            .filter(|result| result.outcome.status() == status)
            .count()
    }

    /// The answer to "is the image as the tests say?".
    pub fn verdict(&self) -> Verdict {
        if self.count(Status::Failed) > 0 {
            Verdict::Failed
        } else if self.results.is_empty() || self.count(Status::Skipped) > 0 {
            Verdict::Incomplete
        } else {
            Verdict::Passed
        }
    }
}

/// The answer to "is the image as the tests say?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every test ran and none failed.
    Passed,
    /// A test failed.
    Failed,
    /// None failed, but some could not be run here, or there was none: the question has no full answer.
    Incomplete,
}

/// A test and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The file it comes from.
    pub file: String,
    /// Its kind.
    pub kind: TestKind,
    /// Its name; empty for kinds whose tests have none.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What a command wrote on standard output, lossily as text.
    pub stdout: String,
    /// What a command wrote on standard error, lossily as text.
    pub stderr: String,
    /// How long it took.
    pub duration: Duration,
}

impl TestResult {
    /// Kind and name as one text, e.g. `Command Test: hello`; the same that container-structure-test prints.
    pub fn title(&self) -> String {
        match self.kind {
            TestKind::License | TestKind::Metadata => self.kind.title().to_owned(),
            kind => format!("{}: {}", kind.title(), self.name),
        }
    }
}

/// The kind of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestKind {
    /// Runs a command.
    Command,
    /// Searches a file.
    FileContent,
    /// Looks for a file.
    FileExistence,
    /// Looks for licences.
    License,
    /// Compares the configuration.
    Metadata,
}

impl TestKind {
    fn title(self) -> &'static str {
        match self {
            Self::Command => "Command Test",
            Self::FileContent => "File Content Test",
            Self::FileExistence => "File Existence Test",
            Self::License => "License Test",
            Self::Metadata => "Metadata Test",
        }
    }
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it says.
    Passed,
    /// What is not, in words; at least one.
    Failed(Vec<String>),
    /// It could not be run; why, in words.
    Skipped(String),
}

impl Outcome {
    /// Failed when there are errors.
    pub(super) fn of(errors: Vec<String>) -> Self {
        if errors.is_empty() {
            Self::Passed
        } else {
            Self::Failed(errors)
        }
    }

    /// Without the reasons.
    pub fn status(&self) -> Status {
        match self {
            Self::Passed => Status::Passed,
            Self::Failed(_) => Status::Failed,
            Self::Skipped(_) => Status::Skipped,
        }
    }
}

/// How a test ended, without the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is as it says.
    Passed,
    /// Something is not.
    Failed,
    /// It could not be run.
    Skipped,
}
