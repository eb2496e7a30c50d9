//! Commands that stand as lists of words: `command` and `args` of containers, steps of Cloud Build.

use std::collections::{HashMap, HashSet};

use super::super::outline::{joined, last_key};
use super::super::{Command, Role, Step};
use super::meaning::{Leaves, Treatment};
use super::scan::{Leaf, Sort};
use crate::mapped::Mapped;

/// Keys whose lists are words of one command, in the order in which they are put together.
const WORD_KEYS: [&str; 7] = ["entrypoint", "command", "path", "cmd", "argv", "test", "args"];

/// Keys that say that a list under `command` is one of scripts.
const SCRIPT_STEP_KEYS: [&str; 5] = ["label", "agents", "plugins", "artifact_paths", "concurrency"];

/// Images without a program of their own.
const BARE_IMAGES: [&str; 8] = [
    "cloud-sdk",
    "google-cloud-cli",
    "alpine",
    "ubuntu",
    "debian",
    "busybox",
    "debian_slim",
    "base",
];

const SHELLS: [&str; 8] = ["sh", "bash", "ash", "dash", "zsh", "ksh", "busybox", "pwsh"];

/// The commands, and what becomes of the leaves that they are made of.
pub(super) fn of(leaves: &Leaves<'_>) -> (Vec<Command>, HashMap<usize, Treatment>) {
    let mut commands = Vec::new();
    let mut settled = HashMap::new();
    let mut done: HashSet<&[Step]> = HashSet::new();
    for leaf in leaves.all.iter().filter(|leaf| leaf.sort.is_value()) {
        let Some((map, key)) = last_key(&leaf.path) else {
            continue;
        };
        let items = leaf.path.len() - map.len() - 1;
        let is_words = items == 1 && WORD_KEYS.contains(&key.to_ascii_lowercase().as_str());
        if is_words && done.insert(map) {
            commands.extend(of_container(leaves, map, &mut settled));
        } else if items == 2 && matches!(key, "runcmd" | "bootcmd") {
            let list = leaf.path.get(..map.len() + 2).unwrap_or_default();
            if done.insert(list) {
                commands.extend(of_words(leaves, None, items_of(leaves, list), &mut settled));
            }
        } else if items == 0 && key == "args" {
            commands.extend(of_action(leaves, map, leaf));
        }
    }
    (commands, settled)
}

/// The command of a container: its entry point, or the program that its image is for, and its arguments.
fn of_container(
    leaves: &Leaves<'_>,
    map: &[Step],
    settled: &mut HashMap<usize, Treatment>,
) -> Option<Command> {
    let mut words = Vec::new();
    let mut has_program = false;
    for key in WORD_KEYS {
        let path = joined(map, key);
        if let Some(index) = leaves.outline.at(&path) {
            // A program alone; anything longer is a script by itself.
            if text_of(leaves, index).is_some_and(|text| !text.trim().contains([' ', '\n'])) {
                settled.insert(index, Treatment::Value);
                words.push(index);
                has_program = true;
            }
            continue;
        }
        let items = items_of(leaves, &path);
        if items.is_empty() {
            continue;
        }
        if key != "args" && is_list_of_scripts(leaves, map, &items) {
            settled.extend(items.into_iter().map(|index| (index, Treatment::Script)));
            continue;
        }
        has_program |= key != "args";
        words.extend(items);
    }
    let program = match has_program {
        true => None,
        false => program_of_image(leaves, map),
    };
    of_words(leaves, program, words, settled)
}

fn is_list_of_scripts(leaves: &Leaves<'_>, map: &[Step], items: &[usize]) -> bool {
    let first = items.first().and_then(|index| text_of(leaves, *index));
    let is_script = first.is_some_and(|first| first.trim().contains([' ', '\n']) && !first.starts_with('{'));
    is_script || SCRIPT_STEP_KEYS.iter().any(|key| leaves.outline.has(map, key))
}

/// A command of words; a shell's script among them is one.
fn of_words(
    leaves: &Leaves<'_>,
    program: Option<Mapped>,
    words: Vec<usize>,
    settled: &mut HashMap<usize, Treatment>,
) -> Option<Command> {
    let texts: Vec<&str> = words
        .iter()
        .map(|index| text_of(leaves, *index).unwrap_or_default())
        .collect();
    for index in &words {
        settled.insert(*index, Treatment::Value);
    }
    let begins_with_flag = texts.first().is_some_and(|first| is_script_flag(first));
    let is_shell = program.as_ref().is_some_and(|program| is_shell(program.text()));
    let shell = match is_shell || begins_with_flag {
        true => Some(0),
        false => texts.iter().position(|text| is_shell_path(text)).map(|at| at + 1),
    };
    let script = shell.and_then(|from| {
        let flag = texts.iter().skip(from).position(|text| is_script_flag(text));
        let long = texts
            .iter()
            .skip(from)
            .position(|text| text.trim().contains('\n'));
        flag.map(|flag| from + flag + 1).or(long.map(|long| from + long))
    });
    if let Some(index) = script.and_then(|at| words.get(at)) {
        settled.insert(*index, Treatment::Script);
        return None;
    }
    let words = words.iter().filter_map(|index| leaves.all.get(*index));
    let words: Vec<Mapped> = program
        .filter(|program| texts.first() != Some(&program.text()))
        .into_iter()
        .chain(words.map(|leaf| leaf.text.clone()))
        .collect();
    (!words.is_empty()).then_some(Command {
        words,
        input: Vec::new(),
        role: Role::Value,
    })
}

/// The command of an action for a tool: `uses: actions-hub/gcloud@…` with `args: auth configure-docker`.
fn of_action(leaves: &Leaves<'_>, map: &[Step], args: &Leaf) -> Option<Command> {
    if args.sort == Sort::Block {
        return None;
    }
    let (_, step) = map.split_last()?;
    let uses = leaves.key(step, "uses").or_else(|| leaves.key(map, "uses"))?;
    let tool = ["gcloud", "docker", "gsutil"].into_iter().find_map(|tool| {
        let at = uses.text.text().find(tool)?;
        Some(uses.text.part(at..at + tool.len()))
    })?;
    Some(Command {
        words: std::iter::once(tool).chain(args.text.words()).collect(),
        input: Vec::new(),
        role: Role::Value,
    })
}

/// The last part of an image's name: what the image is for, and starts.
fn program_of_image(leaves: &Leaves<'_>, map: &[Step]) -> Option<Mapped> {
    let image = leaves.key(map, "image").or_else(|| leaves.key(map, "name"))?;
    let text = image.text.text();
    let start = text.rfind('/').map_or(0, |slash| slash + 1);
    let name = text.get(start..)?;
    let length = name.find([':', '@']).unwrap_or(name.len());
    let name = name.get(..length)?;
    (!name.is_empty() && !BARE_IMAGES.contains(&name)).then(|| image.text.part(start..start + length))
}

/// The scalars of a list, in its order.
fn items_of(leaves: &Leaves<'_>, list: &[Step]) -> Vec<usize> {
    let below = leaves.outline.below(list);
    below
        .filter(|index| {
            leaves.all.get(*index).is_some_and(|leaf| {
                leaf.sort.is_value()
                    && leaf.path.len() == list.len() + 1
                    && leaf.path.starts_with(list)
                    && matches!(leaf.path.last(), Some(Step::Item(_)))
            })
        })
        .collect()
}

fn text_of<'l>(leaves: &Leaves<'l>, index: usize) -> Option<&'l str> {
    leaves.all.get(index).map(|leaf| leaf.text.text())
}

fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

fn is_shell_path(word: &str) -> bool {
    is_shell(word.trim().rsplit('/').next().unwrap_or(word)) || word == "cmd" || word == "CMD-SHELL"
}

/// `-c`, `-ec`, `-lc`, `/C`, `-Command`.
fn is_script_flag(word: &str) -> bool {
    let word = word.trim();
    let short = word.strip_prefix('-').is_some_and(|flags| {
        flags.len() <= 8 && flags.ends_with('c') && flags.bytes().all(|flag| flag.is_ascii_lowercase())
    });
    short || word.eq_ignore_ascii_case("/c") || word.eq_ignore_ascii_case("-command")
}
