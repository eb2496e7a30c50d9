//! What an image runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest text of a platform.
pub const PLATFORM_BYTES_MAX: usize = 128;

/// Operating system and processor that an image is for, in OCI's spelling (`linux`, `amd64`).
///
/// `FromStr` reads `OS/ARCHITECTURE[/VARIANT]` or `ARCHITECTURE[/VARIANT]` for Linux, and takes the
/// other common spellings of architectures (`x86_64`, `aarch64`, `armhf`); documents are read as they are.
///
/// Spec: image-spec "OCI Image Index Specification", property `platform`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The processor architecture, as Go spells it.
    pub architecture: String,
    /// The operating system, as Go spells it.
    pub os: String,
    /// Version of the operating system; Windows has it.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image needs.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Variant of the processor, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is not a [`Platform`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {text:?} is not OS/ARCHITECTURE[/VARIANT], such as \"linux/arm/v7\"")]
pub struct PlatformError {
    /// The text, cut if it is long.
    pub text: String,
}

impl Platform {
    /// Linux on that architecture, in OCI's spelling.
    #[must_use]
    pub fn linux(architecture: &str, variant: Option<&str>) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Whether an image for this platform is one for `wanted`: the same system and architecture, and
    /// the same variant, where `arm64` means `v8`, `amd64` means `v1` and `arm` means `v7`.
    #[must_use]
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && self.variant_or_default() == wanted.variant_or_default()
            && (wanted.os_version.is_none() || wanted.os_version == self.os_version)
    }

    fn variant_or_default(&self) -> Option<&str> {
        self.variant.as_deref().filter(|variant| !variant.is_empty()).or({
            match self.architecture.as_str() {
                "arm64" => Some("v8"),
                "amd64" => Some("v1"),
                "arm" => Some("v7"),
                _ => None,
            }
        })
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let error = || PlatformError {
            text: crate::name::shown(text),
        };
        let parts: Vec<&str> = text.split('/').collect();
        if text.len() > PLATFORM_BYTES_MAX || !parts.iter().all(|part| is_word(part)) {
            return Err(error());
        }
        let (os, architecture, variant) = match *parts.as_slice() {
            [architecture] => ("linux", architecture, None),
            // `arm/v7` is an architecture with its variant, `linux/arm` is not.
            [architecture, variant] if is_variant(variant) => ("linux", architecture, Some(variant)),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(error()),
        };
        // `v7` alone is a variant of nothing: printed as `linux/v7`, it would be read as another platform.
        if is_variant(architecture) {
            return Err(error());
        }
        let (architecture, implied) = match architecture {
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v5")),
            "i386" => ("386", None),
            "ppc64el" => ("ppc64le", None),
            other => (other, None),
        };
        Ok(Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.or(implied).map(str::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    /// `linux/arm/v7`; without the version and features of the operating system.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(formatter, "/{variant}"),
            _ => Ok(()),
        }
    }
}

fn is_word(part: &str) -> bool {
    let mut bytes = part.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// `v` and digits, perhaps with a minor number: `v7`, `v8.1`.
fn is_variant(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, printed) in [
            ("amd64", "linux/amd64"),
            ("linux/amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64"),
            ("arm/v7", "linux/arm/v7"),
            ("armhf", "linux/arm/v7"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "",
            "/",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "linux /amd64",
            "-",
            "linux/\n",
            "v7",
            "v7/v8",
            "linux/v7/v8",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text:?} was accepted");
        }
        assert!("a".repeat(PLATFORM_BYTES_MAX).parse::<Platform>().is_ok());
        assert!("a".repeat(PLATFORM_BYTES_MAX + 1).parse::<Platform>().is_err());
    }

    #[test]
    fn the_default_variant_may_be_left_out() {
        let satisfies = |ours: &str, wanted: &str| {
            let ours: Platform = ours.parse().unwrap();
            ours.satisfies(&wanted.parse().unwrap())
        };
        assert!(satisfies("linux/arm64/v8", "arm64") && satisfies("arm64", "linux/arm64/v8"));
        assert!(satisfies("linux/arm/v7", "arm") && !satisfies("linux/arm/v6", "arm"));
        assert!(!satisfies("linux/amd64/v3", "amd64") && !satisfies("windows/amd64", "amd64"));
        assert!(!satisfies("s390x", "riscv64"));
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(text in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}") {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse(), Ok(platform));
            }
        }
    }
}
