//! Which packages an image needs, for one architecture: all of its roots together.

use std::collections::BTreeSet;

use crate::architecture::Architecture;
use crate::control::PackageName;
use crate::index::{IndexError, PackageIndex, Record};
use crate::relation::Dependency;
use crate::version::Version;

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

/// Chooses the packages that satisfy all roots, deterministically.
pub fn resolve(request: &Request<'_>) -> Result<Resolution, ResolveError> {
    let _ = request;
    todo!()
}
