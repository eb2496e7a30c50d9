//! Where a reader is in a file of maps and lists, and how much of that it may remember.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Step, speech};
use crate::mapped::Mapped;

/// How deep paths go; what is nested deeper is read as if it stood at this depth.
pub(super) const DEPTH_MAX: usize = 64;

/// The longest name that stands whole in a path, or that stands for a value, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// How much memory the paths of one file may take, in bytes; what comes after that has none.
const PATHS_BYTES_MAX: usize = 64 << 20;

/// How much memory the paths of a file may still take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Room {
        Room(PATHS_BYTES_MAX)
    }
}

impl Room {
    /// A path of these steps; an empty one when there is no room for them.
    pub(super) fn path(&mut self, steps: &[Step]) -> Arc<[Step]> {
        match self.take(steps.iter().map(step_bytes).sum()) {
            true => Arc::from(steps),
            false => Arc::default(),
        }
    }

    /// A path of these parts; an empty one when there is no room for them.
    pub(super) fn path_of(&mut self, parts: &[Part<'_>]) -> Arc<[Step]> {
        let bytes = parts.iter().map(|part| match part {
            Part::Key(key) => key_bytes(cut(key)),
            Part::Item(_) => size_of::<Step>(),
        });
        if !self.take(bytes.sum()) {
            return Arc::default();
        }
        let steps = parts.iter().map(|part| match part {
            Part::Key(key) => key_step(key),
            Part::Item(index) => Step::Item(*index),
        });
        steps.collect()
    }

    /// A path below another; without its own steps when there is no room for them.
    pub(super) fn joined(&mut self, outer: &Arc<[Step]>, own: &[Step]) -> Arc<[Step]> {
        match self.take(outer.iter().chain(own).map(step_bytes).sum()) {
            true => outer.iter().chain(own).cloned().collect(),
            false => Arc::clone(outer),
        }
    }

    /// Takes so much of it, if that is left.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// A step that is not made yet.
pub(super) enum Part<'p> {
    Key(&'p str),
    Item(usize),
}

fn step_bytes(step: &Step) -> usize {
    match step {
        Step::Key(key) => key_bytes(key),
        Step::Item(_) => size_of::<Step>(),
    }
}

/// A key is an allocation of its own, which is a little longer than what it holds.
fn key_bytes(key: &str) -> usize {
    size_of::<Step>() + size_of::<usize>() + key.len().max(3 * size_of::<usize>())
}

/// The step to a key; long ones are cut, so that paths stay short.
pub(super) fn key_step(key: &str) -> Step {
    Step::Key(cut(key).to_owned())
}

/// A name, or what may be kept of one.
pub(super) fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// Steps that are gone forward and back.
#[derive(Debug, Default)]
pub(super) struct Trail {
    steps: Vec<Step>,
    /// The same, as long as they are not changed.
    path: Option<Arc<[Step]>>,
}

impl Trail {
    /// Begins after these steps.
    pub(super) fn from(steps: &[Step]) -> Trail {
        Trail {
            steps: steps.to_vec(),
            path: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn push(&mut self, step: Step) {
        self.path = None;
        self.steps.push(step);
    }

    /// Goes back until so many are left.
    pub(super) fn truncate(&mut self, length: usize) {
        if length < self.steps.len() {
            self.path = None;
            self.steps.truncate(length);
        }
    }

    /// All of them.
    pub(super) fn path(&mut self, room: &mut Room) -> Arc<[Step]> {
        let path = self.path.get_or_insert_with(|| room.path(&self.steps));
        Arc::clone(path)
    }
}

/// Maps and lists that are open.
#[derive(Debug, Default)]
pub(super) struct Nest {
    frames: Vec<Frame>,
    /// How many more are open than there are frames.
    beyond: usize,
    /// Where the next value stands, as long as nothing changes that.
    path: Option<Arc<[Step]>>,
}

#[derive(Debug)]
struct Frame {
    /// What stands around its own steps: labels of a block, the name of an element.
    labels: Vec<Step>,
    is_list: bool,
    /// The key of the value that comes, with all its parts.
    key: Vec<Step>,
    index: usize,
    /// How often a name came here already.
    counts: HashMap<String, usize>,
    /// The texts of a list that begins with a program.
    words: Vec<Mapped>,
}

impl Nest {
    /// Opens a map or a list, below `labels`.
    pub(super) fn open(&mut self, is_list: bool, labels: Vec<Step>) {
        if self.frames.len() >= DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        self.path = None;
        self.frames.push(Frame {
            labels,
            is_list,
            key: Vec::new(),
            index: 0,
            counts: HashMap::new(),
            words: Vec::new(),
        });
    }

    /// Closes the last one, if there is any: the words of a command, when it was a list that begins with a program.
    pub(super) fn close(&mut self) -> Option<Vec<Mapped>> {
        match self.beyond {
            0 => {
                self.path = None;
                self.frames.pop().map(|frame| frame.words)
            }
            _ => {
                self.beyond -= 1;
                Some(Vec::new())
            }
        }
    }

    /// Closes the last one below this label, and what is open in it.
    pub(super) fn close_label(&mut self, label: &str) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let label = cut(label);
        let is_it = |frame: &Frame| matches!(frame.labels.as_slice(), [Step::Key(own)] if own == label);
        if let Some(at) = self.frames.iter().rposition(is_it) {
            self.path = None;
            self.frames.truncate(at);
        }
    }

    /// The last label of what is open, so many levels further out; empty when there is none.
    pub(super) fn label(&self, outwards: usize) -> &str {
        let frame = self.frames.iter().rev().nth(outwards);
        match frame.and_then(|frame| frame.labels.last()) {
            Some(Step::Key(label)) => label,
            _ => "",
        }
    }

    /// What follows is the value of this key.
    pub(super) fn key(&mut self, key: &str) {
        self.no_key();
        self.inner_key(key);
    }

    /// What follows is the value of this key below the one that was said before.
    pub(super) fn inner_key(&mut self, key: &str) {
        let frame = self.frames.last_mut().filter(|frame| !frame.is_list);
        if let Some(frame) = frame.filter(|frame| frame.key.len() < DEPTH_MAX) {
            self.path = None;
            frame.key.push(key_step(key));
        }
    }

    /// What follows is the value of no key.
    pub(super) fn no_key(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            self.path = None;
            frame.key.clear();
        }
    }

    /// The next element of a list; in a map, the value of its key is over.
    pub(super) fn next(&mut self) {
        if self.beyond > 0 {
            return;
        }
        self.no_key();
        if let Some(frame) = self.frames.last_mut() {
            frame.index += usize::from(frame.is_list);
        }
    }

    /// How often something of this name stood here before.
    pub(super) fn count(&mut self, name: &str) -> usize {
        let Some(frame) = self.frames.last_mut() else {
            return 0;
        };
        let count = frame.counts.entry(cut(name).to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// Notes a text of a list that begins with a program: it is a word of a command.
    pub(super) fn collect(&mut self, text: &Mapped) {
        let frame = self.frames.last_mut().filter(|frame| frame.is_list);
        if let Some(frame) = frame.filter(|_| self.beyond == 0)
            && (!frame.words.is_empty() || speech::is_program(text.text()))
        {
            frame.words.push(text.clone());
        }
    }

    /// Whether the last one open is a list.
    pub(super) fn is_list(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.is_list)
    }

    /// Whether a map has a key that waits for its value.
    pub(super) fn has_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| !frame.key.is_empty())
    }

    /// How many are open.
    pub(super) fn depth(&self) -> usize {
        self.frames.len() + self.beyond
    }

    /// Where the next value stands.
    pub(super) fn path(&mut self, room: &mut Room) -> Arc<[Step]> {
        if self.path.is_none() {
            let bytes = self.frames.iter().map(Frame::bytes).sum();
            self.path = room
                .take(bytes)
                .then(|| self.frames.iter().flat_map(Frame::steps).collect());
        }
        self.path.clone().unwrap_or_default()
    }
}

impl Frame {
    /// The steps from what it stands in to what comes next in it.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let own = if self.is_list { &[] } else { self.key.as_slice() };
        let item = self.is_list.then_some(Step::Item(self.index));
        self.labels.iter().chain(own).cloned().chain(item)
    }

    /// How much memory those take.
    fn bytes(&self) -> usize {
        let own = self.labels.iter().chain(&self.key).map(step_bytes);
        own.sum::<usize>() + usize::from(self.is_list) * size_of::<Step>()
    }
}
