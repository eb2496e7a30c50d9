//! `Release` files: what a suite has, and the digests of its indexes.
//!
//! Spec: <https://wiki.debian.org/DebianRepository/Format>, "Release" files.

use std::collections::BTreeMap;

use jiff::Timestamp;
use thiserror::Error;

use crate::Architecture;
use crate::control::{ControlError, Paragraph};

/// What a `Release` file says. It is worth something only when it was parsed from a verified text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Suite`, such as `stable`; moves with each release of Debian.
    pub suite: Option<String>,
    /// `Codename`, such as `trixie`.
    pub codename: Option<String>,
    /// `Version`, such as `13.8`.
    pub version: Option<String>,
    /// When it was made.
    pub date: Timestamp,
    /// From when on it must not be used any more; not every suite says.
    pub valid_until: Option<Timestamp>,
    /// The architectures that the suite has, `all` included where it is listed.
    pub architectures: Vec<Architecture>,
    /// The components as they are listed; the security archive writes `updates/main` for `main`.
    pub components: Vec<String>,
    /// Whether indexes can be fetched by their digest.
    pub acquire_by_hash: bool,
    /// Path below the suite's directory → size and SHA-256.
    pub files: BTreeMap<String, ReleaseFile>,
}

/// One file of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseFile {
    /// In bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
}

/// Why a text is no `Release` file that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// It is no control file.
    #[error("it is not a Release file")]
    Syntax(#[from] ControlError),
    /// A field that must be there is not.
    #[error("it has no field {0}")]
    Missing(&'static str),
    /// A field has a value that cannot be read.
    #[error("its field {field} cannot be read: `{value}`")]
    Field {
        /// Which field.
        field: &'static str,
        /// The value, or the line of it.
        value: String,
    },
    /// More than [`FILES_MAX`].
    #[error("it lists more than {FILES_MAX} files")]
    TooManyFiles,
}

/// The most files listed. Debian's largest suites have about 2,500.
pub const FILES_MAX: usize = 50_000;

impl Release {
    /// Reads the verified text of a `Release` file.
    ///
    /// # Errors
    /// When it cannot be read, has no `Date` or no `SHA256`, or lists more than [`FILES_MAX`] files.
    pub fn parse(text: &str) -> Result<Release, ReleaseError> {
        let paragraph = Paragraph::parse(text.as_bytes())?;
        let owned = |name| paragraph.field(name).map(ToOwned::to_owned);
        let date = date_field(&paragraph, "Date")?.ok_or(ReleaseError::Missing("Date"))?;
        let architectures = words(&paragraph, "Architectures")
            .map(|name| name.parse().map_err(|_| field_error("Architectures", name)))
            .collect::<Result<_, _>>()?;
        Ok(Release {
            suite: owned("Suite"),
            codename: owned("Codename"),
            version: owned("Version"),
            date,
            valid_until: date_field(&paragraph, "Valid-Until")?,
            architectures,
            components: words(&paragraph, "Components").map(ToOwned::to_owned).collect(),
            acquire_by_hash: paragraph.field("Acquire-By-Hash") == Some("yes"),
            files: files(paragraph.field("SHA256").ok_or(ReleaseError::Missing("SHA256"))?)?,
        })
    }

    /// Whether this is the release of `suite`, by its suite or its code name. The keys of Debian sign many suites, so a
    /// good signature alone does not say that a mirror served what was asked for.
    pub fn is_of(&self, suite: &str) -> bool {
        let names = [&self.suite, &self.codename];
        names.iter().any(|name| name.as_deref() == Some(suite)) || names.iter().all(|name| name.is_none())
    }

    /// The path of the uncompressed index of a component and an architecture, below the suite's directory.
    pub fn index_path(component: &str, architecture: &Architecture) -> String {
        format!("{component}/binary-{architecture}/Packages")
    }
}

fn words<'p>(paragraph: &'p Paragraph, name: &str) -> impl Iterator<Item = &'p str> {
    paragraph.field(name).unwrap_or_default().split_ascii_whitespace()
}

fn files(field: &str) -> Result<BTreeMap<String, ReleaseFile>, ReleaseError> {
    let mut files = BTreeMap::new();
    for line in field.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let (digest, size, path) = (words.next(), words.next(), words.next());
        let file = digest
            .and_then(sha256_from_hex)
            .zip(size.and_then(|size| size.parse().ok()))
            .map(|(sha256, size)| ReleaseFile { size, sha256 });
        let (Some(file), Some(path), None) = (file, path, words.next()) else {
            return Err(field_error("SHA256", line));
        };
        if files.len() == FILES_MAX {
            return Err(ReleaseError::TooManyFiles);
        }
        files.insert(path.to_owned(), file);
    }
    Ok(files)
}

/// A date as `Sat, 21 Nov 2026 09:15:44 UTC`.
fn date_field(paragraph: &Paragraph, name: &'static str) -> Result<Option<Timestamp>, ReleaseError> {
    let Some(value) = paragraph.field(name) else {
        return Ok(None);
    };
    // RFC 2822 knows no zone of the name UTC.
    let zoned = value.trim_end_matches("UTC").trim_end_matches("GMT").trim_end();
    let zoned = if zoned.len() < value.len() {
        format!("{zoned} +0000")
    } else {
        value.to_owned()
    };
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&zoned);
    date.map(Some).map_err(|_| field_error(name, value))
}

fn field_error(field: &'static str, value: &str) -> ReleaseError {
    ReleaseError::Field {
        field,
        value: value.chars().take(SHOWN_CHARS).collect(),
    }
}

/// Reads 64 hexadecimal digits.
pub(crate) fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(digest)
}

/// How much of a malformed value an error shows.
const SHOWN_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n";

    fn with_files(count: usize) -> String {
        let digest = "0".repeat(64);
        let lines: String = (0..count).map(|at| format!(" {digest} 7 f{at}\n")).collect();
        format!("{HEAD}SHA256:\n{lines}")
    }

    #[test]
    fn reads_a_real_release() {
        let signed = include_str!("../tests/fixtures/releases/trixie-security.InRelease");
        let text = signed
            .split("\n\n")
            .nth(1)
            .unwrap()
            .split("\n-----")
            .next()
            .unwrap();
        let release = Release::parse(text).unwrap();
        assert_eq!(release.codename.as_deref(), Some("trixie-security"));
        assert_eq!(release.date.to_string(), "2026-11-21T00:53:03Z");
        assert_eq!(release.valid_until.unwrap().to_string(), "2026-11-28T00:53:03Z");
        assert!(release.acquire_by_hash);
        assert!(release.components.contains(&"updates/main".to_owned()));
        let amd64: Architecture = "amd64".parse().unwrap();
        assert!(release.architectures.contains(&amd64));
        let index = release.files[&Release::index_path("main", &amd64)];
        assert_eq!(index.size, 2_234_121);
        assert_eq!(&index.sha256[..3], [0x4c, 0x96, 0xc3]);
    }

    #[test]
    fn is_of_its_suite_or_code_name_only() {
        let release = Release::parse(&with_files(0)).unwrap();
        assert!(release.is_of("trixie") && release.is_of("stable"));
        assert!(!release.is_of("bookworm") && !release.is_of("trixie-security"));
    }

    #[test]
    fn bounds_the_number_of_files() {
        assert_eq!(
            Release::parse(&with_files(FILES_MAX)).unwrap().files.len(),
            FILES_MAX
        );
        assert_eq!(
            Release::parse(&with_files(FILES_MAX + 1)),
            Err(ReleaseError::TooManyFiles)
        );
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        assert_eq!(
            Release::parse("Suite: stable\n"),
            Err(ReleaseError::Missing("Date"))
        );
        assert_eq!(Release::parse(HEAD), Err(ReleaseError::Missing("SHA256")));
        for line in [
            "00 7 f",
            &format!("{} x f", "0".repeat(64)),
            &format!("{} 7", "0".repeat(64)),
        ] {
            let text = format!("{HEAD}SHA256:\n {line}\n");
            assert!(
                matches!(
                    Release::parse(&text),
                    Err(ReleaseError::Field { field: "SHA256", .. })
                ),
                "{line}"
            );
        }
        let text = with_files(0).replace("Nov", "Foo");
        assert!(matches!(
            Release::parse(&text),
            Err(ReleaseError::Field { field: "Date", .. })
        ));
    }
}
