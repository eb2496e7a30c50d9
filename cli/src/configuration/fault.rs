//! A fault of the configuration, shown where it is.

use crate::failure::{Failure, Kind};

/// More of a line says nothing more.
const SHOWN_CHARACTERS: usize = 120;

/// What is wrong and what may have been meant.
pub(super) fn failure(file: &str, text: &str, error: &toml::de::Error) -> Failure {
    let attempt = format!("the configuration {file} has a fault");
    let place = error.span().map(|span| Place::of(text, span.start));
    let shown = Fault {
        message: error.message().trim_end().replace('\n', ", "),
        place: place.map(|place| place.shown(file)).unwrap_or_default(),
    };
    let failure = Failure::new(Kind::Usage, attempt, shown);
    match meant(error.message()) {
        Some(key) => failure.hint(format!("did you mean `{key}`?")),
        None => failure.hint("`lightship serve --print-config` prints every key with its explanation"),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}{place}")]
struct Fault {
    message: String,
    place: String,
}

/// A line of the file, and where in it.
struct Place<'t> {
    line: usize,
    column: usize,
    source: &'t str,
}

impl Place<'_> {
    fn of(text: &str, offset: usize) -> Place<'_> {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).map_or(0, |part| part.chars().count()) + 1,
            source: text
                .get(start..)
                .and_then(|rest| rest.lines().next())
                .unwrap_or_default(),
        }
    }

    fn shown(&self, file: &str) -> String {
        let Place { line, column, source } = self;
        let shown: String = source.chars().take(SHOWN_CHARACTERS).collect();
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        format!("\n{margin}--> {file}:{line}:{column}\n{margin} |\n{number} | {shown}\n{margin} |")
    }
}

/// The nearest of the words that a message says were expected.
fn meant(message: &str) -> Option<&str> {
    let (_, rest) = message
        .split_once("unknown field `")
        .or_else(|| message.split_once("unknown variant `"))?;
    let (word, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
