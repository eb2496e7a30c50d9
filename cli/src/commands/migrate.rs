//! `lightship migrate`: a registry to another place, without breaking one pull.

mod client_config;
mod iam;
mod plan;
mod run;
mod sides;
mod transition;
mod verify;

use clap::{Args, Subcommand};

use crate::failure::{Failure, Outcome};
use crate::settings::Settings;

/// Move a registry, or part of one, to another place
///
/// SOURCE and DESTINATION are HOST[:PORT][/PREFIX], oci:DIR, or for a source docker-archive:FILE.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Plan(plan::Arguments),
    Run(run::Arguments),
    Verify(verify::Arguments),
    Iam(iam::Arguments),
    ClientConfig(client_config::Arguments),
    Shift(transition::ShiftArguments),
    Status(transition::StatusArguments),
    Rollback(transition::RollbackArguments),
    Finish(transition::FinishArguments),
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    match &arguments.verb {
        Verb::Plan(arguments) => plan::run(arguments, settings),
        Verb::Run(arguments) => run::run(arguments, settings),
        Verb::Verify(arguments) => verify::run(arguments, settings),
        Verb::Iam(arguments) => iam::run(arguments, settings),
        Verb::ClientConfig(arguments) => client_config::run(arguments, settings),
        Verb::Shift(arguments) => transition::shift(arguments, settings),
        Verb::Status(arguments) => transition::status(arguments, settings),
        Verb::Rollback(arguments) => transition::roll_back(arguments, settings),
        Verb::Finish(arguments) => transition::finish(arguments, settings),
    }
}
