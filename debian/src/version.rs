//! Version numbers of Debian packages and their order.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest version accepted, in bytes. The longest in Debian has fewer than 80.
pub const VERSION_BYTES_MAX: usize = 255;

/// A package version, `[EPOCH:]UPSTREAM[-REVISION]`, ordered as dpkg orders versions.
///
/// Displays as it was written. Equality is dpkg's too: `1.0`, `0:1.0`, `1.0-0` and `1.00` are one version, though
/// they print differently; compare `as_str` where the text matters, as in a file name.
///
/// Spec: deb-version(7).
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    text: Box<str>,
    epoch: u32,
    /// Offset in `text` of the upstream part, after the epoch and its colon.
    upstream_start: u8,
    /// Offset in `text` where the upstream part ends: at the last hyphen, or at the end.
    upstream_end: u8,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing, or nothing but an epoch or a revision.
    #[error("version {0:?} is empty or lacks its upstream part")]
    Empty(String),
    /// Longer than [`VERSION_BYTES_MAX`].
    #[error("version of {0} bytes, at most {VERSION_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// The part before the first colon is no number that fits 31 bits.
    #[error("version {0:?} has an epoch that is no small number")]
    Epoch(String),
    /// A hyphen with nothing behind it.
    #[error("version {0:?} has an empty revision")]
    EmptyRevision(String),
    /// A character that no version may contain.
    #[error("version {text:?} contains {character:?}")]
    Character {
        /// The whole text.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl Version {
    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number before the colon; 0 when there is none.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The part between epoch and revision.
    pub fn upstream(&self) -> &str {
        self.text
            .get(usize::from(self.upstream_start)..usize::from(self.upstream_end))
            .unwrap_or_default()
    }

    /// The part after the last hyphen; empty when there is none, which compares like `0`.
    pub fn revision(&self) -> &str {
        self.text
            .get(usize::from(self.upstream_end) + 1..)
            .unwrap_or_default()
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Parses a version as dpkg does, with two of its leniencies: the upstream part may begin with a letter, and an
    /// epoch of 0 may be written.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::TooLong(text.len()));
        }
        let (epoch, upstream_start) = match text.split_once(':') {
            None => (0, 0),
            Some((epoch, _)) => (parse_epoch(text, epoch)?, epoch.len() + 1),
        };
        let rest = text.get(upstream_start..).unwrap_or_default();
        let upstream = match rest.rsplit_once('-') {
            None => rest,
            Some((_, "")) => return Err(VersionError::EmptyRevision(text.to_owned())),
            Some((upstream, revision)) => {
                check_characters(text, revision, "+.~")?;
                upstream
            }
        };
        if upstream.is_empty() {
            return Err(VersionError::Empty(text.to_owned()));
        }
        check_characters(text, upstream, "+.~-:")?;
        let small = |offset: usize| u8::try_from(offset).map_err(|_| VersionError::TooLong(text.len()));
        Ok(Version {
            text: text.into(),
            epoch,
            upstream_start: small(upstream_start)?,
            upstream_end: small(upstream_start + upstream.len())?,
        })
    }
}

fn parse_epoch(text: &str, epoch: &str) -> Result<u32, VersionError> {
    // dpkg reads an `int`: digits only here, without the sign and blanks that strtol would let pass.
    let digits = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    epoch
        .parse::<u32>()
        .ok()
        .filter(|number| digits && *number <= EPOCH_MAX)
        .ok_or_else(|| VersionError::Epoch(text.to_owned()))
}

fn check_characters(text: &str, part: &str, punctuation: &str) -> Result<(), VersionError> {
    match part
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !punctuation.contains(*c))
    {
        None => Ok(()),
        Some(character) => Err(VersionError::Character {
            text: text.to_owned(),
            character,
        }),
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_parts(self.upstream(), other.upstream()))
            .then_with(|| compare_parts(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.hash(state);
        hash_part(self.upstream(), state);
        hash_part(self.revision(), state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.text)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.text.into()
    }
}

/// Compares upstream parts or revisions: stretches of non-digits and of digits in turn.
fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_number) = next_pair(&mut left);
        let (right_text, right_number) = next_pair(&mut right);
        let order = compare_text(left_text, right_text)
            // Without leading zeros the longer number is the greater one, of any length.
            .then_with(|| left_number.len().cmp(&right_number.len()))
            .then_with(|| left_number.cmp(right_number));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes one stretch of non-digits and the digits behind it, without their leading zeros.
fn next_pair<'t>(rest: &mut &'t [u8]) -> (&'t [u8], &'t [u8]) {
    let text_len = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
    let (text, after) = rest.split_at(text_len);
    let number_len = after
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(after.len());
    let (number, after) = after.split_at(number_len);
    *rest = after;
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (text, number.get(zeros..).unwrap_or_default())
}

/// Compares two stretches of non-digits: `~` before the end, the end before letters, letters before the rest.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|at| weight(left.get(at)).cmp(&weight(right.get(at))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Feeds what `compare_parts` looks at: equal parts give equal bytes.
fn hash_part<H: Hasher>(part: &str, state: &mut H) {
    let mut rest = part.as_bytes();
    loop {
        // An empty part is one empty pair, as the part `0` is.
        let (text, number) = next_pair(&mut rest);
        text.hash(state);
        number.hash(state);
        if rest.is_empty() {
            break;
        }
    }
    state.write_u8(0xff);
}

/// dpkg keeps epochs in a C `int`.
const EPOCH_MAX: u32 = i32::MAX.unsigned_abs();

#[cfg(test)]
mod dpkg_comparison;

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn orders_as_the_policy_manual_says() {
        let ascending = [
            "~~",
            "~~a",
            "~",
            "0",
            "0a",
            "1~rc1-1",
            "1",
            "1-1~bpo12+1",
            "1-1",
            "1-1+b1",
            "1-1+deb13u1",
            "1-2",
            "1-10",
            "1a",
            "1+",
            "1.0.1",
            "1.2",
            "1.10",
            "a",
            "1:0.1",
            "1:9999999999999999999998",
            "1:9999999999999999999999",
            "2:0",
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                let expected = at.cmp(&other);
                assert_eq!(version(left).cmp(&version(right)), expected, "{left} and {right}");
            }
        }
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        for (left, right) in [
            ("1.0", "1.00"),
            ("1.0", "0:1.0"),
            ("1.0", "1.0-0"),
            ("1.", "1.0"),
            ("1-1.", "1-1.0"),
        ] {
            assert_eq!(version(left), version(right));
            let state = RandomState::new();
            assert_eq!(
                state.hash_one(version(left)),
                state.hash_one(version(right)),
                "{left} and {right}"
            );
            assert_ne!(version(left).as_str(), version(right).as_str());
        }
    }

    #[test]
    fn splits_at_the_first_colon_and_the_last_hyphen() {
        let parts = version("2:1.2:3-rc1-0.1");
        assert_eq!(
            (parts.epoch(), parts.upstream(), parts.revision()),
            (2, "1.2:3-rc1", "0.1")
        );
        let native = version("1.2");
        assert_eq!(
            (native.epoch(), native.upstream(), native.revision()),
            (0, "1.2", "")
        );
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in [
            "",
            ":",
            "1:",
            "-1",
            "1-",
            "1:-1",
            "a:1",
            "+1:1",
            "2147483648:1",
            "1 2",
            "1_2",
            "1-1:2",
            "1/2",
            "é",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        assert_eq!(version("2147483647:1").epoch(), EPOCH_MAX);
    }

    #[test]
    fn accepts_the_longest_version_and_no_longer_one() {
        assert!("1".repeat(VERSION_BYTES_MAX).parse::<Version>().is_ok());
        let long = format!("0:{}-1", "1".repeat(VERSION_BYTES_MAX - 4));
        assert_eq!(version(&long).revision(), "1");
        assert_eq!(
            "1".repeat(VERSION_BYTES_MAX + 1).parse::<Version>(),
            Err(VersionError::TooLong(VERSION_BYTES_MAX + 1))
        );
    }

    fn any_version() -> impl Strategy<Value = Version> {
        "([0-2]:)?[0-2a~][0-2a~+.]{0,4}(-[0-2a~+.]{1,3})?".prop_map(|text| version(&text))
    }

    proptest! {
        #[test]
        fn order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            if a == b {
                let state = RandomState::new();
                prop_assert_eq!(state.hash_one(&a), state.hash_one(&b));
                prop_assert_eq!(a.cmp(&c), b.cmp(&c));
            }
        }

        #[test]
        fn parsing_never_panics_and_printing_gives_the_text_back(text in "\\PC{0,20}|[0-9a-z:.~+-]{0,20}") {
            if let Ok(parsed) = text.parse::<Version>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }
}
