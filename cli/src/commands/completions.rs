//! `lightship completions`: what a shell needs to complete our command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Print the completions of a shell
///
/// For example, for bash:
///
///     lightship completions bash > ~/.local/share/bash-completion/completions/lightship
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut arguments::Arguments::command(),
        "lightship",
        &mut script,
    );
    output::data(&script)?;
    Ok(Outcome::Done)
}
