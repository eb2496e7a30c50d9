//! Two registries and a move between them.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::registry::{
    CredentialHelper, CredentialStore, Encryption, HelperAnswer, NoHostAuthorities, NoWarnings, Registries,
    RegistryOptions,
};
use migrate::filter::Filter;
use migrate::journal::Journal;
use migrate::mapping::Mapping;
use migrate::pace::{Pace, PaceOptions};
use migrate::place::{LayoutTarget, LocalOrigin, Origin, PlaceName, RegistryOrigin, RegistryTarget, Target};
use migrate::plan::{Depth, Plan, Sides, SurveyOptions, survey};
use migrate::run::{Report, RunOptions, run};
use oci::{Descriptor, ImageIndex, ImageManifest, Manifest, MediaType, RepositoryName};
use progress::Silent;
use tempfile::TempDir;
use testkit::registry::{Content, FakeRegistry, Ways};
use transport::{Floor, RetryPolicy, Transport, TransportOptions};

pub(crate) struct World {
    pub(crate) old: FakeRegistry,
    pub(crate) new: FakeRegistry,
    pub(crate) directory: TempDir,
    pub(crate) filter: Filter,
    pub(crate) mapping: Mapping,
    pub(crate) names: Option<Vec<RepositoryName>>,
    /// Other hosts with the old content.
    pub(crate) endpoints: Vec<String>,
    /// What stands in place of one of them.
    pub(crate) from: Option<PlaceName>,
    pub(crate) to: Option<PlaceName>,
    pub(crate) keep_differing: bool,
    /// How slowly sides may answer.
    pub(crate) floor: Floor,
}

struct NoPrograms;

impl CredentialHelper for NoPrograms {
    fn run(&self, _: &str, _: &str, _: &[u8]) -> io::Result<HelperAnswer> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn registries(pace: &Pace, floor: Floor) -> Registries {
    let mut options = TransportOptions::new("lightship-test");
    options.retry = RetryPolicy {
        attempts_max: 1,
        refused_attempts_max: 1,
        ..RetryPolicy::default()
    };
    options.limits.requests_per_host_max = 1024;
    options.limits.floor = floor;
    let registries = Registries::new(RegistryOptions {
        transport: Transport::new(options),
        credentials: CredentialStore::new(Vec::new(), Arc::new(NoPrograms)),
        encryption: Encryption::default(),
        authorities: Arc::new(NoHostAuthorities),
        warnings: Arc::new(NoWarnings),
    });
    registries.observed_by(Arc::new(pace.clone()))
}

/// Like Debian's docker-registry.
pub(crate) fn plain() -> Ways {
    Ways {
        referrers: false,
        tags_in_query: false,
        at_once: false,
        ..Ways::default()
    }
}

impl World {
    pub(crate) fn between(old: Ways, new: Ways) -> World {
        World {
            old: FakeRegistry::start(old),
            new: FakeRegistry::start(new),
            directory: TempDir::new().unwrap(),
            filter: Filter::default(),
            mapping: Mapping::default(),
            names: None,
            endpoints: Vec::new(),
            from: None,
            to: None,
            keep_differing: false,
            floor: Floor::default(),
        }
    }

    pub(crate) fn plain() -> World {
        World::between(plain(), Ways::default())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn place(given: &Option<PlaceName>, registry: &FakeRegistry) -> PlaceName {
        given.clone().unwrap_or_else(|| registry.host().parse().unwrap())
    }

    pub(crate) async fn sides(&self) -> Sides {
        let options = PaceOptions {
            first_delay: Duration::from_millis(1),
            attempts_max: 4,
            ..PaceOptions::default()
        };
        let (from_pace, to_pace) = (Pace::new(options), Pace::new(options));
        let origin: Arc<dyn Origin> = match Self::place(&self.from, &self.old) {
            PlaceName::Registry { host, prefix } => Arc::new(
                RegistryOrigin::new(
                    &registries(&from_pace, self.floor),
                    &host,
                    &self.endpoints,
                    prefix,
                )
                .unwrap(),
            ),
            local => Arc::new(LocalOrigin::open(&local).await.unwrap()),
        };
        let target: Arc<dyn Target> = match Self::place(&self.to, &self.new) {
            PlaceName::Layout(dir) => Arc::new(LayoutTarget::open(&dir).await.unwrap()),
            PlaceName::Registry { host, .. } => {
                Arc::new(RegistryTarget::new(&registries(&to_pace, self.floor), &host).unwrap())
            }
            PlaceName::DockerArchive(_) => panic!("a docker archive is a source only"),
        };
        Sides {
            origin,
            target,
            from_pace,
            to_pace,
        }
    }

    pub(crate) async fn plan_with(&self, sides: &Sides, depth: Depth, journal: &Journal) -> Plan {
        let (from, to) = (
            Self::place(&self.from, &self.old),
            Self::place(&self.to, &self.new),
        );
        let options = SurveyOptions {
            from: from.to_string(),
            to: to.to_string(),
            names: self.names.clone(),
            from_prefix: from.prefix().cloned(),
            to_prefix: to.prefix().cloned(),
            mapping: self.mapping.clone(),
            filter: self.filter.clone(),
            depth,
            journal: Some(journal),
            store: journal.manifests(),
        };
        survey(sides, &options, &Silent).await.unwrap()
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::new(Journal::open(&self.path("journal"), "a", "b").unwrap())
    }

    pub(crate) async fn plan(&self) -> Plan {
        self.plan_with(&self.sides().await, Depth::Complete, &self.journal())
            .await
    }

    /// Looks and copies.
    pub(crate) async fn run(&self) -> Report {
        let (sides, journal) = (self.sides().await, self.journal());
        let plan = self.plan_with(&sides, Depth::Missing, &journal).await;
        self.run_as((&sides, &plan), &journal, true).await
    }

    /// Goes on with a plan that was made before.
    pub(crate) async fn run_plan(&self, sides: &Sides, plan: &Plan, journal: &Arc<Journal>) -> Report {
        self.run_as((sides, plan), journal, false).await
    }

    async fn run_as(&self, (sides, plan): (&Sides, &Plan), journal: &Arc<Journal>, is_fresh: bool) -> Report {
        let options = RunOptions {
            blobs_at_once: NonZeroUsize::new(4).unwrap(),
            keep_differing: self.keep_differing,
            is_fresh,
            filter: self.filter.clone(),
        };
        run(sides, plan, journal, &options, &Silent).await.unwrap()
    }

    /// Whether every tag and manifest of the old one is in the new one, byte for byte, with its blobs.
    #[track_caller]
    pub(crate) fn assert_same(&self) {
        let (old, new) = (self.old.content(), self.new.content());
        for (key, entry) in &old.manifests {
            assert_eq!(new.manifests.get(key), Some(entry), "{key}");
        }
        for link in &old.links {
            assert!(new.links.contains(link), "{link}");
        }
    }
}

/// An image in a registry, with layers of these contents; pushed by digest and under a tag.
pub(crate) fn image(content: &mut Content, name: &str, tag: Option<&str>, layers: &[&[u8]]) -> Manifest {
    // Two images of the same layers are two images.
    let own = format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"n\":\"{name}{tag:?}\"}}");
    image_with(content, (name, tag), own.as_bytes(), layers)
}

pub(crate) fn image_with(
    content: &mut Content,
    (name, tag): (&str, Option<&str>),
    config: &[u8],
    layers: &[&[u8]],
) -> Manifest {
    content.add_blob(name, config);
    let layers = layers.iter().map(|layer| {
        content.add_blob(name, layer);
        Descriptor::of(MediaType::OCI_LAYER_GZIP, layer)
    });
    let layers = layers.collect();
    let manifest = ImageManifest::new(Descriptor::of(MediaType::OCI_CONFIG, config), layers);
    let manifest = Manifest::from_image(&manifest);
    content.add_manifest(name, tag, &manifest);
    manifest
}

/// An index of manifests in a registry.
pub(crate) fn index(
    content: &mut Content,
    name: &str,
    tag: Option<&str>,
    children: Vec<Descriptor>,
) -> Manifest {
    let manifest = Manifest::from_index(&ImageIndex::new(children));
    content.add_manifest(name, tag, &manifest);
    manifest
}

/// Something that refers to a manifest.
pub(crate) fn referrer(content: &mut Content, name: &str, subject: &Manifest, layer: &[u8]) -> Manifest {
    content.add_blob(name, b"{}");
    content.add_blob(name, layer);
    let layers = vec![Descriptor::of(MediaType::OCI_LAYER_TAR, layer)];
    let mut manifest = ImageManifest::new(Descriptor::of(MediaType::OCI_EMPTY, b"{}"), layers);
    manifest.subject = Some(subject.descriptor());
    let manifest = Manifest::from_image(&manifest);
    content.add_manifest(name, None, &manifest);
    manifest
}

/// Bytes that are not those of another number.
pub(crate) fn bytes(number: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(number) * 2 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}
