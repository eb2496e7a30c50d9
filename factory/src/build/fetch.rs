//! Brings the files of a round onto disk.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use tokio::task::JoinSet;

use super::{BuildError, FailurePolicy, PackageSource, jobs::sha256_of, platform::PlatformJob, run::unwound};
use crate::lock::{Lock, LockedArchive, LockedPackage};

/// Downloads at the same time.
const FETCHES_AT_ONCE: usize = 8;

/// What became of a round's files.
pub(super) struct Fetched {
    /// The jobs whose files are there, with their paths.
    pub(super) jobs: Vec<PlatformJob>,
    /// The images whose files are not, by position. Only the first image that needs a file carries the
    /// cause; the others were given up.
    pub(super) failures: Vec<(usize, BuildError)>,
}

/// Fetches every file that the jobs need, once, the largest first, several at a time.
///
/// # Errors
/// The first failure under [`FailurePolicy::Stop`].
pub(super) async fn fetch(
    lock: &Lock,
    source: &Arc<dyn PackageSource>,
    policy: FailurePolicy,
    jobs: Vec<PlatformJob>,
) -> Result<Fetched, BuildError> {
    let mut wanted = wanted(lock, &jobs);
    let mut paths: BTreeMap<[u8; 32], PathBuf> = BTreeMap::new();
    let mut errors: BTreeMap<[u8; 32], BuildError> = BTreeMap::new();
    let mut under_way: JoinSet<([u8; 32], Result<PathBuf, BuildError>)> = JoinSet::new();
    loop {
        while under_way.len() < FETCHES_AT_ONCE
            && let Some(next) = wanted.pop_front()
        {
            let source = source.clone();
            under_way.spawn(async move { (next.sha256(), next.fetch(&*source).await) });
        }
        let Some(done) = under_way.join_next().await else {
            break;
        };
        match unwound(done)? {
            (sha256, Ok(path)) => drop(paths.insert(sha256, path)),
            (_, Err(error)) if policy == FailurePolicy::Stop => return Err(error),
            (sha256, Err(error)) => drop(errors.insert(sha256, error)),
        }
    }
    Ok(sort_out(jobs, &paths, errors))
}

fn sort_out(
    jobs: Vec<PlatformJob>,
    paths: &BTreeMap<[u8; 32], PathBuf>,
    mut errors: BTreeMap<[u8; 32], BuildError>,
) -> Fetched {
    let mut failed: BTreeMap<usize, BuildError> = BTreeMap::new();
    let mut complete = Vec::new();
    for mut job in jobs {
        let image = job.image;
        let mut fill = |path: &mut PathBuf, sha256: &[u8; 32]| match paths.get(sha256) {
            Some(found) => {
                path.clone_from(found);
                true
            }
            None => {
                let cause = errors.remove(sha256);
                if cause.is_some() || !failed.contains_key(&image) {
                    failed.insert(image, cause.unwrap_or(BuildError::GivenUp));
                }
                false
            }
        };
        let mut whole = true;
        for package in &mut job.packages {
            whole &= fill(&mut package.path, &package.sha256);
        }
        for archive in &mut job.archives {
            whole &= fill(&mut archive.path, &archive.sha256);
        }
        if whole {
            complete.push(job);
        }
    }
    complete.retain(|job| !failed.contains_key(&job.image));
    Fetched {
        jobs: complete,
        failures: failed.into_iter().collect(),
    }
}

/// Every file that the jobs need, once, the largest first.
fn wanted(lock: &Lock, jobs: &[PlatformJob]) -> VecDeque<Wanted> {
    let needed: BTreeSet<[u8; 32]> = jobs
        .iter()
        .flat_map(|job| &job.packages)
        .map(|package| package.sha256)
        .collect();
    let mut wanted: BTreeMap<[u8; 32], Wanted> = BTreeMap::new();
    for package in &lock.packages {
        if let (Some(sha256), Some(archive)) = (sha256_of(package), lock.archive_of(package))
            && needed.contains(&sha256)
        {
            let (package, archive) = (package.clone(), archive.clone());
            wanted.insert(
                sha256,
                Wanted::Package {
                    package,
                    archive,
                    sha256,
                },
            );
        }
    }
    for archive in jobs.iter().flat_map(|job| &job.archives) {
        wanted.insert(
            archive.sha256,
            Wanted::Archive {
                url: archive.url.clone(),
                sha256: archive.sha256,
            },
        );
    }
    let mut wanted: Vec<Wanted> = wanted.into_values().collect();
    wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.size()));
    wanted.into()
}

/// A file to fetch.
enum Wanted {
    Package {
        package: LockedPackage,
        archive: LockedArchive,
        sha256: [u8; 32],
    },
    Archive {
        url: String,
        sha256: [u8; 32],
    },
}

impl Wanted {
    fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Package { sha256, .. } | Self::Archive { sha256, .. } => *sha256,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Package { package, .. } => package.size,
            // Not known before it is here.
            Self::Archive { .. } => u64::MAX,
        }
    }

    async fn fetch(self, source: &dyn PackageSource) -> Result<PathBuf, BuildError> {
        match &self {
            Self::Package { package, archive, .. } => {
                source
                    .package(package, archive)
                    .await
                    .map_err(|source| BuildError::Fetch {
                        name: package.name.clone(),
                        source: Box::new(source),
                    })
            }
            Self::Archive { url, sha256 } => {
                source
                    .archive(url, sha256)
                    .await
                    .map_err(|source| BuildError::Fetch {
                        name: url.clone(),
                        source: Box::new(source),
                    })
            }
        }
    }
}
