//! `lightship generate`: documents made from the code, for `cargo xtask docs`. Hidden.

use clap::{Args, CommandFactory as _, ValueEnum};

use crate::arguments;
use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Print a document that is made from the code
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which one
    document: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// The reference of the command line, in Markdown
    Cli,
    /// The commented example of a configuration
    Configuration,
    /// The JSON schema of a specification
    SpecificationSchema,
}

/// The reference is the same on every terminal.
const REFERENCE_COLUMNS: usize = 100;

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match arguments.document {
        Document::Cli => output::data(reference().as_bytes())?,
        Document::Configuration => output::data(configuration::example().as_bytes())?,
        Document::SpecificationSchema => output::data(factory::specification::json_schema().as_bytes())?,
    }
    Ok(Outcome::Done)
}

/// The help of every command, one after the other.
fn reference() -> String {
    let mut text = String::from(
        "# The command line\n\nThis page is generated from the program (`cargo xtask docs`): it is what `--help` says.\n",
    );
    let mut program = arguments::Arguments::command().term_width(REFERENCE_COLUMNS);
    program.build();
    let commands: Vec<clap::Command> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .cloned()
        .collect();
    section(&mut text, "lightship", program);
    for command in commands {
        let name = format!("lightship {}", command.get_name());
        section(&mut text, &name, command.term_width(REFERENCE_COLUMNS));
    }
    text
}

fn section(text: &mut String, name: &str, mut command: clap::Command) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!(
        "\n## {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    ));
}
