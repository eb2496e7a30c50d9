//! From a mirror that a test key signed to images in a layout: the flow of `lightship build`, with another keyring.

use std::{error::Error, num::NonZeroUsize, path::PathBuf, sync::Arc};

use archive::Encoder;
use cache::Cache;
use client::Location;
use debian::{
    keyring::Keyring,
    mirror::{ArchiveName, Mirrors},
    repository::{Archives, ArchivesOptions},
};
use factory::{
    build::{
        ArchivePackages, BuildOptions, BuildReport, BuildRequest, FailurePolicy, Form, ImageRequest, Output,
        SbomPolicy, Services, build,
    },
    lock::Lock,
    locking::{Failures, LockRequest, Locking, lock},
    release::Architecture,
    specification::Plan,
};
use jiff::Timestamp;
use testkit::{Signer, TestServer, public_key};
use transport::{Transport, TransportOptions};

/// What is to be built.
pub(crate) struct Wish {
    pub(crate) plans: Vec<Plan>,
    pub(crate) architectures: Vec<Architecture>,
    /// The directory of the cache.
    pub(crate) cache: PathBuf,
    /// The directory of the layout.
    pub(crate) layout: PathBuf,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) lock: Lock,
    pub(crate) report: BuildReport,
}

/// Locks against the mirror, which [`Signer::Archive`] must have signed, and builds what was locked.
pub(crate) async fn lock_and_build(wish: Wish, server: &TestServer) -> Result<Outcome, Box<dyn Error>> {
    let cache = Cache::open(wish.cache.clone())?;
    let progress = Arc::new(progress::Silent);
    // A day after the date of test archives.
    let now: Timestamp = "2026-01-02T00:00:00Z".parse()?;
    let transport = Transport::new(TransportOptions::new("test"));
    let archives = Archives::new(
        transport,
        cache.clone(),
        progress.clone(),
        ArchivesOptions::at(now),
    );
    let mirrors = ArchiveName::ALL
        .iter()
        .map(|name| format!("{}={}", name.as_str(), server.url()).parse())
        .collect::<Result<Vec<_>, _>>()?;
    let mirrors = Mirrors::from_arguments(&mirrors);
    let request = LockRequest {
        plans: wish.plans.clone().into(),
        architectures: wish.architectures.clone(),
        encoder: Encoder::Gzip,
        mirrors: mirrors.clone(),
        keyring: Some(Keyring::parse(public_key(Signer::Archive).as_bytes())?),
        failures: Failures::Stop,
    };
    let locking = Locking {
        archives: archives.clone(),
        progress: progress.clone(),
    };
    let locked = lock(&request, &locking).await?.locked.lock;
    let request = build_request(wish, Arc::new(locked.clone()))?;
    let services = Services {
        packages: Arc::new(ArchivePackages {
            archives,
            mirrors,
            others: Default::default(),
        }),
        cache,
        progress,
        threads: NonZeroUsize::MIN,
    };
    let report = build(request, &services).await?;
    Ok(Outcome { lock: locked, report })
}

fn build_request(wish: Wish, lock: Arc<Lock>) -> Result<BuildRequest, Box<dyn Error>> {
    let image = |plan| ImageRequest {
        plan,
        architectures: wish.architectures.clone(),
        form: Form::of(wish.architectures.len()),
    };
    let location = Location::OciLayout {
        dir: wish.layout,
        tag: None,
    };
    Ok(BuildRequest {
        images: wish.plans.into_iter().map(image).collect(),
        lock,
        outputs: vec![Output {
            sink: Arc::from(location.open_sink()?),
            label: location.to_string(),
            tag: None,
            medium: factory::build::Medium::Files,
        }],
        options: BuildOptions {
            layers: None,
            encoder: Encoder::Gzip,
            sbom: SbomPolicy::None,
            date: None,
            failures: FailurePolicy::Stop,
        },
    })
}
