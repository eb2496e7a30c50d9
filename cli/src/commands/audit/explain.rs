//! `lightship audit explain`: what a rule means.

use std::fmt::Write as _;

use audit::Rule;
use audit::rules::RULES;
use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output;

/// Say what a rule finds, why that matters and what to do; all rules when none is named
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The rule's id, as reports show it
    rule: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let Some(id) = &arguments.rule else {
        let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
        let mut text = String::new();
        for rule in RULES {
            let severity = format!("{:?}", rule.severity).to_lowercase();
            let _ = writeln!(text, "{:width$}  {severity:7}  {}", rule.id, rule.title);
        }
        output::data(text.as_bytes())?;
        return Ok(Outcome::Done);
    };
    match Rule::by_id(id) {
        Some(rule) => output::data(rule.page.as_bytes())?,
        None => return Err(unknown(id)),
    }
    Ok(Outcome::Done)
}

/// There is no such rule; perhaps another was meant.
pub(super) fn unknown(id: &str) -> Failure {
    let failure = Failure::usage(format!("there is no rule {id:?}"));
    let nearest = RULES
        .iter()
        .max_by(|one, other| strsim::jaro_winkler(one.id, id).total_cmp(&strsim::jaro_winkler(other.id, id)));
    match nearest.filter(|rule| strsim::jaro_winkler(rule.id, id) > 0.7) {
        Some(rule) => failure.hint(format!("did you mean {}?", rule.id)),
        None => failure.hint("lightship audit explain lists all rules"),
    }
}
