//! One platform of one image: from packages to documents, synchronously.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use archive::Encoder;
use jiff::Timestamp;
use rayon::ThreadPool;

use super::{BuildError, image_cache::ImageKey};
use crate::{
    contents::{ArchiveToRead, ContentsError, ImageContents, PackageContents, PackageSet, PackageToRead},
    emulation,
    image::{Image, ImageInputs, compose, rfc3339},
    layers::{Layer, LayerStore, StoredLayer, cut},
    release::Architecture,
    sbom::{Format, ImageFacts, InventorySource, Sha1Sums, take_inventory},
    specification::{LayerPolicy, Plan},
    tree::{DiskLimits, Inputs, Tree, assemble},
};

/// What one platform is made of.
#[derive(Debug, Clone)]
pub(super) struct PlatformJob {
    /// Position of the image in the request.
    pub(super) image: usize,
    /// Position of the platform in the image.
    pub(super) platform: usize,
    /// The plan for this architecture.
    pub(super) plan: Arc<Plan>,
    pub(super) architecture: Architecture,
    /// In the order of layers.
    pub(super) packages: Vec<PackageToRead>,
    /// In the order of the plan.
    pub(super) archives: Vec<ArchiveToRead>,
    pub(super) policy: LayerPolicy,
    pub(super) date: Timestamp,
    /// None when the state of the disk is not known: the image is not kept then.
    pub(super) key: Option<ImageKey>,
}

impl PlatformJob {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        format!(
            "{} ({}) for {}",
            self.plan.name, self.plan.variant, self.architecture
        )
    }
}

/// A platform that is ready to be written.
#[derive(Debug, Clone)]
pub(super) struct BuiltPlatform {
    pub(super) image: Image,
    /// With their names, from the bottom up.
    pub(super) layers: Vec<(String, StoredLayer)>,
    pub(super) sboms: Vec<(Format, Vec<u8>)>,
    pub(super) warnings: Vec<String>,
}

/// What all platforms of a run share.
pub(super) struct Workshop<'w> {
    pub(super) set: &'w PackageSet<'w>,
    pub(super) layers: &'w LayerStore<'w>,
    pub(super) pool: &'w ThreadPool,
    pub(super) encoder: Encoder,
    /// Layers of one platform that are made at the same time.
    pub(super) layers_at_once: usize,
    /// Whether bills of materials are made; then, the sums known so far.
    pub(super) sboms: Option<&'w Sha1Sums>,
}

impl Workshop<'_> {
    /// Makes a platform.
    pub(super) fn make(&self, job: &PlatformJob) -> Result<BuiltPlatform, BuildError> {
        let packages = self.read_packages(&job.packages)?;
        let contents = ImageContents {
            set: self.set,
            packages: &job.packages,
            archives: &job.archives,
        };
        let (tree, warnings) = self.complete_tree(job, &packages, &contents)?;
        let source = |package: usize| {
            packages
                .get(package)
                .map_or_else(String::new, |p| p.source_name.clone())
        };
        let layers = cut(&tree, job.policy, &source).map_err(|source| BuildError::Cut {
            image: job.name(),
            source,
        })?;
        let stored = self.store_layers(job, &layers, &contents)?;
        let versions: BTreeMap<String, String> = packages
            .iter()
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect();
        let image = compose(&ImageInputs {
            plan: &job.plan,
            architecture: job.architecture,
            layers: &stored,
            encoder: self.encoder,
            versions: &versions,
            created: job.date,
        });
        let sboms = match self.sboms {
            Some(sums) => bills(job, &image, &tree, &packages, &contents, sums)?,
            None => Vec::new(),
        };
        Ok(BuiltPlatform {
            image,
            layers: stored,
            sboms,
            warnings,
        })
    }

    /// What is in the packages; those that have to be read are, the largest first, on all threads.
    fn read_packages(&self, packages: &[PackageToRead]) -> Result<Vec<Arc<PackageContents>>, BuildError> {
        let mut order: Vec<usize> = (0..packages.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(packages.get(index).map(|package| package.size)));
        let read: Mutex<Vec<Option<ReadPackage>>> = Mutex::new(packages.iter().map(|_| None).collect());
        // No lock is held while a thread of the pool waits for others of the pool: reading a package is
        // one straight run.
        self.pool.in_place_scope_fifo(|scope| {
            for index in order {
                let read = &read;
                scope.spawn_fifo(move |_| {
                    let result = packages.get(index).map(|package| self.read_package(package));
                    if let Some(slot) = read.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                        *slot = result;
                    }
                });
            }
        });
        let read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(read.into_iter().flatten().collect::<Result<_, _>>()?)
    }

    fn read_package(&self, package: &PackageToRead) -> Result<Arc<PackageContents>, ContentsError> {
        if self.sboms.is_some() {
            // Every file is going to be hashed, so every package is opened: here, on all threads.
            self.set.spool(package)?;
        }
        self.set.contents(package)
    }

    fn complete_tree(
        &self,
        job: &PlatformJob,
        packages: &[Arc<PackageContents>],
        contents: &ImageContents<'_>,
    ) -> Result<(Tree, Vec<String>), BuildError> {
        let entries = |archive| self.set.archive_entries(archive).map(Some);
        let archives: Vec<_> = job.archives.iter().map(entries).collect::<Result<_, _>>()?;
        let date = job.date.as_second();
        let inputs = Inputs {
            packages,
            plan: &job.plan,
            archives: &archives,
            architecture: job.architecture,
            date,
            limits: DiskLimits::default(),
        };
        let assembled = assemble(&inputs).map_err(|source| BuildError::Tree {
            image: job.name(),
            source,
        })?;
        let mut tree = assembled.tree;
        let context = emulation::Context {
            packages,
            plan: &job.plan,
            architecture: job.architecture,
            date,
            reader: contents,
        };
        let report = emulation::apply(&mut tree, &context, assembled.unmatched_drops).map_err(|source| {
            BuildError::Emulate {
                image: job.name(),
                source,
            }
        })?;
        let mut warnings = report.warnings;
        warnings.extend(
            report
                .unmatched_drops
                .into_iter()
                .map(|pattern| format!("drop {pattern} matches nothing")),
        );
        Ok((tree, warnings))
    }

    /// Finds or makes all layers, the largest first, some at a time on threads of their own: these wait
    /// for the pool, so they cannot be of it.
    fn store_layers(
        &self,
        job: &PlatformJob,
        layers: &[Layer<'_>],
        contents: &ImageContents<'_>,
    ) -> Result<Vec<(String, StoredLayer)>, BuildError> {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(layers.get(index).map(|layer| layer.content_bytes)));
        let queue = Mutex::new(VecDeque::from(order));
        let stored = Mutex::new(BTreeMap::new());
        let work = || -> Result<(), BuildError> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((index, layer)) = next.and_then(|index| Some((index, layers.get(index)?))) else {
                    return Ok(());
                };
                let result = self.layers.store(layer, contents).map_err(|source| {
                    // The others need not go on.
                    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    BuildError::Layer {
                        image: job.name(),
                        source,
                    }
                })?;
                stored
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(index, (layer.name.clone(), result));
            }
        };
        std::thread::scope(|scope| {
            let threads = self.layers_at_once.min(layers.len()).max(1);
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            others.into_iter().fold(own, |result, other| {
                result.and(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                )
            })
        })?;
        Ok(stored
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_values()
            .collect())
    }
}

type ReadPackage = Result<Arc<PackageContents>, ContentsError>;

/// The bills of materials of a platform.
fn bills(
    job: &PlatformJob,
    image: &Image,
    tree: &Tree,
    packages: &[Arc<PackageContents>],
    contents: &ImageContents<'_>,
    sha1_sums: &Sha1Sums,
) -> Result<Vec<(Format, Vec<u8>)>, BuildError> {
    let facts = ImageFacts {
        name: job.plan.name.clone(),
        variant: job.plan.variant.clone(),
        architecture: job.architecture.name().to_owned(),
        manifest_digest: image.manifest.digest().to_string(),
        distribution: format!("debian-{}", job.plan.release.version_id()),
        created: rfc3339(job.date),
    };
    let source = InventorySource {
        tree,
        packages,
        opener: contents,
        reader: contents,
        sha1_sums,
    };
    let inventory = take_inventory(facts, &source).map_err(|source| BuildError::Sbom {
        image: job.name(),
        source,
    })?;
    Format::ALL
        .into_iter()
        .map(|format| {
            let document = format.render(&inventory).map_err(|source| BuildError::Document {
                image: job.name(),
                source,
            })?;
            Ok((format, document))
        })
        .collect()
}
