//! Makefiles and justfiles.

use std::sync::Arc;

use super::{Document, Role, shell};
use crate::mapped::Mapped;

/// Functions that show their arguments.
const SPEAKING: [&str; 3] = ["$(info ", "$(warning ", "$(error "];

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let file = Mapped::whole(text);
    let mut reader = Reader {
        document: Document::default(),
        file: &file,
        text,
        at: 0,
        is_just: is_just(text),
        is_in_rule: false,
        recipe: Mapped::new(),
    };
    while reader.line() {}
    reader.end_recipe();
    reader.document
}

/// Whether it is a justfile: recipes are indented by blanks, variables stand in `{{…}}`.
fn is_just(text: &str) -> bool {
    let mut after_rule = false;
    let mut indented = 0_usize;
    for line in text.lines() {
        let is_blank = line.trim().is_empty();
        if after_rule && line.starts_with('\t') {
            return false;
        }
        if after_rule && line.starts_with("  ") && !is_blank {
            indented += 1;
        }
        if !line.starts_with([' ', '\t', '#']) && !is_blank {
            after_rule = line.contains(':') && !line.contains(":=");
        }
    }
    indented > 0 && !text.contains("\n\t")
}

struct Reader<'t> {
    document: Document,
    file: &'t Mapped,
    text: &'t str,
    at: usize,
    is_just: bool,
    is_in_rule: bool,
    /// Lines of a recipe that are one script: those of a justfile that begin with an interpreter.
    recipe: Mapped,
}

impl<'t> Reader<'t> {
    /// A line with those that continue it, without its end.
    fn next_line(&mut self) -> Option<(usize, &'t str)> {
        let from = self.at;
        if from >= self.text.len() {
            return None;
        }
        let mut end = from;
        loop {
            end = shell::here::line_end(self.text, end);
            let line = self
                .text
                .get(from..end)
                .unwrap_or_default()
                .trim_end_matches(['\n', '\r']);
            let signs = line.len() - line.trim_end_matches('\\').len();
            if signs % 2 == 0 || end >= self.text.len() {
                self.at = end;
                return Some((from, line));
            }
        }
    }

    fn line(&mut self) -> bool {
        let Some((from, line)) = self.next_line() else {
            return false;
        };
        let trimmed = line.trim_start();
        let is_indented = line.starts_with('\t') || self.is_just && line.starts_with([' ', '\t']);
        if is_indented && self.is_in_rule {
            self.recipe_line(from, line);
            return true;
        }
        if trimmed.is_empty() {
            return true;
        }
        self.end_recipe();
        let from = from + line.len() - trimmed.len();
        if trimmed.starts_with('#') {
            let text = self.file.part(from..from + trimmed.trim_end().len());
            self.document.add(text, Role::Comment);
            return true;
        }
        if let Some(name) = trimmed.strip_prefix("define ") {
            self.define(name.split(['=', ' ', ':']).next().unwrap_or_default());
            return true;
        }
        self.statement(from, trimmed);
        true
    }

    /// A line of a recipe: each is a script of its own, unless the first names an interpreter.
    fn recipe_line(&mut self, from: usize, line: &str) {
        let trimmed = line.trim_start();
        let start = from + line.len() - trimmed.len();
        if !self.recipe.is_empty() || self.is_just && trimmed.starts_with("#!") {
            self.recipe.push_part(self.file, from..self.at);
            return;
        }
        let command = trimmed.trim_start_matches(['@', '-', '+', ' ', '\t']);
        let start = start + trimmed.len() - command.len();
        let script = self.unescaped(start..start + command.len());
        self.script(&script);
    }

    fn end_recipe(&mut self) {
        let recipe = std::mem::take(&mut self.recipe);
        if !recipe.is_empty() {
            shell::read_into(&mut self.document, &recipe, &Arc::default(), Role::Value);
        }
    }

    /// What Make leaves of a line for the shell: `$$` is `$`.
    fn unescaped(&self, range: std::ops::Range<usize>) -> Mapped {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let mut script = Mapped::new();
        let mut from = 0;
        for (at, _) in text.match_indices("$$") {
            script.push_part(self.file, range.start + from..range.start + at);
            from = at + 1;
        }
        script.push_part(self.file, range.start + from..range.end);
        script
    }

    fn script(&mut self, script: &Mapped) {
        let text = script.text();
        if is_said(text) {
            self.document.add(script.clone(), Role::Prose);
        } else {
            shell::read_into(&mut self.document, script, &Arc::default(), Role::Value);
        }
    }

    /// `define NAME … endef`.
    fn define(&mut self, name: &str) {
        let from = self.at;
        let mut end = from;
        while self.at < self.text.len() {
            let (start, next) = (self.at, shell::here::line_end(self.text, self.at));
            self.at = next;
            if self
                .text
                .get(start..next)
                .is_some_and(|line| line.trim() == "endef")
            {
                break;
            }
            end = next;
        }
        let body = self.unescaped(from..end);
        if shell::is_text_for_people(name) {
            self.document.add(body, Role::Prose);
        } else {
            shell::read_into(&mut self.document, &body, &Arc::default(), Role::Value);
        }
    }

    /// An assignment, a rule, or a directive.
    fn statement(&mut self, from: usize, line: &str) {
        let comment = comment_start(line);
        let (code, said) = line.split_at_checked(comment).unwrap_or((line, ""));
        let text = self
            .file
            .part(from + comment..from + comment + said.trim_end().len());
        self.document.add(text, Role::Comment);
        let is_attribute = self.is_just && (code.starts_with("[doc(") || code.starts_with("[confirm("));
        if is_said(code) || is_attribute {
            let text = self.file.part(from..from + code.len());
            self.document.add(text, Role::Prose);
            return;
        }
        if let Some(assignment) = assignment(code) {
            self.assign(from, code, &assignment);
            self.is_in_rule = self.is_in_rule && assignment.is_of_target;
            return;
        }
        let is_directive = [
            "ifeq", "ifneq", "ifdef", "ifndef", "else", "endif", "include", "-include", "sinclude", "export",
            "unexport", "set ", "[",
        ]
        .iter()
        .any(|directive| code.starts_with(directive));
        if !is_directive {
            self.is_in_rule = code.contains(':');
        }
        // A recipe may begin on the line of its rule.
        if let (true, Some((_, recipe))) = (self.is_in_rule && !self.is_just, code.split_once(';')) {
            let script = self.unescaped(from + code.len() - recipe.len()..from + code.len());
            self.script(&script);
            let text = self.file.part(from..from + code.len() - recipe.len());
            self.document.add(text, Role::Value);
            return;
        }
        if self.is_just && self.is_in_rule {
            self.parameters(from, code);
        }
        let text = self.joined(from..from + code.trim_end().len());
        self.document.add(text, Role::Value);
    }

    /// `NAME='default'` of a recipe's parameters.
    fn parameters(&mut self, from: usize, code: &str) {
        let mut at = 0;
        while let Some((before, after)) = code.get(at..).and_then(|rest| rest.split_once('=')) {
            at += before.len() + 1;
            let name = before.rsplit([' ', '+', '*', '$']).next().unwrap_or_default();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let length = quote
                .filter(|_| is_name(name))
                .and_then(|quote| after.get(1..)?.find(quote));
            if let Some(length) = length {
                let start = from + at + 1;
                self.document.bind(name, &self.file.part(start..start + length));
                at += length + 2;
            }
        }
    }

    fn assign(&mut self, from: usize, code: &str, assignment: &Assignment<'_>) {
        let value = code.get(assignment.value..).unwrap_or_default();
        let kept = value.trim();
        let lead = value.len() - value.trim_start().len();
        let (mut start, mut end) = (
            from + assignment.value + lead,
            from + assignment.value + lead + kept.len(),
        );
        let quote = kept
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\'' | '`'));
        let is_quoted = kept.len() >= 2
            && quote.is_some_and(|quote| kept.ends_with(quote) && kept.matches(quote).count() == 2);
        if is_quoted {
            (start, end) = (start + 1, end - 1);
        }
        if assignment.is_shell || is_quoted && quote == Some('`') {
            let script = self.unescaped(start..end);
            shell::read_into(&mut self.document, &script, &Arc::default(), Role::Value);
            return;
        }
        let text = self.joined(start..end);
        let text = match self.is_just && !is_quoted {
            true => just_expression(&text).unwrap_or(text),
            false => text,
        };
        self.document.bind(assignment.name, &text);
        let is_said = shell::is_text_for_people(assignment.name);
        for script in shell_functions(&text) {
            shell::read_into(&mut self.document, &script, &Arc::default(), Role::Value);
        }
        self.document
            .add(text, if is_said { Role::Prose } else { Role::Value });
    }

    /// Lines that continue each other, as one with a blank between them.
    fn joined(&self, range: std::ops::Range<usize>) -> Mapped {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let mut joined = Mapped::new();
        let mut at = range.start;
        for line in text.split_inclusive('\n') {
            let kept = line.trim_end_matches(['\n', '\r']);
            let kept = if line.ends_with('\n') {
                kept.trim_end_matches('\\')
            } else {
                kept
            };
            joined.push_part(self.file, at..at + kept.len());
            if line.ends_with('\n') {
                joined.push_instead(' ', at + kept.len());
            }
            at += line.len();
        }
        joined
    }
}

/// What `NAME + "text" / NAME` of a justfile gives, with names as variables; nothing when there is more to it.
fn just_expression(text: &Mapped) -> Option<Mapped> {
    let written = text.text();
    let mut joined = Mapped::new();
    let mut at = 0;
    while let Some(rest) = written.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next()?;
        let length = match first {
            ' ' | '+' => 1,
            '/' => {
                joined.push_part(text, at..at + 1);
                1
            }
            '"' | '\'' => {
                let length = rest.get(1..)?.find(first)?;
                joined.push_part(text, at + 1..at + 1 + length);
                length + 2
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let end = |last: char| !(last.is_ascii_alphanumeric() || matches!(last, '_' | '-'));
                let length = rest.find(end).unwrap_or(rest.len());
                let place = text.span(at..at + length);
                joined.push_substitute("{{", place.start);
                joined.push_part(text, at..at + length);
                joined.push_substitute("}}", place.end - 1);
                length
            }
            _ => return None,
        };
        at += length;
    }
    written.contains(['+', '/']).then_some(joined)
}

/// Whether a line only shows something: `$(info …)`, `$(call log,…)`.
fn is_said(line: &str) -> bool {
    let line = line.trim_start();
    let called = line
        .strip_prefix("$(call ")
        .and_then(|call| call.split([',', ')']).next());
    SPEAKING.iter().any(|function| line.starts_with(function))
        || called.is_some_and(|name| shell::is_speaker(name.trim()))
}

/// What `$(shell …)` runs in a value.
fn shell_functions(text: &Mapped) -> Vec<Mapped> {
    let mut scripts = Vec::new();
    // What runs within another is found where that is read.
    let (mut last, mut unended) = (0, 0);
    for (at, sign) in text.text().match_indices("$(shell ") {
        let from = at + sign.len();
        if at < last || unended >= UNENDED_MAX {
            continue;
        }
        let mut depth = 1_usize;
        let inner = text.text().get(from..).unwrap_or_default();
        let end = inner.bytes().take(SHELL_BYTES_MAX).position(|byte| {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        match end {
            Some(end) => {
                last = from + end;
                scripts.push(text.part(from..last));
            }
            None => unended += 1,
        }
    }
    scripts
}

/// How many `$(shell …)` of a value may have no end before none is looked for.
const UNENDED_MAX: usize = 16;

/// The longest `$(shell …)` that is looked into.
const SHELL_BYTES_MAX: usize = 4096;

/// Whether this can be the name of a justfile's variable.
fn is_name(name: &str) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || matches!(sign, b'_' | b'-');
    !name.is_empty() && name.bytes().all(is_sign)
}

struct Assignment<'c> {
    name: &'c str,
    /// Where the value begins.
    value: usize,
    /// Whether the value is what a command writes: `!=`.
    is_shell: bool,
    /// Whether it stands behind a target.
    is_of_target: bool,
}

/// `NAME = value` with `:=`, `::=`, `?=`, `+=`, `!=`, `export` and a target before it.
fn assignment(code: &str) -> Option<Assignment<'_>> {
    let equals = code.find('=')?;
    let mut left = code.get(..equals)?;
    let is_shell = left.ends_with('!');
    left = left.trim_end_matches(['!', '?', '+', ':']).trim_end();
    let mut is_of_target = false;
    if let Some((_, name)) = left.rsplit_once([':']) {
        is_of_target = true;
        left = name.trim();
    }
    for word in ["export ", "override ", "private ", "unexport ", "alias "] {
        left = left.strip_prefix(word).unwrap_or(left).trim_start();
    }
    let is_name = !left.is_empty()
        && left.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'-' | b'.' | b'$' | b'(' | b')' | b'/' | b'%')
        });
    is_name.then(|| Assignment {
        name: left,
        value: equals + 1,
        is_shell,
        is_of_target,
    })
}

/// Where the comment of a line begins; its length when there is none.
fn comment_start(line: &str) -> usize {
    let mut before = ' ';
    let mut quote = None;
    for (at, sign) in line.char_indices() {
        match sign {
            '"' | '\'' if quote == Some(sign) => quote = None,
            '"' | '\'' if quote.is_none() && line.get(at + 1..).is_some_and(|rest| rest.contains(sign)) => {
                quote = Some(sign)
            }
            '#' if before != '\\'
                && (quote.is_none() || line.get(at..).is_some_and(|rest| rest.starts_with("##"))) =>
            {
                return at;
            }
            _ => {}
        }
        before = sign;
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::check::{pieces, stands_where_it_says};

    #[test]
    fn makefiles_are_taken_apart() {
        for (text, wanted) in [
            ("R := gcr.io/p # to gcr.io", "value gcr.io/p"),
            ("R := gcr.io/p # to gcr.io", "comment # to gcr.io"),
            ("export R?=gcr.io/p\n", "value gcr.io/p"),
            ("a:\n\t@docker push gcr.io/$(P)/x\n", "value gcr.io/$(P)/x"),
            ("a: b ## to gcr.io\n", "comment ## to gcr.io"),
            ("a:\n\t@echo gcr.io\n", "prose gcr.io"),
            ("a:\n\t@echo gcr.io \\\n\t > x\n", "value gcr.io"),
            ("a:\n\t# gcr.io\n", "comment # gcr.io"),
            ("a: R = gcr.io/p\na:\n\tx\n", "value gcr.io/p"),
            ("L = a \\\n  gcr.io/p/b\n", "value a    gcr.io/p/b"),
            ("define S\ndocker push gcr.io/p/x\nendef\n", "value gcr.io/p/x"),
            ("define HELP\nto gcr.io\nendef\n", "prose to gcr.io\n"),
            ("$(info to gcr.io)\n", "prose $(info to gcr.io)"),
            ("ifeq ($(R),gcr.io)\nendif\n", "value ifeq ($(R),gcr.io)"),
            (
                "R := \"gcr.io/p\"\n\npush tag='gcr.io/q':\n    docker push gcr.io/p/{{tag}}\n",
                "value gcr.io/p/{{tag}}",
            ),
            (
                "R := L + \"-docker.pkg.dev/\" + P\n\na:\n    x\n",
                "value {{L}}-docker.pkg.dev/{{P}}",
            ),
            ("[doc('to gcr.io')]\na:\n    x\n", "prose [doc('to gcr.io')]"),
            (
                "x:\n    #!/bin/sh\n    if true; then\n    docker push gcr.io/p/x\n    fi\n",
                "value gcr.io/p/x",
            ),
        ] {
            let all = pieces(&read(text));
            assert!(all.iter().any(|piece| piece == wanted), "{text}: {all:?}");
        }
    }

    #[test]
    fn a_name_that_ends_the_file_stands_where_it_is() {
        let file = "P := 'p'\na:\n    ls\nR := \"gcr.io/\" + P";
        let document = read(file);
        let piece = document
            .pieces
            .iter()
            .find(|piece| piece.text.text() == "gcr.io/{{P}}");
        let span = piece.unwrap().text.whole_span();
        assert_eq!(file.get(span.start..span.end), Some("gcr.io/\" + P"));
    }

    #[test]
    fn a_shells_variables_have_two_signs() {
        let document = read("a:\n\tdocker push gcr.io/$$P/x\n");
        let words: Vec<&str> = document
            .commands
            .iter()
            .flat_map(super::super::Command::texts)
            .collect();
        assert_eq!(words, ["docker", "push", "gcr.io/$P/x"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z]{0,3}[:=?+!]{0,3}[ -~é]{0,20}(\\\\)?\r?\n|\t[ -~é]{0,20}\n|    [ -~]{0,9}\n|define a\n|endef\n|#!x\n){0,12}") {
            stands_where_it_says(&text, &read(&text));
        }
    }
}
