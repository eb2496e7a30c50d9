//! Names, values and uses of files that belong together.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::parts::{Filled, Parts, Pin, Value, filled};

/// Lines that use names, in one group.
const USES_MAX: usize = 8192;

/// Names with values, in one layer.
const NAMES_MAX: usize = 16_384;

/// Files whose values lie over others, each by itself.
pub(super) const OVERLAYS_MAX: usize = 16;

/// The longest line with names, and the longest value, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 1024;

/// Bytes of names, values and uses in one group.
const GROUP_BYTES_MAX: usize = 1 << 20;

/// Texts that are filled to answer one question.
const FILLED_MAX: usize = 512;

/// Names that are followed to answer one question.
const FOLLOWED_MAX: usize = 64;

/// What names of helpers begin with.
pub(super) const HELPER: &str = "include.";

/// Where names are used.
#[derive(Debug)]
pub(super) struct Uses {
    lines: Vec<Parts>,
    by_name: HashMap<String, Vec<usize>>,
    /// Names, and the beginnings of names, that are used in ways that are not understood.
    unread: HashSet<String>,
    /// Helpers that a path follows: they stand for hosts.
    hosts: HashSet<String>,
    bytes: usize,
    /// Whether everything was read.
    pub(super) is_whole: bool,
}

impl Default for Uses {
    fn default() -> Self {
        Uses {
            lines: Vec::new(),
            by_name: HashMap::new(),
            unread: HashSet::new(),
            hosts: HashSet::new(),
            bytes: 0,
            is_whole: true,
        }
    }
}

impl Uses {
    /// Adds a line; comments and lines without names are left out.
    pub(super) fn add(&mut self, line: Parts) {
        if !line.has_names() || line.begins_comment() {
            return;
        }
        let size = line.size();
        if size > LINE_BYTES_MAX * 4 {
            return self.mark_unread(&line);
        }
        self.bytes += size;
        if self.lines.len() >= USES_MAX || self.bytes > GROUP_BYTES_MAX {
            self.is_whole = false;
            return;
        }
        let hosts = line.hosts().filter(|name| name.starts_with(HELPER));
        self.hosts.extend(hosts.map(str::to_owned));
        for name in line.names() {
            let lines = self.by_name.entry(name.to_owned()).or_default();
            if lines.last() != Some(&self.lines.len()) {
                lines.push(self.lines.len());
            }
        }
        self.lines.push(line);
    }

    /// The line, when it is only one.
    pub(super) fn into_line(self) -> Option<Parts> {
        let mut lines = self.lines.into_iter();
        lines.next().filter(|_| lines.next().is_none())
    }

    /// Notes that what these name is used in a way that is not understood.
    pub(super) fn mark_unread(&mut self, parts: &Parts) {
        for name in parts.names() {
            if self.unread.len() < NAMES_MAX {
                self.unread.insert(name.to_owned());
            } else {
                self.is_whole = false;
            }
        }
    }

    /// Whether every use of a name is understood: also where what it stands in is used as a whole.
    pub(super) fn is_read(&self, name: &str) -> bool {
        let beginnings = name.match_indices('.').filter_map(|(at, _)| name.get(..at));
        !beginnings
            .chain([name])
            .any(|beginning| self.unread.contains(beginning))
    }
}

/// Where a value of a group comes from: later ones count more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Defaults, and what has no other place.
    Base,
    /// What is always put over the defaults.
    Over,
    /// What is put over all of these when somebody asks for it.
    Overlay(usize),
}

type Names = HashMap<String, Value>;

/// Files that belong together by a convention.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) uses: Uses,
    base: Names,
    over: Names,
    overlays: Vec<Names>,
    /// Names whose values have a name.
    links: HashMap<String, Vec<String>>,
    bytes: usize,
    /// What each file has to do with it.
    pub(super) members: HashMap<String, (Layer, Option<String>)>,
}

/// What is put together with a value.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Texts, and where in each the value stands.
    pub(crate) texts: Vec<(String, Vec<Range<usize>>)>,
    /// Whether these are all, and each is certain.
    pub(crate) is_whole: bool,
}

impl Group {
    /// The next overlay; nothing when there are too many.
    pub(super) fn add_overlay(&mut self) -> Option<Layer> {
        if self.overlays.len() >= OVERLAYS_MAX {
            self.uses.is_whole = false;
            return None;
        }
        self.overlays.push(Names::new());
        Some(Layer::Overlay(self.overlays.len() - 1))
    }

    /// Gives a name a value. A later value of the same layer counts where `is_last`, else the first, and they are one of several.
    pub(super) fn bind(&mut self, layer: Layer, name: &str, parts: Parts, order: Order) {
        let names = match layer {
            Layer::Base => &mut self.base,
            Layer::Over => &mut self.over,
            Layer::Overlay(index) => match self.overlays.get_mut(index) {
                Some(names) => names,
                None => return,
            },
        };
        self.bytes += name.len() + parts.size();
        if names.len() >= NAMES_MAX || self.bytes > GROUP_BYTES_MAX {
            self.uses.is_whole = false;
            return;
        }
        for link in parts.names() {
            self.links
                .entry(link.to_owned())
                .or_default()
                .push(name.to_owned());
        }
        let new = Value {
            parts,
            is_one_of_several: false,
        };
        match (names.get_mut(name), order) {
            (Some(known), Order::Unknown) => known.is_one_of_several |= known.parts != new.parts,
            (Some(_), Order::FirstCounts) => {}
            (Some(known), Order::LastCounts) => *known = new,
            (None, _) => {
                names.insert(name.to_owned(), new);
            }
        }
    }

    /// Whether every helper that begins a path has a value.
    pub(super) fn has_hosts(&self) -> bool {
        self.uses
            .hosts
            .iter()
            .all(|helper| self.base.contains_key(helper))
    }

    /// What a text of a file reads like, with each choice of overlays that its layer allows.
    pub(super) fn read(&self, text: &Parts, layer: Layer) -> Vec<Filled> {
        let stacks = self.stacks(layer, None);
        let read = stacks.into_iter().map(|overlay| self.filled(text, overlay, None));
        read.collect()
    }

    /// Everything that is put together where a name of a file stands for a value.
    pub(super) fn readings(&self, name: &str, value: &Parts, layer: Layer) -> Readings {
        let pin = Pin { name, value };
        let mut readings = Readings {
            texts: Vec::new(),
            is_whole: self.uses.is_whole,
        };
        let stacks = self.stacks(layer, Some(name));
        let mut followed = vec![name];
        let mut next = 0;
        while let Some(name) = followed.get(next).copied() {
            next += 1;
            readings.is_whole &= self.uses.is_read(name);
            for link in self.links.get(name).into_iter().flatten() {
                if followed.len() >= FOLLOWED_MAX {
                    readings.is_whole = false;
                } else if !followed.contains(&link.as_str()) {
                    followed.push(link);
                }
            }
            let lines = self.uses.by_name.get(name).into_iter().flatten();
            for line in lines.filter_map(|line| self.uses.lines.get(*line)) {
                for overlay in &stacks {
                    if readings.texts.len() >= FILLED_MAX {
                        readings.is_whole = false;
                        return readings;
                    }
                    let filled = self.filled(line, *overlay, Some(&pin));
                    readings.is_whole &= filled.is_certain;
                    readings.texts.push((filled.text, filled.pinned));
                }
            }
        }
        readings
    }

    /// The overlays that a value of a layer can be seen under, and none: not those that give its name another value.
    fn stacks(&self, layer: Layer, name: Option<&str>) -> Vec<Option<usize>> {
        if let Layer::Overlay(index) = layer {
            return vec![Some(index)];
        }
        let overlays = self.overlays.iter().enumerate();
        let others = overlays
            .filter(|(_, names)| !names.is_empty() && !name.is_some_and(|name| names.contains_key(name)));
        std::iter::once(None)
            .chain(others.map(|(index, _)| Some(index)))
            .collect()
    }

    fn filled(&self, parts: &Parts, overlay: Option<usize>, pin: Option<&Pin<'_>>) -> Filled {
        let overlay = overlay.and_then(|index| self.overlays.get(index));
        let value_of = |name: &str| {
            let overlaid = overlay.and_then(|names| names.get(name));
            overlaid
                .or_else(|| self.over.get(name))
                .or_else(|| self.base.get(name))
        };
        filled(parts, &value_of, pin)
    }
}

/// Which of several values of one layer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    FirstCounts,
    LastCounts,
    Unknown,
}

#[cfg(test)]
impl Uses {
    /// Each line as it is without values.
    pub(super) fn texts(&self) -> Vec<String> {
        let read = self.lines.iter().map(|line| filled(line, &|_| None, None).text);
        read.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(names: &[&str]) -> Parts {
        let mut parts = Parts::default();
        for (index, name) in names.iter().enumerate() {
            parts.push_text(if index > 0 { "/" } else { "" });
            parts.push(Parts::name((*name).to_owned()));
        }
        parts
    }

    fn texts(readings: &Readings) -> Vec<&str> {
        readings.texts.iter().map(|(text, _)| text.as_str()).collect()
    }

    #[test]
    fn a_value_is_seen_under_every_overlay_that_leaves_it() {
        let mut group = Group::default();
        let mut bind =
            |layer, name: &str, text: &str| group.bind(layer, name, Parts::text(text), Order::LastCounts);
        bind(Layer::Base, "host", "h");
        bind(Layer::Base, "name", "n");
        let (one, two) = (group.add_overlay().unwrap(), group.add_overlay().unwrap());
        group.bind(one, "name", Parts::text("m"), Order::LastCounts);
        group.bind(two, "host", Parts::text("g"), Order::LastCounts);
        group.uses.add(joined(&["host", "name"]));
        let readings = group.readings("host", &Parts::text("h"), Layer::Base);
        assert_eq!(texts(&readings), ["h/n", "h/m"]);
        assert!(readings.is_whole);
        assert_eq!(texts(&group.readings("host", &Parts::text("g"), two)), ["g/n"]);
    }

    #[test]
    fn names_are_followed_through_names() {
        let mut group = Group::default();
        group.bind(Layer::Base, "base", joined(&["host", "x"]), Order::Unknown);
        group.bind(Layer::Base, "x", Parts::text("p"), Order::Unknown);
        group.uses.add(joined(&["base", "x"]));
        let value = Parts::text("h");
        assert_eq!(texts(&group.readings("host", &value, Layer::Base)), ["h/p/p"]);
        // A second value makes it uncertain what the name stands for.
        group.bind(Layer::Base, "x", Parts::text("q"), Order::Unknown);
        assert!(!group.readings("host", &value, Layer::Base).is_whole);
    }

    #[test]
    fn what_is_too_much_is_not_taken_for_all() {
        let mut group = Group::default();
        for _ in 0..=FILLED_MAX {
            group.uses.add(joined(&["host", "x"]));
        }
        let readings = group.readings("host", &Parts::text("h"), Layer::Base);
        assert_eq!((readings.texts.len(), readings.is_whole), (FILLED_MAX, false));
    }
}
