//! From plans and indexes to a lock: no waiting, no network, all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::Encoder;
use debian::index::PackageIndex;
use debian::resolver::{Candidates, Provided, Request, Resolution, ResolveError, Resolved};
use debian::{PackageName, relation::Dependency};
use rayon::prelude::*;

use super::notes::{self, Note};
use crate::lock::{ImagePart, Lock, LockParts, LockedArchive, LockedPackage, hex, specification_digest};
use crate::release::{Architecture, Release};
use crate::specification::Plan;

/// A suite that was read, with its package indexes.
#[derive(Clone, Debug)]
pub struct SuiteIndexes {
    /// How the lock names it.
    pub archive: LockedArchive,
    /// The only packages that may come from it; `None`: any.
    pub allow: Option<BTreeSet<PackageName>>,
    /// Its indexes for each architecture, one for each component.
    pub indexes: BTreeMap<Architecture, Vec<Arc<PackageIndex>>>,
}

/// The suites that the images of one set are resolved against, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Suites {
    /// Suites of Debian itself, by release.
    pub releases: BTreeMap<Release, Vec<SuiteIndexes>>,
    /// Additional archives, by the name that specifications give them.
    pub repositories: BTreeMap<String, SuiteIndexes>,
}

/// What resolving gave.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// What is worth knowing about it.
    pub notes: Vec<Note>,
}

/// The packages of an image could not be decided.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {image} for {architecture}")]
pub struct UnresolvedImage {
    /// Name and variant.
    pub image: String,
    /// The architecture.
    pub architecture: Architecture,
    /// Why.
    #[source]
    pub reason: ResolveError,
}

/// Resolves every plan for every one of its architectures that `architectures` has and that its release's
/// suites were read for. Variants that ask for the same packages are resolved once.
///
/// Deterministic, whatever the number of threads.
///
/// # Errors
/// The first image, in the order of `plans`, that has no resolution.
pub fn resolve(
    plans: &[Plan],
    architectures: &[Architecture],
    suites: &Suites,
    encoder: Encoder,
) -> Result<Locked, UnresolvedImage> {
    let mut gathered = Gathered::default();
    for architecture in architectures {
        gathered.add(plans, *architecture, suites);
    }
    gathered.finish(plans, encoder)
}

/// What was resolved so far, without the indexes that it was resolved against: those of all architectures
/// together would not fit into the memory that we may use.
#[derive(Default)]
pub(super) struct Gathered {
    archives: BTreeMap<String, LockedArchive>,
    /// Which architectures were read of each suite of a release.
    pub(super) coverage: BTreeMap<Release, BTreeMap<String, BTreeSet<Architecture>>>,
    /// By specification digest and architecture.
    pub(super) solutions: BTreeMap<(String, Architecture), Solution>,
    failures: BTreeMap<(String, Architecture), ResolveError>,
}

impl Gathered {
    /// Resolves the plans for one architecture.
    pub(super) fn add(&mut self, plans: &[Plan], architecture: Architecture, suites: &Suites) {
        let mut jobs: BTreeMap<String, &Plan> = BTreeMap::new();
        for plan in plans
            .iter()
            .filter(|plan| plan.architectures.contains(&architecture))
        {
            if suites.has(plan, architecture) {
                jobs.entry(specification_digest(plan)).or_insert(plan);
            }
        }
        let solved: Vec<_> = jobs
            .into_par_iter()
            .map(|(digest, plan)| (digest, solve(plan, architecture, suites)))
            .collect();
        for (digest, solved) in solved {
            match solved {
                Ok(solution) => drop(self.solutions.insert((digest, architecture), solution)),
                Err(reason) => drop(self.failures.insert((digest, architecture), reason)),
            }
        }
        self.remember(architecture, suites);
    }

    /// Keeps what the lock says of the suites.
    fn remember(&mut self, architecture: Architecture, suites: &Suites) {
        for suite in suites
            .releases
            .values()
            .flatten()
            .chain(suites.repositories.values())
        {
            let known = self
                .archives
                .entry(suite.archive.id())
                .or_insert_with(|| suite.archive.clone());
            known.indexes.extend(suite.archive.indexes.clone());
        }
        for (release, list) in &suites.releases {
            let coverage = self.coverage.entry(*release).or_default();
            for suite in list {
                let read = coverage.entry(suite.archive.suite.clone()).or_default();
                if suite.indexes.contains_key(&architecture) {
                    read.insert(architecture);
                }
            }
        }
    }

    /// Takes in what was resolved elsewhere.
    pub(super) fn absorb(&mut self, other: Self) {
        for (id, archive) in other.archives {
            let indexes = archive.indexes.clone();
            self.archives.entry(id).or_insert(archive).indexes.extend(indexes);
        }
        for (release, suites) in other.coverage {
            let coverage = self.coverage.entry(release).or_default();
            for (suite, read) in suites {
                coverage.entry(suite).or_default().extend(read);
            }
        }
        self.solutions.extend(other.solutions);
        self.failures.extend(other.failures);
    }

    /// The lock of everything that was added.
    pub(super) fn finish(mut self, plans: &[Plan], encoder: Encoder) -> Result<Locked, UnresolvedImage> {
        let mut images = BTreeMap::new();
        for plan in plans {
            let digest = specification_digest(plan);
            for architecture in &plan.architectures {
                if let Some(reason) = self.failures.remove(&(digest.clone(), *architecture)) {
                    let image = format!("{}:{}", plan.name, plan.variant);
                    return Err(UnresolvedImage {
                        image,
                        architecture: *architecture,
                        reason,
                    });
                }
            }
            let platforms = plan
                .architectures
                .iter()
                .filter_map(|architecture| {
                    let solution = self.solutions.get(&(digest.clone(), *architecture))?;
                    Some((*architecture, solution.packages.clone()))
                })
                .collect();
            let part = ImagePart {
                release: plan.release,
                specification: digest,
                platforms,
            };
            images.insert((plan.name.clone(), plan.variant.clone()), part);
        }
        let parts = LockParts {
            archives: std::mem::take(&mut self.archives),
            images,
        };
        let notes = notes::collect(plans, &self, &parts);
        Ok(Locked {
            lock: parts.into_lock(encoder),
            notes,
        })
    }
}

/// The packages of a plan for one architecture.
pub(super) struct Solution {
    pub(super) packages: Vec<LockedPackage>,
    /// Excludes and provides that changed nothing.
    pub(super) unused: Vec<PackageName>,
    /// Excludes that hold for other packages only: the package, and which one needed it.
    pub(super) lifted: Vec<(PackageName, PackageName)>,
}

/// Resolves until every exclude that is for certain packages only denies nobody else.
fn solve(plan: &Plan, architecture: Architecture, suites: &Suites) -> Result<Solution, ResolveError> {
    let asked = suites.of(plan);
    let mut candidates = Vec::new();
    for (id, suite) in asked.iter().enumerate() {
        for index in suite.indexes.get(&architecture).into_iter().flatten() {
            let (allow, name) = (suite.allow.clone(), suite.archive.suite.clone());
            candidates.push(Candidates {
                index,
                allow,
                id,
                name,
            });
        }
    }
    let mut exclude: BTreeSet<PackageName> = plan
        .exclude
        .iter()
        .map(|exclude| exclude.package.clone())
        .collect();
    let mut lifted = Vec::new();
    loop {
        let request = Request {
            subject: plan.name.clone(),
            architecture: debian_architecture(architecture),
            roots: plan.roots.clone(),
            exclude: exclude.clone(),
            provide: plan.provide.iter().map(provided).collect(),
            indexes: &candidates,
        };
        let resolution = debian::resolver::resolve(&request)?;
        // One more exclude goes in each round, so there are no more rounds than excludes.
        let Some((package, needed_by)) = wrongly_denied(plan, &exclude, &resolution) else {
            return Ok(solution(&resolution, &asked, lifted));
        };
        exclude.remove(&package);
        lifted.push((package, needed_by));
    }
}

/// An excluded package, and one that is not among those whose wish for it is denied but has that wish.
fn wrongly_denied(
    plan: &Plan,
    exclude: &BTreeSet<PackageName>,
    resolution: &Resolution,
) -> Option<(PackageName, PackageName)> {
    let restricted = || {
        plan.exclude
            .iter()
            .filter(|entry| !entry.from.is_empty() && exclude.contains(&entry.package))
    };
    for dropped in &resolution.dropped {
        let Some(dependent) = &dropped.package else {
            continue;
        };
        let named = |dependency: &Dependency, package: &PackageName| {
            dependency
                .alternatives
                .iter()
                .any(|relation| relation.name == *package)
        };
        let denied = restricted().find(|entry| {
            (dropped.because_of == entry.package || named(&dropped.dependency, &entry.package))
                && !entry.from.contains(dependent)
        });
        // If any of the relation's excludes is meant for this dependent, the relation is rightly dropped.
        let meant = plan.exclude.iter().any(|entry| {
            exclude.contains(&entry.package)
                && named(&dropped.dependency, &entry.package)
                && (entry.from.is_empty() || entry.from.contains(dependent))
        });
        if let (Some(entry), false) = (denied, meant) {
            return Some((entry.package.clone(), dependent.clone()));
        }
    }
    None
}

fn solution(
    resolution: &Resolution,
    asked: &[&SuiteIndexes],
    lifted: Vec<(PackageName, PackageName)>,
) -> Solution {
    let packages = resolution
        .packages
        .iter()
        .filter_map(|resolved| Some(locked_package(resolved, &asked.get(resolved.archive)?.archive)))
        .collect();
    let provides = resolution
        .unused_provide
        .iter()
        .map(|provided| provided.name.clone());
    let unused = resolution
        .unused_exclude
        .iter()
        .cloned()
        .chain(provides)
        .collect();
    Solution {
        packages,
        unused,
        lifted,
    }
}

fn locked_package(resolved: &Resolved, archive: &LockedArchive) -> LockedPackage {
    let record = &resolved.record;
    LockedPackage {
        name: record.name.to_string(),
        architecture: record.architecture.to_string(),
        version: record.version.to_string(),
        archive: archive.id(),
        path: record.filename.clone(),
        size: record.size,
        sha256: hex(&record.sha256),
        source: record.source.0.to_string(),
        source_version: record.source.1.to_string(),
    }
}

fn provided(provide: &crate::specification::Provide) -> Provided {
    Provided {
        name: provide.package.clone(),
        version: provide.version.clone(),
    }
}

/// Debian's own type for an architecture; all of ours have names that it takes.
pub(super) fn debian_architecture(architecture: Architecture) -> debian::Architecture {
    architecture
        .debian_name()
        .parse()
        .unwrap_or_else(|_| debian::Architecture::all())
}

impl Suites {
    /// The suites that a plan is resolved against.
    fn of(&self, plan: &Plan) -> Vec<&SuiteIndexes> {
        let debian = self.releases.get(&plan.release).into_iter().flatten();
        let own = plan
            .repositories
            .iter()
            .filter_map(|repository| self.repositories.get(&repository.name));
        debian.chain(own).collect()
    }

    /// Whether a plan can be resolved for an architecture: the main suite of its release was read for it (the
    /// other suites may lack it), or the plan wants no packages.
    fn has(&self, plan: &Plan, architecture: Architecture) -> bool {
        if plan.roots.is_empty() {
            return true;
        }
        let main = self.releases.get(&plan.release).and_then(|suites| suites.first());
        main.is_some_and(|main| main.indexes.contains_key(&architecture))
    }
}
