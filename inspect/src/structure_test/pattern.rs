//! Patterns in RE2 syntax, as Go's `regexp` reads them.
//!
//! The `regex` crate stems from RE2, but its syntax grew in other directions. A pattern is rewritten so that it
//! means here what it means there: a brace that is no repetition is a brace, `\d`, `\w`, `\s` and `\b` are ASCII,
//! `\Q…\E` quotes, octal escapes count, and `[`, `&&`, `--`, `~~` mean nothing special inside a class.
//!
//! Spec: <https://github.com/google/re2/wiki/Syntax>, Go `regexp/syntax`.

use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// Most memory that one compiled pattern may take, in bytes.
pub const PROGRAM_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest number in a repetition, as in RE2.
pub const REPETITIONS_MAX: u32 = 1000;

/// A compiled pattern; it matches anywhere in a text unless it is anchored.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than [`PATTERN_BYTES_MAX`].
    #[error("the pattern is {actual_bytes} bytes long, at most {PATTERN_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        actual_bytes: usize,
    },
    /// It is not RE2 syntax.
    #[error("the pattern {pattern:?} is not valid: {reason}")]
    Syntax {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Compiled, it would take more than [`PROGRAM_BYTES_MAX`].
    #[error(
        "the pattern {pattern:?} is too large when compiled, at most {PROGRAM_BYTES_MAX} bytes are allowed"
    )]
    TooLarge {
        /// The pattern.
        pattern: String,
    },
}

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When it is not RE2 syntax, or over a limit.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong {
                actual_bytes: source.len(),
            });
        }
        let syntax = |reason: String| PatternError::Syntax {
            pattern: source.to_owned(),
            reason,
        };
        let translated = Translation::of(source).map_err(|fault| syntax(fault.to_owned()))?;
        let regex = RegexBuilder::new(&translated)
            .size_limit(PROGRAM_BYTES_MAX)
            .dfa_size_limit(PROGRAM_BYTES_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge {
                    pattern: source.to_owned(),
                },
                error => syntax(last_line(&error.to_string())),
            })?;
        Ok(Self {
            source: source.to_owned(),
            regex,
        })
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pattern({:?})", self.source)
    }
}

/// A pattern on its way from Go's syntax to ours.
struct Translation<'p> {
    rest: Peekable<CharIndices<'p>>,
    source: &'p str,
    out: String,
}

impl<'p> Translation<'p> {
    fn of(source: &'p str) -> Result<String, &'static str> {
        let mut translation = Self {
            rest: source.char_indices().peekable(),
            source,
            out: String::with_capacity(source.len() + 16),
        };
        while let Some((at, character)) = translation.rest.next() {
            match character {
                '\\' => translation.escape()?,
                '[' => translation.class()?,
                '{' => translation.brace(at)?,
                ']' | '}' => translation.literal(character),
                '(' => translation.group(at)?,
                other => translation.out.push(other),
            }
        }
        Ok(translation.out)
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next().map(|(_, character)| character)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, character)| *character)
    }

    /// The source from the next character on.
    fn remainder(&mut self) -> &'p str {
        let at = self.rest.peek().map_or(self.source.len(), |(at, _)| *at);
        self.source.get(at..).unwrap_or_default()
    }

    fn skip_bytes(&mut self, bytes: usize) {
        let end = self.rest.peek().map_or(self.source.len(), |(at, _)| *at) + bytes;
        while self.rest.peek().is_some_and(|(at, _)| *at < end) {
            self.rest.next();
        }
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_punctuation() {
            // The only escape that never means anything but the character itself, inside classes and outside.
            self.out.push_str(&format!("\\x{:02X}", u32::from(character)));
        } else {
            self.out.push(character);
        }
    }

    /// After a backslash outside a class.
    fn escape(&mut self) -> Result<(), &'static str> {
        match self.peek() {
            Some('Q') => {
                self.next();
                let rest = self.remainder();
                let (quoted, used) = rest
                    .split_once("\\E")
                    .map_or((rest, rest.len()), |(quoted, _)| (quoted, quoted.len() + 2));
                quoted.chars().for_each(|character| self.literal(character));
                self.skip_bytes(used);
                return Ok(());
            }
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => self.out.push_str("(?-u:\\B)"),
            Some('A') => self.out.push_str("\\A"),
            Some('z') => self.out.push_str("\\z"),
            Some('C') => self.out.push_str("(?s-u:.)"),
            _ => {
                if !self.class_escape()? {
                    let character = self.escaped_character()?;
                    self.literal(character);
                }
                return Ok(());
            }
        }
        self.next();
        Ok(())
    }

    /// `\d` and its like and `\p{…}` after the backslash, inside a class or outside; false when it is none.
    fn class_escape(&mut self) -> Result<bool, &'static str> {
        let class = match self.peek() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => "[\\t\\n\\x0C\\r ]",
            Some('S') => "[^\\t\\n\\x0C\\r ]",
            Some(kind @ ('p' | 'P')) => {
                self.next();
                self.out.push('\\');
                self.out.push(kind);
                return self.property().map(|()| true);
            }
            _ => return Ok(false),
        };
        self.next();
        self.out.push_str(class);
        Ok(true)
    }

    /// The name after `\p`: one letter or a name in braces.
    fn property(&mut self) -> Result<(), &'static str> {
        let first = self.next().ok_or("\\p needs a name")?;
        self.out.push(first);
        if first == '{' {
            loop {
                let character = self.next().ok_or("\\p{ has no closing brace")?;
                self.out.push(character);
                if character == '}' {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One character written as an escape, after the backslash.
    fn escaped_character(&mut self) -> Result<char, &'static str> {
        match self.next().ok_or("it ends with a backslash")? {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            't' => Ok('\t'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            'v' => Ok('\u{b}'),
            'x' => self.hexadecimal(),
            first @ '0'..='7' => self.octal(first),
            other if other.is_ascii_alphanumeric() => Err("it has an escape that RE2 does not know"),
            other => Ok(other),
        }
    }

    fn hexadecimal(&mut self) -> Result<char, &'static str> {
        const FAULT: &str = "\\x needs two hexadecimal digits, or some in braces";
        let rest = self.remainder();
        let (digits, used) = match rest.strip_prefix('{') {
            Some(braced) => {
                let digits = braced.split_once('}').ok_or(FAULT)?.0;
                (digits, digits.len() + 2)
            }
            None => (rest.get(..2).ok_or(FAULT)?, 2),
        };
        let valid = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if valid {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        };
        let character = number.and_then(char::from_u32).ok_or(FAULT)?;
        self.skip_bytes(used);
        Ok(character)
    }

    /// `\0`, `\012`: up to three octal digits; one digit other than 0 would be a back-reference.
    fn octal(&mut self, first: char) -> Result<char, &'static str> {
        let is_octal =
            |character: Option<char>| character.is_some_and(|character| ('0'..='7').contains(&character));
        if first != '0' && !is_octal(self.peek()) {
            return Err("RE2 has no back-references");
        }
        let mut number = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            if !is_octal(self.peek()) {
                break;
            }
            number = number * 8 + self.next().and_then(|digit| digit.to_digit(8)).unwrap_or(0);
        }
        char::from_u32(number).ok_or("it has an octal escape that is no character")
    }

    /// After an opening parenthesis: flags must be those that RE2 has.
    fn group(&mut self, at: usize) -> Result<(), &'static str> {
        self.out.push('(');
        let Some(inside) = self.source.get(at + 1..).and_then(|rest| rest.strip_prefix('?')) else {
            return Ok(());
        };
        if inside.starts_with("P<") || inside.starts_with('<') {
            return Ok(());
        }
        let flags = inside.split([':', ')']).next().unwrap_or_default();
        if flags.bytes().all(|flag| b"imsU-".contains(&flag)) {
            Ok(())
        } else {
            Err("it has a group of a kind that RE2 does not know")
        }
    }

    /// A brace: a repetition when it reads as one, else itself.
    fn brace(&mut self, at: usize) -> Result<(), &'static str> {
        let Some((minimum, maximum, used)) = self.source.get(at + 1..).and_then(repetition) else {
            self.literal('{');
            return Ok(());
        };
        if minimum > REPETITIONS_MAX
            || maximum.is_some_and(|maximum| maximum > REPETITIONS_MAX || maximum < minimum)
        {
            return Err("a repetition counts to 1000 at most, and upwards");
        }
        self.out.push('{');
        self.out
            .push_str(self.source.get(at + 1..at + 1 + used).unwrap_or_default());
        self.skip_bytes(used);
        Ok(())
    }

    /// After an opening bracket: a class up to its closing bracket.
    fn class(&mut self) -> Result<(), &'static str> {
        const OPEN: &str = "a class has no closing bracket";
        self.out.push('[');
        if self.peek() == Some('^') {
            self.next();
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let character = self.peek().ok_or(OPEN)?;
            if character == ']' && !first {
                self.next();
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let rest = self.remainder();
            if let Some(name) = rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                self.out
                    .push_str(rest.get(..name.0.len() + 4).unwrap_or_default());
                self.skip_bytes(name.0.len() + 4);
                continue;
            }
            if character == '\\' {
                self.next();
                if self.class_escape()? {
                    continue;
                }
                let low = self.escaped_character()?;
                self.range(low)?;
            } else {
                self.next();
                self.range(character)?;
            }
        }
    }

    /// One character of a class, or a range that begins with it.
    fn range(&mut self, low: char) -> Result<(), &'static str> {
        self.literal(low);
        let rest = self.remainder();
        if !rest.starts_with('-') || rest.starts_with("-]") || rest.len() < 2 {
            return Ok(());
        }
        self.next();
        let high = match self.next() {
            Some('\\') => self.escaped_character()?,
            Some(high) => high,
            None => return Err("a class has no closing bracket"),
        };
        if high < low {
            return Err("a range in a class runs backwards");
        }
        self.out.push('-');
        self.literal(high);
        Ok(())
    }
}

/// `n}`, `n,}` or `n,m}` at the start of `text`, with the number of bytes it takes.
fn repetition(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let inside = text.split_once('}')?.0;
    let number = |digits: &str| {
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A number too long to parse is over the limit anyway.
        valid.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (minimum, maximum) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((minimum, "")) => (number(minimum)?, None),
        Some((minimum, maximum)) => (number(minimum)?, Some(number(maximum)?)),
    };
    Some((minimum, maximum, inside.len() + 1))
}

/// The last line of a message of several: the `regex` crate draws the place first and says the reason last.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern)
            .unwrap_or_else(|error| panic!("{pattern}: {error}"))
            .is_match(text.as_bytes())
    }

    #[test]
    fn matches_anywhere_unless_anchored() {
        assert!(matches("World", "Hello World\n"));
        assert!(matches(r"^root:x:0:\ntty:x:5:\n$", "root:x:0:\ntty:x:5:\n"));
        assert!(!matches(r"^tty", "root\ntty\n"));
        assert!(matches(r"(?m)^tty$", "root\ntty\n"));
        assert!(matches(
            r#".*\nVERSION="Debian GNU/Linux 13 \(trixie\)"\n"#,
            "A\nVERSION=\"Debian GNU/Linux 13 (trixie)\"\n"
        ));
    }

    #[test]
    fn a_brace_that_is_no_repetition_is_a_brace() {
        assert!(matches(r#"{"name": {}}"#, r#"x {"name": {}} y"#));
        assert!(matches("a{,2}", "a{,2}"));
        assert!(matches("^a{2}$", "aa"));
        assert!(matches("^a{2,}$", "aaaa"));
        assert!(!matches("^a{2,3}$", "aaaa"));
    }

    #[test]
    fn perl_classes_are_ascii_as_in_re2() {
        assert!(!matches(r"^\d$", "٣"));
        assert!(matches(r"^\D$", "٣"));
        assert!(!matches(r"^\w$", "é"));
        assert!(!matches(r"\s", "\u{b}"));
        assert!(matches(r"^[\d.]+$", "13.5"));
        assert!(matches(r"\bé", "aé"));
    }

    #[test]
    fn quoting_octal_and_odd_escapes_are_understood() {
        assert!(matches(r"^\Qa.b(\E+c$", "a.b((c"));
        assert!(matches(r"\Qopen", "open"));
        assert!(matches(r"^\012\x41\x{e9}$", "\nA\u{e9}"));
        assert!(matches(r"FOO\:BAR\<x\>", "FOO:BAR<x>"));
        assert!(matches(r"^\_\-\'$", "_-'"));
    }

    #[test]
    fn classes_have_no_set_operations() {
        assert!(matches("^[[]$", "["));
        assert!(matches("^[]a]+$", "a]"));
        assert!(matches("^[a&&b]+$", "&ab"));
        assert!(matches("^[~~a-]+--$", "-~a---"));
        assert!(matches("^[[:alpha:]_-]+$", "a_-"));
        assert!(matches(r"^[^\]]$", "a"));
        assert!(matches(r"^[\x00-\x1f]$", "\n"));
    }

    #[test]
    fn matches_bytes_that_are_not_utf8() {
        assert!(Pattern::new("ELF").unwrap().is_match(b"\x7fELF\x02\xff\xfe"));
    }

    #[test]
    fn refuses_what_re2_does_not_have() {
        for pattern in [
            r"(a)\1",
            "(?=a)",
            "(?x)a",
            "(",
            "[a",
            r"\y",
            "a{1001}",
            "a{2,1}",
            "[b-a]",
            "\\",
            "*a",
            r"\x{110000}",
        ] {
            assert!(
                matches!(Pattern::new(pattern), Err(PatternError::Syntax { .. })),
                "{pattern}"
            );
        }
    }

    #[test]
    fn the_limits_hold_at_the_limit_and_one_more() {
        assert!(Pattern::new(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
        let longer = Pattern::new(&"a".repeat(PATTERN_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(
            longer,
            PatternError::TooLong {
                actual_bytes: PATTERN_BYTES_MAX + 1
            }
        );
        assert!(Pattern::new("a{1000}").is_ok());
        let large = Pattern::new(r"((\pL{100}){100}){100}").unwrap_err();
        assert!(matches!(large, PatternError::TooLarge { .. }), "{large}");
    }
}
