//! What programs join to a name: `NAME + "/project/image"`, and formats that begin with a place for it.
//!
//! Which values meet is not followed; every text on a line with the name may be joined to it. That says less of what an image
//! is than of what may not be rewritten.

use std::collections::{HashMap, HashSet};

use crate::kind::Kind;

/// Texts that are joined to names.
#[derive(Debug, Default)]
pub(super) struct Joined<'t> {
    by_name: HashMap<&'t str, Vec<&'t str>>,
    /// Names that are used in ways that are not understood: handed on, formatted, joined to other names.
    elsewhere: HashSet<&'t str>,
}

/// Texts of one name, at most.
const TEXTS_MAX: usize = 256;

/// Longer lines are nobody's hand, in bytes.
const LINE_BYTES_MAX: usize = 1024;

/// What formats begin with where a name is put in.
const PLACES: [&str; 4] = ["%s", "%v", "{}", "{0}"];

impl<'t> Joined<'t> {
    /// Of a program; of nothing else.
    pub(super) fn of(kind: Kind, text: &'t str) -> Joined<'t> {
        let mut joined = Joined::default();
        if !matches!(
            kind,
            Kind::Starlark | Kind::Groovy | Kind::CLike | Kind::HashComment
        ) {
            return joined;
        }
        for line in text.lines().filter(|line| line.len() <= LINE_BYTES_MAX) {
            let texts: Vec<&str> = quoted(line).filter_map(rest_of_name).collect();
            // A slash by itself stands between names.
            if texts.is_empty() || quoted(line).any(|text| text == "/") {
                joined.elsewhere.extend(used(line));
            }
            if texts.is_empty() {
                continue;
            }
            let is_sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
            for word in line.split(|sign| !is_sign(sign)).filter(|word| !word.is_empty()) {
                let known = joined.by_name.entry(word).or_default();
                known.extend(texts.iter().take(TEXTS_MAX.saturating_sub(known.len())));
            }
        }
        joined
    }

    /// Whether a name is used in ways that are not understood.
    pub(super) fn is_elsewhere(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.elsewhere.contains(last)
    }

    /// Texts that may follow a name, each from its slash on.
    pub(super) fn to(&self, name: &str) -> &[&'t str] {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.by_name.get(last).map_or(&[], Vec::as_slice)
    }
}

/// Names on a line that get no value there and stand in no quotes; of a comment none.
fn used(line: &str) -> impl Iterator<Item = &str> {
    let line = line.trim();
    let code = match line.starts_with(['#', '*']) || line.starts_with("//") || line.starts_with("/*") {
        true => "",
        false => line,
    };
    // What stands between quotes is every second part.
    let parts = code.split(['"', '\'', '`']).step_by(2);
    parts.flat_map(|part| {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
        let words = part
            .split(move |sign| !is_sign(sign))
            .filter(|word| !word.is_empty());
        words.filter(move |word| {
            let after = part.rsplit(word).next().unwrap_or_default().trim_start();
            let is_given = after.starts_with('=') && !after.starts_with("==")
                || after.starts_with(":=")
                || after.starts_with(':') && after.contains('=');
            !is_given
        })
    })
}

/// What stands in quotes on a line, as far as that can be told from the line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find(['"', '\'', '`'])?;
        let quote = rest.get(start..)?.chars().next()?;
        let inner = rest.get(start + 1..)?;
        let end = inner.find(quote)?;
        rest = inner.get(end + 1..)?;
        inner.get(..end)
    })
}

/// What comes behind the name in a text that is joined to one.
fn rest_of_name(text: &str) -> Option<&str> {
    let rest = PLACES
        .iter()
        .find_map(|place| text.strip_prefix(place))
        .unwrap_or(text);
    let name = rest.strip_prefix('/')?;
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        .then_some(rest)
}
