//! `drop`: paths that are left out.

use std::collections::BTreeSet;

use archive::EntryPath;
use globset::{Glob, GlobBuilder, GlobMatcher};

use super::{Tree, TreeError};
use crate::specification::Drop;

/// Takes every path that a pattern matches out of the tree, with all below it, and returns the patterns
/// that matched nothing.
///
/// `*` and `?` stay within a component, `**` crosses them. A directory that had content and lost the
/// last of it to a drop goes too; one that was empty before stays, unless a pattern matches it.
/// What is generated from a file that is dropped (a bundle from its certificates, say) is generated all
/// the same.
///
/// # Errors
/// For a pattern that is not valid or does not begin with `/`.
pub(crate) fn apply(tree: &mut Tree, drops: &[Drop]) -> Result<Vec<String>, TreeError> {
    let patterns: Vec<&String> = drops.iter().flat_map(|drop| &drop.patterns).collect();
    let matchers = patterns
        .iter()
        .map(|pattern| matcher(pattern))
        .collect::<Result<Vec<_>, _>>()?;
    let mut matched = vec![false; patterns.len()];
    let mut dropped: BTreeSet<EntryPath> = BTreeSet::new();
    for (path, _) in tree.iter() {
        let text = String::from_utf8_lossy(path.as_bytes());
        for (matcher, matched) in matchers.iter().zip(&mut matched) {
            if matcher.is_match(text.as_ref()) {
                *matched = true;
                dropped.insert(path.clone());
            }
        }
    }
    for path in &dropped {
        tree.drop_path(path);
    }
    for path in &dropped {
        remove_empty_parents(tree, path);
    }
    Ok(patterns
        .into_iter()
        .zip(matched)
        .filter(|(_, matched)| !matched)
        .map(|(pattern, _)| pattern.clone())
        .collect())
}

pub(super) fn matcher(pattern: &str) -> Result<GlobMatcher, TreeError> {
    let relative = pattern
        .strip_prefix('/')
        .ok_or_else(|| TreeError::RelativePattern {
            pattern: pattern.to_owned(),
        })?;
    let glob: Glob = GlobBuilder::new(relative.trim_end_matches('/'))
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|source| TreeError::Pattern {
            pattern: pattern.to_owned(),
            source,
        })?;
    Ok(glob.compile_matcher())
}

fn remove_empty_parents(tree: &mut Tree, path: &EntryPath) {
    let mut parent = path.parent();
    while let Some(directory) = parent {
        if directory.is_root() || !tree.is_directory(&directory) || tree.below(&directory).next().is_some() {
            return;
        }
        tree.remove(&directory);
        parent = directory.parent();
    }
}
