//! The Debian releases that images are made of, and the architectures that they are made for.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

/// A Debian release that images can be made of; it prints as users name it: `debian13`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// bookworm, released 2023-06-10.
    Debian12,
    /// trixie, released 2025-08-09.
    Debian13,
}

impl Release {
    /// Every release, oldest first.
    pub const ALL: [Self; 2] = [Self::Debian12, Self::Debian13];

    /// The release that a specification without `release:` is made of: Debian's stable.
    pub const NEWEST: Self = Self::Debian13;

    /// The name that specifications and images use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "debian12",
            Self::Debian13 => "debian13",
        }
    }

    /// The code name, which names the suites of the archive.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Debian12 => "bookworm",
            Self::Debian13 => "trixie",
        }
    }

    /// `VERSION_ID` of os-release.
    pub fn version_id(self) -> &'static str {
        match self {
            Self::Debian12 => "12",
            Self::Debian13 => "13",
        }
    }

    /// The architectures that Debian released it for and images are made for.
    pub fn architectures(self) -> &'static [Architecture] {
        match self {
            Self::Debian12 => Architecture::ALL.split_at(5).0,
            Self::Debian13 => &Architecture::ALL,
        }
    }

    /// The suites of the release: suite name and the archive (`debian`, `debian-security`) that has it.
    pub fn suites(self) -> [Suite; 3] {
        let codename = self.codename();
        [
            Suite {
                archive: "debian",
                name: codename.to_owned(),
            },
            Suite {
                archive: "debian",
                name: format!("{codename}-updates"),
            },
            Suite {
                archive: "debian-security",
                name: format!("{codename}-security"),
            },
        ]
    }

    /// Until when Debian's own teams look after it (<https://wiki.debian.org/LTS>).
    pub fn support(self) -> Support {
        match self {
            Self::Debian12 => Support {
                full: date(2026, 6, 10),
                long_term: Some(date(2028, 6, 30)),
            },
            Self::Debian13 => Support {
                full: date(2028, 8, 9),
                long_term: Some(date(2030, 6, 30)),
            },
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        Self::ALL
            .into_iter()
            .find(|release| release.name() == text)
            .ok_or_else(|| UnknownRelease {
                text: text.to_owned(),
            })
    }
}

/// A suite of a release and the archive that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// `debian` or `debian-security`.
    pub archive: &'static str,
    /// The name of the directory under `dists/`.
    pub name: String,
}

/// The end of support of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The last day with security updates for every architecture.
    pub full: Date,
    /// The last day with security updates for the architectures of long-term support.
    pub long_term: Option<Date>,
}

impl Support {
    /// The last day on which some architecture gets security updates.
    pub fn until(&self) -> Date {
        self.long_term.unwrap_or(self.full)
    }
}

/// An architecture, named as OCI does; the order is the one in which images list their platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// `linux/amd64`
    Amd64,
    /// `linux/arm64/v8`
    Arm64,
    /// `linux/arm/v7`, Debian's armhf
    Arm,
    /// `linux/s390x`
    S390x,
    /// `linux/ppc64le`, Debian's ppc64el
    Ppc64le,
    /// `linux/riscv64`
    Riscv64,
}

impl Architecture {
    /// Every architecture, in the order of platforms in an index.
    pub const ALL: [Self; 6] = [
        Self::Amd64,
        Self::Arm64,
        Self::Arm,
        Self::S390x,
        Self::Ppc64le,
        Self::Riscv64,
    ];

    /// The name that OCI and GOARCH use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::S390x => "s390x",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The variant that distroless gives in platforms: `v7` for arm, `v8` for arm64.
    pub fn variant(self) -> Option<&'static str> {
        match self {
            Self::Arm => Some("v7"),
            Self::Arm64 => Some("v8"),
            _ => None,
        }
    }

    /// Debian's name of it.
    pub fn debian_name(self) -> &'static str {
        match self {
            Self::Arm => "armhf",
            Self::Ppc64le => "ppc64el",
            other => other.name(),
        }
    }

    /// The multiarch triplet, a directory below `/usr/lib`.
    pub fn multiarch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Arm => "arm-linux-gnueabihf",
            Self::S390x => "s390x-linux-gnu",
            Self::Ppc64le => "powerpc64le-linux-gnu",
            Self::Riscv64 => "riscv64-linux-gnu",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    /// Reads OCI's name of an architecture; Debian's names of arm and ppc64le are not taken.
    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == text)
            .ok_or_else(|| UnknownArchitecture {
                text: text.to_owned(),
            })
    }
}

/// There is no such release here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown release {text:?}: use debian12 or debian13")]
pub struct UnknownRelease {
    /// What was asked for.
    pub text: String,
}

/// There is no such architecture here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture {text:?}: use amd64, arm64, arm, s390x, ppc64le or riscv64")]
pub struct UnknownArchitecture {
    /// What was asked for.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn riscv64_is_of_debian13_alone() {
        assert!(!Release::Debian12.architectures().contains(&Architecture::Riscv64));
        assert!(Release::Debian13.architectures().contains(&Architecture::Riscv64));
        assert_eq!(Release::Debian12.architectures().len(), 5);
    }

    #[test]
    fn names_are_read_back() {
        for release in Release::ALL {
            assert_eq!(release.name().parse(), Ok(release));
        }
        for architecture in Architecture::ALL {
            assert_eq!(architecture.name().parse(), Ok(architecture));
        }
        assert!("armhf".parse::<Architecture>().is_err());
        assert!("bookworm".parse::<Release>().is_err());
    }

    #[test]
    fn support_ends_with_long_term_support() {
        assert_eq!(Release::Debian13.support().until(), date(2030, 6, 30));
    }
}
