//! How often versions are pulled and pushed: counted in memory, written in batches and in nobody's way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use oci::Digest;
use store::{Counted, PackagePath, Usage};

/// Versions that are counted between two batches; of more, only those are.
const VERSIONS_MAX: usize = 65_536;

/// Counts since the last batch.
#[derive(Debug, Default)]
pub(crate) struct UsageCounts(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    packages: HashMap<PackagePath, HashMap<Digest, OfVersion>>,
    versions: usize,
}

#[derive(Debug, Default)]
struct OfVersion {
    pulls: Option<Counted>,
    pushes: Option<Counted>,
}

impl UsageCounts {
    /// A manifest was sent.
    pub(crate) fn pulled(&self, package: &PackagePath, digest: &Digest, now: Timestamp) {
        self.count(package, digest, |version| add(&mut version.pulls, now));
    }

    /// A manifest was stored.
    pub(crate) fn pushed(&self, package: &PackagePath, digest: &Digest, now: Timestamp) {
        self.count(package, digest, |version| add(&mut version.pushes, now));
    }

    fn count(&self, package: &PackagePath, digest: &Digest, add: impl FnOnce(&mut OfVersion)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { packages, versions } = &mut *counts;
        // The name of a package is copied only when it is new.
        let of_package = match packages.get_mut(package) {
            Some(of_package) => of_package,
            None if *versions < VERSIONS_MAX => packages.entry(package.clone()).or_default(),
            None => return,
        };
        match of_package.entry(*digest) {
            Entry::Occupied(mut entry) => add(entry.get_mut()),
            Entry::Vacant(entry) if *versions < VERSIONS_MAX => {
                *versions += 1;
                add(entry.insert(OfVersion::default()));
            }
            Entry::Vacant(_) => {}
        }
    }

    /// What was counted of a version and is not written yet: pulls and pushes.
    pub(crate) fn of(&self, package: &PackagePath, digest: &Digest) -> (Option<Counted>, Option<Counted>) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = counts
            .packages
            .get(package)
            .and_then(|of_package| of_package.get(digest));
        found.map_or((None, None), |version| (version.pulls, version.pushes))
    }

    /// What was counted, to be written; counting begins anew.
    pub(crate) fn take(&self) -> Vec<Usage> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let of_package = |(package, versions): (PackagePath, HashMap<Digest, OfVersion>)| {
            versions.into_iter().map(move |(digest, version)| Usage {
                package: package.clone(),
                digest,
                pulls: version.pulls,
                pushes: version.pushes,
            })
        };
        counts.packages.into_iter().flat_map(of_package).collect()
    }
}

fn add(counted: &mut Option<Counted>, now: Timestamp) {
    let count = counted.map_or(0, |counted| counted.count);
    *counted = Some(Counted {
        count: count.saturating_add(1),
        last: now,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> PackagePath {
        PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn pulls_and_pushes_are_counted_until_they_are_taken() {
        let counts = UsageCounts::default();
        let (package, digest) = (package("a"), Digest::sha256_of(b"1"));
        let at = |second| Timestamp::from_second(second).unwrap();
        counts.pulled(&package, &digest, at(1));
        counts.pulled(&package, &digest, at(2));
        counts.pushed(&package, &digest, at(3));
        assert_eq!(counts.of(&package, &digest).0.map(|pulls| pulls.count), Some(2));
        let counted = |count, last| {
            Some(Counted {
                count,
                last: at(last),
            })
        };
        assert_eq!(
            counts.take(),
            [Usage {
                package,
                digest,
                pulls: counted(2, 2),
                pushes: counted(1, 3),
            }]
        );
        assert_eq!(counts.take(), []);
    }

    #[test]
    fn as_many_versions_are_counted_as_may_be_and_no_more() {
        let counts = UsageCounts::default();
        let a = package("a");
        for number in 0..=VERSIONS_MAX {
            let digest = Digest::sha256_of(&number.to_be_bytes());
            counts.pulled(&a, &digest, Timestamp::UNIX_EPOCH);
        }
        counts.pulled(&package("b"), &Digest::sha256_of(b"b"), Timestamp::UNIX_EPOCH);
        assert_eq!(counts.take().len(), VERSIONS_MAX);
    }
}
