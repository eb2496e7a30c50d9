//! A small shop: a few packages on disk, a lock of them, and a layout to build into.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use archive::Encoder;
use async_trait::async_trait;
use cache::{Cache, Key, Shelf};
use client::{Location, Selector};
use factory::{
    build::{
        BuildError, BuildOptions, BuildReport, BuildRequest, FailurePolicy, Form, ImageRequest, Medium,
        Output, PackageSource, SbomPolicy, Services, SourceError, build,
    },
    emulation::EMULATION_ID,
    lock::{Lock, LockedArchive, LockedImage, LockedPackage},
    release::{Architecture, Release},
    specification::{Plan, Specification},
};
use oci::{Digest, Manifest, Parsed};
use sha2::{Digest as _, Sha256};
use testkit::{DebBuilder, TestDeb};

/// Packages and a specification with two variants.
pub(crate) struct Shop {
    pub(crate) packages: Vec<TestDeb>,
    pub(crate) plans: Vec<Plan>,
}

const SPECIFICATION: &str = "
lightship: 1
name: small
release: debian13
architectures: [amd64, arm64]
packages: [alpha, beta]
user: 1000
variants:
  other:
    environment:
      WHICH: other
";

impl Shop {
    pub(crate) fn new() -> Self {
        Self::of(SPECIFICATION)
    }

    pub(crate) fn of(specification: &str) -> Self {
        let specification =
            Specification::parse("small.yaml", specification, Path::new("/nonexistent")).unwrap();
        let mut packages = Vec::new();
        for architecture in ["amd64", "arm64"] {
            packages.push(
                DebBuilder::new("alpha", "1:1.0-1")
                    .architecture(architecture)
                    .control("Depends", "beta (>= 2)")
                    .file("usr/bin/alpha", 0o755, &noise(architecture, 3 << 20))
                    .hardlink("usr/bin/alpha-again", "usr/bin/alpha")
                    .file("usr/share/doc/alpha/copyright", 0o644, COPYRIGHT)
                    .symlink("usr/share/alpha", "../lib/alpha")
                    .build(),
            );
        }
        packages.push(
            DebBuilder::new("beta", "2.0+x~1")
                .architecture("all")
                .control("Source", "beta-source (2.0)")
                .file("usr/share/beta/data", 0o644, &noise("beta", 200_000))
                .directory("var/lib/beta", 0o700)
                .build(),
        );
        Self {
            packages,
            plans: specification.plans,
        }
    }

    pub(crate) fn lock(&self) -> Lock {
        let packages: Vec<LockedPackage> = self.packages.iter().map(locked).collect();
        let platform = |architecture: Architecture| {
            let fits = |package: &LockedPackage| {
                package.architecture == "all" || package.architecture == architecture.debian_name()
            };
            (0..packages.len())
                .filter(|&position| fits(&packages[position]))
                .collect::<Vec<_>>()
        };
        let architectures = [Architecture::Amd64, Architecture::Arm64];
        let image = |plan: &Plan| LockedImage {
            name: plan.name.clone(),
            variant: plan.variant.clone(),
            release: Release::Debian13,
            specification: String::new(),
            platforms: architectures
                .into_iter()
                .map(|one| (one, platform(one)))
                .collect(),
        };
        Lock {
            written_by: "0.1.0".to_owned(),
            encoder: Encoder::Gzip.id().to_owned(),
            emulation: EMULATION_ID.to_owned(),
            archives: vec![LockedArchive {
                name: "debian".to_owned(),
                suite: "trixie".to_owned(),
                date: "2026-11-01T10:20:30Z".parse().unwrap(),
                inrelease_sha256: String::new(),
                signers: Vec::new(),
                key_sha256: None,
                indexes: BTreeMap::new(),
            }],
            images: self.plans.iter().map(image).collect(),
            packages,
        }
    }

    /// A request for all variants for these architectures, into `layout`.
    pub(crate) fn request(&self, architectures: &[Architecture], layout: &Path) -> BuildRequest {
        let image = |plan: &Plan| ImageRequest {
            plan: plan.clone(),
            architectures: architectures.to_vec(),
            form: Form::of(architectures.len()),
        };
        BuildRequest {
            images: self.plans.iter().map(image).collect(),
            lock: Arc::new(self.lock()),
            outputs: vec![output(layout)],
            options: options(),
        }
    }

    /// What a build works with; packages come from a place beside `cache`, and lie in it once fetched.
    pub(crate) fn services(&self, cache: &Path, threads: usize) -> Services {
        let cache = Cache::open(cache.to_owned()).unwrap();
        let files = self
            .packages
            .iter()
            .map(|deb| (hex(&Sha256::digest(&deb.bytes)), deb.bytes.clone()))
            .collect();
        Services {
            packages: Arc::new(Fetching {
                cache: cache.clone(),
                files,
            }),
            cache,
            progress: Arc::new(progress::Silent),
            threads: NonZeroUsize::new(threads).unwrap(),
        }
    }

    /// Builds with these many threads and this cache into `layout`.
    pub(crate) fn build(
        &self,
        architectures: &[Architecture],
        cache: &Path,
        threads: usize,
        layout: &Path,
    ) -> Result<BuildReport, BuildError> {
        run(build(
            self.request(architectures, layout),
            &self.services(cache, threads),
        ))
    }
}

pub(crate) fn options() -> BuildOptions {
    BuildOptions {
        layers: None,
        encoder: Encoder::Gzip,
        sbom: SbomPolicy::None,
        date: None,
        failures: FailurePolicy::Stop,
    }
}

pub(crate) fn output(layout: &Path) -> Output {
    Output {
        sink: Arc::from(location(layout).open_sink().unwrap()),
        medium: Medium::Files,
        label: format!("oci:{}", layout.display()),
        tag: None,
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Name and digest of every image of a layout, after every manifest and blob below them was verified.
pub(crate) fn verified(layout: &Path) -> Vec<(String, Digest)> {
    run(async {
        let source = location(layout).open_source().unwrap();
        let tags = source.tags().await.unwrap();
        for (_, descriptor) in &tags {
            let mut manifests = vec![descriptor.clone()];
            while let Some(descriptor) = manifests.pop() {
                let manifest: Manifest = source.manifest(&descriptor).await.unwrap();
                match manifest.parsed() {
                    Parsed::Index(index) => manifests.extend(index.manifests.iter().cloned()),
                    Parsed::Image(image) => {
                        for blob in image.layers.iter().chain([&image.config]) {
                            let bytes = fs::read(blob_path(layout, &blob.digest)).unwrap();
                            assert_eq!(Digest::sha256_of(&bytes), blob.digest);
                            assert_eq!(bytes.len() as u64, blob.size);
                        }
                    }
                }
            }
        }
        tags.into_iter()
            .map(|(name, descriptor)| (name, descriptor.digest))
            .collect()
    })
}

pub(crate) fn manifest(layout: &Path, tag: &str) -> Manifest {
    run(async {
        let source = location(layout).open_source().unwrap();
        let descriptor = source.resolve(&Selector::Tag(tag.to_owned())).await.unwrap();
        source.manifest(&descriptor).await.unwrap()
    })
}

pub(crate) fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

pub(crate) fn location(layout: &Path) -> Location {
    Location::OciLayout {
        dir: layout.to_owned(),
        tag: None,
    }
}

/// Puts packages into the cache from memory, as a download would.
struct Fetching {
    cache: Cache,
    files: BTreeMap<String, Vec<u8>>,
}

#[async_trait]
impl PackageSource for Fetching {
    async fn package(&self, package: &LockedPackage, _: &LockedArchive) -> Result<PathBuf, SourceError> {
        let key = Key::new(package.sha256.clone()).unwrap();
        let path = self.cache.path(Shelf::Packages, &key);
        if path.exists() {
            return Ok(path);
        }
        match self.files.get(&package.sha256) {
            Some(bytes) => Ok(self.cache.insert(Shelf::Packages, &key, bytes).unwrap()),
            None => Err(SourceError::ArchiveUnknown {
                archive: "nowhere".to_owned(),
            }),
        }
    }

    async fn archive(&self, url: &str, _: &[u8; 32]) -> Result<PathBuf, SourceError> {
        Ok(PathBuf::from(url))
    }
}

fn locked(deb: &TestDeb) -> LockedPackage {
    let field = |name| deb.field(name).unwrap().to_owned();
    LockedPackage {
        name: field("Package"),
        architecture: field("Architecture"),
        version: field("Version"),
        archive: "debian trixie".to_owned(),
        path: format!("pool/{}.deb", field("Package")),
        size: deb.bytes.len() as u64,
        sha256: hex(&Sha256::digest(&deb.bytes)),
        source: field("Package"),
        source_version: field("Version"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that compress, but not to nothing, and are others for every seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(7u32, |state, byte| {
        state.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefghijklmnop"[(state >> 28) as usize]
    };
    (0..length).map(|_| next()).collect()
}

const COPYRIGHT: &[u8] = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2026 Nobody
License: GPL-2+ or Odd
 Do as you please.
";
