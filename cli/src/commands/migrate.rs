//! `lightship migrate`: a registry to another place, without breaking one pull.

mod iam;

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
    Iam(iam::Arguments),
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    match &arguments.verb {
        Verb::Iam(arguments) => iam::run(arguments, settings),
    }
}
