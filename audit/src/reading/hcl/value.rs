//! What values are: scripts, arguments, text for people, and what names stand for.

use super::{Reader, text};
use crate::mapped::Mapped;
use crate::reading::embedded::Place;
use crate::reading::nest::NAME_BYTES_MAX;
use crate::reading::outline::last_key;
use crate::reading::{Role, Step, free, quoted, shell, speech};

/// Attributes whose text a shell runs.
const SCRIPTS: &[&str] = &[
    "metadata_startup_script",
    "startup_script",
    "startup-script",
    "shutdown-script",
    "user_data",
    "user-data",
    "inline",
    "command",
    "script",
    "script_content",
    "create_cmd_body",
    "destroy_cmd_body",
    "provision_script",
    "bootstrap_script",
    "build_command",
    "run",
];

impl Reader<'_> {
    pub(super) fn string(&mut self) {
        let (range, next) = text::string(self.text, self.at);
        let mapped = quoted::unescaped(self.text, range);
        self.at = next;
        let is_free = !self.nest.is_list() && !self.nest.has_key() && !self.in_parentheses();
        if is_free && self.is_key_at(next) {
            self.document.add_key(mapped, &mut self.nest);
        } else {
            self.value_of(mapped, Role::Value);
        }
    }

    pub(super) fn heredoc(&mut self) {
        match text::heredoc(self.text, self.at) {
            Some((range, next)) => {
                self.at = next.max(self.at + 2);
                self.value_of(Mapped::verbatim(self.text, range), Role::Value);
            }
            None => self.at += 2,
        }
    }

    pub(super) fn value_of(&mut self, text: Mapped, role: Role) {
        let path = self.path();
        let name = last_key(&path).map(|(_, name)| name);
        let role = match name {
            Some(name) if role == Role::Value && speech::is_for_people(name) => Role::Prose,
            _ => role,
        };
        if role == Role::Value {
            self.nest.collect(&text);
            self.bind(&path, &text);
        }
        let is_script = role == Role::Value
            && name.is_some_and(|name| SCRIPTS.contains(&name))
            && !self.is_argument(name);
        if is_script && !free::is_json(text.text()) && !free::is_yaml(text.text()) {
            return shell::read_into(&mut self.document, &text, &path, role);
        }
        let place = Place {
            text: &text,
            path: &path,
            role,
            depth: 0,
        };
        free::add(&mut self.document, &place);
    }

    /// `command = ["a", "b"]` has words, where `inline = ["a b"]` has scripts.
    fn is_argument(&self, name: Option<&str>) -> bool {
        self.nest.is_list() && matches!(name, Some("command" | "run" | "script"))
    }

    /// Locals, defaults of variables, and the values that a file of variables gives.
    fn bind(&mut self, path: &[Step], value: &Mapped) {
        let keys: Option<Vec<&str>> = path
            .iter()
            .map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Item(_) => None,
            })
            .collect();
        // What a long path leads to, nobody refers to.
        let is_short = |keys: &Vec<&str>| keys.iter().map(|key| key.len()).sum::<usize>() <= NAME_BYTES_MAX;
        let Some(keys) = keys.filter(is_short) else { return };
        let name = match keys.as_slice() {
            ["locals", rest @ ..] if !rest.is_empty() => format!("local.{}", rest.join(".")),
            ["variable", name, "default"] => {
                // Bake files name their variables without a scope.
                self.document.bind(name, value);
                format!("var.{name}")
            }
            ["variable", name, "default", rest @ ..] => format!("var.{name}.{}", rest.join(".")),
            [
                "resource" | "data" | "module" | "output" | "provider" | "variable" | "terraform" | "moved"
                | "import",
                ..,
            ]
            | [] => return,
            ["inputs", rest @ ..] if !rest.is_empty() => format!("var.{}", rest.join(".")),
            names => format!("var.{}", names.join(".")),
        };
        self.document.bind(&name, value);
    }
}
