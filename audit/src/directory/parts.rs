//! Text with names in it, and what it reads like when the names have values.

use std::ops::Range;

/// How deep names may stand for names, and parts in parts.
pub(super) const DEPTH_MAX: usize = 8;

/// Parts of one text, those of defaults included.
const PARTS_MAX: usize = 64;

/// Values that are put into one text.
const VALUES_MAX: usize = 128;

/// The longest text that values are put into, in bytes.
const FILLED_BYTES_MAX: usize = 2048;

/// A text in which names stand for text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    list: Vec<Part>,
    /// How many parts it has, at all depths.
    count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Itself.
    Text(String),
    /// What a name stands for, or what comes instead when that is nothing.
    Name { name: String, otherwise: Parts },
}

impl Parts {
    /// A text without names.
    pub(super) fn text(text: &str) -> Parts {
        let mut parts = Parts::default();
        parts.push_text(text);
        parts
    }

    /// A name alone.
    pub(super) fn name(name: String) -> Parts {
        Parts {
            list: vec![Part::Name {
                name,
                otherwise: Parts::default(),
            }],
            count: 1,
        }
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if let Some(Part::Text(last)) = self.list.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.list.push(Part::Text(text.to_owned()));
            self.count += 1;
        }
    }

    /// Adds others behind; false when these would be too many, and then none is added.
    pub(super) fn push(&mut self, other: Parts) -> bool {
        if self.count + other.count > PARTS_MAX {
            return false;
        }
        for part in other.list {
            match part {
                Part::Text(text) => self.push_text(&text),
                name @ Part::Name { .. } => {
                    self.count += counted(&name);
                    self.list.push(name);
                }
            }
        }
        true
    }

    /// The same, and others where it is nothing. Only of a name: of a text with several it is not known when all are nothing.
    pub(super) fn or(mut self, other: Parts) -> Option<Parts> {
        if self.count + other.count > PARTS_MAX {
            return None;
        }
        let has_text = self.list.iter().any(|part| matches!(part, Part::Text(_)));
        match self.list.as_mut_slice() {
            [] => return Some(other),
            // A text that is not empty is never nothing.
            [..] if has_text => {}
            [Part::Name { otherwise, .. }] => {
                let before = otherwise.count;
                *otherwise = std::mem::take(otherwise).or(other)?;
                self.count += otherwise.count - before;
            }
            _ => return None,
        }
        Some(self)
    }

    /// The name, when it is nothing else.
    pub(super) fn as_name(&self) -> Option<&str> {
        match self.list.as_slice() {
            [Part::Name { name, otherwise }] if otherwise.list.is_empty() => Some(name),
            _ => None,
        }
    }

    /// The text, when there is no name in it.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self.list.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// All names in it, those in defaults too.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut open = vec![self];
        while let Some(parts) = open.pop() {
            for part in &parts.list {
                if let Part::Name { name, otherwise } = part {
                    names.push(name.as_str());
                    open.push(otherwise);
                }
            }
        }
        names
    }

    /// Names that hosts of images come from, as the keys before them say and paths behind.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.list.windows(3).filter_map(|parts| match parts {
            [Part::Text(key), Part::Name { name, .. }, Part::Text(path)] => {
                (key.contains("image") && path.starts_with('/')).then_some(name.as_str())
            }
            _ => None,
        })
    }

    pub(super) fn has_names(&self) -> bool {
        self.list.iter().any(|part| matches!(part, Part::Name { .. }))
    }

    /// The same without space around it; nothing when that is all there is.
    pub(super) fn trimmed(mut self) -> Option<Parts> {
        if let Some(Part::Text(text)) = self.list.first_mut() {
            *text = text.trim_start().to_owned();
        }
        if let Some(Part::Text(text)) = self.list.last_mut() {
            text.truncate(text.trim_end().len());
        }
        let is_text = |part: &Part| !matches!(part, Part::Text(text) if text.is_empty());
        self.list.retain(is_text);
        self.count = self.list.iter().map(counted).sum();
        (!self.list.is_empty()).then_some(self)
    }

    /// Whether a sign stands in it, outside of names and what they stand for.
    pub(super) fn has_sign(&self, is_sign: impl Fn(char) -> bool + Copy) -> bool {
        self.list
            .iter()
            .any(|part| matches!(part, Part::Text(text) if text.contains(is_sign)))
    }

    /// Whether it begins as comments do.
    pub(super) fn begins_comment(&self) -> bool {
        matches!(self.list.first(), Some(Part::Text(text)) if text.trim_start().starts_with(['#']) || text.trim_start().starts_with("//"))
    }

    /// Bytes that it takes, roughly.
    pub(super) fn size(&self) -> usize {
        let mut bytes = 0;
        let mut open = vec![self];
        while let Some(parts) = open.pop() {
            for part in &parts.list {
                match part {
                    Part::Text(text) => bytes += text.len(),
                    Part::Name { name, otherwise } => {
                        bytes += name.len();
                        open.push(otherwise);
                    }
                }
            }
            bytes += parts.list.len() * size_of::<Part>();
        }
        bytes
    }
}

fn counted(part: &Part) -> usize {
    match part {
        Part::Text(_) => 1,
        Part::Name { otherwise, .. } => 1 + otherwise.count,
    }
}

/// `printf` and `format`: `%s`, `%v` and `%d` stand for the arguments; nothing when there are other verbs, or not as many.
pub(super) fn formatted(format: &str, arguments: Vec<Parts>) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut arguments = arguments.into_iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        parts.push_text(before);
        match after.as_bytes().first()? {
            b'%' => parts.push_text("%"),
            b's' | b'v' | b'd' => parts.push(arguments.next()?).then_some(())?,
            _ => return None,
        }
        rest = after.get(1..)?;
    }
    parts.push_text(rest);
    arguments.next().is_none().then_some(parts)
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) parts: Parts,
    /// Whether it gets different values, and which of them counts is not known.
    pub(super) is_one_of_several: bool,
}

/// Says what a name stands for.
pub(super) type ValueOf<'f, 'v> = &'f dyn Fn(&str) -> Option<&'v Value>;

/// A name that has a value of its own while a text is filled.
pub(super) struct Pin<'p> {
    pub(super) name: &'p str,
    pub(super) value: &'p Parts,
}

/// A text that values were put into.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Where the pinned value stands in it.
    pub(super) pinned: Vec<Range<usize>>,
    /// Whether every value that was put in is the only one that its name can have, and all fitted.
    pub(super) is_certain: bool,
    values_left: usize,
}

/// Puts values into a text. Names without one stay: `${name}`.
pub(super) fn filled<'v>(parts: &Parts, value_of: ValueOf<'_, 'v>, pin: Option<&Pin<'_>>) -> Filled {
    let mut filled = Filled {
        is_certain: true,
        values_left: VALUES_MAX,
        ..Filled::default()
    };
    fill(&mut filled, parts, (value_of, pin), DEPTH_MAX);
    filled
}

fn fill<'v>(filled: &mut Filled, parts: &Parts, names: (ValueOf<'_, 'v>, Option<&Pin<'_>>), depth: usize) {
    for part in &parts.list {
        if filled.values_left == 0 || filled.text.len() > FILLED_BYTES_MAX {
            filled.is_certain = false;
            return;
        }
        let (name, otherwise) = match part {
            Part::Text(text) => {
                filled.text.push_str(text);
                continue;
            }
            Part::Name { name, otherwise } => (name, otherwise),
        };
        filled.values_left -= 1;
        let start = filled.text.len();
        let is_known = match names {
            _ if depth == 0 => false,
            (_, Some(pin)) if pin.name == name => {
                // The value may have names of its own, but not this one again.
                fill(filled, pin.value, (names.0, None), depth - 1);
                filled.pinned.push(start..filled.text.len());
                true
            }
            (value_of, _) => value_of(name).is_some_and(|value| {
                fill(filled, &value.parts, names, depth - 1);
                filled.is_certain &= !value.is_one_of_several;
                true
            }),
        };
        let is_nothing = filled.text.len() == start;
        if is_nothing && !otherwise.list.is_empty() && depth > 0 {
            fill(filled, otherwise, names, depth - 1);
        } else if !is_known {
            filled.is_certain &= depth > 0;
            filled.text.push_str("${");
            filled.text.push_str(name);
            filled.text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn value(parts: Parts) -> Value {
        Value {
            parts,
            is_one_of_several: false,
        }
    }

    fn name(name: &str) -> Parts {
        Parts::name(name.to_owned())
    }

    #[test]
    fn names_stand_for_values_and_defaults_for_nothing() {
        let values = HashMap::from([
            ("host", value(Parts::text("gcr.io"))),
            ("empty", value(Parts::text(""))),
            ("chain", value(name("host"))),
        ]);
        let read = |parts: &Parts| filled(parts, &|name| values.get(name), None).text;
        let joined = formatted("%s/%s%%", vec![name("chain"), name("unknown")]).unwrap();
        assert_eq!(read(&joined), "gcr.io/${unknown}%");
        assert_eq!(read(&name("empty").or(Parts::text("x")).unwrap()), "x");
        assert_eq!(read(&name("host").or(Parts::text("x")).unwrap()), "gcr.io");
        let twice = name("empty").or(name("unknown")).unwrap();
        assert_eq!(read(&twice.or(Parts::text("y")).unwrap()), "y");
        assert_eq!(formatted("%s", Vec::new()), None);
        assert_eq!(formatted("%q", vec![name("host")]), None);
    }

    #[test]
    fn what_is_pinned_is_told_apart_from_the_same_text_elsewhere() {
        let values = HashMap::from([("host", value(Parts::text("other")))]);
        let mut parts = Parts::text("x/");
        assert!(parts.push(name("host")));
        let pinned = Parts::text("x");
        let pin = Pin {
            name: "host",
            value: &pinned,
        };
        let filled = filled(&parts, &|name| values.get(name), Some(&pin));
        assert_eq!(filled.text, "x/x");
        assert!(filled.pinned.len() == 1 && filled.pinned[0] == (2..3));
    }

    #[test]
    fn what_grows_without_end_is_bounded() {
        let mut many = Parts::default();
        while many.push(name("a")) {}
        assert_eq!(many.count, PARTS_MAX);
        let values = HashMap::from([("a", value(many.clone()))]);
        let filled = filled(&many, &|name| values.get(name), None);
        assert!(!filled.is_certain && filled.text.len() <= FILLED_BYTES_MAX + 8);
        let mut deep = name("a");
        for _ in 0..2 * PARTS_MAX {
            deep = deep.clone().or(name("a")).unwrap_or(deep);
        }
        assert_eq!(deep.count, PARTS_MAX);
    }
}
