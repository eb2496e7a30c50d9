//! Lines and their indentation: which value stands below which keys.
//!
//! YAML, but tolerant: lines of templates have no part in the structure, and what fits nowhere is text where it stands.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::super::Step;
use super::super::nest::{DEPTH_MAX, Room, Trail, key_step};
use super::template::{Action, Actions};
use crate::mapped::Mapped;

/// A text of the file, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) text: Mapped,
    pub(super) sort: Sort,
    pub(super) path: Arc<[Step]>,
    /// The name of its anchor.
    pub(super) anchor: Option<String>,
    document: usize,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Key,
    Plain,
    Quoted,
    Block,
    Comment,
    /// An action of a template on lines of its own.
    Action,
}

impl Sort {
    /// Whether it is the value of something.
    pub(super) fn is_value(self) -> bool {
        matches!(self, Sort::Plain | Sort::Quoted | Sort::Block)
    }
}

/// What a text consists of.
pub(super) struct Scan {
    pub(super) leaves: Vec<Leaf>,
    /// Lists and maps with a name, and where they stand.
    pub(super) anchors: Vec<(String, Arc<[Step]>)>,
}

/// Takes a text apart; what it has stands below `base`.
pub(super) fn scan(source: &Mapped, base: &[Step], room: &mut Room) -> Scan {
    let mut scanner = Scanner::new(source, base, room);
    while scanner.line < scanner.lines.len() {
        let before = scanner.line;
        scanner.read_line();
        scanner.line = scanner.line.max(before + 1);
    }
    let mut leaves = scanner.leaves;
    let mut anchors = scanner.anchors;
    if scanner.document > 0 {
        let paths = leaves.iter_mut().map(|leaf| (&mut leaf.path, leaf.document));
        let places = anchors.iter_mut().map(|(_, path, document)| (path, *document));
        // Neighbours share their paths.
        let mut last: (Arc<[Step]>, Arc<[Step]>) = Default::default();
        for (path, document) in paths.chain(places).filter(|(path, _)| !path.is_empty()) {
            if !Arc::ptr_eq(&last.0, path) {
                let (before, own) = path.split_at_checked(base.len()).unwrap_or((path, &[]));
                let number = std::iter::once(Step::Item(document));
                let numbered = before.iter().cloned().chain(number).chain(own.iter().cloned());
                last = (Arc::clone(path), numbered.collect());
            }
            *path = Arc::clone(&last.1);
        }
    }
    let anchors = anchors.into_iter().map(|(name, path, _)| (name, path));
    Scan {
        leaves,
        anchors: anchors.collect(),
    }
}

#[derive(Debug)]
struct Level {
    indent: usize,
    /// The number of the next item, in a list.
    items: Option<usize>,
    /// How long the path to it is.
    base: usize,
}

#[derive(Debug)]
pub(super) struct Scanner<'s> {
    pub(super) source: &'s Mapped,
    pub(super) text: &'s str,
    /// Each line, without its end.
    pub(super) lines: Vec<Range<usize>>,
    pub(super) line: usize,
    pub(super) path: Trail,
    pub(super) actions: Actions,
    /// Up to where no quotation mark follows that would close: of `"` and of `'`.
    pub(super) unclosed: [Cell<usize>; 2],
    pub(super) anchor: Option<String>,
    levels: Vec<Level>,
    leaves: Vec<Leaf>,
    anchors: Vec<(String, Arc<[Step]>, usize)>,
    document: usize,
    has_content: bool,
    base: usize,
    room: &'s mut Room,
}

impl<'s> Scanner<'s> {
    fn new(source: &'s Mapped, base: &[Step], room: &'s mut Room) -> Scanner<'s> {
        let text = source.text();
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let kept = line.strip_suffix('\n').unwrap_or(line);
            let kept = kept.strip_suffix('\r').unwrap_or(kept);
            lines.push(start..start + kept.len());
            start += line.len();
        }
        Scanner {
            source,
            text,
            lines,
            line: 0,
            path: Trail::from(base),
            actions: Actions::default(),
            unclosed: [Cell::new(0), Cell::new(0)],
            anchor: None,
            levels: Vec::new(),
            leaves: Vec::new(),
            anchors: Vec::new(),
            document: 0,
            has_content: false,
            base: base.len(),
            room,
        }
    }

    fn read_line(&mut self) {
        let line = self.line_at(self.line);
        let rest = self.text_of(line.clone());
        let rest = rest.trim_start();
        let indent = line.len() - rest.len();
        let at = line.start + indent;
        if rest.is_empty() {
            return;
        }
        if let Some(comment) = rest.strip_prefix('#') {
            self.leaf(line.end - comment.len()..line.end, Sort::Comment);
        } else if indent == 0 && (rest == "..." || rest == "---" || rest.starts_with("--- ")) {
            self.begin_document();
            if rest.len() > 4 {
                self.value(at + 4, None);
            }
        } else if let Some((action, end)) = self.action_line(at) {
            self.leaf_of_action(at..end, action);
            self.line = self.line_of(end) + 1;
        } else {
            self.entries(at);
        }
    }

    /// Actions that have their lines for themselves, from the first to the end of the last.
    fn action_line(&self, at: usize) -> Option<(Action, usize)> {
        let (mut kind, mut end) = self.actions.at(self.text, at)?;
        loop {
            let line = self.line_at(self.line_of(end.saturating_sub(1)));
            let rest = self.text_of(end..line.end);
            let after = end + rest.len() - rest.trim_start().len();
            if after == line.end {
                return Some((kind, end));
            }
            let (next, next_end) = self.actions.at(self.text, after)?;
            if next == Action::Code {
                kind = next;
            }
            end = next_end;
        }
    }

    fn begin_document(&mut self) {
        if self.has_content {
            self.document += 1;
            self.has_content = false;
        }
        self.levels.clear();
        self.path.truncate(self.base);
    }

    /// What a line has from `at` on: items, a key, a value.
    fn entries(&mut self, mut at: usize) {
        let line = self.line_at(self.line);
        let mut parent = None;
        loop {
            let rest = self.text_of(at..line.end);
            let column = at - line.start;
            let is_item = rest == "-" || rest.starts_with("- ") || rest.starts_with("-\t");
            if is_item && self.levels.len() < DEPTH_MAX {
                self.enter(column, None);
                parent = Some(column);
                at = self.after_space(at + 1, line.end);
                if at >= line.end {
                    return;
                }
                at = self.properties(at, line.end);
                continue;
            }
            let after_properties = self.properties(at, line.end);
            if let Some(key) = self.key(after_properties, line.end)
                && self.levels.len() < DEPTH_MAX
            {
                self.enter(column, Some(key.text));
                self.leaf(key.range, Sort::Key);
                self.anchor = None;
                self.value(key.after, Some(column));
                return;
            }
            if parent.is_none() {
                self.leave(column);
                parent = self.levels.last().map(|level| level.indent);
            }
            self.value(at, parent);
            return;
        }
    }

    /// Begins an item, or a key, that stands in a column.
    fn enter(&mut self, column: usize, key: Option<&str>) {
        while let Some(level) = self.levels.last() {
            let is_other = level.indent == column && level.items.is_some() && key.is_some();
            if level.indent <= column && !is_other {
                break;
            }
            self.path.truncate(level.base);
            self.levels.pop();
        }
        let goes_on = self
            .levels
            .last()
            .is_some_and(|level| level.indent == column && level.items.is_some() == key.is_none());
        if !goes_on {
            self.levels.push(Level {
                indent: column,
                items: key.is_none().then_some(0),
                base: self.path.len(),
            });
        }
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        self.path.truncate(level.base);
        self.path.push(match (key, &mut level.items) {
            (Some(key), _) => key_step(key),
            (None, items) => {
                let number = items.unwrap_or(0);
                *items = Some(number + 1);
                Step::Item(number)
            }
        });
    }

    /// Leaves what text in a column cannot be in.
    fn leave(&mut self, column: usize) {
        while let Some(level) = self.levels.last() {
            if level.indent < column {
                break;
            }
            self.path.truncate(level.base);
            self.levels.pop();
        }
    }

    /// The value that stands from `at` on; it goes on as long as lines are deeper than `parent`.
    fn value(&mut self, at: usize, parent: Option<usize>) {
        let line = self.line_at(self.line);
        let at = self.after_space(at, line.end);
        let at = self.properties(at, line.end);
        let rest = self.text_of(at..line.end);
        let first = rest.bytes().next().unwrap_or(b'#');
        if matches!(first, b'#' | b'[') {
            // What follows on other lines, or in brackets, has the name.
            if let Some(name) = self.anchor.take() {
                let path = self.path.path(self.room);
                self.anchors.push((name, path, self.document));
            }
        }
        match first {
            _ if rest.is_empty() => {}
            b'#' => self.leaf(at + 1..line.end, Sort::Comment),
            b'|' | b'>' if self.block(at, parent) => {}
            b'"' | b'\'' => match self.quoted(at, parent) {
                Some((text, end)) if self.ends_line(end) => {
                    self.leaf_of(text, Sort::Quoted);
                    self.rest_of_line(end);
                }
                _ => self.plain(at, parent),
            },
            b'[' | b'{' if self.actions.at(self.text, at).is_none() => {
                let end = self.flow(at, parent);
                self.rest_of_line(end);
            }
            _ => self.plain(at, parent),
        }
        self.anchor = None;
    }

    /// Whether nothing but a comment follows on the line.
    fn ends_line(&self, end: usize) -> bool {
        let line = self.line_at(self.line_of(end));
        let rest = self.text_of(end..line.end);
        let text = rest.trim_start();
        text.is_empty() || text.starts_with('#') && text.len() < rest.len()
    }

    /// A comment after a value, anything else is text; then the next line is to be read.
    fn rest_of_line(&mut self, end: usize) {
        let number = self.line_of(end);
        self.line = number + 1;
        let line = self.line_at(number);
        let rest = self.text_of(end..line.end);
        let text = rest.trim_start();
        let at = line.end - text.len();
        match text.strip_prefix('#') {
            Some(_) => self.leaf(at + 1..line.end, Sort::Comment),
            None if !text.is_empty() => self.leaf(at..line.end, Sort::Plain),
            None => {}
        }
    }

    /// Passes over anchors and tags.
    fn properties(&mut self, mut at: usize, end: usize) -> usize {
        loop {
            let rest = self.text_of(at..end);
            let is_anchor = rest.starts_with('&');
            if !is_anchor && !rest.starts_with('!') {
                return at;
            }
            let length = rest.find([' ', '\t']).unwrap_or(rest.len());
            let name = rest.get(1..length).unwrap_or_default();
            if is_anchor && (name.is_empty() || name.starts_with('&')) {
                return at;
            }
            if is_anchor {
                self.anchor = Some(name.to_owned());
            }
            at = self.after_space(at + length, end);
        }
    }

    /// The key that stands from `at` on, if one does.
    pub(super) fn key(&self, at: usize, end: usize) -> Option<Key<'s>> {
        let text = self.text;
        let rest = text.get(at..end)?;
        let rest = rest.strip_prefix("? ").unwrap_or(rest);
        let at = end - rest.len();
        let bytes = rest.as_bytes();
        let quote = *bytes.first()?;
        let (range, colon) = if matches!(quote, b'"' | b'\'') {
            let close = 1 + memchr::memchr(quote, bytes.get(1..)?)?;
            let after = bytes.get(close + 1..)?;
            let space = after.len() - after.trim_ascii_start().len();
            (1..close, close + 1 + space)
        } else {
            if matches!(quote, b'[' | b'|' | b'>' | b'#') || quote == b'{' && bytes.get(1) != Some(&b'{') {
                return None;
            }
            let colon = self.colon(at, end)?;
            let key = text.get(at..colon)?.trim_end();
            (0..key.len(), colon - at)
        };
        let is_key = bytes.get(colon) == Some(&b':')
            && bytes
                .get(colon + 1)
                .is_none_or(|next| matches!(next, b' ' | b'\t'));
        let range = at + range.start..at + range.end;
        is_key.then_some(Key {
            text: text.get(range.clone())?,
            range,
            after: at + colon + 1,
        })
    }

    /// The first colon with a space after it that is not in an action or in a comment.
    fn colon(&self, mut at: usize, end: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        while at < end {
            let next = memchr::memchr3(b':', b'{', b'#', bytes.get(at..end)?)? + at;
            match bytes.get(next)? {
                b':' if next + 1 == end || matches!(bytes.get(next + 1), Some(b' ' | b'\t')) => {
                    return Some(next);
                }
                b'#' if matches!(bytes.get(next.wrapping_sub(1)), Some(b' ' | b'\t')) => return None,
                b'{' => at = self.actions.within(self.text, next, end).unwrap_or(next + 1),
                _ => at = next + 1,
            }
        }
        None
    }

    pub(super) fn leaf(&mut self, range: Range<usize>, sort: Sort) {
        let text = self.source.part(range);
        self.leaf_of(text, sort);
    }

    pub(super) fn leaf_of_action(&mut self, range: Range<usize>, action: Action) {
        let sort = match action {
            Action::Code => Sort::Action,
            Action::Comment => Sort::Comment,
        };
        self.leaf(range, sort);
    }

    pub(super) fn leaf_of(&mut self, text: Mapped, sort: Sort) {
        self.has_content |= sort.is_value();
        let path = self.path.path(self.room);
        let anchor = match sort.is_value() {
            true => self.anchor.take(),
            false => None,
        };
        self.leaves.push(Leaf {
            text,
            sort,
            path,
            anchor,
            document: self.document,
        });
    }

    pub(super) fn text_of(&self, range: Range<usize>) -> &'s str {
        self.text.get(range).unwrap_or_default()
    }

    pub(super) fn line_at(&self, line: usize) -> Range<usize> {
        let end = self.text.len();
        self.lines.get(line).cloned().unwrap_or(end..end)
    }

    /// The line that a byte stands in; the byte after a line's last is in it too.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.lines
            .partition_point(|line| line.start <= at)
            .saturating_sub(1)
    }

    fn after_space(&self, at: usize, end: usize) -> usize {
        let rest = self.text_of(at..end);
        at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }
}

/// A key, and the byte after its colon.
#[derive(Debug)]
pub(super) struct Key<'s> {
    pub(super) text: &'s str,
    pub(super) range: Range<usize>,
    pub(super) after: usize,
}
