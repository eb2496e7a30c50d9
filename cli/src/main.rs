//! The `lightship` program: arguments → settings → calls.
//!
//! This is the only crate that prints, reads the environment or the clock, or exits. `main` reads as the
//! program: parse, resolve the settings, run one command, turn what happened into an exit status.

mod administration;
mod archive_options;
mod arguments;
mod configuration;
mod environment;
mod registry_options;
mod registry_warnings;
mod settings;

mod commands;

mod build_report;
mod certificates;
mod credentials;
mod images;
mod interruption;
mod locks;
mod open_files;
mod packages;
mod resolution;
mod runtime;
mod selection;
mod server;
mod workshop;

mod failure;
mod output;
mod progress_display;
mod prompt;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::failure::Outcome;
use crate::settings::Settings;

fn main() -> ExitCode {
    // Before anything else, threads above all: the inner half of the test sandbox must start alone in its process.
    if let Some(code) = commands::test::sandbox_entry() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return output::usage(&usage),
    };
    let settings = Settings::resolve(&arguments.global, &environment::Environment::read());
    let ended = commands::run(arguments.command, &settings);
    settings.warnings.tell();
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NotSo) => ExitCode::from(1),
        Err(failure) => failure.report(&settings),
    }
}
