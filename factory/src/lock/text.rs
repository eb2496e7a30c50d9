//! A lock as text: JSON, one line for each package.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use archive::EntryPath;
use debian::{PackageName, Version};
use serde::{Deserialize, Serialize};

use super::{Lock, LockedArchive, LockedImage, LockedPackage};
use crate::release::{Architecture, Release};

/// The version of the format that this program reads and writes.
pub const LOCK_VERSION: u32 = 1;

/// Longest lock, in bytes.
pub const LOCK_BYTES_MAX: usize = 64 << 20;

/// Most packages of a lock.
pub const PACKAGES_MAX: usize = 200_000;

/// Most variants of images in a lock.
pub const IMAGES_MAX: usize = 10_000;

/// Why a text is not a lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is longer than [`LOCK_BYTES_MAX`].
    #[error("the lock is {actual} bytes long, at most {LOCK_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        actual: usize,
    },
    /// It is not the JSON that a lock is.
    #[error("the lock cannot be read")]
    Json(#[from] serde_json::Error),
    /// A later program wrote it.
    #[error(
        "the lock has version {version}, newer than version {LOCK_VERSION}, which this program reads; update lightship"
    )]
    Newer {
        /// Its version.
        version: u32,
    },
    /// It has too many packages or images.
    #[error("the lock has {actual} {what}, at most {limit} are allowed")]
    TooMany {
        /// `packages` or `images`.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// How many may be.
        limit: usize,
    },
    /// A value is not what its field expects.
    #[error("the lock says {value:?} as {field} of {subject}")]
    Value {
        /// The package, archive or image.
        subject: String,
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// Something is there twice.
    #[error("the lock has {subject} twice")]
    Twice {
        /// The package, archive or image.
        subject: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u32,
    written_by: String,
    encoder: String,
    emulation: String,
    archives: Vec<LockedArchive>,
    packages: Vec<LockedPackage>,
    images: Vec<ImageEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageEntry {
    name: String,
    variant: String,
    release: String,
    specification: String,
    /// Packages by name, or by `NAME=VERSION[@ARCHIVE]` when the lock has several of that name for the
    /// release and architecture.
    platforms: BTreeMap<Architecture, Vec<String>>,
}

impl Lock {
    /// Reads a lock, strictly.
    ///
    /// # Errors
    /// When it is not one, a later program wrote it, or it contradicts itself.
    pub fn parse(text: &[u8]) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object that begins with a version")]
        struct Version {
            version: u32,
        }
        if text.len() > LOCK_BYTES_MAX {
            return Err(LockError::TooLong { actual: text.len() });
        }
        let Version { version } = serde_json::from_slice(text)?;
        if version != LOCK_VERSION {
            return Err(LockError::Newer { version });
        }
        let file: LockFile = serde_json::from_slice(text)?;
        check_count("packages", file.packages.len(), PACKAGES_MAX)?;
        check_count("images", file.images.len(), IMAGES_MAX)?;
        check_archives(&file.archives)?;
        check_packages(&file.packages, &file.archives)?;
        let names = Names::new(&file.packages);
        let mut images = Vec::with_capacity(file.images.len());
        let mut seen = BTreeSet::new();
        for entry in file.images {
            if !seen.insert((entry.name.clone(), entry.variant.clone())) {
                return Err(LockError::Twice {
                    subject: format!("{}:{}", entry.name, entry.variant),
                });
            }
            images.push(read_image(entry, &names)?);
        }
        Ok(Self {
            written_by: file.written_by,
            encoder: file.encoder,
            emulation: file.emulation,
            archives: file.archives,
            packages: file.packages,
            images,
        })
    }

    /// The lock as text, ending with a newline: the same lock gives the same bytes.
    pub fn to_text(&self) -> String {
        let names = Names::new(&self.packages);
        let mut out = format!("{{\n\"version\": {LOCK_VERSION},\n");
        for (field, value) in [
            ("written_by", &self.written_by),
            ("encoder", &self.encoder),
            ("emulation", &self.emulation),
        ] {
            let _ = writeln!(out, "\"{field}\": {},", json(value));
        }
        list(&mut out, "archives", self.archives.iter().map(json));
        out.push_str(",\n");
        list(&mut out, "packages", self.packages.iter().map(json));
        out.push_str(",\n");
        list(
            &mut out,
            "images",
            self.images
                .iter()
                .map(|image| image_text(image, &self.packages, &names)),
        );
        out.push_str("\n}\n");
        out
    }
}

fn list(out: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let _ = write!(out, "\"{name}\": [");
    for (index, line) in lines.enumerate() {
        let separator = if index == 0 { "\n" } else { ",\n" };
        let _ = write!(out, "{separator}{line}");
    }
    out.push_str("\n]");
}

/// JSON on one line.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn image_text(image: &LockedImage, packages: &[LockedPackage], names: &Names<'_>) -> String {
    let mut out = format!(
        "{{\"name\":{},\"variant\":{},\"release\":{},\"specification\":{},\"platforms\":{{",
        json(&image.name),
        json(&image.variant),
        json(&image.release.name()),
        json(&image.specification)
    );
    for (index, (architecture, positions)) in image.platforms.iter().enumerate() {
        let platform = Platform {
            release: image.release,
            architecture: *architecture,
        };
        let references: Vec<_> = positions
            .iter()
            .filter_map(|at| packages.get(*at))
            .map(|package| names.reference(platform, package))
            .collect();
        let separator = if index == 0 { "\n" } else { ",\n" };
        let _ = write!(out, "{separator}\"{architecture}\":{}", json(&references));
    }
    out.push_str("\n}}");
    out
}

/// Packages and their positions, by name.
struct Names<'p>(BTreeMap<&'p str, Vec<(usize, &'p LockedPackage)>>);

impl<'p> Names<'p> {
    fn new(packages: &'p [LockedPackage]) -> Self {
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (position, package) in packages.iter().enumerate() {
            names
                .entry(package.name.as_str())
                .or_default()
                .push((position, package));
        }
        Self(names)
    }

    /// The packages of that name that an image of a release and architecture can have.
    fn candidates(&self, platform: Platform, name: &str) -> Vec<(usize, &'p LockedPackage)> {
        let named = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let fits = |package: &LockedPackage| {
            let own = platform.architecture.debian_name();
            (package.architecture == own || package.architecture == "all")
                && can_be_of(package, platform.release)
        };
        named
            .iter()
            .copied()
            .filter(|(_, package)| fits(package))
            .collect()
    }

    /// `NAME`; with `=VERSION` when there are several; with `@ARCHIVE` when that is still not enough.
    fn reference(&self, platform: Platform, package: &LockedPackage) -> String {
        let candidates = self.candidates(platform, &package.name);
        let same_version = candidates
            .iter()
            .filter(|(_, other)| other.version == package.version)
            .count();
        match (candidates.len(), same_version) {
            (1, _) => package.name.clone(),
            (_, 1) => format!("{}={}", package.name, package.version),
            _ => format!("{}={}@{}", package.name, package.version, package.archive),
        }
    }

    fn position(&self, platform: Platform, reference: &str) -> Option<usize> {
        let (name, version) = reference
            .split_once('=')
            .map_or((reference, None), |(name, rest)| (name, Some(rest)));
        let (version, archive) = match version.and_then(|rest| rest.split_once('@')) {
            None => (version, None),
            Some((version, archive)) => (Some(version), Some(archive)),
        };
        let mut found = self
            .candidates(platform, name)
            .into_iter()
            .filter(|(_, package)| {
                version.is_none_or(|version| version == package.version)
                    && archive.is_none_or(|archive| archive == package.archive)
            });
        let position = found.next()?.0;
        if found.next().is_some() {
            None
        } else {
            Some(position)
        }
    }
}

/// What an image is made of and for: it decides which packages a name may mean.
#[derive(Clone, Copy)]
struct Platform {
    release: Release,
    architecture: Architecture,
}

/// Whether a package does not come from a suite of another Debian release.
fn can_be_of(package: &LockedPackage, release: Release) -> bool {
    let others = Release::ALL.into_iter().filter(|other| *other != release);
    let suites = others.flat_map(Release::suites);
    let mut ids = suites.map(|suite| format!("{} {}", suite.archive, suite.name));
    !ids.any(|id| id == package.archive)
}

fn read_image(entry: ImageEntry, names: &Names<'_>) -> Result<LockedImage, LockError> {
    let subject = format!("{}:{}", entry.name, entry.variant);
    let bad = |field, value: &str| LockError::Value {
        subject: subject.clone(),
        field,
        value: value.to_owned(),
    };
    let release: Release = entry
        .release
        .parse()
        .map_err(|_| bad("release", &entry.release))?;
    if !is_sha256(&entry.specification) {
        return Err(bad("specification", &entry.specification));
    }
    let mut platforms = BTreeMap::new();
    for (architecture, references) in entry.platforms {
        let platform = Platform {
            release,
            architecture,
        };
        let mut positions = Vec::with_capacity(references.len());
        for reference in &references {
            positions.push(
                names
                    .position(platform, reference)
                    .ok_or_else(|| bad("package", reference))?,
            );
        }
        if !positions.is_sorted_by(|a, b| a < b) {
            return Err(bad("order of packages", architecture.name()));
        }
        platforms.insert(architecture, positions);
    }
    Ok(LockedImage {
        name: entry.name,
        variant: entry.variant,
        release,
        specification: entry.specification,
        platforms,
    })
}

fn check_archives(archives: &[LockedArchive]) -> Result<(), LockError> {
    let mut seen = BTreeSet::new();
    for archive in archives {
        let id = archive.id();
        let bad = |field, value: &str| LockError::Value {
            subject: id.clone(),
            field,
            value: value.to_owned(),
        };
        if archive.name.contains(['/', ' ']) || archive.name.is_empty() {
            return Err(bad("name", &archive.name));
        }
        for (field, digest) in [
            ("inrelease_sha256", Some(&archive.inrelease_sha256)),
            ("key_sha256", archive.key_sha256.as_ref()),
        ] {
            if let Some(digest) = digest.filter(|digest| !is_sha256(digest)) {
                return Err(bad(field, digest));
            }
        }
        if let Some(digest) = archive.indexes.values().find(|digest| !is_sha256(digest)) {
            return Err(bad("indexes", digest));
        }
        if !seen.insert(id.clone()) {
            return Err(LockError::Twice { subject: id });
        }
    }
    Ok(())
}

fn check_packages(packages: &[LockedPackage], archives: &[LockedArchive]) -> Result<(), LockError> {
    let archives: BTreeSet<_> = archives.iter().map(LockedArchive::id).collect();
    let mut seen = BTreeSet::new();
    for package in packages {
        let bad = |field, value: &str| LockError::Value {
            subject: package.name.clone(),
            field,
            value: value.to_owned(),
        };
        if package.name.parse::<PackageName>().is_err() {
            return Err(bad("name", &package.name));
        }
        if package.source.parse::<PackageName>().is_err() {
            return Err(bad("source", &package.source));
        }
        for (field, version) in [
            ("version", &package.version),
            ("source_version", &package.source_version),
        ] {
            if version.parse::<Version>().is_err() {
                return Err(bad(field, version));
            }
        }
        let known = package.architecture == "all"
            || Architecture::ALL
                .iter()
                .any(|known| known.debian_name() == package.architecture);
        if !known {
            return Err(bad("architecture", &package.architecture));
        }
        if !EntryPath::parse(package.path.as_bytes()).is_ok_and(|path| !path.is_root()) {
            return Err(bad("path", &package.path));
        }
        if !is_sha256(&package.sha256) {
            return Err(bad("sha256", &package.sha256));
        }
        if !archives.contains(&package.archive) {
            return Err(bad("archive", &package.archive));
        }
        if !seen.insert((
            &package.name,
            &package.architecture,
            &package.version,
            &package.archive,
        )) {
            return Err(LockError::Twice {
                subject: format!("{} {}", package.name, package.version),
            });
        }
    }
    Ok(())
}

fn check_count(what: &'static str, actual: usize, limit: usize) -> Result<(), LockError> {
    if actual > limit {
        Err(LockError::TooMany { what, actual, limit })
    } else {
        Ok(())
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
