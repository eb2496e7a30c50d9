//! The flow from a lock to images in sinks.
//!
//! [`build`] looks up every platform of every image in the cache of whole images; fetches the packages
//! of those that are not there; makes them on all cores, sharing packages and layers; and writes each
//! image, in the order of the request, to every output as soon as it is complete.
//!
//! What comes from the cache is checked when it is used: entry lists and records are sealed, a
//! package is hashed while it is read, a layer while it is copied out. Something damaged is dropped and
//! made again, in the same run, and never served.

mod deliver;
mod disk_state;
mod error;
mod fetch;
mod image_cache;
mod jobs;
mod pipeline;
mod platform;
mod report;
mod run;
mod source;

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use archive::Encoder;
use cache::Cache;
use client::Sink;
use jiff::Timestamp;
use progress::Progress;

pub use error::{BuildError, Damage};
pub use report::{BuildReport, Failure, ImageReport, LayerCounts, PlatformReport};
pub use source::{ArchivePackages, PackageSource, SourceError};

use crate::{
    lock::Lock,
    release::Architecture,
    specification::{LayerPolicy, Plan},
};

/// What to build, of what, and where to.
pub struct BuildRequest {
    /// The images, in the order in which they are written.
    pub images: Vec<ImageRequest>,
    /// The packages of all of them.
    pub lock: Arc<Lock>,
    /// Where they go; every image goes to every output. None: only the cache is filled.
    pub outputs: Vec<Output>,
    /// How.
    pub options: BuildOptions,
}

/// One variant of one image.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// Its specification.
    pub plan: Plan,
    /// For which architectures, in the order of platforms in the index.
    pub architectures: Vec<Architecture>,
    /// What its tag names.
    pub form: Form,
}

/// What the tag of an image names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The manifest of its one architecture.
    Manifest,
    /// An index over the manifests of its architectures, however many there are.
    Index,
}

impl Form {
    /// An index when several architectures were asked for, a manifest otherwise.
    pub fn of(architectures_asked: usize) -> Self {
        if architectures_asked > 1 {
            Self::Index
        } else {
            Self::Manifest
        }
    }
}

/// A place for images.
#[derive(Clone)]
pub struct Output {
    /// The place itself.
    pub sink: Arc<dyn Sink>,
    /// What people call it, e.g. `oci:out`.
    pub label: String,
    /// The tag of the request's one image. Without it, an image that is alone is tagged with its
    /// variant, and one among several `NAME-VARIANT`.
    pub tag: Option<String>,
    /// What kind of place it is.
    pub medium: Medium,
}

/// What kind of place an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// Files. They get SBOMs only with [`SbomPolicy::Attach`]: many clients then need a tag.
    Files,
    /// A repository of a registry.
    Repository {
        /// The only image that goes there, by its name, each variant under its own tag; any when absent.
        image: Option<String>,
    },
}

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The layer policy, in place of what the specifications say.
    pub layers: Option<LayerPolicy>,
    /// What compresses layers.
    pub encoder: Encoder,
    /// Where bills of materials go.
    pub sbom: SbomPolicy,
    /// `created` and the time of generated files, in place of the lock's newest date.
    pub date: Option<Timestamp>,
    /// What happens after the first failure.
    pub failures: FailurePolicy,
}

/// Where bills of materials go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SbomPolicy {
    /// None are made.
    None,
    /// Into repositories of registries, as referrers of the manifests they describe; not into files.
    Repositories,
    /// Into every output, as referrers of the manifests they describe.
    Attach,
    /// Into this directory, as `NAME-VARIANT-ARCHITECTURE.spdx.json` and `….cdx.json`.
    Directory(PathBuf),
}

/// What happens after the first failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Nothing more is begun, and the failure is the result.
    Stop,
    /// The other images are built, and the failures are part of the report.
    KeepGoing,
}

/// What a build works with.
#[derive(Clone)]
pub struct Services {
    /// Packages, entries, layers and images of earlier runs.
    pub cache: Cache,
    /// Where packages come from that are needed.
    pub packages: Arc<dyn PackageSource>,
    /// Who hears of the progress.
    pub progress: Arc<dyn Progress>,
    /// Threads that decompress and compress.
    pub threads: NonZeroUsize,
}

/// Builds images and writes them to their outputs.
///
/// Under [`FailurePolicy::KeepGoing`] an image that fails is told in the report. Whatever happens,
/// every output is whole: an image is named there only after everything it consists of is there.
/// Outputs are finished ([`Sink::finish`]) when every image is written.
///
/// Memory: a few MiB for each thread and the lists of files of the images under way; contents are
/// streamed.
///
/// # Errors
/// The first failure under [`FailurePolicy::Stop`]; failures that concern all images always.
pub async fn build(request: BuildRequest, services: &Services) -> Result<BuildReport, BuildError> {
    let mut run = run::Run::new(request, services)?;
    // What is damaged in the cache is dropped when it is noticed, so each round can only get further.
    // The last one has nothing left to find damaged, unless the disk itself is broken.
    for _ in 0..ROUNDS_MAX {
        if run.pending().is_empty() {
            break;
        }
        run.round().await?;
    }
    run.finish().await
}

/// How often images are tried whose parts in the cache turn out to be damaged.
const ROUNDS_MAX: usize = 4;
