//! Which packages an image needs, for one architecture: all of its roots together.

mod compare;
mod explain;
mod report;
mod solve;
mod universe;
mod walk;

pub use compare::{VersionDifference, version_differences};

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::architecture::Architecture;
use crate::control::PackageName;
use crate::index::{IndexError, PackageIndex, Record};
use crate::relation::Dependency;
use crate::version::Version;
use solve::{Outcome, SearchOptions};
use universe::Universe;

/// What is to be resolved.
pub struct Request<'r> {
    /// What needs the roots, for explanations: the name of an image.
    pub subject: String,
    /// The architecture of the image. Packages for it and for `all` are candidates.
    pub architecture: Architecture,
    /// What the image needs, joined by "and".
    pub roots: Vec<Dependency>,
    /// Packages that are never installed. A relation is dropped when only these would satisfy it.
    pub exclude: BTreeSet<PackageName>,
    /// Packages that are taken to be there already.
    pub provide: Vec<Provided>,
    /// Where packages come from; the first that has a version wins.
    pub indexes: &'r [Candidates<'r>],
}

/// An index whose packages may be chosen.
pub struct Candidates<'r> {
    /// The index.
    pub index: &'r PackageIndex,
    /// The only packages to take from it; all, when there is no such set.
    pub allow: Option<BTreeSet<PackageName>>,
    /// The caller's number of the archive, given back in [`Resolved::archive`].
    pub id: usize,
    /// The caller's name of it for explanations, such as the suite.
    pub name: String,
}

/// A package that is taken to be there, without coming from an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// Its name, real or virtual.
    pub name: PackageName,
    /// Its version. Without one it satisfies every relation to the name, whatever version that asks for.
    pub version: Option<Version>,
}

/// A package that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What its index says of it.
    pub record: Record,
    /// The [`Candidates::id`] of that index.
    pub archive: usize,
}

/// The packages of one image for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// Sorted by name, one version of each.
    pub packages: Vec<Resolved>,
    /// Relations that nothing in `packages` satisfies, because of `exclude` or `provide`.
    pub dropped: Vec<Dropped>,
    /// Entries of `exclude` without which the result would be the same.
    pub unused_exclude: Vec<PackageName>,
    /// Entries of `provide` that satisfy nothing that `packages` does not satisfy anyway.
    pub unused_provide: Vec<Provided>,
}

/// A relation that was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The package that has the relation; a root, when there is none.
    pub package: Option<PackageName>,
    /// The relation.
    pub dependency: Dependency,
    /// The entry of `exclude` or `provide` that it was dropped for.
    pub because_of: PackageName,
}

/// Why there is no resolution.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The relations contradict each other, or name what no index has.
    #[error("no set of packages satisfies {subject} on {architecture}:\n{explanation}")]
    Unsolvable {
        /// [`Request::subject`].
        subject: String,
        /// [`Request::architecture`].
        architecture: Architecture,
        /// The packages and relations that collide, in words: a line each, some 20 at most.
        explanation: String,
    },
    /// A root can only be satisfied by excluded packages.
    #[error("{subject} needs {root}, but {excluded} is excluded")]
    RootExcluded {
        /// [`Request::subject`].
        subject: String,
        /// The root.
        root: Dependency,
        /// The entry of `exclude`.
        excluded: PackageName,
    },
    /// An index turned out to be malformed where it was looked at.
    #[error("the index of {archive} is malformed")]
    Index {
        /// [`Candidates::name`].
        archive: String,
        /// What is wrong with it.
        #[source]
        error: IndexError,
    },
}

/// Chooses the packages that satisfy all roots together, with all that these depend on.
///
/// `Pre-Depends` and `Depends` are followed, `Conflicts` and `Breaks` respected, one version of each package chosen;
/// `Recommends` are not followed, and essential packages are not taken to be there. Of several that would do, preferred
/// are: what is chosen already, the earlier alternative, the real package to those that provide its name, the essential
/// one, the higher priority, the newer version, the earlier name. Nothing is chosen that is not needed. The same
/// request gives the same resolution, always.
///
/// # Errors
/// See [`ResolveError`].
///
/// Spec: Debian Policy 7, deb-control(5).
pub fn resolve(request: &Request<'_>) -> Result<Resolution, ResolveError> {
    let universe = RefCell::new(Universe::new(request));
    report::check_roots(&mut universe.borrow_mut())?;
    let preferred = walk::walk(&mut universe.borrow_mut(), None)?
        .into_iter()
        .collect();
    let choices = match solve::search(
        &universe,
        SearchOptions {
            preferred,
            facts: None,
        },
    )? {
        Outcome::Solved(choices) => choices,
        Outcome::Unsolvable(visited) => {
            return Err(ResolveError::Unsolvable {
                subject: request.subject.clone(),
                architecture: request.architecture.clone(),
                explanation: explain::explain(&universe, &visited)?,
            });
        }
    };
    // The search may have taken something for a need that a later choice satisfies too.
    let needed = walk::walk(&mut universe.borrow_mut(), Some(&choices))?;
    report::report(&mut universe.borrow_mut(), &needed)
}

#[cfg(test)]
mod tests;
