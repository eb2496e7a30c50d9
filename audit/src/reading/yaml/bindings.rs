//! Names that stand for values: environments, variables, substitutions, parameters, values of charts, anchors.

use std::collections::HashMap;

use super::super::nest::NAME_BYTES_MAX;
use super::super::outline::last_key;
use super::super::{Document, Step};
use super::meaning::Leaves;
use super::scan::{Leaf, Sort};

/// Keys whose maps and lists are of variables, and what stands before a variable's name where it is used, if anything may.
const VARIABLE_KEYS: [(&str, &[&str]); 17] = [
    ("env", &["env."]),
    ("environment", &[]),
    ("environments", &[]),
    ("variables", &["variables."]),
    ("substitutions", &[]),
    ("envvars", &[]),
    ("env_vars", &[]),
    ("vars", &["vars."]),
    (
        "parameters",
        &["parameters.", "inputs.parameters.", "workflow.parameters."],
    ),
    ("params", &["params."]),
    ("inputs", &["inputs."]),
    ("build_args", &[]),
    ("buildargs", &[]),
    ("build-args", &[]),
    ("args", &[]),
    ("globals", &[]),
    // Travis has lists of variables below `env`.
    ("global", &[]),
];

/// The longest value that a name stands for, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// Bytes of values that have names by aliases, in one text.
const ALIASED_BYTES_MAX: usize = 16 << 10;

/// Adds every name of a text to a document.
pub(super) fn add(document: &mut Document, leaves: &Leaves<'_>) {
    let is_manifest = leaves.all.iter().any(|leaf| {
        matches!(&*leaf.path, [.., Step::Key(key)] if key == "apiVersion") && leaf.path.len() <= 2
    });
    let mut anchored: HashMap<&str, &Leaf> = HashMap::new();
    let mut aliased_left = ALIASED_BYTES_MAX;
    for leaf in leaves.all {
        if !leaf.sort.is_value() || leaf.text.text().len() > VALUE_BYTES_MAX {
            continue;
        }
        if let Some(anchor) = &leaf.anchor {
            document.bind(anchor, &leaf.text);
            anchored.insert(anchor, leaf);
        }
        // What an alias stands for is a value of both names.
        let alias = leaf
            .text
            .text()
            .strip_prefix('*')
            .filter(|_| leaf.sort == Sort::Plain);
        let aliased = alias.and_then(|name| anchored.get(name)).and_then(|anchored| {
            aliased_left = aliased_left.checked_sub(anchored.text.text().len())?;
            let mut aliased = (*anchored).clone();
            aliased.path = leaf.path.clone();
            Some(aliased)
        });
        let leaf = aliased.as_ref().unwrap_or(leaf);
        add_variable(document, leaves, leaf);
        if !is_manifest {
            add_chart_value(document, leaf);
        }
    }
}

/// `NAME: value`, `NAME: {value: …}`, `- name: NAME` with `value: …`, `- NAME=value`, below a key that is for such.
fn add_variable(document: &mut Document, leaves: &Leaves<'_>, leaf: &Leaf) {
    // Each value that may be chosen is one that the name may have.
    let (path, is_choice) = match &*leaf.path {
        [list @ .., Step::Item(_)] if matches!(list, [.., Step::Key(key)] if is_choice_key(key)) => {
            (list, true)
        }
        path => (path, false),
    };
    let holds_value = |key: &str| is_value_key(key) || is_choice && is_choice_key(key);
    let (name, prefixes) = match path {
        [before @ .., Step::Item(_), Step::Key(key)] if holds_value(key) => {
            let map = path.get(..before.len() + 1).unwrap_or_default();
            let Some(name) = leaves.key(map, "name") else {
                return;
            };
            let (_, list) = last_key(before).unwrap_or((&[], ""));
            (name.text.text(), prefixes(list).unwrap_or_default())
        }
        [.., Step::Key(variables), Step::Key(name), Step::Key(key)] if holds_value(key) => {
            let Some(prefixes) = prefixes(variables) else {
                return;
            };
            (name.as_str(), prefixes)
        }
        [.., Step::Key(variables), Step::Key(name)] => {
            let Some(prefixes) = prefixes(variables) else {
                return;
            };
            (name.as_str(), prefixes)
        }
        [.., Step::Key(variables), Step::Item(_), Step::Key(name)] if name != "name" => {
            let Some(prefixes) = prefixes(variables) else {
                return;
            };
            (name.as_str(), prefixes)
        }
        [.., Step::Key(variables), Step::Item(_)] if prefixes(variables).is_some() => {
            let assignment = leaf.text.text().split_once('=');
            if let Some((name, value)) = assignment.filter(|(name, _)| is_name(name)) {
                let from = name.len() + 1;
                document.bind(name, &leaf.text.part(from..from + value.len()));
            }
            return;
        }
        _ => return,
    };
    let names = std::iter::once("").chain(prefixes.iter().copied());
    // A name may be as long as the file, and many values may have it.
    for prefix in names.filter(|_| name.len() <= NAME_BYTES_MAX) {
        document.bind(&format!("{prefix}{name}"), &leaf.text);
    }
}

/// Whether a text is a variable's name, and no option or sentence.
fn is_name(text: &str) -> bool {
    !text.starts_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn is_value_key(key: &str) -> bool {
    matches!(key, "value" | "default" | "defaultValue")
}

/// Whether a list has the values that may be chosen for a variable: GitLab's and GitHub's `options`, Azure's `values`, Bitbucket's
/// `allowed-values`, CircleCI's `enum`.
fn is_choice_key(key: &str) -> bool {
    matches!(key, "options" | "values" | "allowed-values" | "enum")
}

fn prefixes(key: &str) -> Option<&'static [&'static str]> {
    VARIABLE_KEYS
        .iter()
        .find(|(known, _)| key.eq_ignore_ascii_case(known))
        .map(|(_, prefixes)| *prefixes)
}

/// A value as templates of a chart name it.
fn add_chart_value(document: &mut Document, leaf: &Leaf) {
    let mut name = "Values".to_owned();
    for step in &*leaf.path {
        let Step::Key(key) = step else { return };
        if name.len() > NAME_BYTES_MAX {
            return;
        }
        name.push('.');
        name.push_str(key);
    }
    if !leaf.path.is_empty() {
        document.bind(&name, &leaf.text);
    }
}
