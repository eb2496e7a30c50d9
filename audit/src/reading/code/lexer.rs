//! Names, signs, strings and comments of programs.

use std::collections::HashMap;
use std::ops::Range;

use super::strings::{self, Announced, Quoting, Text};
use crate::kind::Kind;

/// How many here-documents may lack their end before none is looked for.
const UNENDED_MAX: usize = 8;

/// How many `#` stand around a raw string of Rust at most.
const HASHES_MAX: usize = 16;

/// A part of a program.
#[derive(Debug, Clone)]
pub(super) enum Token {
    /// A name, with what it is a member of: `console.log`, `gcp::Registry`.
    Name(Range<usize>),
    /// Any other sign.
    Sign(u8),
    /// A string; in a box, since most tokens are signs.
    Text(Box<Text>),
    /// A comment.
    Comment(Range<usize>),
    /// The end of a line.
    Line(usize),
}

impl Token {
    pub(super) fn is_sign(&self, wanted: u8) -> bool {
        matches!(self, Token::Sign(sign) if *sign == wanted)
    }
}

/// All of a text.
pub(super) fn tokens(text: &str, kind: Kind) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        is_hash: matches!(kind, Kind::HashComment | Kind::Starlark),
        is_groovy: kind == Kind::Groovy,
        tokens: Vec::new(),
        announced: Vec::new(),
        unended: 0,
        lacking: HashMap::new(),
    };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Whether comments begin with `#`; else with `//`.
    is_hash: bool,
    is_groovy: bool,
    tokens: Vec<Token>,
    announced: Vec<Announced>,
    unended: usize,
    /// Up to where nothing closes a quote.
    lacking: HashMap<String, usize>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        match first {
            '\n' => self.line(),
            _ if first.is_whitespace() => self.at += first.len_utf8(),
            '#' if self.is_hash_comment(rest) => self.comment("\n", 0),
            '/' if !self.is_hash && rest.starts_with("//") => self.comment("\n", 0),
            '/' if rest.starts_with("/*") && self.is_block_comment(rest) => self.comment("*/", 2),
            '<' if rest.starts_with("<!--") => self.comment("-->", 4),
            '=' if self.is_hash && self.is_line_start() && is_pod(rest) => self.pod(rest),
            '"' | '\'' | '`' => self.quote(self.at, first, ""),
            '<' if rest.starts_with("<<") => self.heredoc(rest),
            '$' if self.is_groovy && rest.starts_with("$/") => self.dollar_slashy(),
            '@' | '$' if is_prefix_of_string(rest) => self.prefixed(rest),
            _ if is_name(first) => self.name(rest),
            _ => {
                let sign = rest.bytes().next().unwrap_or_default();
                self.tokens.push(Token::Sign(sign));
                self.at += first.len_utf8();
            }
        }
        true
    }

    fn is_line_start(&self) -> bool {
        self.at == 0 || self.text.as_bytes().get(self.at - 1) == Some(&b'\n')
    }

    fn is_hash_comment(&self, rest: &str) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        let is_apart =
            before.is_none_or(|before| before.is_ascii_whitespace() || b";,()[]{}".contains(before));
        let after = rest.as_bytes().get(1).copied();
        match self.is_hash {
            true => is_apart,
            // PHP's and Rego's; C's and Rust's lines with `#` have no space after it.
            false => {
                is_apart && after.is_none_or(|after| matches!(after, b' ' | b'\t' | b'\n' | b'\r' | b'#'))
                    || self.at == 0 && after == Some(b'!')
            }
        }
    }

    /// Whether `/*` begins a comment. In languages with `#` it stands in patterns of files; only where it stands first on its
    /// line and is closed, as in Nix, it may be one.
    fn is_block_comment(&mut self, rest: &str) -> bool {
        if !self.is_hash {
            return true;
        }
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let line = before.iter().rev().take_while(|sign| **sign != b'\n');
        if !line.into_iter().all(u8::is_ascii_whitespace) || self.lacks("*/", self.at) {
            return false;
        }
        let is_closed = rest.contains("*/");
        if !is_closed {
            self.lacking.insert("*/".to_owned(), usize::MAX);
        }
        is_closed
    }

    fn line(&mut self) {
        let mut from = self.at + 1;
        for announced in std::mem::take(&mut self.announced) {
            let read = match self.unended < UNENDED_MAX {
                true => announced.read(self.text, from),
                false => None,
            };
            match read {
                Some((text, next)) => {
                    self.tokens.push(Token::Text(Box::new(text)));
                    from = next;
                }
                None => self.unended += 1,
            }
        }
        self.tokens.push(Token::Line(self.at));
        self.at = from;
    }

    fn comment(&mut self, end: &str, skipped: usize) {
        let rest = self.text.get(self.at + skipped..).unwrap_or_default();
        let length = rest
            .find(end)
            .map_or(rest.len(), |at| if end == "\n" { at } else { at + end.len() });
        let range = self.at..self.at + skipped + length;
        self.at = range.end;
        self.tokens.push(Token::Comment(range));
    }

    /// `=begin` … `=end` of Ruby, `=head1` … `=cut` of Perl.
    fn pod(&mut self, rest: &str) {
        let end = if rest.starts_with("=begin") && rest.contains("\n=end") {
            "\n=end"
        } else {
            "\n=cut"
        };
        let length = rest.find(end).map_or(rest.len(), |at| at + end.len());
        self.tokens.push(Token::Comment(self.at..self.at + length));
        self.at += length;
    }

    fn heredoc(&mut self, rest: &str) {
        let is_php = rest.starts_with("<<<");
        match Announced::at(self.text, self.at, is_php).filter(|_| self.is_hash || is_php) {
            Some((announced, length)) => {
                self.announced.push(announced);
                self.tokens.push(Token::Sign(b'<'));
                self.at += length.min(rest.len());
            }
            None => {
                self.tokens.push(Token::Sign(b'<'));
                self.at += 2;
            }
        }
    }

    fn name(&mut self, rest: &str) {
        let length = name_length(rest);
        let start = self.at;
        let after = rest.get(length..).unwrap_or_default();
        let name = rest.get(..length).unwrap_or_default();
        if length <= 3 && is_string_prefix(name) {
            let hashes = after.bytes().take_while(|sign| *sign == b'#').count();
            if name.contains('r')
                && after.get(hashes..).is_some_and(|after| after.starts_with('"'))
                && (1..=HASHES_MAX).contains(&hashes)
            {
                return self.rust_raw(start, start + length + hashes + 1, hashes);
            }
            if let Some(quote) = after.chars().next().filter(|sign| matches!(sign, '"' | '\'')) {
                self.at += length;
                return self.quote(start, quote, name);
            }
        }
        self.tokens.push(Token::Name(start..start + length));
        self.at += length;
    }

    /// `r#"…"#`
    fn rust_raw(&mut self, start: usize, from: usize, hashes: usize) {
        let closing = format!("\"{}", "#".repeat(hashes));
        let quoting = Quoting {
            closing: &closing,
            is_multiline: true,
            has_escapes: false,
            is_raw: true,
        };
        self.text_or_sign(start, from, quoting);
    }

    /// `$/…/$` of Groovy.
    fn dollar_slashy(&mut self) {
        let quoting = Quoting {
            closing: "/$",
            is_multiline: true,
            has_escapes: false,
            is_raw: true,
        };
        self.text_or_sign(self.at, self.at + 2, quoting);
    }

    /// C#'s `@"…"`, `$"…"` and both.
    fn prefixed(&mut self, rest: &str) {
        let start = self.at;
        let length = rest
            .bytes()
            .take_while(|sign| matches!(sign, b'@' | b'$'))
            .count();
        self.at += length;
        let prefix = if rest.get(..length).is_some_and(|signs| signs.contains('@')) {
            "@"
        } else {
            ""
        };
        self.quote(start, '"', prefix);
    }

    fn quote(&mut self, start: usize, quote: char, prefix: &str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let triple = match quote {
            '"' => "\"\"\"",
            '\'' => "'''",
            _ => "```",
        };
        if quote != '`' && rest.starts_with(triple) && !self.lacks(triple, self.at + 3) {
            let quoting = Quoting {
                closing: triple,
                is_multiline: true,
                has_escapes: true,
                is_raw: is_raw(prefix),
            };
            return self.text_or_sign(start, self.at + 3, quoting);
        }
        if quote == '\'' && self.is_lifetime(rest) {
            self.tokens.push(Token::Sign(b'\''));
            self.at += 1;
            return;
        }
        let closing = match quote {
            '"' => "\"",
            '\'' => "'",
            _ => "`",
        };
        let quoting = Quoting {
            closing,
            is_multiline: quote == '`' && !self.is_groovy || prefix == "@",
            has_escapes: prefix != "@",
            is_raw: is_raw(prefix),
        };
        self.text_or_sign(start, self.at + 1, quoting);
    }

    /// Rust's `'a`: no string begins there.
    fn is_lifetime(&self, rest: &str) -> bool {
        if self.is_hash || self.is_groovy {
            return false;
        }
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        let name = rest
            .bytes()
            .skip(1)
            .take_while(|sign| sign.is_ascii_alphanumeric() || *sign == b'_')
            .count();
        let is_closed = rest.as_bytes().get(name + 1) == Some(&b'\'');
        name > 0 && !is_closed && (matches!(before, Some(b'<' | b'&')) || rest.starts_with("'static"))
    }

    /// Whether it is known that nothing closes a string from `from` on.
    fn lacks(&self, closing: &str, from: usize) -> bool {
        self.lacking.get(closing).is_some_and(|until| from < *until)
    }

    /// Adds a string; or a sign, when it is not closed.
    fn text_or_sign(&mut self, start: usize, from: usize, quoting: Quoting<'_>) {
        let read = match self.lacks(quoting.closing, from) {
            true => None,
            false => {
                let read = strings::read(self.text, start, from, quoting);
                if let Err(until) = read {
                    self.lacking.insert(quoting.closing.to_owned(), until);
                }
                read.ok()
            }
        };
        match read {
            Some(text) => {
                self.at = text.range.end;
                self.tokens.push(Token::Text(Box::new(text)));
            }
            None => {
                self.tokens.push(Token::Sign(b'"'));
                self.at = from;
            }
        }
    }
}

fn is_name(first: char) -> bool {
    first.is_alphanumeric() || matches!(first, '_' | '$')
}

/// The length of a name and of what it is a member of.
fn name_length(text: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        length += rest.find(|sign: char| !is_name(sign)).unwrap_or(rest.len());
        let rest = text.get(length..).unwrap_or_default();
        let link = [".", "::", "->", "?."]
            .iter()
            .find(|link| rest.starts_with(**link));
        let Some(link) = link else { return length.max(1) };
        match rest.get(link.len()..).and_then(|after| after.chars().next()) {
            Some(next) if is_name(next) => length += link.len(),
            _ => return length.max(1),
        }
    }
}

fn is_string_prefix(name: &str) -> bool {
    matches!(
        name,
        "f" | "r"
            | "b"
            | "u"
            | "s"
            | "rb"
            | "br"
            | "fr"
            | "rf"
            | "F"
            | "R"
            | "B"
            | "U"
            | "L"
            | "raw"
            | "c"
            | "cr"
    )
}

fn is_raw(prefix: &str) -> bool {
    prefix == "@" || prefix.contains(['r', 'R'])
}

fn is_prefix_of_string(rest: &str) -> bool {
    rest.starts_with("@\"") || rest.starts_with("$\"") || rest.starts_with("$@\"") || rest.starts_with("@$\"")
}

fn is_pod(rest: &str) -> bool {
    ["=begin", "=head", "=pod", "=over", "=item", "=encoding"]
        .iter()
        .any(|word| rest.starts_with(word))
}
