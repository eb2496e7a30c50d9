//! A specification in its resolved, flat form: what the later steps of a build need.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use archive::EntryPath;
use debian::PackageName;
use debian::relation::Dependency;

use crate::release::{Architecture, Release, Support};

/// One variant of one image, with its bases and variant merged in and every value checked.
///
/// It holds for all architectures: texts may contain the placeholders of [`Plan::for_architecture`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the image without the variant, such as `cc-debian13`.
    pub name: String,
    /// `latest`, `nonroot`, `debug`, `debug-nonroot`, or a name that the user chose.
    pub variant: String,
    /// What the image is for, in a sentence.
    pub description: Option<String>,
    /// The Debian release.
    pub release: Release,
    /// What the image is made for, in the order of platforms in an index; never empty.
    pub architectures: Vec<Architecture>,
    /// The packages that were asked for; their dependencies come along.
    pub roots: Vec<Dependency>,
    /// Packages that never come in, though something depends on them.
    pub exclude: Vec<Exclude>,
    /// Packages that count as installed without being there.
    pub provide: Vec<Provide>,
    /// Files of packages that are left out.
    pub drop: Vec<Drop>,
    /// Additional archives.
    pub repositories: Vec<UserRepository>,
    /// `/etc/passwd` and `/etc/group`.
    pub accounts: Accounts,
    /// Home directories and their owners, parents first.
    pub homes: Vec<Directory>,
    /// Directories that the specification asks for, parents first.
    pub directories: Vec<Directory>,
    /// Fields of `/usr/lib/os-release` that replace or add to the generated ones.
    pub os_release: BTreeMap<String, String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Environment variables and annotations that carry the version of a package.
    pub versions: Vec<VersionOf>,
    /// `User` of the configuration, as written.
    pub user: String,
    /// `WorkingDir` of the configuration.
    pub workdir: String,
    /// `Entrypoint` of the configuration.
    pub entrypoint: Option<Vec<String>>,
    /// `Cmd` of the configuration.
    pub cmd: Option<Vec<String>>,
    /// `Labels` of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Annotations of manifests and index.
    pub annotations: BTreeMap<String, String>,
    /// `Volumes` of the configuration.
    pub volumes: Vec<String>,
    /// `ExposedPorts` of the configuration, such as `8080/tcp`.
    pub ports: Vec<String>,
    /// `StopSignal` of the configuration.
    pub stop_signal: Option<String>,
    /// Files from disk or inline.
    pub files: Vec<UserFile>,
    /// Directory trees from disk.
    pub trees: Vec<UserTree>,
    /// Archives by URL and digest, unpacked into the image.
    pub archives: Vec<UserArchive>,
    /// Symbolic links.
    pub links: Vec<Link>,
    /// Files and directories of packages that go elsewhere.
    pub moves: Vec<Move>,
    /// Certificate authorities beyond Debian's.
    pub certificates: Vec<Certificate>,
    /// How the tree is cut into layers.
    pub layers: LayerPolicy,
    /// Until when the image gets security updates.
    pub support: Support,
}

impl Plan {
    /// The plan for one architecture: archives of others are gone, and in paths, link targets, files on
    /// disk and URLs `{arch}` (`arm`), `{debian-arch}` (`armhf`) and `{multiarch}`
    /// (`arm-linux-gnueabihf`) are filled in.
    #[must_use]
    pub fn for_architecture(&self, architecture: Architecture) -> Self {
        let mut plan = self.clone();
        let fill = |text: &str| {
            text.replace("{arch}", architecture.name())
                .replace("{debian-arch}", architecture.debian_name())
                .replace("{multiarch}", architecture.multiarch())
        };
        let fill_path = |path: &mut EntryPath| {
            let text = fill(&String::from_utf8_lossy(path.as_bytes()));
            // Not a path any more only if it became too long; then it stays, and is found missing.
            if let Ok(filled) = EntryPath::parse(text.as_bytes()) {
                *path = filled;
            }
        };
        let fill_disk = |path: &mut PathBuf| {
            // A path that is not text has no placeholder that was checked.
            if let Some(text) = path.to_str() {
                *path = PathBuf::from(fill(text));
            }
        };
        plan.archives.retain(|archive| {
            archive.architectures.is_empty() || archive.architectures.contains(&architecture)
        });
        for archive in &mut plan.archives {
            archive.url = fill(&archive.url);
            fill_path(&mut archive.path);
        }
        for directory in plan.homes.iter_mut().chain(&mut plan.directories) {
            fill_path(&mut directory.path);
        }
        for file in &mut plan.files {
            fill_path(&mut file.path);
            if let Text::Disk(path) = &mut file.source {
                fill_disk(path);
            }
        }
        for tree in &mut plan.trees {
            fill_path(&mut tree.path);
            fill_disk(&mut tree.source);
        }
        for link in &mut plan.links {
            fill_path(&mut link.path);
            link.target = fill(&link.target);
        }
        for moved in &mut plan.moves {
            fill_path(&mut moved.from);
            fill_path(&mut moved.to);
        }
        plan.architectures = vec![architecture];
        plan
    }
}

/// A package that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclude {
    /// The package, real or virtual.
    pub package: PackageName,
    /// Only the wishes of these packages are denied; if another package of the image needs it, it comes
    /// in after all. Empty: it never comes in.
    pub from: Vec<PackageName>,
    /// Why the image works without it.
    pub reason: String,
}

/// A package that counts as installed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provide {
    /// The package, real or virtual.
    pub package: PackageName,
    /// The version that versioned relations are compared with; without it, they are not satisfied.
    pub version: Option<debian::version::Version>,
    /// What takes its place.
    pub reason: String,
}

/// Paths that are left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Absolute globs (`*`, `**`, `?`, `[…]`, `{a,b}`); `*` does not cross `/`.
    pub patterns: Vec<String>,
    /// Why nothing misses them.
    pub reason: String,
}

/// An additional archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRepository {
    /// Its name in the lock.
    pub name: String,
    /// The directory above `dists/`; `http`, `https` or `file`.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// The OpenPGP keys that may sign it, armoured or binary.
    pub key: Text,
    /// The packages that may come from it; empty: any.
    pub packages: Vec<PackageName>,
}

/// Text from a file beside the specification, or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A file on disk, already joined with the specification's directory.
    Disk(PathBuf),
    /// The text.
    Inline(String),
}

/// Users and groups, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Lines of `/etc/passwd`.
    pub users: Vec<User>,
    /// Lines of `/etc/group`.
    pub groups: Vec<Group>,
}

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// The comment field.
    pub gecos: String,
    /// Home directory as written, such as `/nonexistent`.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group number.
    pub gid: u32,
    /// Names of users who have it as an additional group.
    pub members: Vec<String>,
}

/// A directory with owner and mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where.
    pub path: EntryPath,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A variable or annotation whose value is a package's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionOf {
    /// The package; it is among those of the image.
    pub package: PackageName,
    /// The environment variable.
    pub environment: Option<String>,
    /// The annotation.
    pub annotation: Option<String>,
}

impl VersionOf {
    /// The value for a package version: without epoch, Debian revision, and what follows a `+`.
    ///
    /// `1:21.0.5+11-1~deb13u1` gives `21.0.5`, `20.19.2+dfsg-1` gives `20.19.2`.
    pub fn value(version: &str) -> String {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        let upstream = upstream.rsplit_once('-').map_or(upstream, |(rest, _)| rest);
        upstream
            .split_once('+')
            .map_or(upstream, |(rest, _)| rest)
            .to_owned()
    }
}

/// A file that the user adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFile {
    /// Where the content comes from.
    pub source: Text,
    /// Where it goes.
    pub path: EntryPath,
    /// Permission bits; without them 0644, or 0755 for a file that its owner may execute on disk.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A directory with all below it that the user adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTree {
    /// The directory on disk, already joined with the specification's directory.
    pub source: PathBuf,
    /// Where its content goes.
    pub path: EntryPath,
    /// Permission bits of its files; as for [`UserFile::mode`]. Directories get 0755.
    pub mode: Option<u32>,
    /// Owner of everything in it.
    pub uid: u32,
    /// Group of everything in it.
    pub gid: u32,
}

/// An archive that is fetched, checked and unpacked into the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserArchive {
    /// For which architectures it is; empty: all.
    pub architectures: Vec<Architecture>,
    /// `http` or `https`, or a path on disk.
    pub url: String,
    /// SHA-256 of the archive.
    pub sha256: [u8; 32],
    /// How many leading components each of its paths loses.
    pub strip: u32,
    /// Globs over its paths after stripping; empty: all.
    pub select: Vec<String>,
    /// Where its content goes.
    pub path: EntryPath,
    /// Permission bits of its files; without them the archive's own, without set-id bits.
    pub mode: Option<u32>,
    /// Owner of everything in it.
    pub uid: u32,
    /// Group of everything in it.
    pub gid: u32,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it lies.
    pub path: EntryPath,
    /// What it says.
    pub target: String,
}

/// A path of a package that goes elsewhere; both are meant after usr-merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the package puts it.
    pub from: EntryPath,
    /// Where the image has it.
    pub to: EntryPath,
}

/// One PEM file with one or more certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Name of the file in the image: `/usr/local/share/ca-certificates/NAME.crt`.
    pub name: String,
    /// The PEM text.
    pub pem: Text,
}

/// How a tree is cut into layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerPolicy {
    /// A layer for every package and every generated or added piece.
    #[default]
    PerPackage,
    /// At most so many layers (2 to 127), cut by source package.
    Budget(u32),
    /// One layer.
    Single,
}

impl fmt::Display for LayerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerPackage => f.write_str("per-package"),
            Self::Budget(layers) => write!(f, "budget:{layers}"),
            Self::Single => f.write_str("single"),
        }
    }
}

impl FromStr for LayerPolicy {
    type Err = UnknownLayerPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownLayerPolicy> {
        let budget = || {
            text.strip_prefix("budget:")?
                .parse()
                .ok()
                .filter(|layers| LAYERS.contains(layers))
        };
        match text {
            "per-package" => Ok(Self::PerPackage),
            "single" => Ok(Self::Single),
            _ => budget().map(Self::Budget).ok_or_else(|| UnknownLayerPolicy {
                text: text.to_owned(),
            }),
        }
    }
}

/// What a budget may be: two layers at least, and no more than container engines take.
const LAYERS: std::ops::RangeInclusive<u32> = 2..=127;

/// There is no such layer policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown layer policy {text:?}: use per-package, budget:N with N from 2 to 127, or single")]
pub struct UnknownLayerPolicy {
    /// What was asked for.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_lose_what_debian_adds() {
        for (version, value) in [
            ("21.0.11+10-1~deb13u1", "21.0.11"),
            ("20.19.2+dfsg-1+deb13u1", "20.19.2"),
            ("1:3.13.5-2", "3.13.5"),
            ("17", "17"),
        ] {
            assert_eq!(VersionOf::value(version), value);
        }
    }

    #[test]
    fn layer_policies_are_read_back() {
        for policy in [
            LayerPolicy::PerPackage,
            LayerPolicy::Single,
            LayerPolicy::Budget(2),
            LayerPolicy::Budget(127),
        ] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        for bad in ["budget:1", "budget:128", "budget:", "each", ""] {
            assert!(bad.parse::<LayerPolicy>().is_err(), "{bad}");
        }
    }
}
