//! Machine architectures by Debian's names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Debian architecture such as `amd64`, or `all` for packages that fit every machine.
///
/// Any well-formed name is accepted, as an archive may know more than we do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Architecture(Box<str>);

/// The text is not the name of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of an architecture")]
pub struct ArchitectureError(String);

impl Architecture {
    /// The name that packages for every machine carry.
    pub const ALL: &'static str = "all";

    /// The architecture `all`.
    pub fn all() -> Self {
        Architecture(Self::ALL.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `all`.
    pub fn is_all(&self) -> bool {
        &*self.0 == Self::ALL
    }

    /// Whether this architecture falls under `pattern`: its own name, or a wildcard as in `linux-any`, `any-arm`,
    /// `musl-any-any` or `any`, which every machine's architecture matches and `all` does not.
    ///
    /// Spec: Debian Policy 11.1.1; dpkg-architecture(1) "Debian architecture wildcards".
    pub fn matches(&self, pattern: &str) -> bool {
        if pattern == self.as_str() {
            return true;
        }
        if self.is_all() || !pattern.split('-').any(|part| part == ANY) {
            return false;
        }
        let [abi, os, cpu] = tuple_of(pattern, ANY);
        let [own_abi, own_os, own_cpu] = tuple_of(self.as_str(), "gnu");
        let fits = |wanted: &str, own: &str| wanted == ANY || wanted == own;
        fits(abi, own_abi) && fits(os, own_os) && fits(cpu, own_cpu)
    }
}

/// Splits a name or wildcard into ABI, operating system and CPU.
fn tuple_of<'t>(name: &'t str, default_abi: &'t str) -> [&'t str; 3] {
    // Two names stand for a CPU that goes by another name.
    let cpu_of = |cpu| match cpu {
        "armhf" | "armel" => "arm",
        "x32" => "amd64",
        other => other,
    };
    let mut parts = name.rsplit('-');
    let cpu = parts.next().unwrap_or_default();
    let os = parts.next();
    let abi = parts.next().unwrap_or(default_abi);
    match os {
        Some(os) => [abi, os, cpu_of(cpu)],
        None if cpu == ANY => [ANY, ANY, ANY],
        None => [abi, "linux", cpu_of(cpu)],
    }
}

impl FromStr for Architecture {
    type Err = ArchitectureError;

    fn from_str(text: &str) -> Result<Self, ArchitectureError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let starts = text
            .as_bytes()
            .first()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts && text.len() <= NAME_BYTES_MAX && text.bytes().all(allowed) {
            Ok(Architecture(text.into()))
        } else {
            Err(ArchitectureError(text.chars().take(NAME_BYTES_MAX).collect()))
        }
    }
}

impl TryFrom<String> for Architecture {
    type Error = ArchitectureError;

    fn try_from(text: String) -> Result<Self, ArchitectureError> {
        text.parse()
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> String {
        architecture.0.into()
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The longest architecture name accepted, in bytes.
const NAME_BYTES_MAX: usize = 64;

const ANY: &str = "any";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_by_abi_system_and_cpu() {
        let matching = [
            ("amd64", "amd64"),
            ("amd64", "any"),
            ("amd64", "linux-any"),
            ("amd64", "any-amd64"),
            ("armhf", "any-arm"),
            ("armel", "any-arm"),
            ("x32", "any-amd64"),
            ("hurd-i386", "any-i386"),
            ("hurd-i386", "hurd-any"),
            ("musl-linux-arm64", "musl-any-any"),
            ("musl-linux-arm64", "linux-any"),
            ("all", "all"),
            ("amd64", "gnu-any-any"),
        ];
        for (name, pattern) in matching {
            assert!(
                name.parse::<Architecture>().unwrap().matches(pattern),
                "{name} {pattern}"
            );
        }
        let differing = [
            ("amd64", "arm64"),
            ("all", "any"),
            ("all", "linux-any"),
            ("hurd-i386", "linux-any"),
            ("amd64", "any-arm"),
            ("amd64", "musl-any-any"),
            ("amd64", "all"),
        ];
        for (name, pattern) in differing {
            assert!(
                !name.parse::<Architecture>().unwrap().matches(pattern),
                "{name} {pattern}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", "AMD64", "-amd64", "a b", "amd64\n", "../x"] {
            assert!(text.parse::<Architecture>().is_err(), "{text:?}");
        }
        assert!("a".repeat(NAME_BYTES_MAX).parse::<Architecture>().is_ok());
        assert!("a".repeat(NAME_BYTES_MAX + 1).parse::<Architecture>().is_err());
    }
}
