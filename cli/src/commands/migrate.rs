//! `lightship migrate`: from an old registry to a new one, step by step.

mod transition;

use clap::{Args, Subcommand};

use crate::failure::{Failure, Outcome};
use crate::settings::Settings;

/// Move a registry's content to another, and its pulls, without one that fails
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Shift(transition::ShiftArguments),
    Status(transition::StatusArguments),
    Rollback(transition::RollbackArguments),
    Finish(transition::FinishArguments),
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    match &arguments.action {
        Action::Shift(arguments) => transition::shift(arguments, settings),
        Action::Status(arguments) => transition::status(arguments, settings),
        Action::Rollback(arguments) => transition::roll_back(arguments, settings),
        Action::Finish(arguments) => transition::finish(arguments, settings),
    }
}
