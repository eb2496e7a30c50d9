//! Structure tests: what an image promises, written down and checked.
//!
//! Reads the files of container-structure-test, schema 1.0.0 and 2.0.0. Files, owners and the configuration are
//! read straight from the image; commands go to a [`CommandRunner`].

mod command_runner;
mod document;
mod excerpt;
mod expansion;
mod file_checks;
mod file_system;
mod image;
mod metadata_check;
mod parse;
mod pattern;
mod permissions;
mod report;
mod report_documents;
mod report_text;
mod run;
mod suite;
mod syntax;

pub use command_runner::{CommandError, CommandOutput, CommandRequest, CommandRunner, NoCommands, Session};
pub use file_checks::CONTENT_BYTES_MAX;
pub use file_system::{FileKind, FileStatus, FileSystem};
pub use image::ImageFacts;
pub use parse::{FILE_BYTES_MAX, TESTS_MAX, parse};
pub use pattern::{PATTERN_BYTES_MAX, PROGRAM_BYTES_MAX, Pattern, PatternError, REPETITIONS_MAX};
pub use report::{Outcome, Report, Status, TestKind, TestResult, Verdict};
pub use report_documents::JSON_SCHEMA;
pub use run::{ENV_FILE_BYTES_MAX, Surroundings, run};
pub use suite::{
    BindMount, CommandTest, ContentTest, ExecutableBy, ExistenceTest, ExpectedPair, ExpectedValue,
    LicenseTest, MetadataTest, RunOptions, Schema, Suite, Variable,
};
pub use syntax::ParseError;
