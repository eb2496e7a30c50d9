//! Fetching what a lock is made from: signed releases and package indexes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use archive::Encoder;
use debian::index::{IndexError, PackageIndex};
use debian::keyring::{Keyring, KeyringError};
use debian::mirror::Mirrors;
use debian::repository::{Archives, FetchError, Repository, SignedRelease};
use progress::{Progress, Task, Work};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::resolve::{Gathered, Locked, SuiteIndexes, Suites, UnresolvedImage, debian_architecture};
use crate::lock::{LockedArchive, hex};
use crate::release::{Architecture, Release};
use crate::specification::{Plan, Text, UserRepository};

/// How many architectures are resolved at a time: an index of Debian's main component takes some 80 MB.
pub const READ_AT_A_TIME: usize = 2;

/// Longest key file of an additional archive, in bytes.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// What to lock.
#[derive(Clone)]
pub struct LockRequest {
    /// The variants of images.
    pub plans: Arc<[Plan]>,
    /// The architectures; each image is locked for those of them that it is made for.
    pub architectures: Vec<Architecture>,
    /// What layers will be compressed with.
    pub encoder: Encoder,
    /// Where Debian's archives are.
    pub mirrors: Mirrors,
    /// Keys that must have signed Debian's suites in place of Debian's own: for archives that tests make.
    pub keyring: Option<Keyring>,
    /// What to do when a suite or index cannot be had.
    pub failures: Failures,
}

/// What to do when a suite or an index cannot be had or does not match what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// Nothing is locked.
    Stop,
    /// The architecture is left out, and the others are locked.
    KeepGoing,
}

/// What fetching needs.
#[derive(Clone)]
pub struct Locking {
    /// Fetches and verifies.
    pub archives: Archives,
    /// Is told of the work.
    pub progress: Arc<dyn Progress>,
}

/// A lock and what is missing from it.
#[derive(Debug)]
pub struct LockOutcome {
    /// The lock with its notes.
    pub locked: Locked,
    /// What was left out under [`Failures::KeepGoing`].
    pub skipped: Vec<Skipped>,
}

/// An architecture of a release that was left out.
#[derive(Debug)]
pub struct Skipped {
    /// The release.
    pub release: Release,
    /// The architecture.
    pub architecture: Architecture,
    /// Why.
    pub reason: LockingError,
}

/// Why a lock could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LockingError {
    /// A suite or an index could not be had or does not match.
    #[error("cannot read the suite {suite}")]
    Fetch {
        /// The suite.
        suite: String,
        /// What is wrong; shared, since several architectures may miss the same release file.
        #[source]
        source: Arc<FetchError>,
    },
    /// An index is signed, but cannot be understood.
    #[error("the index of {suite} for {architecture} cannot be understood")]
    Index {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: Architecture,
        /// What is wrong with it.
        source: IndexError,
    },
    /// The packages of an image could not be decided.
    #[error(transparent)]
    Unresolved(#[from] UnresolvedImage),
    /// The keys of an archive cannot be read.
    #[error("cannot use the keys of the archive {archive}")]
    Keys {
        /// The archive.
        archive: String,
        /// What is wrong with them.
        source: KeyringError,
    },
    /// The key file of an archive cannot be read.
    #[error("cannot read the keys of the archive {archive} from {}", path.display())]
    KeyFile {
        /// The archive.
        archive: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The address of an archive is none.
    #[error("cannot use the address of the archive {archive}")]
    Address {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        source: transport::UrlError,
    },
    /// Two specifications call different archives by one name.
    #[error("two specifications mean different archives by {archive}")]
    Ambiguous {
        /// The name.
        archive: String,
    },
    /// The work was broken off.
    #[error("locking was interrupted")]
    Interrupted,
}

/// Makes a lock from what the archives have now.
///
/// Each signed release is fetched once, each index read once for all images; [`READ_AT_A_TIME`]
/// architectures are held in memory at a time.
///
/// # Errors
/// See [`LockingError`]. Under [`Failures::KeepGoing`], an architecture whose indexes cannot be had is left
/// out; if nothing is left, that is the error.
pub async fn lock(request: &LockRequest, locking: &Locking) -> Result<LockOutcome, LockingError> {
    let sources = Sources::new(request)?;
    let signed = sources.releases(request, locking).await?;
    let gate = Arc::new(Semaphore::new(READ_AT_A_TIME));
    let gathered = Arc::new(std::sync::Mutex::new(Gathered::default()));
    let mut jobs = JoinSet::new();
    for (release, architecture) in platforms(request) {
        let (signed, gathered, gate) = (Arc::clone(&signed), Arc::clone(&gathered), Arc::clone(&gate));
        let (locking, plans) = (locking.clone(), Arc::clone(&request.plans));
        jobs.spawn(async move {
            let Ok(_permit) = gate.acquire().await else {
                return (release, architecture, Err(LockingError::Interrupted));
            };
            let suites = match signed.suites(release, architecture, &locking).await {
                Ok(suites) => suites,
                Err(reason) => return (release, architecture, Err(reason)),
            };
            let solved = tokio::task::spawn_blocking(move || {
                let name = format!("{release} {architecture}");
                let _task = Task::start(&*locking.progress, Work::Resolve, &name, None);
                let mut own = Gathered::default();
                own.add(&of_release(&plans, release), architecture, &suites);
                if let Ok(mut gathered) = gathered.lock() {
                    gathered.absorb(own);
                }
            })
            .await;
            (
                release,
                architecture,
                solved.map_err(|_| LockingError::Interrupted),
            )
        });
    }
    let mut skipped = Vec::new();
    let mut done = 0_usize;
    while let Some(job) = jobs.join_next().await {
        let (release, architecture, result) = job.map_err(|_| LockingError::Interrupted)?;
        match (result, request.failures) {
            (Ok(()), _) => done += 1,
            (Err(reason), Failures::Stop) => return Err(reason),
            (Err(reason), Failures::KeepGoing) => skipped.push(Skipped {
                release,
                architecture,
                reason,
            }),
        }
    }
    skipped.sort_by_key(|skipped| (skipped.release, skipped.architecture));
    if done == 0 && !skipped.is_empty() {
        return Err(skipped.swap_remove(0).reason);
    }
    let gathered = std::mem::take(&mut *gathered.lock().map_err(|_| LockingError::Interrupted)?);
    Ok(LockOutcome {
        locked: gathered.finish(&request.plans, request.encoder)?,
        skipped,
    })
}

/// The releases and architectures that plans are to be resolved for.
fn platforms(request: &LockRequest) -> BTreeSet<(Release, Architecture)> {
    let asked = |plan: &Plan| {
        let release = plan.release;
        let own = plan
            .architectures
            .iter()
            .filter(|own| request.architectures.contains(own));
        own.map(move |architecture| (release, *architecture))
            .collect::<Vec<_>>()
    };
    request.plans.iter().flat_map(asked).collect()
}

fn of_release(plans: &[Plan], release: Release) -> Vec<Plan> {
    plans
        .iter()
        .filter(|plan| plan.release == release)
        .cloned()
        .collect()
}

/// The repositories that the plans need.
struct Sources {
    releases: BTreeMap<Release, Vec<Repository>>,
    /// By name: the repository, the SHA-256 of its keys, and what may come from it.
    additional: BTreeMap<String, Additional>,
}

#[derive(Clone)]
struct Additional {
    repository: Repository,
    key_sha256: String,
    allow: Option<BTreeSet<debian::PackageName>>,
}

impl Sources {
    fn new(request: &LockRequest) -> Result<Self, LockingError> {
        let mut sources = Self {
            releases: BTreeMap::new(),
            additional: BTreeMap::new(),
        };
        let mut described: BTreeMap<&str, &UserRepository> = BTreeMap::new();
        for plan in request.plans.iter() {
            // An image of the user's own files alone needs no archive, and so no network.
            if plan.roots.is_empty() {
                continue;
            }
            if let Entry::Vacant(entry) = sources.releases.entry(plan.release) {
                entry.insert(debian_suites(plan.release, request)?);
            }
            for repository in &plan.repositories {
                match described.insert(&repository.name, repository) {
                    Some(known) if known != repository => {
                        return Err(LockingError::Ambiguous {
                            archive: repository.name.clone(),
                        });
                    }
                    Some(_) => {}
                    None => {
                        sources
                            .additional
                            .insert(repository.name.clone(), additional(repository)?);
                    }
                }
            }
        }
        Ok(sources)
    }

    /// Fetches all release files, several at a time.
    async fn releases(self, request: &LockRequest, locking: &Locking) -> Result<Arc<Signed>, LockingError> {
        let mut jobs = JoinSet::new();
        let additional = self
            .additional
            .values()
            .map(|additional| additional.repository.clone());
        for repository in self.releases.values().flatten().cloned().chain(additional) {
            let archives = locking.archives.clone();
            jobs.spawn(async move {
                let release = archives.release(&repository).await;
                (suite_key(&repository), release)
            });
        }
        let mut signed = BTreeMap::new();
        while let Some(job) = jobs.join_next().await {
            let ((name, suite), release) = job.map_err(|_| LockingError::Interrupted)?;
            match release {
                Ok(release) => drop(signed.insert((name, suite), Ok(Arc::new(release)))),
                Err(error) => {
                    let source = Arc::new(error);
                    if request.failures == Failures::Stop {
                        return Err(LockingError::Fetch { suite, source });
                    }
                    signed.insert((name, suite), Err(source));
                }
            }
        }
        Ok(Arc::new(Signed {
            sources: self,
            signed,
        }))
    }
}

fn suite_key(repository: &Repository) -> (String, String) {
    (repository.name.clone(), repository.suite.clone())
}

fn debian_suites(release: Release, request: &LockRequest) -> Result<Vec<Repository>, LockingError> {
    let repository = |suite: crate::release::Suite| {
        let repository =
            Repository::debian(&suite.name, &request.mirrors).map_err(|source| LockingError::Keys {
                archive: suite.archive.to_owned(),
                source,
            })?;
        Ok(match &request.keyring {
            None => repository,
            Some(keyring) => repository.signed_by(keyring.clone()),
        })
    };
    release.suites().into_iter().map(repository).collect()
}

fn additional(described: &UserRepository) -> Result<Additional, LockingError> {
    let archive = described.name.clone();
    let key = match &described.key {
        Text::Inline(text) => text.clone().into_bytes(),
        Text::Disk(path) => read_key(path).map_err(|source| LockingError::KeyFile {
            archive: archive.clone(),
            path: path.clone(),
            source,
        })?,
    };
    let keyring = Keyring::parse(&key).map_err(|source| LockingError::Keys {
        archive: archive.clone(),
        source,
    })?;
    let url = described.uri.parse().map_err(|source| LockingError::Address {
        archive: archive.clone(),
        source,
    })?;
    let allow: BTreeSet<_> = described.packages.iter().cloned().collect();
    Ok(Additional {
        repository: Repository::other(&archive, url, &described.suite, &described.components, keyring),
        key_sha256: hex(&Sha256::digest(&key)),
        allow: (!allow.is_empty()).then_some(allow),
    })
}

fn read_key(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut key = Vec::new();
    let limit = u64::try_from(KEY_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path)?.take(limit + 1).read_to_end(&mut key)?;
    if key.len() > KEY_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {KEY_BYTES_MAX} bytes"),
        ));
    }
    Ok(key)
}

/// The repositories with their signed releases.
struct Signed {
    sources: Sources,
    /// By name and suite.
    signed: BTreeMap<(String, String), Result<Arc<SignedRelease>, Arc<FetchError>>>,
}

impl Signed {
    /// The indexes of everything that a release's images are resolved against, for one architecture.
    async fn suites(
        &self,
        release: Release,
        architecture: Architecture,
        locking: &Locking,
    ) -> Result<Suites, LockingError> {
        let mut jobs = JoinSet::new();
        let debian = self
            .sources
            .releases
            .get(&release)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut wanted: Vec<_> = debian
            .iter()
            .map(|repository| (repository.clone(), None))
            .collect();
        let others = self.sources.additional.values();
        wanted.extend(others.map(|other| (other.repository.clone(), Some(other.clone()))));
        for (position, (repository, other)) in wanted.into_iter().enumerate() {
            let fetch_error = |source| LockingError::Fetch {
                suite: repository.suite.clone(),
                source,
            };
            let signed = match self.signed.get(&suite_key(&repository)) {
                Some(Ok(signed)) => Arc::clone(signed),
                Some(Err(error)) => return Err(fetch_error(Arc::clone(error))),
                None => return Err(LockingError::Interrupted),
            };
            let locking = locking.clone();
            jobs.spawn(async move {
                (
                    position,
                    read_suite(repository, &signed, other, architecture, &locking).await,
                )
            });
        }
        let mut read = BTreeMap::new();
        while let Some(job) = jobs.join_next().await {
            let (position, suite) = job.map_err(|_| LockingError::Interrupted)?;
            read.insert(position, suite?);
        }
        let mut suites = Suites::default();
        let debian_count = debian.len();
        for (position, suite) in read {
            if position < debian_count {
                suites.releases.entry(release).or_default().push(suite);
            } else {
                suites.repositories.insert(suite.archive.name.clone(), suite);
            }
        }
        Ok(suites)
    }
}

async fn read_suite(
    repository: Repository,
    signed: &SignedRelease,
    other: Option<Additional>,
    architecture: Architecture,
    locking: &Locking,
) -> Result<SuiteIndexes, LockingError> {
    let mut archive = LockedArchive {
        name: repository.name.clone(),
        suite: repository.suite.clone(),
        date: signed.release.date,
        inrelease_sha256: hex(&signed.inrelease_sha256),
        signers: signed
            .signers
            .iter()
            .map(|signer| signer.as_str().to_owned())
            .collect(),
        key_sha256: other.as_ref().map(|other| other.key_sha256.clone()),
        indexes: BTreeMap::new(),
    };
    let mut indexes = BTreeMap::new();
    for component in &repository.components {
        let name = debian_architecture(architecture);
        let fetched = match locking
            .archives
            .index(&repository, signed, component, &name)
            .await
        {
            Ok(fetched) => fetched,
            // Debian drops architectures from single suites; the image is made from the others.
            Err(FetchError::ArchitectureAbsent { .. }) => continue,
            Err(error) => {
                return Err(LockingError::Fetch {
                    suite: repository.suite.clone(),
                    source: Arc::new(error),
                });
            }
        };
        let path = fetched.path.strip_suffix("/Packages").unwrap_or(&fetched.path);
        archive.indexes.insert(path.to_owned(), hex(&fetched.sha256));
        let parsed = tokio::task::spawn_blocking(move || PackageIndex::parse(fetched.bytes))
            .await
            .map_err(|_| LockingError::Interrupted)?;
        let index = parsed.map_err(|source| LockingError::Index {
            suite: repository.suite.clone(),
            architecture,
            source,
        })?;
        indexes
            .entry(architecture)
            .or_insert_with(Vec::new)
            .push(Arc::new(index));
    }
    let allow = other.and_then(|other| other.allow);
    Ok(SuiteIndexes {
        archive,
        allow,
        indexes,
    })
}
