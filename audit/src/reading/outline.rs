//! What stands where in a structured file: finds values by their paths.

use std::collections::HashMap;
use std::ops::Range;

use super::{Document, Role, Step};

/// Places of values, by their paths. Every lookup takes constant time.
#[derive(Debug, Default)]
pub(crate) struct Outline<'p> {
    exact: HashMap<&'p [Step], usize>,
    /// From where to where values stand below a path: more than once, when its last key comes again.
    below: HashMap<&'p [Step], Vec<Range<usize>>>,
}

impl<'p> Outline<'p> {
    /// Of values with their numbers, in the order of the file; those without a path are left out.
    pub(crate) fn of(values: impl Iterator<Item = (usize, &'p [Step])>) -> Outline<'p> {
        let mut outline = Outline::default();
        // Neighbours have most of their steps in common: only where they part, ranges end and begin.
        let mut open: Vec<usize> = Vec::new();
        let (mut before, mut last): (&[Step], usize) = (&[], 0);
        for (index, path) in values.filter(|(_, path)| !path.is_empty()) {
            // All pieces of one value share its path, which may be long.
            if std::ptr::eq(before, path) {
                last = index;
                continue;
            }
            outline.exact.entry(path).or_insert(index);
            let shared = before
                .iter()
                .zip(path)
                .take_while(|(one, other)| one == other)
                .count();
            outline.close(before, &mut open, shared + 1, last + 1);
            open.resize(path.len() + 1, index);
            (before, last) = (path, index);
        }
        outline.close(before, &mut open, 0, last + 1);
        outline
    }

    /// Ends the ranges of all but the first `kept` beginnings of a path; `open` says where each began.
    fn close(&mut self, path: &'p [Step], open: &mut Vec<usize>, kept: usize, end: usize) {
        while open.len() > kept {
            let Some(start) = open.pop() else { break };
            let Some(prefix) = path.get(..open.len()) else {
                break;
            };
            let ranges = self.below.entry(prefix).or_default();
            match ranges.last_mut().filter(|last| last.end >= start) {
                Some(last) => last.end = end,
                None => ranges.push(start..end),
            }
        }
    }

    /// Of the values of a document, by the number of their pieces.
    pub(crate) fn of_document(document: &'p Document) -> Outline<'p> {
        let pieces = document.pieces.iter().enumerate();
        Outline::of(
            pieces
                .filter(|(_, piece)| !matches!(piece.role, Role::Key | Role::Comment))
                .map(|(index, piece)| (index, &*piece.path)),
        )
    }

    /// The first value at a path.
    pub(crate) fn at(&self, path: &[Step]) -> Option<usize> {
        self.exact.get(path).copied()
    }

    /// The value at a key of a map.
    pub(crate) fn key(&self, map: &[Step], key: &str) -> Option<usize> {
        self.at(&joined(map, key))
    }

    /// The numbers at or below a path, from the first value to the last; what is no value may be among them.
    pub(crate) fn below(&self, path: &[Step]) -> impl Iterator<Item = usize> {
        self.below.get(path).into_iter().flatten().cloned().flatten()
    }

    /// Whether anything stands at a key of a map, or below it.
    pub(crate) fn has(&self, map: &[Step], key: &str) -> bool {
        self.below.contains_key(joined(map, key).as_slice())
    }
}

/// The path of a key of a map.
pub(crate) fn joined(map: &[Step], key: &str) -> Vec<Step> {
    let mut path = map.to_vec();
    path.push(Step::Key(key.to_owned()));
    path
}

/// The last key of a path, and the map that it is a key of; items after it are passed over.
pub(crate) fn last_key(path: &[Step]) -> Option<(&[Step], &str)> {
    let at = path.iter().rposition(|step| matches!(step, Step::Key(_)))?;
    match path.get(at) {
        Some(Step::Key(key)) => Some((path.get(..at)?, key)),
        _ => None,
    }
}

/// A key in lower case without what words are joined by.
pub(crate) fn plain(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|sign| sign.to_ascii_lowercase())
        .collect()
}

/// Whether a key is among the steps of a path.
pub(crate) fn has_key(path: &[Step], wanted: impl Fn(&str) -> bool) -> bool {
    path.iter()
        .any(|step| matches!(step, Step::Key(key) if wanted(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_paths() {
        let key = |key: &str| Step::Key(key.to_owned());
        let paths = [
            vec![key("a"), Step::Item(0), key("b")],
            vec![key("a"), Step::Item(0), key("c")],
            vec![key("a"), Step::Item(1)],
        ];
        let outline = Outline::of(paths.iter().map(Vec::as_slice).enumerate());
        assert_eq!(outline.key(&[key("a"), Step::Item(0)], "c"), Some(1));
        assert_eq!(outline.key(&[key("a")], "c"), None);
        let below = |path: &[Step]| outline.below(path).collect::<Vec<_>>();
        assert_eq!(below(&[key("a")]), [0, 1, 2]);
        assert_eq!(below(&[key("a"), Step::Item(0)]), [0, 1]);
        assert!(outline.has(&[], "a") && !outline.has(&[], "b"));
        assert_eq!(last_key(&paths[2]), Some((&[][..], "a")));
    }

    #[test]
    fn a_key_that_comes_again_has_only_its_own_values() {
        let key = |key: &str| vec![Step::Key(key.to_owned()), Step::Item(0)];
        let paths = [key("a"), key("b"), key("a"), key("b")];
        let outline = Outline::of(paths.iter().map(Vec::as_slice).enumerate());
        let below = |path: &str| outline.below(&[Step::Key(path.to_owned())]).collect::<Vec<_>>();
        assert_eq!((below("a"), below("b")), (vec![0, 2], vec![1, 3]));
    }
}
