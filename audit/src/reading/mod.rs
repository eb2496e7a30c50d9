//! Taking a file apart.
//!
//! One reader for each family of files. All are tolerant: what is broken is read as far as it goes, and templates are no
//! reason to stop. None recurses without a bound, and none takes more than time and memory in proportion to the file: `bounds`
//! has the texts that would. Where values stand is said by paths, which come from `nest` only, that bounds them together.

#[cfg(test)]
mod bounds;
mod builders;
#[cfg(test)]
mod check;
mod code;
mod dockerfile;
mod embedded;
mod free;
mod hcl;
mod json;
mod make;
mod nest;
pub(crate) mod outline;
mod plain;
mod powershell;
mod quoted;
mod settings;
mod shell;
mod speech;
mod xml;
mod yaml;

use std::sync::Arc;

use crate::kind::Kind;
use crate::mapped::Mapped;

/// What a file consists of, as far as findings can stand in it.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// Values, comments and prose, in the order of the file.
    pub pieces: Vec<Piece>,
    /// Commands of shells, and what programs start as such: also those that stand inside values of other files.
    pub commands: Vec<Command>,
    /// Names with values that other text may refer to.
    pub bindings: Vec<Binding>,
    /// How much memory paths may still take.
    room: nest::Room,
}

impl Document {
    /// An empty one for a text of this one: its paths share what there is room for.
    fn inner(&self) -> Document {
        Document {
            room: self.room,
            ..Document::default()
        }
    }

    /// Adds a piece that has no path; a blank one says nothing.
    fn add(&mut self, text: Mapped, role: Role) {
        if !text.text().trim().is_empty() {
            self.pieces.push(Piece {
                text,
                role,
                path: Arc::default(),
            });
        }
    }

    /// Adds the key of what comes next in a nest.
    fn add_key(&mut self, text: Mapped, nest: &mut nest::Nest) {
        nest.key(text.text());
        let path = nest.path(&mut self.room);
        self.pieces.push(Piece {
            text,
            role: Role::Key,
            path,
        });
    }

    /// Adds a command that stands as a list of its words; one alone is none.
    fn run(&mut self, words: Vec<Mapped>) {
        if words.len() > 1 {
            self.commands.push(Command {
                words,
                input: Vec::new(),
                role: Role::Value,
            });
        }
    }

    /// Adds a name for a value; a long one is none that anything refers to.
    fn bind(&mut self, name: &str, value: &Mapped) {
        if (1..=nest::NAME_BYTES_MAX).contains(&name.len()) {
            self.bindings.push(Binding {
                name: name.to_owned(),
                value: value.clone(),
            });
        }
    }
}

/// A text that stands together.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The text, unquoted.
    pub text: Mapped,
    /// What it is to the file.
    pub role: Role,
    /// Where it stands in the structure of the file; empty where there is none. All pieces of one value share it.
    pub path: Arc<[Step]>,
}

impl Piece {
    /// The keys that it stands below, from the root, and its own.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(_) => None,
        })
    }

    /// The map that it is a value of, and its key there.
    #[must_use]
    pub fn map_and_key(&self) -> Option<(&[Step], &str)> {
        match self.path.split_last()? {
            (Step::Key(key), map) if matches!(self.role, Role::Value | Role::Literal) => Some((map, key)),
            _ => None,
        }
    }
}

/// What a text is to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A value, an argument, an instruction: it does something.
    Value,
    /// The name of a value.
    Key,
    /// A string of a program, which may be anything.
    Literal,
    /// A comment, or code that is commented out.
    Comment,
    /// Text for people.
    Prose,
    /// Text of a file that is not understood.
    Unknown,
}

impl Role {
    /// Whether it is only a mention.
    #[must_use]
    pub fn is_mention(self) -> bool {
        matches!(self, Role::Comment | Role::Prose)
    }
}

/// One step from the root of a structured file to a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Below a key; in HCL also a block's type, and each of its labels.
    Key(String),
    /// An element of a list, from 0; in YAML of several documents the number of the document comes first.
    Item(usize),
}

/// A simple command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its words without quotes; variables stand as they are written. Assignments before it and redirections are left out.
    pub words: Vec<Mapped>,
    /// What reads its standard input: the words of the command before a pipe to it.
    pub input: Vec<Mapped>,
    /// What the text is to the file: a command in a comment is none.
    pub role: Role,
}

impl Command {
    /// The texts of its words.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(Mapped::text)
    }
}

/// A name that stands for a text elsewhere in the file or its directory.
#[derive(Debug, Clone)]
pub struct Binding {
    /// As it is referred to, without signs: `REGISTRY`, `image.registry`, `local.bucket`, `var.host`.
    pub name: String,
    /// What it stands for, which may refer to others.
    pub value: Mapped,
}

/// Takes a file apart.
#[must_use]
pub fn read(kind: Kind, text: &str) -> Document {
    let mut document = take_apart(kind, text);
    let place = |piece: &Piece| piece.text.whole_span().start;
    // What a value has inside comes after it, also where they begin together.
    document.pieces.sort_by_key(place);
    document
}

fn take_apart(kind: Kind, text: &str) -> Document {
    match kind {
        Kind::Dockerfile => dockerfile::read(text),
        Kind::Yaml => yaml::read(text),
        Kind::Json => json::read(text),
        Kind::Hcl => hcl::read(text),
        Kind::Shell => {
            let mut document = Document::default();
            let script = Mapped::whole(text);
            shell::read_into(&mut document, &script, &Arc::default(), Role::Value);
            document
        }
        Kind::Make => make::read(text),
        Kind::PowerShell | Kind::Batch => powershell::read(text, kind),
        Kind::Settings | Kind::Toml => settings::read(text, kind),
        Kind::Xml => xml::read(text),
        Kind::Starlark | Kind::Groovy | Kind::CLike | Kind::HashComment => code::read(text, kind),
        Kind::Prose => plain::prose(text),
        Kind::Plain => plain::unknown(text),
    }
}
