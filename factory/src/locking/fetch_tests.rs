use std::path::Path;
use std::sync::Arc;

use archive::Encoder;
use cache::Cache;
use debian::keyring::Keyring;
use debian::mirror::Mirrors;
use debian::repository::{Archives, ArchivesOptions};
use testkit::{DebBuilder, Fault, Signer, TestArchive, TestArchiveBuilder, TestServer, public_key};
use transport::{Transport, TransportOptions};

use super::*;
use crate::release::Architecture;
use crate::specification::Specification;

struct World {
    /// Its files are served, and gone when it is dropped.
    archive: TestArchive,
    server: TestServer,
    cache: tempfile::TempDir,
}

/// Debian 13 with the package `app` for two architectures, the newer version in the security suite, which
/// lacks s390x.
fn debian() -> TestArchiveBuilder {
    let app = |version: &str, architecture: &str| {
        DebBuilder::new("app", version)
            .architecture(architecture)
            .file("usr/bin/app", 0o755, b"x")
            .build()
    };
    TestArchive::builder()
        .deb("trixie", app("1", "amd64"))
        .deb("trixie", app("1", "s390x"))
        .suite("trixie-updates", "amd64")
        .suite("trixie-updates", "s390x")
        .deb("trixie-security", app("2", "amd64"))
}

impl World {
    fn new(archive: TestArchive) -> Self {
        Self {
            server: archive.serve(),
            archive,
            cache: tempfile::tempdir().expect("a directory"),
        }
    }

    fn locking(&self) -> Locking {
        let cache = Cache::open(self.cache.path().to_owned()).expect("a cache");
        let now = "2026-01-02T00:00:00Z".parse().expect("a time");
        let progress = Arc::new(progress::Silent);
        let transport = Transport::new(TransportOptions::new("test"));
        let archives = Archives::new(transport, cache, progress.clone(), ArchivesOptions::at(now));
        Locking { archives, progress }
    }

    fn request(&self, text: &str, failures: Failures) -> LockRequest {
        let specification = Specification::parse("app.yaml", text, Path::new("")).expect("is read");
        let url = self.server.url();
        let mirrors: Vec<_> = ["debian", "debian-security"]
            .iter()
            .map(|name| format!("{name}={url}").parse().expect("a mirror"))
            .collect();
        LockRequest {
            plans: specification.plans.into(),
            architectures: Architecture::ALL.to_vec(),
            encoder: Encoder::Gzip,
            mirrors: Mirrors::from_arguments(&mirrors),
            keyring: Some(Keyring::parse(public_key(Signer::Archive).as_bytes()).expect("keys")),
            failures,
        }
    }
}

const APP: &str = "lightship: 1\npackages: [app]\narchitectures: [amd64, s390x]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_the_newest_of_all_suites_for_every_architecture() {
    let world = World::new(debian().build());
    let outcome = lock(&world.request(APP, Failures::Stop), &world.locking())
        .await
        .expect("is locked");
    let packages: Vec<_> = outcome
        .locked
        .lock
        .packages
        .iter()
        .map(|p| (p.architecture.as_str(), p.version.as_str(), p.archive.as_str()))
        .collect();
    assert_eq!(
        packages,
        [
            ("amd64", "2", "debian-security trixie-security"),
            ("s390x", "1", "debian trixie")
        ]
    );
    let told: Vec<_> = outcome.locked.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "app has different versions: 1 on s390x; 2 on amd64 (in app)",
            "trixie-security has no s390x: support of images for it ended or ends on 2028-08-09",
        ]
    );
    let suites: Vec<_> = outcome
        .locked
        .lock
        .archives
        .iter()
        .map(|a| (a.suite.as_str(), a.indexes.len()))
        .collect();
    assert_eq!(
        suites,
        [("trixie", 2), ("trixie-updates", 2), ("trixie-security", 1)]
    );
    let text = outcome.locked.lock.to_text();
    assert!(!text.contains("127.0.0.1"), "{text}");
    // Again, and nothing has changed.
    let again = lock(&world.request(APP, Failures::Stop), &world.locking())
        .await
        .expect("is locked");
    assert_eq!(again.locked.lock.to_text(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_does_not_match_leaves_its_architecture_out_or_stops() {
    let world = World::new(debian().build());
    let directory = world.archive.path().join("dists/trixie/main/binary-s390x");
    std::fs::remove_dir_all(directory.join("by-hash")).expect("is there");
    std::fs::write(directory.join("Packages.gz"), b"something else").expect("is written");
    let error = lock(&world.request(APP, Failures::Stop), &world.locking())
        .await
        .expect_err("is refused");
    assert_eq!(error.to_string(), "cannot read the suite trixie");
    let LockingError::Fetch { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.is_mismatch(), "{source:?}");

    let outcome = lock(&world.request(APP, Failures::KeepGoing), &world.locking())
        .await
        .expect("is locked");
    let skipped: Vec<_> = outcome
        .skipped
        .iter()
        .map(|skipped| skipped.architecture)
        .collect();
    assert_eq!(skipped, [Architecture::S390x]);
    let image = outcome.locked.lock.image("app", "latest").expect("is locked");
    assert_eq!(image.platforms.keys().collect::<Vec<_>>(), [&Architecture::Amd64]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_locked_when_no_architecture_is_left() {
    let world = World::new(debian().build());
    world
        .server
        .fault_always("/dists/trixie/InRelease", Fault::Status(404, None));
    let error = lock(&world.request(APP, Failures::KeepGoing), &world.locking())
        .await
        .expect_err("is refused");
    assert_eq!(error.to_string(), "cannot read the suite trixie");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_additional_archive_needs_its_own_key() {
    let tool = DebBuilder::new("tool", "1")
        .architecture("amd64")
        .file("usr/bin/tool", 0o755, b"x")
        .build();
    let files = TestArchive::builder()
        .deb("stable", tool)
        .signer(Signer::Stranger)
        .build();
    let vendor = files.serve();
    let world = World::new(debian().build());
    let text = |signer: Signer| {
        let key = public_key(signer).replace('\n', "\n      ");
        format!(
            "lightship: 1\npackages: [app, tool]\narchitectures: [amd64]\nrepositories:\n  - name: vendor\n    uri: {}\n\
             \x20   suite: stable\n    components: [main]\n    signed-by: |\n      {key}\n",
            vendor.url()
        )
    };
    let request = world.request(&text(Signer::Stranger), Failures::Stop);
    let outcome = lock(&request, &world.locking()).await.expect("is locked");
    let archive = outcome
        .locked
        .lock
        .archives
        .iter()
        .find(|archive| archive.name == "vendor")
        .expect("is there");
    assert_eq!(archive.key_sha256.as_ref().map(String::len), Some(64));
    assert_eq!(archive.signers.len(), 1);
    let request = world.request(&text(Signer::Archive), Failures::Stop);
    let error = lock(&request, &world.locking()).await.expect_err("is refused");
    assert_eq!(error.to_string(), "cannot read the suite stable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_counts_only_what_was_asked_for() {
    let world = World::new(debian().build());
    let request = world.request(APP, Failures::Stop);
    let newer = lock(&request, &world.locking())
        .await
        .expect("is locked")
        .locked
        .lock;
    let mut old = newer.clone();
    for package in &mut old.packages {
        package.version = "0".to_owned();
    }
    let changes =
        |architectures: &[Architecture]| check(&old, &newer, &request.plans, architectures).packages.len();
    assert_eq!(
        (
            changes(&Architecture::ALL),
            changes(&[Architecture::Amd64]),
            changes(&[])
        ),
        (2, 1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_packages_needs_no_archive() {
    let world = World::new(TestArchive::builder().build());
    let text = "lightship: 1\nfiles: [{path: /app, text: x}]\narchitectures: [amd64, s390x]\n";
    let outcome = lock(&world.request(text, Failures::Stop), &world.locking())
        .await
        .expect("is locked");
    let lock = outcome.locked.lock;
    assert_eq!((lock.archives.len(), lock.packages.len()), (0, 0));
    assert_eq!(lock.images[0].platforms.len(), 2);
    assert!(outcome.locked.notes.is_empty(), "{:?}", outcome.locked.notes);
}
