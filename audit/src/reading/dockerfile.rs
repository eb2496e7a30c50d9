//! Dockerfiles.

use std::sync::Arc;

use super::{Document, Piece, Role, Step, shell};
use crate::mapped::Mapped;

/// Parts of the names of labels that are for people.
const DESCRIBING_LABELS: [&str; 14] = [
    "descri",
    "title",
    "summary",
    "documentation",
    "vendor",
    "author",
    "usage",
    "help",
    "maintainer",
    "note",
    "comment",
    "display-name",
    "display_name",
    "license",
];

/// How many here-documents an instruction may have.
const MARKS_MAX: usize = 16;

/// How many here-documents may have no end before none is looked for: each costs a look at the rest of the file.
const UNENDED_MAX: usize = 16;

/// How many instructions may stand in `ONBUILD`.
const TRIGGERS_MAX: usize = 2;

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::default();
    read_into(&mut document, &Mapped::whole(text), &Arc::default(), Role::Value);
    document
}

/// Takes one apart that stands inside another file, and adds what it has to a document.
pub(super) fn read_into(document: &mut Document, file: &Mapped, path: &Arc<[Step]>, role: Role) {
    read_deeper(document, file, path, role, 0);
}

/// The same for one that stands in scripts, `depth` deep.
pub(super) fn read_deeper(
    document: &mut Document,
    file: &Mapped,
    path: &Arc<[Step]>,
    role: Role,
    depth: usize,
) {
    let mut reader = Reader {
        document,
        file,
        path,
        role,
        depth,
        escape: '\\',
        at: 0,
        unended: 0,
    };
    reader.directives();
    while reader.instruction() {}
}

struct Reader<'d> {
    document: &'d mut Document,
    file: &'d Mapped,
    path: &'d Arc<[Step]>,
    role: Role,
    depth: usize,
    /// What continues a line.
    escape: char,
    at: usize,
    /// How many here-documents had no end.
    unended: usize,
}

impl Reader<'_> {
    fn piece(&mut self, text: Mapped, role: Role) {
        if text.text().trim().is_empty() {
            return;
        }
        let role = match role.is_mention() && !self.role.is_mention() {
            true => role,
            false => self.role,
        };
        self.document.pieces.push(Piece {
            text,
            role,
            path: Arc::clone(self.path),
        });
    }

    /// The line here without its end, and where the next one begins.
    fn line(&self) -> Option<(&str, usize)> {
        let rest = self.file.text().get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        Some((line.trim_end_matches(['\n', '\r']), self.at + length))
    }

    /// `# syntax=IMAGE` and `# escape=` before anything else.
    fn directives(&mut self) {
        while let Some((line, next)) = self.line() {
            let Some(comment) = line.trim_start().strip_prefix('#') else {
                break;
            };
            let Some((name, value)) = comment.split_once('=') else {
                break;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "escape" if value.trim() == "`" => self.escape = '`',
                "escape" | "check" => {}
                "syntax" => {
                    let from = self.at + line.len() - value.len();
                    let to = self.at + line.len();
                    let text = self.file.part(from..to);
                    self.piece(text, Role::Value);
                }
                _ => break,
            }
            self.at = next;
        }
    }

    /// One instruction with all its lines; comments between them; nothing at the end.
    fn instruction(&mut self) -> bool {
        let mut text = Mapped::new();
        let mut is_open = true;
        while is_open {
            let Some((line, next)) = self.line() else { break };
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if trimmed.starts_with('#') {
                let comment = self.file.part(self.at + indent..self.at + line.trim_end().len());
                self.piece(comment, Role::Comment);
                self.at = next;
                is_open = !text.is_empty();
                if !is_open {
                    return true;
                }
                continue;
            }
            let kept = line.trim_end();
            let continued = kept.strip_suffix(self.escape);
            let length = continued.unwrap_or(line).len();
            // An empty line within an instruction does not end it.
            is_open = continued.is_some() || trimmed.is_empty() && !text.is_empty();
            let from = if text.is_empty() {
                self.at + indent
            } else {
                self.at
            };
            text.push_part(self.file, from..self.at + length);
            self.at = next;
        }
        if text.is_empty() {
            return self.line().is_some();
        }
        self.take(&text, 0);
        true
    }

    fn take(&mut self, text: &Mapped, triggers: usize) {
        let written = text.text();
        let end = written.find([' ', '\t']).unwrap_or(written.len());
        let (name, rest) = written.split_at_checked(end).unwrap_or_default();
        let from = written.len() - rest.trim_start().len();
        let arguments = text.part(from..written.len());
        match name.to_ascii_uppercase().as_str() {
            "ONBUILD" if triggers < TRIGGERS_MAX => self.take(&arguments, triggers + 1),
            "RUN" | "CMD" | "ENTRYPOINT" => self.run(&arguments),
            "HEALTHCHECK" => {
                let command = arguments.text().find("CMD").map_or(0, |at| at + 3);
                self.run(&arguments.part(command..arguments.text().len()));
            }
            "ARG" | "ENV" => self.variables(&arguments),
            "LABEL" => self.labels(&arguments),
            "MAINTAINER" => self.piece(arguments, Role::Prose),
            "COPY" | "ADD" => {
                for word in words(&arguments, self.escape) {
                    self.piece(word, Role::Value);
                }
                self.here_documents(&arguments, false);
            }
            "FROM" => {
                for word in words(&arguments, self.escape) {
                    self.piece(word, Role::Value);
                }
            }
            _ => self.piece(text.clone(), Role::Value),
        }
    }

    /// A command in words of JSON, or for the shell.
    fn run(&mut self, arguments: &Mapped) {
        let written = arguments.text();
        let mut from = 0;
        while let Some(rest) = written.get(from..).filter(|rest| rest.starts_with("--")) {
            let length = rest.find([' ', '\t']).unwrap_or(rest.len());
            self.piece(arguments.part(from..from + length), Role::Value);
            let rest = rest.get(length..).unwrap_or_default();
            from = written.len() - rest.trim_start().len();
        }
        let arguments = arguments.part(from..written.len());
        if let Some(words) = exec_words(&arguments) {
            let mut script = Mapped::new();
            // A shell's own quotes keep the words apart.
            for word in &words {
                let place = word.whole_span();
                script.push_substitute(" '", place.start);
                script.push_part(word, 0..word.text().len());
                script.push_instead('\'', place.end.saturating_sub(1));
            }
            let has_quotes = words.iter().any(|word| word.text().contains('\''));
            if !has_quotes {
                shell::read_deeper(self.document, &script, self.path, self.role, self.depth);
                return;
            }
            for word in words {
                self.piece(word, Role::Value);
            }
            return;
        }
        let reads_script = shell::here::mark(arguments.text(), 0).is_some();
        if !reads_script {
            let with_documents = self.with_here_documents(&arguments);
            shell::read_deeper(self.document, &with_documents, self.path, self.role, self.depth);
            return;
        }
        self.here_documents(&arguments, true);
    }

    /// The here-document that begins here.
    fn body(&mut self, mark: &shell::here::Mark) -> Option<shell::here::Body> {
        if self.unended >= UNENDED_MAX {
            return None;
        }
        let body = shell::here::body(self.file.text(), self.at, mark);
        self.unended += usize::from(body.is_none());
        body
    }

    /// A shell's command with the here-documents that follow it.
    fn with_here_documents(&mut self, arguments: &Mapped) -> Mapped {
        let mut script = arguments.clone();
        for mark in marks(arguments.text()) {
            let Some(body) = self.body(&mark) else { continue };
            if !script.text().ends_with('\n') {
                script.push_part(self.file, self.at.saturating_sub(1)..self.at);
            }
            script.push_part(self.file, self.at..body.next);
            self.at = body.next;
        }
        script
    }

    /// Here-documents that follow an instruction: scripts, or files.
    fn here_documents(&mut self, arguments: &Mapped, are_scripts: bool) {
        for mark in marks(arguments.text()) {
            let Some(body) = self.body(&mark) else { continue };
            let content = shell::here::content(self.file, body.lines, mark.expands && !are_scripts);
            self.at = body.next;
            if are_scripts {
                shell::read_deeper(self.document, &content, self.path, self.role, self.depth);
            } else {
                self.piece(content, Role::Value);
            }
        }
    }

    /// `NAME=value …`, or `NAME value` for the rest of the line.
    fn variables(&mut self, arguments: &Mapped) {
        let words = words(arguments, self.escape);
        let first = words.first().map_or("", |word| word.text());
        if let (false, Some(space)) = (first.contains('='), arguments.text().find([' ', '\t'])) {
            let value = trimmed(arguments, space);
            let name = first.to_owned();
            self.bind(&name, value);
            return;
        }
        for word in words {
            let Some((name, _)) = word.text().split_once('=') else {
                continue;
            };
            let (name, from) = (name.to_owned(), name.len() + 1);
            self.bind(&name, word.part(from..word.text().len()));
        }
    }

    fn bind(&mut self, name: &str, value: Mapped) {
        let role = if shell::is_text_for_people(name) {
            Role::Prose
        } else {
            Role::Value
        };
        self.document.bind(name, &value);
        self.piece(value, role);
    }

    fn labels(&mut self, arguments: &Mapped) {
        let words = words(arguments, self.escape);
        let is_old = !words.first().is_some_and(|word| word.text().contains('='));
        if let (true, Some(name)) = (is_old, words.first()) {
            let role = label_role(name.text());
            let value = trimmed(arguments, name.text().len());
            self.piece(value, role);
            return;
        }
        for word in words {
            let (name, _) = word.text().split_once('=').unwrap_or((word.text(), ""));
            let role = label_role(name);
            self.piece(word, role);
        }
    }
}

fn label_role(name: &str) -> Role {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit(['.', '/']).next().unwrap_or_default();
    let is_base = name.contains("base.name");
    match !is_base && DESCRIBING_LABELS.iter().any(|word| last.contains(word)) {
        true => Role::Prose,
        false => Role::Value,
    }
}

/// What follows a place, without blanks and quotes around it.
fn trimmed(text: &Mapped, from: usize) -> Mapped {
    let rest = text.text().get(from..).unwrap_or_default();
    let kept = rest.trim().trim_matches(['"', '\'']);
    let lead = rest.find(kept).unwrap_or(0);
    text.part(from + lead..from + lead + kept.len())
}

/// Words without quotes and escapes.
fn words(text: &Mapped, escape: char) -> Vec<Mapped> {
    let mut words = Vec::new();
    let mut word: Option<Mapped> = None;
    let mut quote = None;
    let mut signs = text.text().char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        let end = at + sign.len_utf8();
        match (quote, sign) {
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == sign => quote = None,
            (Some('"') | None, _) if sign == escape => {
                if let Some((next, escaped)) = signs.next() {
                    word.get_or_insert_default()
                        .push_part(text, next..next + escaped.len_utf8());
                }
            }
            _ => word.get_or_insert_default().push_part(text, at..end),
        }
    }
    words.extend(word);
    words
}

/// The words of `["a", "b"]`; nothing when it is none.
fn exec_words(text: &Mapped) -> Option<Vec<Mapped>> {
    let written = text.text();
    let inner = written.trim_end().strip_prefix('[')?.strip_suffix(']')?;
    let mut words = Vec::new();
    let mut word: Option<Mapped> = None;
    let mut signs = inner.char_indices();
    while let Some((at, sign)) = signs.next() {
        let at = at + 1;
        match (&mut word, sign) {
            (None, '"') => word = Some(Mapped::new()),
            (None, ',' | ' ' | '\t' | '\n' | '\r') => {}
            (None, _) => return None,
            (Some(_), '"') => words.extend(word.take()),
            (Some(taken), '\\') => {
                let (next, escaped) = signs.next()?;
                taken.push_part(text, next + 1..next + 1 + escaped.len_utf8());
            }
            (Some(taken), _) => taken.push_part(text, at..at + sign.len_utf8()),
        }
    }
    word.is_none().then_some(words)
}

/// The here-documents that a line announces.
fn marks(text: &str) -> Vec<shell::here::Mark> {
    let places = text.match_indices("<<").map(|(at, _)| at);
    places
        .filter(|at| !text.get(..*at).is_some_and(|before| before.ends_with('<')))
        .filter(|at| !text.get(at + 2..).is_some_and(|after| after.starts_with('<')))
        .filter_map(|at| shell::here::mark(text, at))
        .take(MARKS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::check::{pieces, stands_where_it_says};

    #[test]
    fn instructions_are_taken_apart() {
        for (text, wanted) in [
            ("# syntax=gcr.io/p/f:1\nFROM a", "value gcr.io/p/f:1"),
            ("# from gcr.io/p\nFROM a", "comment # from gcr.io/p"),
            ("FROM --platform=x gcr.io/p/a:1 AS b", "value gcr.io/p/a:1"),
            ("from \\\n  # why\n  gcr.io/p/a", "value gcr.io/p/a"),
            ("# escape=`\nFROM `\n gcr.io/p/a", "value gcr.io/p/a"),
            ("COPY --from=gcr.io/p/a /x /y", "value --from=gcr.io/p/a"),
            (
                "RUN --mount=type=bind,from=gcr.io/p/a,target=/x ls",
                "value --mount=type=bind,from=gcr.io/p/a,target=/x",
            ),
            ("ARG R=gcr.io/p", "value gcr.io/p"),
            ("ENV A=b \\\n    R=\"gcr.io/p\"", "value gcr.io/p"),
            ("ENV R gcr.io/p", "value gcr.io/p"),
            ("LABEL description=\"of gcr.io\"", "prose description=of gcr.io"),
            ("LABEL a.base.name=gcr.io/p/a", "value a.base.name=gcr.io/p/a"),
            ("ONBUILD RUN docker pull gcr.io/p/a", "value gcr.io/p/a"),
            ("RUN echo gcr.io", "prose gcr.io"),
            (
                "RUN <<EOF\n# gcr.io\ndocker pull gcr.io/p/a\nEOF\nFROM b",
                "value gcr.io/p/a",
            ),
            ("RUN cat <<EOF > x\ngcr.io/p\nEOF\n", "value gcr.io/p\n"),
            ("COPY <<EOF /x\ngcr.io/p\nEOF\nFROM b", "value gcr.io/p\n"),
            ("CMD [\"docker\", \"pull\", \"gcr.io/p/a\"]", "value gcr.io/p/a"),
            ("FROM gcr.io/p/a\r\nRUN x\r\n", "value gcr.io/p/a"),
        ] {
            let all = pieces(&read(text));
            assert!(all.iter().any(|piece| piece == wanted), "{text}: {all:?}");
        }
    }

    #[test]
    fn arguments_and_variables_are_bindings() {
        let document = read("ARG A=b\nENV C=d E=f\nENV G h i\nARG J\n");
        let all: Vec<String> = document
            .bindings
            .iter()
            .map(|binding| format!("{}={}", binding.name, binding.value.text()))
            .collect();
        assert_eq!(all, ["A=b", "C=d", "E=f", "G=h i"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((FROM|RUN|ARG|ENV|COPY|LABEL|ONBUILD|CMD|#)[ -~é]{0,20}(\\\\)?\r?\n|[ -~\n]{0,20}|<<EOF\n|EOF\n){0,12}") {
            stands_where_it_says(&text, &read(&text));
        }
    }
}
