//! What names stand for.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::image::variable_length;
use crate::mapped::{Mapped, Span};
use crate::reading::Document;

/// How deep names may stand for names.
const DEPTH_MAX: usize = 8;

/// The longest text that values are put into, in bytes.
const RESOLVED_BYTES_MAX: usize = 4096;

/// Values that are put into one text: empty ones make it no longer.
const VALUES_MAX: usize = 1024;

/// Combinations of values that are put into one text.
const COMBINATIONS_MAX: usize = 128;

/// Combinations that are put into the texts of one file.
const COMBINATIONS_OF_FILE_MAX: usize = 100_000;

/// Parts that names have in front of them where they are used, and not where they get their value.
const SCOPES: [&str; 11] = [
    ".Values.",
    "Values.",
    "env.",
    "env:",
    "vars.",
    "params.",
    "parameters.",
    "variables.",
    "inputs.",
    "matrix.",
    ".",
];

/// A text that values are put into.
pub(crate) struct Resolved<'n> {
    pub(crate) text: String,
    /// The name that is asked for.
    name: &'n str,
    /// Where values of that name are in it, in its order.
    put_in: Vec<Range<usize>>,
    values_left: usize,
    which: Which,
    /// Where the values begin that are being put in: none is put into itself.
    open: Vec<usize>,
    /// What was chosen for names with several values, in the order in which they are met.
    choices: Vec<Choice>,
    /// How many of these were met.
    met: usize,
}

/// One of several values of a name.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// Where the first of them stands, which tells the name.
    first: usize,
    chosen: usize,
    count: usize,
}

/// What a name stands for that gets several values.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// The last one before the place, or the first one after.
    Last,
    /// The first one of all: another may only be given when something is so.
    First,
    /// The one that holds a place, whatever else there is.
    Holding(Span),
    /// The one that holds a place; of other names one after the other.
    Each(Option<Span>),
}

impl<'n> Resolved<'n> {
    fn new(place: usize, which: Which, name: &'n str) -> Resolved<'n> {
        Resolved {
            text: String::new(),
            name,
            put_in: Vec::new(),
            values_left: VALUES_MAX,
            which,
            open: vec![place],
            choices: Vec::new(),
            met: 0,
        }
    }

    /// The one of several values that is put in this time; a name has one in all of a text.
    fn choose<'d>(&mut self, values: &[&'d Mapped]) -> Option<&'d Mapped> {
        let first = values.first()?.whole_span().start;
        let met = self.choices.get(..self.met).unwrap_or_default();
        let chosen = match met.iter().find(|choice| choice.first == first) {
            Some(choice) => choice.chosen,
            None => {
                if self.met == self.choices.len() {
                    self.choices.push(Choice {
                        first,
                        chosen: 0,
                        count: values.len(),
                    });
                }
                self.met += 1;
                self.choices.get(self.met - 1)?.chosen
            }
        };
        values.get(chosen).copied()
    }

    /// Whether a value of the name that is asked for is at a place, and nothing else.
    pub(crate) fn is_value(&self, at: usize) -> bool {
        let next = self.put_in.partition_point(|range| range.start <= at);
        let last = next.checked_sub(1).and_then(|last| self.put_in.get(last));
        last.is_some_and(|range| range.contains(&at))
    }

    /// Adds as much of a text as there is room for.
    fn push(&mut self, text: &str) {
        let room = RESOLVED_BYTES_MAX.saturating_sub(self.text.len());
        let mut ends = (0..=room.min(text.len())).rev();
        let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.text.push_str(text.get(..end).unwrap_or_default());
    }
}

/// The names of a document.
pub(crate) struct Variables<'d> {
    values: HashMap<String, Values<'d>>,
    /// Whether a name has several.
    have_several: bool,
    combinations_left: Cell<usize>,
}

/// What one name stands for.
#[derive(Debug, Default)]
struct Values<'d> {
    all: Vec<&'d Mapped>,
    /// The first of each text, and no more than are put into one text.
    distinct: Vec<&'d Mapped>,
}

impl<'d> Variables<'d> {
    pub(crate) fn of(document: &'d Document) -> Variables<'d> {
        let mut values: HashMap<String, Values<'_>> = HashMap::new();
        for binding in &document.bindings {
            let of_name = values.entry(binding.name.clone()).or_default();
            of_name.all.push(&binding.value);
        }
        // A name is looked for in its own spelling first.
        for binding in &document.bindings {
            let lower = binding.name.to_ascii_lowercase();
            if lower != binding.name {
                let of_name = values.entry(format!("\0{lower}")).or_default();
                of_name.all.push(&binding.value);
            }
        }
        for values in values.values_mut() {
            let mut seen = HashSet::new();
            let distinct = values.all.iter().filter(|value| seen.insert(value.text()));
            values.distinct = distinct.take(COMBINATIONS_MAX + 1).copied().collect();
        }
        Variables {
            have_several: values.values().any(|values| values.distinct.len() > 1),
            values,
            combinations_left: Cell::new(COMBINATIONS_OF_FILE_MAX),
        }
    }

    /// A text with values put in.
    pub(crate) fn resolve(&self, text: &Mapped) -> String {
        self.resolve_at(text.text(), text.whole_span().start)
    }

    /// What a text that uses a name is with the last values of its names, with their first ones, and with those that hold a place of
    /// the file for names that have one.
    pub(crate) fn readings<'n>(&self, text: &Mapped, name: &'n str, value: Span) -> [Resolved<'n>; 3] {
        [Which::Last, Which::First, Which::Holding(value)]
            .map(|which| self.put_in(text.text(), text.whole_span().start, which, name))
    }

    /// A text at a place with every combination of values that its names have, but for the value of `name` that holds a place.
    /// Nothing where there are too many.
    pub(crate) fn combinations<'n>(
        &self,
        (text, place): (&str, usize),
        (name, value): (&'n str, Option<Span>),
    ) -> Option<Vec<Resolved<'n>>> {
        let mut all = Vec::new();
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            let left = self.combinations_left.get().checked_sub(1)?;
            self.combinations_left.set(left);
            if all.len() == COMBINATIONS_MAX {
                return None;
            }
            let mut resolved = Resolved::new(place, Which::Each(value), name);
            resolved.choices = choices;
            self.put(text, place, DEPTH_MAX, &mut resolved);
            choices = std::mem::take(&mut resolved.choices);
            all.push(resolved);
            if !self.have_several {
                return Some(all);
            }
            while choices
                .pop_if(|choice| choice.chosen + 1 >= choice.count)
                .is_some()
            {}
            match choices.last_mut() {
                Some(choice) => choice.chosen += 1,
                None => return Some(all),
            }
        }
    }

    /// A part of a text that stands at `place` in the file.
    pub(crate) fn resolve_at(&self, text: &str, place: usize) -> String {
        self.put_in(text, place, Which::Last, "").text
    }

    /// The same with the first value of each name: later ones may only be given when something is so.
    pub(crate) fn resolve_first(&self, text: &str, place: usize) -> String {
        self.put_in(text, place, Which::First, "").text
    }

    fn put_in<'n>(&self, text: &str, place: usize, which: Which, name: &'n str) -> Resolved<'n> {
        let mut resolved = Resolved::new(place, which, name);
        self.put(text, place, DEPTH_MAX, &mut resolved);
        resolved
    }

    fn put(&self, text: &str, place: usize, depth: usize, resolved: &mut Resolved<'_>) {
        let mut rest = text;
        while !rest.is_empty() && resolved.text.len() < RESOLVED_BYTES_MAX && resolved.values_left > 0 {
            let plain = rest.find(['$', '{', '%', '!', '#']).unwrap_or(rest.len());
            let (before, from) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            resolved.push(before);
            let Some(length) = variable(from) else {
                let sign = from.chars().next().map_or(0, char::len_utf8);
                resolved.push(from.get(..sign).unwrap_or_default());
                rest = from.get(sign..).unwrap_or_default();
                continue;
            };
            let (written, after) = from.split_at_checked(length).unwrap_or((from, ""));
            let name = name_of(written);
            let at = place + (text.len() - from.len());
            let value = name.and_then(|name| self.value(name, (place, at), resolved));
            resolved.values_left -= 1;
            let start = resolved.text.len();
            match (value, default_of(written)) {
                (Some(value), _) if depth > 0 => {
                    let place = value.whole_span().start;
                    resolved.open.push(place);
                    self.put(value.text(), place, depth - 1, resolved);
                    resolved.open.pop();
                }
                (None, Some(default)) if depth > 0 => self.put(default, place, depth - 1, resolved),
                _ => resolved.push(written),
            }
            if depth == DEPTH_MAX && name.is_some_and(|name| bare(name).eq_ignore_ascii_case(resolved.name)) {
                resolved.put_in.push(start..resolved.text.len());
            }
            rest = after;
        }
    }

    /// The value that a name has for what stands `at` a place in a text that begins at another: the last one it got before, or
    /// the first one after. None stands in itself.
    fn value(
        &self,
        name: &str,
        (place, at): (usize, usize),
        resolved: &mut Resolved<'_>,
    ) -> Option<&'d Mapped> {
        let values = self.values(name)?;
        let is_within = |value: &Mapped, open: &[usize]| {
            let span = value.whole_span();
            (span.start..span.end).contains(&at) || open.contains(&span.start)
        };
        let all = &values.all;
        let chosen = match resolved.which {
            Which::Last => None,
            Which::First => all.iter().find(|value| value.whole_span().start < place),
            Which::Holding(span) | Which::Each(Some(span)) => {
                all.iter().find(|value| value.whole_span().overlaps(&span))
            }
            Which::Each(None) => None,
        };
        if chosen.is_none() && matches!(resolved.which, Which::Each(_)) && values.distinct.len() > 1 {
            let others = values.distinct.iter().copied();
            let others: Vec<&Mapped> = others.filter(|value| !is_within(value, &resolved.open)).collect();
            return resolved.choose(&others);
        }
        let next = all.partition_point(|value| value.whole_span().start < place);
        let last = || next.checked_sub(1).and_then(|last| all.get(last));
        let first = || all.iter().find(|value| value.whole_span().start != place);
        let value = *chosen.or_else(last).or_else(first)?;
        (!is_within(value, &resolved.open)).then_some(value)
    }

    fn values(&self, name: &str) -> Option<&Values<'d>> {
        let bare = bare(name);
        let exact = self.values.get(name).or_else(|| self.values.get(bare));
        exact.or_else(|| self.values.get(&format!("\0{}", bare.to_ascii_lowercase())))
    }
}

/// The length of a variable, with the notations that only scripts have: `$env:NAME`, `!NAME!`.
fn variable(text: &str) -> Option<usize> {
    let named = |prefix: usize| {
        let name = text.get(prefix..)?;
        name.find(|last: char| !(last.is_ascii_alphanumeric() || last == '_'))
            .or(Some(name.len()))
    };
    if text
        .get(..5)
        .is_some_and(|scope| scope.eq_ignore_ascii_case("$env:"))
    {
        return named(5).map(|length| length + 5);
    }
    if text.starts_with('!') {
        let length = named(1).filter(|length| *length > 0)?;
        return text.get(length + 1..)?.starts_with('!').then_some(length + 2);
    }
    if text.starts_with('#') && !text.starts_with("#{") {
        return None;
    }
    variable_length(text)
}

/// The name in a variable as it is written.
pub(crate) fn name_of(variable: &str) -> Option<&str> {
    let inner = variable
        .trim_start_matches(['$', '{', '(', '[', '%', '#', '!'])
        .trim_start_matches(['-', ' ']);
    let end = inner
        .find(|last: char| !(last.is_ascii_alphanumeric() || matches!(last, '_' | '.' | ':' | '-')))
        .unwrap_or(inner.len());
    let name = inner.get(..end)?;
    // `${NAME:-x}` has a colon and a dash after its name.
    let name = match name.find([':', '-']) {
        Some(at) if variable.starts_with("${") && !name.to_ascii_lowercase().starts_with("env:") => {
            name.get(..at)?
        }
        _ => name,
    };
    let name = name.trim_end_matches([':', '-', '.']);
    (!name.is_empty()).then_some(name)
}

/// What `${NAME:-default}` stands for without a value.
fn default_of(variable: &str) -> Option<&str> {
    let inner = variable.strip_prefix("${")?.strip_suffix('}')?;
    let end = inner.find(|last: char| !(last.is_ascii_alphanumeric() || last == '_'))?;
    let rest = inner.get(end..)?;
    let value = [":-", ":=", "-", "="]
        .iter()
        .find_map(|sign| rest.strip_prefix(sign))?;
    Some(value.trim_matches(['"', '\'']))
}

/// A name in the spelling that bindings have.
fn bare(name: &str) -> &str {
    let bare = SCOPES.iter().find_map(|scope| name.strip_prefix(scope));
    bare.unwrap_or(name)
}

/// Names that a text refers to, each in the spelling that bindings have.
pub(crate) fn names_in(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.find(['$', '{', '%', '!', '#']) else {
            break;
        };
        let from = rest.get(next..).unwrap_or_default();
        if variable(from).is_some() {
            let length = variable(from).unwrap_or(1);
            let written = from.get(..length).unwrap_or_default();
            if let Some(name) = name_of(written) {
                names.push(bare(name));
            }
            if let Some(default) = default_of(written) {
                // What it stands for may have names too.
                at += next + written.find(default).unwrap_or(length).max(1);
                continue;
            }
            at += next + length.max(1);
        } else {
            at += next + 1;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::reading;

    fn last_resolved(script: &str) -> String {
        let document = reading::read(Kind::Shell, script);
        let last = document
            .commands
            .last()
            .and_then(|command| command.words.last())
            .unwrap();
        Variables::of(&document).resolve(last)
    }

    #[test]
    fn names_stand_for_what_they_got_last() {
        for (script, wanted) in [
            ("A=gcr.io\nB=$A/p\npush ${B}/x:$TAG", "gcr.io/p/x:$TAG"),
            ("A=x\nA=y\npush $A\n", "y"),
            ("push ${A:-gcr.io}/x", "gcr.io/x"),
            ("A=$A\npush $A", "$A"),
            ("A=$B\nB=$A\npush $A", "$A"),
            ("push '${{ env.A }}' # A\nA=b\npush '${{ env.A }}'", "b"),
            ("A=1\npush '{{A}}-%A%-!A!-$env:A'", "1-1-1-1"),
        ] {
            assert_eq!(last_resolved(script), wanted, "{script}");
        }
    }

    #[test]
    fn values_of_the_name_that_is_asked_for_are_told_from_others() {
        let document = reading::read(Kind::Shell, "A=gcr.io\nB=gcr.io\npush x${A}/$B");
        let word = &document.commands.last().unwrap().words[1];
        let value = document.bindings[0].value.whole_span();
        for resolved in Variables::of(&document).readings(word, "a", value) {
            assert_eq!(resolved.text, "xgcr.io/gcr.io");
            let values: Vec<usize> = (0..14).filter(|at| resolved.is_value(*at)).collect();
            assert_eq!(values, Vec::from_iter(1..7));
        }
    }

    #[test]
    fn what_grows_without_end_is_bounded() {
        let script = "A=$A$A$A$A\nB=$A$A$A$A$A\nA=$B$B$B$B$B\nB=$A$A$A$A$A$A\nA=$B$B$B$B$B\nB=$A$A$A$A$A$A\nA=$B$B$B$B$B$B\npush $A";
        assert!(last_resolved(script).len() <= RESOLVED_BYTES_MAX);
        let many = |name: &str| format!("${name}").repeat(30);
        let names = ["A", "B", "C", "D", "E", "F", "G"];
        let lines: String = names
            .windows(2)
            .map(|pair| format!("{}={}\n", pair[0], many(pair[1])))
            .collect();
        // Thirty ways for each step, each of which ends in a letter: they say how many were gone.
        let letters = last_resolved(&format!("{lines}G=x\npush $A")).len();
        assert!((VALUES_MAX / 2..VALUES_MAX).contains(&letters), "{letters}");
    }

    #[test]
    fn a_long_text_is_cut_at_a_sign() {
        for length in [RESOLVED_BYTES_MAX, RESOLVED_BYTES_MAX + 1] {
            let long = "x".repeat(length);
            assert_eq!(last_resolved(&format!("push {long}")).len(), RESOLVED_BYTES_MAX);
            assert_eq!(
                last_resolved(&format!("A={long}\npush $A")).len(),
                RESOLVED_BYTES_MAX
            );
        }
        let cut = last_resolved(&format!("A={}é\npush $A", "x".repeat(RESOLVED_BYTES_MAX - 1)));
        assert_eq!(cut.len(), RESOLVED_BYTES_MAX - 1);
    }
}
