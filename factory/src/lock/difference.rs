//! What has changed between two locks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::{Lock, LockedImage, LockedPackage};
use crate::release::Architecture;

/// What would change if a newer lock took the place of an older one: packages, not dates or digests of
/// indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Images (`NAME:VARIANT`) that only the newer one has.
    pub images_added: Vec<String>,
    /// Images that only the older one has.
    pub images_removed: Vec<String>,
    /// Images whose specification has changed in what decides over packages.
    pub specifications_changed: Vec<String>,
    /// Architectures that come to or go from an image that both have.
    pub platforms: Vec<PlatformChange>,
    /// Changes of packages, each told once with the images and architectures that it is for.
    pub packages: Vec<PackageChange>,
    /// Encoder or emulation, when they change: what they are now and then.
    pub ids: Vec<(String, String)>,
}

/// An architecture of an image that comes or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformChange {
    /// Name and variant.
    pub image: String,
    /// The architecture.
    pub architecture: Architecture,
    /// Whether it comes.
    pub added: bool,
}

/// A package that comes, goes or changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PackageChange {
    /// The package.
    pub package: String,
    /// Its version in the older lock; none if it comes.
    pub old: Option<String>,
    /// Its version in the newer lock; none if it goes. The same as `old` if only the file differs.
    pub new: Option<String>,
    /// The architectures.
    pub architectures: BTreeSet<Architecture>,
    /// The images, `NAME:VARIANT`.
    pub images: BTreeSet<String>,
}

impl Difference {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The changes as people read them, a line each; empty when there are none.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (now, then) in &self.ids {
            let _ = writeln!(out, "{now} → {then}");
        }
        for image in &self.images_added {
            let _ = writeln!(out, "+ image {image}");
        }
        for image in &self.images_removed {
            let _ = writeln!(out, "- image {image}");
        }
        for image in &self.specifications_changed {
            let _ = writeln!(out, "~ specification of {image}");
        }
        for change in &self.platforms {
            let sign = if change.added { '+' } else { '-' };
            let _ = writeln!(out, "{sign} {} for {}", change.image, change.architecture);
        }
        for change in &self.packages {
            let what = match (&change.old, &change.new) {
                (None, Some(new)) => format!("+ {} {new}", change.package),
                (Some(old), None) => format!("- {} {old}", change.package),
                (Some(old), Some(new)) if old == new => format!("~ {} {old}: another file", change.package),
                (Some(old), Some(new)) => format!("~ {} {old} → {new}", change.package),
                (None, None) => continue,
            };
            let architectures: Vec<_> = change.architectures.iter().map(|a| a.name()).collect();
            let _ = writeln!(
                out,
                "{what} ({}) in {}",
                architectures.join(", "),
                some(&change.images)
            );
        }
        out
    }
}

/// The first few of many images.
fn some(images: &BTreeSet<String>) -> String {
    let shown: Vec<_> = images.iter().take(IMAGES_SHOWN).map(String::as_str).collect();
    match images.len().checked_sub(IMAGES_SHOWN) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

const IMAGES_SHOWN: usize = 4;

impl Lock {
    /// What would change if `newer` took the place of this lock.
    pub fn difference(&self, newer: &Self) -> Difference {
        let mut difference = Difference::default();
        for (now, then) in [
            (&self.encoder, &newer.encoder),
            (&self.emulation, &newer.emulation),
        ] {
            if now != then {
                difference.ids.push((now.clone(), then.clone()));
            }
        }
        let mut changes = BTreeMap::new();
        let title = |image: &LockedImage| format!("{}:{}", image.name, image.variant);
        for image in &newer.images {
            match self.image(&image.name, &image.variant) {
                None => difference.images_added.push(title(image)),
                Some(old) => {
                    if old.specification != image.specification {
                        difference.specifications_changed.push(title(image));
                    }
                    self.compare((old, newer, image), &mut difference.platforms, &mut changes);
                }
            }
        }
        let gone = |image: &&LockedImage| newer.image(&image.name, &image.variant).is_none();
        difference.images_removed = self.images.iter().filter(gone).map(title).collect();
        difference.packages = changes
            .into_iter()
            .map(|((package, old, new), (architectures, images))| {
                // The digest only told apart files of one version.
                let version = |side: Option<(String, String)>| side.map(|(version, _)| version);
                PackageChange {
                    package,
                    old: version(old),
                    new: version(new),
                    architectures,
                    images,
                }
            })
            .collect();
        difference
    }

    fn compare(
        &self,
        (old, newer, new): (&LockedImage, &Self, &LockedImage),
        platforms: &mut Vec<PlatformChange>,
        changes: &mut Changes,
    ) {
        let image = format!("{}:{}", new.name, new.variant);
        let all: BTreeSet<_> = old
            .platforms
            .keys()
            .chain(new.platforms.keys())
            .copied()
            .collect();
        for architecture in all {
            let (before, after) = (
                self.packages_of(old, architecture),
                newer.packages_of(new, architecture),
            );
            let (Some(before), Some(after)) = (&before, &after) else {
                platforms.push(PlatformChange {
                    image: image.clone(),
                    architecture,
                    added: before.is_none(),
                });
                continue;
            };
            let (before, after) = (by_name(before), by_name(after));
            let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for name in names {
                let (old, new) = (before.get(*name).cloned(), after.get(*name).cloned());
                if old != new {
                    let entry = changes.entry(((*name).to_owned(), old, new)).or_default();
                    entry.0.insert(architecture);
                    entry.1.insert(image.clone());
                }
            }
        }
    }
}

/// Version and digest.
type Side = Option<(String, String)>;
type Changes = BTreeMap<(String, Side, Side), (BTreeSet<Architecture>, BTreeSet<String>)>;

fn by_name<'p>(packages: &[&'p LockedPackage]) -> BTreeMap<&'p str, (String, String)> {
    packages
        .iter()
        .map(|p| (p.name.as_str(), (p.version.clone(), p.sha256.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::small_lock;
    use super::*;

    #[test]
    fn dates_and_indexes_are_no_change() {
        let old = small_lock();
        let mut new = small_lock();
        for archive in &mut new.archives {
            archive.inrelease_sha256 = "c".repeat(64);
            archive.date = "2030-01-01T00:00:00Z".parse().expect("a date");
        }
        assert!(old.difference(&new).is_empty());
        assert_eq!(old.difference(&new).render(), "");
    }

    #[test]
    fn changes_are_told_once() {
        let old = small_lock();
        let mut new = small_lock();
        if let Some(package) = new.packages.first_mut() {
            package.version = "2".to_owned();
        }
        if let Some(package) = new.packages.last_mut() {
            package.name = "tq".to_owned();
        }
        let expected = "~ liba1 1:1.0-1 → 2 (amd64) in app:latest\n+ tq 1:1.0-1 (amd64) in app:latest\n\
                        - tz 1:1.0-1 (amd64) in app:latest\n";
        assert_eq!(old.difference(&new).render(), expected);
    }

    #[test]
    fn images_and_architectures_come_and_go() {
        let old = small_lock();
        let mut new = small_lock();
        if let Some(image) = new.images.first_mut() {
            let packages = image.platforms.remove(&Architecture::Amd64).expect("is there");
            image.platforms.insert(Architecture::Arm64, packages);
        }
        assert_eq!(
            old.difference(&new).render(),
            "- app:latest for amd64\n+ app:latest for arm64\n"
        );
        new.images.clear();
        assert_eq!(old.difference(&new).render(), "- image app:latest\n");
        assert_eq!(new.difference(&old).render(), "+ image app:latest\n");
    }
}
