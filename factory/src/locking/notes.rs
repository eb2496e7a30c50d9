//! What is worth knowing about a lock that was made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;

use super::resolve::Gathered;
use crate::lock::LockParts;
use crate::release::Architecture;
use crate::specification::Plan;

/// Something that a person should know about a lock, though it is no error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// Architectures of an image have different versions of a package.
    VersionsDiffer {
        /// The package.
        package: String,
        /// The version for each architecture.
        versions: BTreeMap<Architecture, String>,
        /// The images, by name.
        images: Vec<String>,
    },
    /// A suite does not have an architecture that the release has: it gets no updates from there.
    SuiteLacksArchitecture {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: Architecture,
        /// The end of support of images for that architecture.
        until: Date,
    },
    /// An `exclude` or `provide` changes nothing on any architecture.
    Unused {
        /// The image.
        image: String,
        /// The package.
        package: String,
    },
    /// A package that a base leaves out came in, since another package needs it.
    Needed {
        /// The image.
        image: String,
        /// The package that came in.
        package: String,
        /// Which one needs it.
        by: String,
    },
}

impl Note {
    /// Whether it should be shown without asking.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::VersionsDiffer { .. } | Self::SuiteLacksArchitecture { .. } | Self::Unused { .. } => true,
            Self::Needed { .. } => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionsDiffer {
                package,
                versions,
                images,
            } => {
                let mut by_version: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for (architecture, version) in versions {
                    by_version.entry(version).or_default().push(architecture.name());
                }
                let versions: Vec<_> = by_version
                    .iter()
                    .map(|(version, on)| format!("{version} on {}", on.join(", ")))
                    .collect();
                write!(f, "{package} has different versions: {}", versions.join("; "))?;
                match images.split_first() {
                    Some((first, rest)) if !rest.is_empty() => {
                        write!(f, " (in {first} and {} more)", rest.len())
                    }
                    _ => write!(f, " (in {})", images.join(", ")),
                }
            }
            Self::SuiteLacksArchitecture {
                suite,
                architecture,
                until,
            } => {
                write!(
                    f,
                    "{suite} has no {architecture}: support of images for it ended or ends on {until}"
                )
            }
            Self::Unused { image, package } => {
                write!(f, "{image}: leaving out or providing {package} changes nothing")
            }
            Self::Needed { image, package, by } => {
                write!(
                    f,
                    "{image}: {package}, which a base leaves out, comes in because {by} needs it"
                )
            }
        }
    }
}

pub(super) fn collect(plans: &[Plan], gathered: &Gathered, parts: &LockParts) -> Vec<Note> {
    let mut notes = BTreeSet::new();
    versions(parts, &mut notes);
    for plan in plans {
        let Some(part) = parts.images.get(&(plan.name.clone(), plan.variant.clone())) else {
            continue;
        };
        let solution = |architecture| {
            gathered
                .solutions
                .get(&(part.specification.clone(), architecture))
        };
        let own: Vec<_> = plan
            .architectures
            .iter()
            .filter_map(|architecture| solution(*architecture))
            .collect();
        for solution in &own {
            for (package, by) in &solution.lifted {
                notes.insert(Note::Needed {
                    image: plan.name.clone(),
                    package: package.to_string(),
                    by: by.to_string(),
                });
            }
        }
        let Some((first, rest)) = own.split_first() else {
            continue;
        };
        for package in &first.unused {
            let lifted = own
                .iter()
                .any(|solution| solution.lifted.iter().any(|(lifted, _)| lifted == package));
            if !lifted && rest.iter().all(|other| other.unused.contains(package)) {
                notes.insert(Note::Unused {
                    image: plan.name.clone(),
                    package: package.to_string(),
                });
            }
        }
        for architecture in part.platforms.keys() {
            for (suite, read) in gathered.coverage.get(&plan.release).into_iter().flatten() {
                if !read.contains(architecture) {
                    notes.insert(Note::SuiteLacksArchitecture {
                        suite: suite.clone(),
                        architecture: *architecture,
                        until: plan.support.full,
                    });
                }
            }
        }
    }
    notes.into_iter().collect()
}

/// One note for each package and set of versions, however many images have it.
fn versions(parts: &LockParts, notes: &mut BTreeSet<Note>) {
    let mut differing: BTreeMap<(String, BTreeMap<Architecture, String>), BTreeSet<String>> = BTreeMap::new();
    for ((name, _), part) in &parts.images {
        let mut packages: BTreeMap<&str, BTreeMap<Architecture, String>> = BTreeMap::new();
        for (architecture, own) in &part.platforms {
            for package in own {
                let versions = packages.entry(&package.name).or_default();
                versions.insert(*architecture, without_rebuild(&package.version).to_owned());
            }
        }
        for (package, versions) in packages {
            if versions.values().collect::<BTreeSet<_>>().len() > 1 {
                differing
                    .entry((package.to_owned(), versions))
                    .or_default()
                    .insert(name.clone());
            }
        }
    }
    for ((package, versions), images) in differing {
        notes.insert(Note::VersionsDiffer {
            package,
            versions,
            images: images.into_iter().collect(),
        });
    }
}

/// A rebuild for one architecture (`+b1`) is made of the same source.
fn without_rebuild(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((source, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            source
        }
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rebuilds_are_no_other_version() {
        assert_eq!(without_rebuild("1:1.37.0-6+b9"), "1:1.37.0-6");
        assert_eq!(without_rebuild("1.0-1+bpo12"), "1.0-1+bpo12");
        assert_eq!(without_rebuild("1.0-1"), "1.0-1");
    }
}
