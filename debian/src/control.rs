//! Control files: paragraphs of fields, as in `control`, `Release` and `status`; and the names of packages.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest control file accepted, in bytes. (`Packages` files have a reader of their own in `index`.)
pub const CONTROL_BYTES_MAX: usize = 16 << 20;
/// The most paragraphs accepted in one control file.
pub const PARAGRAPHS_MAX: usize = 100_000;
/// The most fields accepted in one paragraph.
pub const FIELDS_MAX: usize = 512;
/// The longest package name accepted, in bytes.
pub const PACKAGE_NAME_BYTES_MAX: usize = 255;

/// One paragraph of a control file: fields in their order, and the bytes it was read from.
///
/// Spec: Debian Policy 5.1 "Syntax of control files", deb822(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    raw: Box<[u8]>,
    fields: Vec<(String, String)>,
}

/// Why bytes are not a control file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ControlError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: ControlProblem,
}

/// What can be wrong with a line of a control file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlProblem {
    /// More than [`CONTROL_BYTES_MAX`].
    #[error("the file has {0} bytes, at most {CONTROL_BYTES_MAX} are allowed")]
    FileTooLong(usize),
    /// More than [`PARAGRAPHS_MAX`].
    #[error("more than {PARAGRAPHS_MAX} paragraphs")]
    TooManyParagraphs,
    /// More than [`FIELDS_MAX`].
    #[error("more than {FIELDS_MAX} fields in one paragraph")]
    TooManyFields,
    /// Neither `Name: value`, nor a continuation, nor a comment.
    #[error("neither a field nor a continuation of one")]
    NoField,
    /// A field name with characters that none may have.
    #[error("{0:?} is not the name of a field")]
    FieldName(String),
    /// Begins with a blank, but continues nothing.
    #[error("a continuation line before any field")]
    LoneContinuation,
    /// The same field twice.
    #[error("field {0} occurs twice in one paragraph")]
    DuplicateField(String),
    /// Not exactly one paragraph where one is expected.
    #[error("{0} paragraphs where one is expected")]
    NotOneParagraph(usize),
}

/// Reads all paragraphs of a control file.
///
/// Comment lines (`#` in the first column) are skipped and remain in `raw`. Bytes that are no UTF-8 are replaced in
/// values (old packages have Latin-1 names in them) and remain in `raw` too.
///
/// # Errors
/// The first malformed line, or one of the limits above exceeded.
pub fn parse_paragraphs(bytes: &[u8]) -> Result<Vec<Paragraph>, ControlError> {
    if bytes.len() > CONTROL_BYTES_MAX {
        return Err(ControlError {
            line: 1,
            problem: ControlProblem::FileTooLong(bytes.len()),
        });
    }
    let mut paragraphs = Vec::new();
    let mut current = ParagraphBuilder::default();
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let at_line = |problem| ControlError {
            line: at + 1,
            problem,
        };
        if line.trim_ascii().is_empty() {
            current.finish_into(&mut paragraphs).map_err(at_line)?;
        } else {
            current.line(line).map_err(at_line)?;
        }
    }
    let last_line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    current
        .finish_into(&mut paragraphs)
        .map_err(|problem| ControlError {
            line: last_line,
            problem,
        })?;
    Ok(paragraphs)
}

#[derive(Default)]
struct ParagraphBuilder {
    raw: Vec<u8>,
    fields: Vec<(String, String)>,
}

impl ParagraphBuilder {
    fn line(&mut self, line: &[u8]) -> Result<(), ControlProblem> {
        self.raw.extend_from_slice(line);
        match line.first() {
            Some(b'#') => Ok(()),
            Some(b' ' | b'\t') => {
                let (_, value) = self.fields.last_mut().ok_or(ControlProblem::LoneContinuation)?;
                value.push('\n');
                value.push_str(&String::from_utf8_lossy(line.trim_ascii_end()));
                Ok(())
            }
            _ => self.field(line),
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), ControlProblem> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(ControlProblem::NoField)?;
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name);
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ControlProblem::FieldName(
                name.chars().take(SHOWN_CHARS).collect(),
            ));
        }
        if self.fields.len() == FIELDS_MAX {
            return Err(ControlProblem::TooManyFields);
        }
        if self
            .fields
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(&name))
        {
            return Err(ControlProblem::DuplicateField(name.into_owned()));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        self.fields
            .push((name.into_owned(), String::from_utf8_lossy(value).into_owned()));
        Ok(())
    }

    fn finish_into(&mut self, paragraphs: &mut Vec<Paragraph>) -> Result<(), ControlProblem> {
        let ParagraphBuilder { raw, fields } = std::mem::take(self);
        if fields.is_empty() {
            return Ok(());
        }
        if paragraphs.len() == PARAGRAPHS_MAX {
            return Err(ControlProblem::TooManyParagraphs);
        }
        paragraphs.push(Paragraph {
            raw: raw.into_boxed_slice(),
            fields,
        });
        Ok(())
    }
}

impl Paragraph {
    /// Reads a control file that consists of exactly one paragraph.
    ///
    /// # Errors
    /// As [`parse_paragraphs`], and `NotOneParagraph`.
    pub fn parse(bytes: &[u8]) -> Result<Paragraph, ControlError> {
        let mut paragraphs = parse_paragraphs(bytes)?;
        match (paragraphs.pop(), paragraphs.len()) {
            (Some(only), 0) => Ok(only),
            (last, before) => {
                let count = before + usize::from(last.is_some());
                Err(ControlError {
                    line: 1,
                    problem: ControlProblem::NotOneParagraph(count),
                })
            }
        }
    }

    /// The value of a field, by its name in any case: without the blanks around it. Continuation lines follow after a
    /// newline each and keep their leading blank.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Names and values in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The bytes of the paragraph as they were read, without the blank line that ended it.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// The name of a package, real or virtual.
///
/// Spec: Debian Policy 5.6.7: at least two characters of `a-z0-9+-.`, the first a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(Box<str>);

/// The text is not the name of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a package")]
pub struct PackageNameError(String);

impl PackageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is a well-formed name.
    pub fn is_valid(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        (2..=PACKAGE_NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && text
                .as_bytes()
                .first()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
    }
}

impl FromStr for PackageName {
    type Err = PackageNameError;

    fn from_str(text: &str) -> Result<Self, PackageNameError> {
        if Self::is_valid(text) {
            Ok(PackageName(text.into()))
        } else {
            Err(PackageNameError(text.chars().take(SHOWN_CHARS).collect()))
        }
    }
}

impl TryFrom<String> for PackageName {
    type Error = PackageNameError;

    fn try_from(text: String) -> Result<Self, PackageNameError> {
        text.parse()
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> String {
        name.0.into()
    }
}

impl AsRef<str> for PackageName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Sets and maps of names can be asked with a `&str`: equality, order and hash are those of the text.
impl Borrow<str> for PackageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How much of a malformed name an error shows.
const SHOWN_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem_of(text: &str) -> (usize, ControlProblem) {
        let error = parse_paragraphs(text.as_bytes()).unwrap_err();
        (error.line, error.problem)
    }

    #[test]
    fn reads_fields_in_order_with_continuations_and_comments() {
        let text = "# head\n\nPackage: hello\nDescription:  greets \n long\n .\n#note\n more\nempty:\n\n \t\nPackage: b\n";
        let paragraphs = parse_paragraphs(text.as_bytes()).unwrap();
        assert_eq!(paragraphs.len(), 2);
        let fields: Vec<_> = paragraphs[0].fields().collect();
        assert_eq!(
            fields,
            [
                ("Package", "hello"),
                ("Description", "greets\n long\n .\n more"),
                ("empty", "")
            ]
        );
        assert_eq!(paragraphs[0].field("PACKAGE"), Some("hello"));
        assert_eq!(paragraphs[0].field("Depends"), None);
        assert_eq!(paragraphs[1].raw(), b"Package: b\n");
        assert!(
            paragraphs[0]
                .raw()
                .starts_with(b"Package: hello\nDescription:  greets \n")
        );
    }

    #[test]
    fn keeps_bytes_that_are_no_text() {
        let paragraph = Paragraph::parse(b"Maintainer: J\xf6rg\n").unwrap();
        assert_eq!(paragraph.field("Maintainer"), Some("J\u{fffd}rg"));
        assert_eq!(paragraph.raw(), b"Maintainer: J\xf6rg\n");
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        assert_eq!(problem_of("A: b\nnonsense\n"), (2, ControlProblem::NoField));
        assert_eq!(problem_of(" A: b\n"), (1, ControlProblem::LoneContinuation));
        assert_eq!(problem_of("A: b\n\n c\n"), (3, ControlProblem::LoneContinuation));
        assert_eq!(
            problem_of("A: b\nB: c\na: d"),
            (3, ControlProblem::DuplicateField("a".into()))
        );
        assert_eq!(problem_of(": b"), (1, ControlProblem::FieldName(String::new())));
        assert_eq!(problem_of("-a: b"), (1, ControlProblem::FieldName("-a".into())));
        assert_eq!(problem_of("a b: c"), (1, ControlProblem::FieldName("a b".into())));
        assert_eq!(
            Paragraph::parse(b"").unwrap_err().problem,
            ControlProblem::NotOneParagraph(0)
        );
        assert_eq!(
            Paragraph::parse(b"A: b\n\nA: b\n").unwrap_err().problem,
            ControlProblem::NotOneParagraph(2)
        );
    }

    #[test]
    fn accepts_each_limit_and_nothing_beyond_it() {
        let fields = |count| (0..count).map(|n| format!("F{n}: x\n")).collect::<String>();
        assert_eq!(
            Paragraph::parse(fields(FIELDS_MAX).as_bytes())
                .unwrap()
                .fields()
                .count(),
            FIELDS_MAX
        );
        assert_eq!(
            problem_of(&fields(FIELDS_MAX + 1)),
            (FIELDS_MAX + 1, ControlProblem::TooManyFields)
        );

        assert_eq!(
            parse_paragraphs("A: b\n\n".repeat(PARAGRAPHS_MAX).as_bytes())
                .unwrap()
                .len(),
            PARAGRAPHS_MAX
        );
        assert_eq!(
            problem_of(&"A: b\n\n".repeat(PARAGRAPHS_MAX + 1)).1,
            ControlProblem::TooManyParagraphs
        );

        let mut file = vec![b'x'; CONTROL_BYTES_MAX];
        file[1] = b':';
        assert!(parse_paragraphs(&file).is_ok());
        file.push(b'x');
        let error = parse_paragraphs(&file).unwrap_err();
        assert_eq!(error.problem, ControlProblem::FileTooLong(CONTROL_BYTES_MAX + 1));
    }

    #[test]
    fn package_names_follow_policy() {
        for name in ["ab", "libstdc++6", "0ad", "python3.13", "gcc-14-base"] {
            assert_eq!(name.parse::<PackageName>().unwrap().to_string(), name);
        }
        for name in [
            "", "a", "-ab", ".ab", "Ab", "a_b", "a b", "a/b", "..", "ab\n", "é1",
        ] {
            assert!(name.parse::<PackageName>().is_err(), "{name:?}");
        }
        assert!(PackageName::is_valid(&"a".repeat(PACKAGE_NAME_BYTES_MAX)));
        assert!(!PackageName::is_valid(&"a".repeat(PACKAGE_NAME_BYTES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_every_paragraph_byte(
            lines in prop::collection::vec("[A-C]: [ -~]{0,9}| [ -~]{0,9}|#.{0,5}||[ -~]{0,9}", 0..12)
        ) {
            let text = lines.join("\n");
            if let Ok(paragraphs) = parse_paragraphs(text.as_bytes()) {
                for paragraph in paragraphs {
                    let again = Paragraph::parse(paragraph.raw()).unwrap();
                    prop_assert_eq!(&again, &paragraph);
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_paragraphs(&bytes);
        }
    }
}
