//! What a text is to its file, by the keys that it stands below.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::super::outline::{Outline, has_key, joined, last_key};
use super::super::{Document, Piece, Role, Step, shell};
use super::prose::is_prose;
use super::scan::{Leaf, Scan, Sort};
use super::{DEPTH_MAX, bindings, commands, read_into};
use crate::kind::Kind;

/// What becomes of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Value,
    Prose,
    Script,
    /// YAML or JSON in a scalar.
    Structure,
}

/// The leaves of one text, and where each stands.
pub(super) struct Leaves<'l> {
    pub(super) all: &'l [Leaf],
    pub(super) outline: Outline<'l>,
    /// Names of anchors that stand for scripts somewhere.
    script_names: HashSet<&'l str>,
    /// Lists with such a name.
    script_lists: HashSet<&'l [Step]>,
}

impl<'l> Leaves<'l> {
    /// The text of a value at a key of a map.
    pub(super) fn key(&self, map: &[Step], key: &str) -> Option<&'l Leaf> {
        self.outline.key(map, key).and_then(|index| self.all.get(index))
    }

    /// Notes which anchors are used where scripts stand.
    fn find_named_scripts(&mut self, scan: &'l Scan) {
        let aliases = scan.leaves.iter().filter_map(|leaf| {
            let name = leaf.text.text().trim().strip_prefix('*')?;
            let (_, key) = last_key(&leaf.path)?;
            (leaf.sort == Sort::Plain && SCRIPT_KEYS.contains(&key.to_ascii_lowercase().as_str()))
                .then_some(name)
        });
        self.script_names = aliases.collect();
        let lists = scan.anchors.iter();
        self.script_lists = lists
            .filter(|(name, _)| self.script_names.contains(name.as_str()))
            .map(|(_, path)| &**path)
            .collect();
    }

    fn is_named_script(&self, leaf: &Leaf) -> bool {
        let has_name = leaf
            .anchor
            .as_ref()
            .is_some_and(|name| self.script_names.contains(name.as_str()));
        let list = match leaf.path.split_last() {
            Some((Step::Item(_), list)) => list,
            _ => return has_name,
        };
        has_name || self.script_lists.contains(list)
    }
}

/// Adds what leaves are to a document.
pub(super) fn add(document: &mut Document, scan: &Scan, embedding: usize) {
    let values = scan
        .leaves
        .iter()
        .enumerate()
        .filter(|(_, leaf)| leaf.sort.is_value());
    let mut leaves = Leaves {
        all: &scan.leaves,
        outline: Outline::of(values.map(|(index, leaf)| (index, &*leaf.path))),
        script_names: HashSet::new(),
        script_lists: HashSet::new(),
    };
    leaves.find_named_scripts(scan);
    let (commands, settled) = commands::of(&leaves);
    document.commands.extend(commands);
    bindings::add(document, &leaves);
    for (index, leaf) in leaves.all.iter().enumerate() {
        let treatment = settled.get(&index).copied();
        let treatment = treatment.unwrap_or_else(|| treatment_of(&leaves, leaf));
        add_leaf(document, leaf, treatment, embedding);
    }
}

fn add_leaf(document: &mut Document, leaf: &Leaf, treatment: Treatment, embedding: usize) {
    let role = match (leaf.sort, treatment) {
        (Sort::Comment, _) => Role::Comment,
        // A title, as of pages in a menu.
        (Sort::Key, _) if is_title(leaf.text.text()) => Role::Prose,
        (Sort::Key, _) => Role::Key,
        (_, Treatment::Prose) => Role::Prose,
        _ => Role::Value,
    };
    match treatment {
        Treatment::Script if embedding <= DEPTH_MAX => {
            shell::read_into(document, &leaf.text, &leaf.path, Role::Value);
        }
        Treatment::Structure if embedding < DEPTH_MAX => {
            read_into(document, &leaf.text, &leaf.path, embedding + 1);
        }
        _ if leaf.sort == Sort::Block && role == Role::Value => add_lines(document, leaf),
        _ => push(document, leaf, 0..leaf.text.text().len(), role),
    }
}

/// Whether most lines of a text are keys with values, or elements of lists.
pub(super) fn looks_like_yaml(text: &str) -> bool {
    let (mut lines, mut keys) = (0_usize, 0_usize);
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        lines += 1;
        let element = line.strip_prefix("- ").unwrap_or(line);
        let key = element
            .split_once(':')
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with(' '));
        let is_key = key.is_some_and(|(key, _)| !key.is_empty() && !key.contains([' ', '(', '=', ';']));
        keys += usize::from(is_key || line.starts_with("- "));
    }
    keys >= 3 && keys * 3 >= lines * 2
}

fn is_title(key: &str) -> bool {
    key.trim().contains(' ') && !key.contains(['{', '$', '<', '%'])
}

fn push(document: &mut Document, leaf: &Leaf, range: Range<usize>, role: Role) {
    document.pieces.push(Piece {
        text: leaf.text.part(range),
        role,
        path: Arc::clone(&leaf.path),
    });
}

/// Adds a block; lines that are comments in most languages are ones here too, and some have commands.
fn add_lines(document: &mut Document, leaf: &Leaf) {
    let (mut start, mut at) = (0, 0);
    for line in leaf.text.text().split_inclusive('\n') {
        let end = at + line.len();
        let text = line.trim_start();
        let is_comment = text.starts_with('#') || text.starts_with("//");
        let command = command_in(text).map(|command| end - command.len());
        if is_comment || command.is_some() {
            if start < at {
                push(document, leaf, start..at, Role::Value);
            }
            match command {
                Some(command) => {
                    let script = leaf.text.part(command..end);
                    shell::read_into(document, &script, &leaf.path, Role::Value);
                }
                None => push(document, leaf, at..end, Role::Comment),
            }
            start = end;
        }
        at = end;
    }
    if start < at {
        push(document, leaf, start..at, Role::Value);
    }
}

/// The command of a line of systemd's units, or of a Dockerfile.
fn command_in(line: &str) -> Option<&str> {
    if let Some(command) = line.strip_prefix("RUN ") {
        return Some(command);
    }
    let (key, command) = line.split_once('=')?;
    let is_exec = key.starts_with("Exec") && key.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_exec.then(|| command.trim_start_matches(['-', '@', '+', '!', ':']))
}

fn treatment_of(leaves: &Leaves<'_>, leaf: &Leaf) -> Treatment {
    if !leaf.sort.is_value() {
        return Treatment::Value;
    }
    let text = leaf.text.text();
    let Some((map, key)) = last_key(&leaf.path) else {
        return Treatment::Value;
    };
    let is_example = key == "example" && leaves.key(map, "type").is_some();
    if is_example || !leaves.is_named_script(leaf) && is_prose(leaf, key) {
        return Treatment::Prose;
    }
    if leaf.sort != Sort::Plain && is_json(text) {
        return Treatment::Structure;
    }
    if is_shebang(text) {
        return Treatment::Script;
    }
    if leaf.sort == Sort::Block {
        // A file in a ConfigMap, or one that cloud-init writes.
        let path = leaves.key(map, "path").filter(|_| key == "content");
        let name = path.map_or(key, |path| path.text.text()).to_ascii_lowercase();
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("yaml" | "yml") => return Treatment::Structure,
            Some("sh" | "bash" | "zsh") => return Treatment::Script,
            _ if is_cloud_config(text) => return Treatment::Structure,
            _ => {}
        }
    }
    if leaves.is_named_script(leaf) || is_script(leaves, leaf, key) {
        return Treatment::Script;
    }
    match leaf.sort == Sort::Block && is_yaml(text) {
        true => Treatment::Structure,
        false => Treatment::Value,
    }
}

/// Whether a text begins as a script of a shell does.
pub(super) fn is_shebang(text: &str) -> bool {
    Kind::of("", text) == Kind::Shell
}

fn is_cloud_config(text: &str) -> bool {
    text.starts_with("#cloud-config")
}

/// Whether a scalar is a collection in JSON.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.trim();
    let inner = text.get(1..).unwrap_or_default().trim_start();
    match text.as_bytes() {
        [b'{', .., b'}'] => inner.starts_with(['"', '}']),
        [b'[', .., b']'] => inner.starts_with(['"', '{', '[']),
        _ => false,
    }
}

/// Whether every line that begins as far left as the first has a key: a patch, values, another manifest.
pub(super) fn is_yaml(text: &str) -> bool {
    let is_kept = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '{']);
    let mut lines = text.lines().filter(is_kept);
    let Some(first) = lines.next() else { return false };
    let indent = first.len() - first.trim_start().len();
    let begins = |line: &str| line.len() - line.trim_start().len() <= indent;
    has_yaml_key(first)
        && text
            .lines()
            .filter(is_kept)
            .filter(|line| begins(line))
            .all(|line| has_yaml_key(line) || line.starts_with("---") || line.trim_start().starts_with("- "))
}

fn has_yaml_key(line: &str) -> bool {
    let line = line.trim();
    let line = line.strip_prefix("- ").unwrap_or(line);
    let key = line
        .strip_suffix(':')
        .or_else(|| line.split_once(": ").map(|(key, _)| key));
    key.is_some_and(|key| {
        let key = key.trim_matches(['"', '\'']);
        !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_./$".contains(&byte))
    })
}

/// Keys whose scalars are scripts, and whose lists are lists of them, in pipelines of every sort.
const SCRIPT_KEYS: [&str; 48] = [
    "run",
    "script",
    "scripts",
    "before_script",
    "after_script",
    "after-script",
    "before-script",
    "bash",
    "sh",
    "shell",
    "powershell",
    "pwsh",
    "cmd",
    "cmds",
    "command",
    "commands",
    "cmdline",
    "runcmd",
    "bootcmd",
    "before_install",
    "install",
    "after_success",
    "after_failure",
    "before_deploy",
    "after_deploy",
    "before_cache",
    "build_script",
    "test_script",
    "deploy_script",
    "before_build",
    "after_build",
    "before_test",
    "after_test",
    "inlinescript",
    "buildcommand",
    "startcommand",
    "postcreatecommand",
    "poststartcommand",
    "oncreatecommand",
    "entrypoint",
    "exec",
    "raw",
    "ps",
    "pre_build",
    "post_build",
    "prebuild",
    "postbuild",
    "execute",
];

fn is_script(leaves: &Leaves<'_>, leaf: &Leaf, key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    if SCRIPT_KEYS.contains(&lower.as_str()) {
        return !is_program_text(leaves, leaf);
    }
    let is_below = |wanted: &str| has_key(&leaf.path, |key| key == wanted);
    match lower.as_str() {
        // Argo, wercker and old Bitrise have the script below another key.
        "source" | "code" | "content" => is_below("script") && !is_program_text(leaves, leaf),
        // GitHub's matrix of commands, Tekton's and Cloud Build's single argument.
        "args" => leaf.sort == Sort::Block,
        // A list of commands below `steps`, as of Travis' and codeship's jobs.
        "steps" | "before" | "after" => leaf.text.text().contains(' ') && leaf.sort != Sort::Quoted,
        _ => false,
    }
}

/// Whether what stands under `script` is a program of another language: JavaScript of an action, what its container's
/// command reads, what its first line names.
fn is_program_text(leaves: &Leaves<'_>, leaf: &Leaf) -> bool {
    let Some((map, _)) = last_key(&leaf.path) else {
        return false;
    };
    let step = map.split_last().map_or(map, |(_, step)| step);
    let is_javascript = leaves
        .key(step, "uses")
        .is_some_and(|uses| uses.text.text().contains("github-script"));
    let first = joined(map, "command").into_iter().chain([Step::Item(0)]);
    let command = leaves
        .outline
        .at(&first.collect::<Vec<_>>())
        .and_then(|index| leaves.all.get(index));
    let is_other = command.is_some_and(|command| {
        let text = command.text.text().trim();
        leaf.sort == Sort::Block && !text.ends_with("sh") && !text.contains(' ')
    });
    is_javascript || is_other || leaf.text.text().starts_with("#!")
}
