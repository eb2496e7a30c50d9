//! Putting a lock together, and parts of a lock in the place of others.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::THIS_RELEASE;
use super::{Lock, LockedArchive, LockedImage, LockedPackage};
use crate::emulation::EMULATION_ID;
use crate::release::{Architecture, Release};

/// A lock taken apart: every image with its own packages.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockParts {
    /// By [`LockedArchive::id`].
    pub(crate) archives: BTreeMap<String, LockedArchive>,
    /// By name and variant.
    pub(crate) images: BTreeMap<(String, String), ImagePart>,
}

/// One variant of an image with its packages.
#[derive(Clone, Debug)]
pub(crate) struct ImagePart {
    pub(crate) release: Release,
    pub(crate) specification: String,
    pub(crate) platforms: BTreeMap<Architecture, Vec<LockedPackage>>,
}

impl LockParts {
    /// Sorts everything into a lock of this release of the program.
    pub(crate) fn into_lock(mut self, encoder: archive::Encoder) -> Lock {
        self.unify();
        let all: BTreeSet<&LockedPackage> = self
            .images
            .values()
            .flat_map(|image| image.platforms.values())
            .flatten()
            .collect();
        let packages: Vec<LockedPackage> = all.into_iter().cloned().collect();
        let images = self
            .images
            .into_iter()
            .map(|((name, variant), part)| {
                let positions = |own: Vec<LockedPackage>| {
                    let mut found: Vec<usize> = own
                        .iter()
                        .filter_map(|package| packages.binary_search(package).ok())
                        .collect();
                    found.sort_unstable();
                    found
                };
                let platforms = part
                    .platforms
                    .into_iter()
                    .map(|(arch, own)| (arch, positions(own)))
                    .collect();
                LockedImage {
                    name,
                    variant,
                    release: part.release,
                    specification: part.specification,
                    platforms,
                }
            })
            .collect();
        Lock {
            written_by: THIS_RELEASE.to_owned(),
            encoder: encoder.id().to_owned(),
            emulation: EMULATION_ID.to_owned(),
            archives: self.archives.into_values().collect(),
            packages,
            images,
        }
    }

    /// Within a release, the same file may come from different suites for different architectures; it
    /// needs one line only.
    fn unify(&mut self) {
        let mut first: BTreeMap<FileKey, LockedPackage> = BTreeMap::new();
        for image in self.images.values() {
            for package in image.platforms.values().flatten() {
                let known = first
                    .entry(file_key(image.release, package))
                    .or_insert_with(|| package.clone());
                if package < known {
                    known.clone_from(package);
                }
            }
        }
        for image in self.images.values_mut() {
            for package in image.platforms.values_mut().flatten() {
                if let Some(known) = first.get(&file_key(image.release, package)) {
                    package.clone_from(known);
                }
            }
        }
    }
}

/// Release, name, architecture, version and digest.
type FileKey = (Release, [String; 4]);

fn file_key(release: Release, package: &LockedPackage) -> FileKey {
    let LockedPackage {
        name,
        architecture,
        version,
        sha256,
        ..
    } = package.clone();
    (release, [name, architecture, version, sha256])
}

impl From<&Lock> for LockParts {
    fn from(lock: &Lock) -> Self {
        let part = |image: &LockedImage| ImagePart {
            release: image.release,
            specification: image.specification.clone(),
            platforms: image
                .platforms
                .keys()
                .filter_map(|architecture| {
                    let packages = lock.packages_of(image, *architecture)?;
                    Some((*architecture, packages.into_iter().cloned().collect()))
                })
                .collect(),
        };
        Self {
            archives: lock
                .archives
                .iter()
                .map(|archive| (archive.id(), archive.clone()))
                .collect(),
            images: lock
                .images
                .iter()
                .map(|image| ((image.name.clone(), image.variant.clone()), part(image)))
                .collect(),
        }
    }
}

impl Lock {
    /// This lock with the images of `newer` in it. Other images keep their packages, and so do other
    /// architectures of an image whose specification is the same.
    ///
    /// Of a suite that both have, the later release file counts; indexes that only the earlier one was
    /// read for stay. Archives that no package comes from any more go.
    ///
    /// Both locks are to have the same encoder; the result has that of `newer`.
    #[must_use]
    pub fn updated(&self, newer: &Self) -> Self {
        let (mut parts, new) = (LockParts::from(self), LockParts::from(newer));
        let fresh: BTreeSet<String> = new.archives.keys().cloned().collect();
        for (key, image) in new.images {
            match parts.images.get_mut(&key) {
                Some(old) if old.specification == image.specification => {
                    old.platforms.extend(image.platforms)
                }
                _ => {
                    parts.images.insert(key, image);
                }
            }
        }
        for (id, archive) in new.archives {
            match parts.archives.get_mut(&id) {
                Some(old) => merge_archive(old, archive),
                None => {
                    parts.archives.insert(id, archive);
                }
            }
        }
        let used: BTreeSet<String> = parts
            .images
            .values()
            .flat_map(|image| image.platforms.values())
            .flatten()
            .map(|package| package.archive.clone())
            .collect();
        parts
            .archives
            .retain(|id, _| used.contains(id) || fresh.contains(id));
        let encoder = archive::Encoder::from_id(&newer.encoder).unwrap_or(archive::Encoder::Gzip);
        Self {
            encoder: newer.encoder.clone(),
            emulation: newer.emulation.clone(),
            ..parts.into_lock(encoder)
        }
    }
}

impl Lock {
    /// This lock with only those architectures of images that `keep` wants; images that keep none go.
    #[must_use]
    pub fn narrowed(&self, keep: impl Fn(&LockedImage, Architecture) -> bool) -> Self {
        let mut parts = LockParts::from(self);
        for image in &self.images {
            let key = (image.name.clone(), image.variant.clone());
            let Some(part) = parts.images.get_mut(&key) else {
                continue;
            };
            part.platforms
                .retain(|architecture, _| keep(image, *architecture));
            if part.platforms.is_empty() {
                parts.images.remove(&key);
            }
        }
        let encoder = archive::Encoder::Gzip;
        Self {
            written_by: self.written_by.clone(),
            encoder: self.encoder.clone(),
            emulation: self.emulation.clone(),
            ..parts.into_lock(encoder)
        }
    }
}

fn merge_archive(old: &mut LockedArchive, mut new: LockedArchive) {
    let (mut indexes, later) = (std::mem::take(&mut old.indexes), new.date >= old.date);
    if later {
        indexes.append(&mut new.indexes);
        *old = new;
    } else {
        new.indexes.append(&mut indexes);
        indexes = new.indexes;
    }
    old.indexes = indexes;
}

#[cfg(test)]
mod tests {
    use super::super::tests::small_lock;
    use super::*;

    #[test]
    fn one_file_has_one_line_from_whichever_suite() {
        let lock = small_lock();
        let mut parts = LockParts::from(&lock);
        for image in parts.images.values_mut() {
            let mut packages = image
                .platforms
                .get(&Architecture::Amd64)
                .expect("is there")
                .clone();
            for package in &mut packages {
                package.archive = "debian trixie-updates".to_owned();
            }
            image.platforms.insert(Architecture::Arm64, packages);
        }
        let lock = parts.into_lock(archive::Encoder::Gzip);
        assert_eq!(lock.packages.len(), 2);
        assert!(
            lock.packages
                .iter()
                .all(|package| package.archive == "debian trixie")
        );
    }

    #[test]
    fn a_file_that_two_releases_have_is_told_apart() {
        let lock = small_lock();
        let mut parts = LockParts::from(&lock);
        let key = ("app".to_owned(), "latest".to_owned());
        let mut old = parts.images.get(&key).expect("is there").clone();
        old.release = Release::Debian12;
        for package in old.platforms.values_mut().flatten() {
            package.archive = "debian bookworm".to_owned();
        }
        parts.images.insert(("old".to_owned(), "latest".to_owned()), old);
        let mut archive = lock.archives.first().expect("is there").clone();
        archive.suite = "bookworm".to_owned();
        parts.archives.insert(archive.id(), archive);
        let lock = parts.into_lock(archive::Encoder::Gzip);
        assert_eq!(lock.packages.len(), 4);
        let text = lock.to_text();
        assert_eq!(text.matches("\"amd64\":[\"liba1\",\"tz\"]").count(), 2, "{text}");
        assert_eq!(Lock::parse(text.as_bytes()).expect("is a lock"), lock);
    }

    #[test]
    fn an_update_leaves_other_images_alone() {
        let old = small_lock();
        let mut newer = small_lock();
        for image in &mut newer.images {
            image.name = "other".to_owned();
        }
        for package in &mut newer.packages {
            package.version = "9".to_owned();
            package.sha256 = "9".repeat(64);
        }
        let merged = old.updated(&newer);
        assert_eq!(merged.images.len(), 2);
        assert_eq!(merged.packages.len(), old.packages.len() * 2);
        assert_eq!(
            Lock::parse(merged.to_text().as_bytes()).expect("is a lock"),
            merged
        );
    }

    #[test]
    fn an_update_moves_the_images_that_it_has() {
        let old = small_lock();
        let mut newer = small_lock();
        for package in &mut newer.packages {
            package.version = "9".to_owned();
        }
        for archive in &mut newer.archives {
            archive.date = "2030-01-01T00:00:00Z".parse().expect("a date");
            archive.indexes = [("main/binary-arm64".to_owned(), "c".repeat(64))].into();
        }
        let merged = old.updated(&newer);
        assert!(merged.packages.iter().all(|package| package.version == "9"));
        let archive = merged.archives.first().expect("is there");
        assert_eq!(archive.indexes.len(), 2);
        assert_eq!(
            merged.date().map(|date| date.to_string()).as_deref(),
            Some("2030-01-01T00:00:00Z")
        );
    }
}
