//! What a script's commands add to a document.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lexer::{Redirect, Word};
use super::{Mark, Place, Simple, Surroundings, read_nested, talk, through};
use crate::kind::Kind;
use crate::mapped::Mapped;
use crate::reading::{Command, Document, Piece, Role, dockerfile, yaml};

/// Words after which names with values follow.
const DECLARATIONS: [&str; 9] = [
    "export", "local", "readonly", "declare", "typeset", "env", "setenv", "set", "alias",
];

/// What a here-document is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Script,
    Dockerfile,
    /// A file with comments after `#`, or none that matter.
    Text(Role),
}

pub(super) struct Emission<'d, 's> {
    document: &'d mut Document,
    surroundings: &'d Surroundings<'s>,
    /// Here-documents whose texts come with the end of the line.
    awaited: VecDeque<Content>,
    /// Pieces and commands that are shown to people as far as is known, by their places in the document.
    shown_pieces: Vec<usize>,
    shown_commands: Vec<usize>,
}

impl<'d, 's> Emission<'d, 's> {
    pub(super) fn new(document: &'d mut Document, surroundings: &'d Surroundings<'s>) -> Emission<'d, 's> {
        Emission {
            document,
            surroundings,
            awaited: VecDeque::new(),
            shown_pieces: Vec::new(),
            shown_commands: Vec::new(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            pieces: self.document.pieces.len(),
            commands: self.document.commands.len(),
        }
    }

    /// Whether somebody takes the output of a function.
    pub(super) fn is_captured(&self, function: &str) -> bool {
        self.surroundings.captured_functions.contains(function)
    }

    /// A role inside of this script: what only mentions stays so.
    fn role(&self, role: Role) -> Role {
        match (self.surroundings.role.is_mention(), role) {
            (false, Role::Comment | Role::Prose) => role,
            _ => self.surroundings.role,
        }
    }

    fn piece(&mut self, text: &Mapped, role: Role) {
        if text.is_empty() {
            return;
        }
        if role == Role::Prose {
            self.shown_pieces.push(self.document.pieces.len());
        }
        let role = self.role(role);
        self.document.pieces.push(Piece {
            text: text.clone(),
            role,
            path: Arc::clone(self.surroundings.path),
        });
    }

    pub(super) fn comment(&mut self, text: Mapped) {
        self.piece(&text, Role::Comment);
    }

    pub(super) fn binding(&mut self, name: &str, value: &Mapped) {
        self.document.bind(name, value);
    }

    pub(super) fn assignment(&mut self, word: &Word) {
        if let Some((name, from)) = word.assignment() {
            let value = word.text.part(from..word.text.text().len());
            if !value.is_empty() {
                self.binding(name, &value);
            }
        }
    }

    /// A word, what runs in it, and what it stands for without a value.
    fn word(&mut self, word: &Word, role: Role) {
        // In what is shown to people, what runs comes first: it is more than a mention.
        if role.is_mention() {
            self.scripts(word);
        }
        let text = match word.assignment() {
            Some((name, from)) if talk::is_text_for_people(name) => {
                self.piece(&word.text.part(from..word.text.text().len()), Role::Prose);
                None
            }
            _ => Some(&word.text),
        };
        if let Some(text) = text {
            self.piece(text, role);
        }
        for (name, value) in &word.defaults {
            self.binding(name, value);
            self.piece(value, Role::Value);
        }
        for message in &word.messages {
            self.piece(message, Role::Prose);
        }
        if !role.is_mention() {
            self.scripts(word);
        }
    }

    fn scripts(&mut self, word: &Word) {
        for script in &word.scripts {
            self.script(script, true);
        }
    }

    fn script(&mut self, script: &Mapped, is_captured: bool) {
        let surroundings = Surroundings {
            depth: self.surroundings.depth + 1,
            is_captured,
            ..self.surroundings.clone()
        };
        read_nested(self.document, script, &surroundings);
    }

    /// Commands joined by pipes.
    pub(super) fn pipeline(&mut self, pipeline: &[Simple], place: Place) {
        let is_captured = place.is_captured || self.surroundings.is_captured;
        for (at, simple) in pipeline.iter().enumerate() {
            let next = pipeline.get(at + 1);
            // What a function says and is nothing but a name is what it gives back.
            let is_captured = is_captured || place.is_function && is_name_only(simple);
            let is_shown = is_shown(simple, next, is_captured);
            if let (Some(mark), false) = (simple.closes, is_shown || is_captured_only(simple, next)) {
                self.unshow(mark);
            }
            let input = at.checked_sub(1).and_then(|before| pipeline.get(before));
            self.simple(simple, input, is_shown);
            if simple.here_documents > 0 {
                let content = content(simple, next, is_shown);
                let awaited = std::iter::repeat_n(content, simple.here_documents);
                self.awaited.extend(awaited);
            }
        }
    }

    /// What a block shows goes to a file or another command after all.
    fn unshow(&mut self, mark: Mark) {
        let role = self.surroundings.role;
        while let Some(at) = self.shown_pieces.pop_if(|at| *at >= mark.pieces) {
            if let Some(piece) = self.document.pieces.get_mut(at) {
                piece.role = role;
            }
        }
        while let Some(at) = self.shown_commands.pop_if(|at| *at >= mark.commands) {
            if let Some(command) = self.document.commands.get_mut(at) {
                command.role = role;
            }
        }
    }

    fn simple(&mut self, simple: &Simple, before: Option<&Simple>, is_shown: bool) {
        for word in &simple.values {
            self.word(word, Role::Value);
        }
        let name = through::program(simple.word(0));
        let is_speaker = talk::is_speaker(name);
        let is_talk = is_speaker
            && is_shown
            && !simple
                .words
                .iter()
                .any(|word| talk::is_workflow_command(word.text.text()));
        self.declared(simple);
        let texts: Vec<&Mapped> = simple.words.iter().map(|word| &word.text).collect();
        let (first, script) = match through::inner(&texts) {
            _ if is_speaker => (0, None),
            through::Inner::Words(first) => (first, None),
            through::Inner::Script(range) => (0, Some(range)),
        };
        let written = match is_speaker && !is_talk {
            true => written_as(simple),
            false => Content::Text(Role::Value),
        };
        let mut shows_next = false;
        for (at, word) in simple.words.iter().enumerate() {
            let text = word.text.text();
            if script.as_ref().is_some_and(|script| script.contains(&at)) {
                continue;
            }
            if at > 0 && written != Content::Text(Role::Value) {
                self.content(written, &word.text);
                continue;
            }
            let option = text.split_once('=').map_or(text, |(option, _)| option);
            let is_text = talk::is_text_option(name, option);
            let is_said = is_talk || talk::is_chat(name, text) || is_speaker && talk::is_sentence(text);
            let role = if is_said && at > 0 || shows_next || is_text && text.contains('=') {
                Role::Prose
            } else {
                Role::Value
            };
            shows_next = is_text && !text.contains('=');
            self.word(word, role);
        }
        for (_, target) in &simple.redirects {
            self.word(target, Role::Value);
        }
        self.command(simple, first, before, is_talk);
        if let Some(range) = script {
            self.script(&joined(texts.get(range).unwrap_or_default()), false);
        }
        self.gcloud_command(simple);
    }

    /// `gcloud compute ssh HOST --command='…'`.
    fn gcloud_command(&mut self, simple: &Simple) {
        if through::program(simple.word(0)) != "gcloud" {
            return;
        }
        for word in &simple.words {
            if word.text.text().starts_with("--command=") {
                self.script(&word.text.part("--command=".len()..word.text.text().len()), false);
            }
        }
    }

    /// Variables that get their values from arguments: `export A=b`, `set -gx A b`, `setenv A b`.
    fn declared(&mut self, simple: &Simple) {
        let command = simple.word(0);
        if matches!(command, "echo" | "printf") {
            self.handed_on(simple);
        }
        if !DECLARATIONS.contains(&command) {
            return;
        }
        for word in simple.words.iter().skip(1) {
            self.assignment(word);
        }
        let mut arguments = simple
            .words
            .iter()
            .skip(1)
            .filter(|word| !word.text.text().starts_with('-'));
        if let ("set" | "setenv", Some(name), Some(value)) = (command, arguments.next(), arguments.next()) {
            let is_list = simple.words.iter().any(|word| word.text.text() == "--");
            if super::lexer::is_name(name.text.text()) && !is_list {
                self.binding(name.text.text(), &value.text);
            }
        }
    }

    /// `echo NAME=value >> "$GITHUB_ENV"`, `echo 'export NAME=value' >> "$BASH_ENV"`, `echo NAME=value >> build.env` and
    /// `echo "##vso[task.setvariable variable=NAME]value"`: what later steps get.
    fn handed_on(&mut self, simple: &Simple) {
        const VARIABLE: &str = "##vso[task.setvariable variable=";
        let mut targets = simple.redirects.iter().filter(|(kind, _)| *kind == Redirect::Out);
        let is_environment = targets.any(|(_, target)| {
            let target = target.text.text();
            ["GITHUB_ENV", "BASH_ENV"]
                .iter()
                .any(|name| target.contains(name))
                || target.ends_with(".env")
        });
        for word in simple.words.iter().skip(1) {
            let text = word.text.text();
            let bare = text.trim_end_matches(['\n', '\r']);
            let bare = bare.strip_suffix("\\n").unwrap_or(bare);
            let assignment = bare.strip_prefix("export ").unwrap_or(bare);
            let assigned = match bare.strip_prefix(VARIABLE).and_then(|rest| rest.split_once(']')) {
                Some((name, value)) => name.split(';').next().map(|name| (name, value)),
                None => assignment.split_once('=').filter(|_| is_environment),
            };
            let Some((name, value)) = assigned.filter(|(name, _)| super::lexer::is_name(name)) else {
                continue;
            };
            // One that is handed on as it is gets no other value.
            if !value.contains(&format!("${name}")) && !value.contains(&format!("${{{name}")) {
                let from = bare.len() - value.len();
                self.binding(name, &word.text.part(from..from + value.len()));
            }
        }
    }

    fn command(&mut self, simple: &Simple, first: usize, before: Option<&Simple>, is_talk: bool) {
        let words: Vec<Mapped> = simple
            .words
            .iter()
            .skip(first)
            .map(|word| word.text.clone())
            .collect();
        if words.is_empty() {
            return;
        }
        let input = match before {
            Some(before) => before.words.iter().map(|word| word.text.clone()).collect(),
            None => {
                let inputs = simple.redirects.iter().filter(|(kind, _)| *kind != Redirect::Out);
                inputs.map(|(_, word)| word.text.clone()).collect()
            }
        };
        if is_talk {
            self.shown_commands.push(self.document.commands.len());
        }
        let role = self.role(if is_talk { Role::Prose } else { Role::Value });
        self.document.commands.push(Command { words, input, role });
    }

    /// The texts of here-documents, in the order in which they were announced.
    pub(super) fn here_documents(&mut self, bodies: Vec<Mapped>) {
        for body in bodies {
            let content = self.awaited.pop_front().unwrap_or(Content::Text(Role::Value));
            self.content(content, &body);
        }
        self.awaited.clear();
    }

    fn content(&mut self, content: Content, body: &Mapped) {
        match content {
            Content::Script => self.script(body, false),
            Content::Dockerfile if self.surroundings.depth < super::NESTING_MAX => {
                dockerfile::read_deeper(
                    self.document,
                    body,
                    self.surroundings.path,
                    self.surroundings.role,
                    self.surroundings.depth + 1,
                );
            }
            Content::Dockerfile => self.piece(body, Role::Value),
            // What looks like YAML is for a program, wherever it goes.
            Content::Text(role @ (Role::Value | Role::Prose)) => {
                let surroundings = &self.surroundings;
                let may_be_yaml = surroundings.depth == 0 && !surroundings.role.is_mention();
                if !may_be_yaml || !yaml::read_within(self.document, body, surroundings.path) {
                    match role {
                        Role::Value => self.text(body),
                        role => self.piece(body, role),
                    }
                }
            }
            Content::Text(role) => self.piece(body, role),
        }
    }

    /// Text of another language: comments after `#` apart, the rest in one.
    fn text(&mut self, body: &Mapped) {
        let text = body.text();
        let (mut from, mut at) = (0, 0);
        for line in text.split_inclusive('\n') {
            let blank = line.len() - line.trim_start().len();
            let sign = match line.trim_start().starts_with('#') {
                true => Some(blank),
                false => line.find(" # ").map(|at| at + 1),
            };
            if let Some(sign) = sign {
                self.piece(&body.part(from..at + sign), Role::Value);
                self.piece(&body.part(at + sign..at + line.trim_end().len()), Role::Comment);
                from = at + line.trim_end().len().max(sign);
            }
            at += line.len();
        }
        if text.get(from..).is_some_and(|rest| !rest.trim().is_empty()) {
            self.piece(&body.part(from..text.len()), Role::Value);
        }
    }
}

/// Whether what a command writes is only seen by people.
fn is_shown(simple: &Simple, next: Option<&Simple>, is_captured: bool) -> bool {
    let mut outputs = simple
        .redirects
        .iter()
        .filter(|(kind, _)| *kind == Redirect::Out)
        .peekable();
    if outputs.peek().is_some() {
        return outputs.all(|(_, target)| talk::is_shown(target.text.text()));
    }
    match next {
        Some(next) => talk::is_display(next.words.iter().map(|word| word.text.text())),
        None => !is_captured,
    }
}

/// `echo NAME`, where the name has a path.
fn is_name_only(simple: &Simple) -> bool {
    let text = simple.word(1);
    simple.words.len() == 2 && text.contains('/') && !text.contains([' ', '\\']) && !text.starts_with('/')
}

/// Whether a block's output goes nowhere but where that of its commands goes anyway.
fn is_captured_only(simple: &Simple, next: Option<&Simple>) -> bool {
    next.is_none() && !simple.redirects.iter().any(|(kind, _)| *kind == Redirect::Out)
}

/// What a here-document of a command is read as.
fn content(simple: &Simple, next: Option<&Simple>, is_shown: bool) -> Content {
    let texts: Vec<&Mapped> = simple.words.iter().map(|word| &word.text).collect();
    let first = match through::inner(&texts) {
        through::Inner::Words(first) => first,
        through::Inner::Script(_) => 0,
    };
    let name = through::program(simple.word(first));
    let runs = |simple: &Simple| {
        let first = through::program(simple.word(0));
        let has_shell = simple
            .words
            .iter()
            .any(|word| through::is_shell(word.text.text()));
        has_shell || first == "ssh" || first == "su"
    };
    match name {
        ":" | "true" => return Content::Text(Role::Comment),
        "docker" | "podman" | "buildah" | "nerdctl"
            if simple
                .words
                .iter()
                .any(|word| matches!(word.text.text(), "build" | "bud" | "buildx")) =>
        {
            return Content::Dockerfile;
        }
        _ if runs(simple) => return Content::Script,
        _ => {}
    }
    if next.is_some_and(|next| {
        through::program(next.word(0)) == "docker"
            && next.words.iter().any(|word| word.text.text() == "build")
    }) {
        return Content::Dockerfile;
    }
    if next.is_some_and(runs) {
        return Content::Script;
    }
    let target = simple.redirects.iter().find(|(kind, _)| *kind == Redirect::Out);
    let target = target.map(|(_, word)| word.text.text());
    let target = target.or_else(|| match name {
        "tee" => simple
            .words
            .iter()
            .skip(first + 1)
            .map(|word| word.text.text())
            .find(|word| !word.starts_with('-')),
        _ => None,
    });
    match target {
        Some(target) => content_of_file(target),
        None if is_shown && (name == "cat" || talk::is_speaker(name)) => Content::Text(Role::Prose),
        None => Content::Text(Role::Value),
    }
}

/// What a file's text is read as.
fn content_of_file(name: &str) -> Content {
    match Kind::of(name, "") {
        _ if talk::is_shown(name) => Content::Text(Role::Prose),
        Kind::Prose if !name.ends_with(".txt") => Content::Text(Role::Prose),
        Kind::Shell => Content::Script,
        Kind::Dockerfile => Content::Dockerfile,
        _ => Content::Text(Role::Value),
    }
}

/// What a command's arguments are read as that it writes to a file.
fn written_as(simple: &Simple) -> Content {
    let target = simple.redirects.iter().find(|(kind, _)| *kind == Redirect::Out);
    target.map_or(Content::Text(Role::Value), |(_, word)| {
        content_of_file(word.text.text())
    })
}

/// Words as a shell sees them that gets them as one text.
fn joined(words: &[&Mapped]) -> Mapped {
    let mut text = Mapped::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            text.push_instead(' ', word.whole_span().start);
        }
        text.push_part(word, 0..word.text().len());
    }
    text
}
