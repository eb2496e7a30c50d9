//! XML: Maven's, MSBuild's, Jenkins' and others.

use std::ops::Range;
use std::sync::Arc;

use super::embedded::Place;
use super::nest::{Nest, key_step};
use super::{Document, Piece, Role, Step, free, shell, speech};
use crate::mapped::Mapped;

/// Takes one apart.
pub(super) fn read(text: &str) -> Document {
    let mut reader = Reader {
        text,
        at: 0,
        nest: Nest::default(),
        content: Mapped::new(),
        program: None,
        document: Document::default(),
    };
    while reader.at < text.len() {
        reader.step();
    }
    reader.flush();
    reader.document
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Elements that are open, with their names as labels.
    nest: Nest,
    /// The text since the last tag.
    content: Mapped,
    /// A program, and its arguments so far.
    program: Option<Vec<Mapped>>,
    document: Document,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with("<!--") {
            self.flush();
            let length = until(rest, "-->");
            self.lines(self.at..self.at + length, Role::Comment);
            self.at += length;
        } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let length = data.find("]]>").unwrap_or(data.len());
            self.content
                .push(data.get(..length).unwrap_or_default(), self.at + 9);
            self.at = (self.at + 9 + length + 3).min(self.text.len());
        } else if rest.starts_with("<?") {
            self.flush();
            self.at += until(rest, "?>");
        } else if rest.starts_with("</") {
            self.flush();
            let length = until(rest, ">");
            self.close(rest.get(2..length).unwrap_or_default());
            self.at += length;
        } else if rest.starts_with('<')
            && rest
                .as_bytes()
                .get(1)
                .is_some_and(|first| first.is_ascii_alphabetic() || *first == b'!')
        {
            self.flush();
            self.tag(rest);
        } else {
            self.characters(rest);
        }
    }

    /// Text up to the next tag, its entities put in.
    fn characters(&mut self, rest: &str) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let length = rest
            .get(first..)
            .and_then(|rest| rest.find(['<', '&']))
            .map_or(rest.len(), |length| first + length);
        let entity = ENTITIES.iter().find(|(written, _)| rest.starts_with(written));
        match entity {
            Some((written, sign)) => {
                sign.chars()
                    .for_each(|sign| self.content.push_instead(sign, self.at));
                self.at += written.len();
            }
            None => {
                self.content.push(rest.get(..length).unwrap_or_default(), self.at);
                self.at += length;
            }
        }
    }

    fn close(&mut self, name: &str) {
        let name = name.trim_end_matches('>').trim();
        self.nest.close_label(name);
        if matches!(name, "arguments" | "configuration" | "exec") {
            self.run();
        }
    }

    fn path(&mut self) -> Arc<[Step]> {
        self.nest.path(&mut self.document.room)
    }

    /// An opening tag, with its attributes.
    fn tag(&mut self, rest: &str) {
        let name_end = rest
            .find(|sign: char| sign.is_whitespace() || matches!(sign, '>' | '/'))
            .unwrap_or(rest.len());
        let name = rest.get(1..name_end).unwrap_or_default();
        self.nest.open(false, vec![key_step(name)]);
        let (mut at, mut last) = (name_end, name_end);
        while let Some(tail) = rest.get(at..) {
            match tail.bytes().next() {
                None => break,
                Some(b'>') => {
                    at += 1;
                    break;
                }
                Some(quote @ (b'"' | b'\'')) => {
                    let length = tail
                        .get(1..)
                        .and_then(|body| memchr::memchr(quote, body.as_bytes()));
                    let Some(length) = length else {
                        at += tail.find('>').map_or(tail.len(), |end| end + 1);
                        break;
                    };
                    let attribute = attribute_name(rest.get(last..at).unwrap_or_default());
                    self.attribute(attribute, self.at + at + 1..self.at + at + 1 + length);
                    at += length + 2;
                    last = at;
                }
                Some(_) => at += tail.chars().next().map_or(1, char::len_utf8),
            }
        }
        let is_empty = rest.get(..at).is_some_and(|tag| tag.ends_with("/>")) || name.starts_with('!');
        self.at += at.max(1);
        if is_empty {
            self.close(name);
        }
    }

    fn attribute(&mut self, name: &str, range: Range<usize>) {
        let text = Mapped::verbatim(self.text, range);
        match (self.nest.label(0), name) {
            ("exec", "executable") => self.program = Some(vec![text.clone()]),
            ("arg", "value" | "line") => self.argument(&text),
            _ => {}
        }
        self.nest.key(name);
        let path = self.path();
        self.nest.no_key();
        self.value(&text, &path, name);
    }

    /// What stands between two tags.
    fn flush(&mut self) {
        let content = std::mem::take(&mut self.content);
        let text = content.text();
        let bare = text.trim();
        if bare.is_empty() {
            return;
        }
        let start = text.len() - text.trim_start().len();
        let content = content.part(start..start + bare.len());
        let path = self.path();
        let name = self.nest.label(0).to_owned();
        match name.as_str() {
            "executable" => self.program = Some(vec![content.clone()]),
            "argument" | "arg" => self.argument(&content),
            _ => {}
        }
        if matches!(self.nest.label(1), "properties" | "PropertyGroup") {
            self.document.bind(&name, &content);
        }
        self.value(&content, &path, &name);
    }

    fn argument(&mut self, text: &Mapped) {
        if let Some(words) = &mut self.program {
            words.extend(text.words());
        }
    }

    fn run(&mut self) {
        let words = self.program.take().unwrap_or_default();
        self.document.run(words);
    }

    fn value(&mut self, text: &Mapped, path: &Arc<[Step]>, name: &str) {
        let written = text.text();
        let is_prose = match name {
            "name" | "label" => written.contains(char::is_whitespace),
            "info" | "error" | "note" => !written.contains('/') || speech::is_sentence(written),
            _ => speech::is_for_people(name),
        };
        let is_script = matches!(name, "command" | "Command" | "script") && !is_prose;
        if is_script && !written.contains("pipeline {") && !written.contains("node(") {
            return shell::read_into(&mut self.document, text, path, Role::Value);
        }
        let place = Place {
            text,
            path,
            role: if is_prose { Role::Prose } else { Role::Value },
            depth: 0,
        };
        free::add(&mut self.document, &place);
    }

    fn lines(&mut self, range: Range<usize>, role: Role) {
        let text = Mapped::verbatim(self.text, range);
        let mut start = 0;
        for line in text.text().split_inclusive('\n') {
            let part = start..start + line.trim_end().len();
            start += line.len();
            if !line.trim().is_empty() {
                self.document.pieces.push(Piece {
                    text: text.part(part),
                    role,
                    path: Arc::default(),
                });
            }
        }
    }
}

/// The name before the sign that ends a part of a tag: ` name=`.
fn attribute_name(before: &str) -> &str {
    let name = before.trim_end_matches([' ', '\t', '\n', '\r', '=']);
    name.rsplit(|sign: char| sign.is_whitespace() || sign == '"')
        .next()
        .unwrap_or_default()
}

/// The length of a text through the first `end`.
fn until(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

const ENTITIES: [(&str, &str); 5] = [
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::check;

    fn seen(text: &str) -> Vec<String> {
        check::hosts(&read(text))
    }

    #[test]
    fn texts_attributes_and_comments_are_told_apart() {
        for (text, wanted) in [
            ("<a><b>gcr.io/p</b></a>", vec!["Value 2 gcr.io/p"]),
            ("<a b=\"gcr.io/p\"/>", vec!["Value 2 gcr.io/p"]),
            (
                "<!-- gcr.io\n gcr.io -->",
                vec!["Comment 0 <!-- gcr.io", "Comment 0 gcr.io -->"],
            ),
            ("<a><![CDATA[ gcr.io/p ]]></a>", vec!["Value 1 gcr.io/p"]),
            ("<description>on gcr.io</description>", vec!["Prose 1 on gcr.io"]),
            (
                "<image><name>gcr.io/${p}/x</name></image>",
                vec!["Value 2 gcr.io/${p}/x"],
            ),
            ("<a>x&amp;y gcr.io/p</a>", vec!["Value 1 x&y gcr.io/p"]),
            ("<a>gcr.io/p", vec!["Value 1 gcr.io/p"]),
            ("<p>Images of <b>gcr.io</b></p>", vec!["Value 2 gcr.io"]),
        ] {
            assert_eq!(seen(text), wanted, "{text}");
        }
    }

    #[test]
    fn programs_with_arguments_are_commands() {
        let text = "<configuration><executable>gcloud</executable><arguments><argument>auth</argument><argument>configure-docker</argument></arguments></configuration>";
        let commands = read(text).commands;
        let words: Vec<Vec<&str>> = commands.iter().map(|command| command.texts().collect()).collect();
        assert_eq!(words, [["gcloud", "auth", "configure-docker"]]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"([<>/&"'=!?\n é-]|gcr\.io|<a>|</a>|<!--|-->|<!\[CDATA\[|\]\]>|&amp;|<a b="|<exec ){0,40}"#) {
            crate::reading::check::stands_where_it_says(&text, &read(&text));
        }
    }
}
