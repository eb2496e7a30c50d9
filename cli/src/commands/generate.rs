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

/// The help of every command and every verb, one after the other.
fn reference() -> String {
    let mut text = String::from(
        "# The command line\n\nThis page is generated from the program (`cargo xtask docs`): it is what `--help` says.\n",
    );
    let mut program = arguments::Arguments::command().term_width(REFERENCE_COLUMNS);
    program.build();
    sections(&mut text, ("lightship", 0), &program);
    text
}

/// A command, then what is below it. The options that it hands down to all of its verbs are told with itself only.
fn sections(text: &mut String, (name, depth): (&str, usize), command: &clap::Command) {
    let is_verb = depth > 1;
    let handed_down = |argument: &clap::Arg| is_verb && argument.is_global_set();
    let mut shown = command.clone().term_width(REFERENCE_COLUMNS);
    let hidden: Vec<clap::Id> = shown
        .get_arguments()
        .filter(|argument| handed_down(argument))
        .map(|argument| argument.get_id().clone())
        .collect();
    for id in hidden {
        shown = shown.mut_arg(id, |argument| argument.hide(true));
    }
    let help = shown.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let heading = if is_verb { "###" } else { "##" };
    text.push_str(&format!(
        "\n{heading} {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    ));
    let below = command.get_subcommands();
    for verb in below.filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        sections(text, (&format!("{name} {}", verb.get_name()), depth + 1), verb);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_every_verb_stands_in_the_reference() {
        fn check(text: &str, name: &str, command: &clap::Command) {
            let heading = format!("# {name}\n");
            let section = text.split(&heading).nth(1);
            let section = section
                .and_then(|rest| rest.split("\n##").next())
                .unwrap_or_default();
            for argument in command
                .get_arguments()
                .filter(|argument| !argument.is_global_set())
            {
                let written = argument.get_long().map(|long| format!("--{long}"));
                let written = written.unwrap_or_else(|| format!("{argument}"));
                assert!(section.contains(&written), "{name} lacks {written}");
            }
            for verb in command.get_subcommands() {
                if !verb.is_hide_set() && verb.get_name() != "help" {
                    check(text, &format!("{name} {}", verb.get_name()), verb);
                }
            }
        }
        let mut program = arguments::Arguments::command();
        program.build();
        let text = reference();
        check(&text, "lightship", &program);
        assert!(text.contains("### lightship repo restore-tag\n"));
    }
}
