//! What a string of a program is for.

use std::sync::Arc;

use super::names;
use crate::kind::Kind;
use crate::mapped::Mapped;
use crate::reading::embedded::{self, Place};
use crate::reading::{Document, Role, Step, free, powershell, shell, speech};

/// Where a string stands.
pub(super) struct Context<'c> {
    pub(super) kind: Kind,
    /// The first name of the statement.
    pub(super) first: Option<&'c str>,
    /// The name right before it: `echo "…"`.
    pub(super) called: Option<&'c str>,
    /// What the innermost bracket belongs to.
    pub(super) frame: Option<&'c str>,
    /// Whether that is a call.
    pub(super) is_call: bool,
    /// What it is given to.
    pub(super) key: Option<&'c str>,
    /// Whether it is a statement by itself.
    pub(super) is_alone: bool,
}

impl Context<'_> {
    /// What is called with it.
    fn call(&self) -> Option<&str> {
        match self.is_call {
            true => self.frame.or(self.called),
            false => self.called.or(self
                .first
                .filter(|_| self.key.is_none() || self.kind == Kind::Groovy)),
        }
    }

    fn is_prose(&self, text: &str) -> bool {
        let is_documentation = self.is_alone && matches!(self.kind, Kind::HashComment | Kind::Starlark);
        if is_documentation || self.key.is_some_and(names::is_text) {
            return true;
        }
        // What is no more than a reference is one, even where it is shown.
        text.trim().contains(char::is_whitespace) && self.call().is_some_and(names::is_speaker)
    }

    fn role(&self) -> Role {
        match self.kind {
            Kind::Starlark | Kind::Groovy => Role::Value,
            _ => Role::Literal,
        }
    }
}

/// Adds a string to a document, as what it is.
pub(super) fn add(document: &mut Document, text: &Mapped, path: &Arc<[Step]>, context: &Context<'_>) {
    let written = text.text();
    let place = |role| Place {
        text,
        path,
        role,
        depth: 0,
    };
    if written.trim().is_empty() {
        return;
    }
    let call = context.call().unwrap_or_default();
    let is_script = context.kind != Kind::Groovy || matches!(context.key, None | Some("script" | "command"));
    if context.is_prose(written) {
        return free::add_lines(document, &place(Role::Prose));
    }
    match call.rsplit('.').next() {
        Some("bat") if context.kind == Kind::Groovy && is_script => {
            embedded::add(
                document,
                &place(Role::Value),
                powershell::read(written, Kind::Batch),
            );
        }
        Some("powershell" | "pwsh") if context.kind == Kind::Groovy && is_script => {
            embedded::add(
                document,
                &place(Role::Value),
                powershell::read(written, Kind::PowerShell),
            );
        }
        _ if is_script && names::is_shell(call) && is_line_of_shell(written, context) => {
            shell::read_into(document, text, path, context.role());
        }
        _ => free::add(document, &place(context.role())),
    }
}

/// Whether what a shell's call gets is a script, and not one word of a list.
fn is_line_of_shell(text: &str, context: &Context<'_>) -> bool {
    let is_script = context.kind == Kind::Groovy || text.trim().contains(char::is_whitespace);
    is_script && !free::is_json(text) && !speech::is_sentence(text)
}
