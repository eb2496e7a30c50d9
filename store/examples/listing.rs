//! How long a data directory with 100,000 manifests and 10,000 tags in one package takes to open, to list and to read,
//! and what a collection over 100,000 blobs does to reads beside it.
//!
//! `cargo run --release -p store --example listing [MANIFESTS]`. Figures are only worth what the build is: not debug.

#![expect(clippy::print_stdout, reason = "an example that prints figures")]
#![expect(clippy::unwrap_used, reason = "an example: whatever fails ends it")]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, MediaType, Tag};
use store::{
    Actor, Blob, CollectionOptions, Content, DataDirectory, ManifestReference, NewManifest, PackagePath,
    Reference, Repositories, Repository, collect,
};

/// One in so many manifests has a tag.
const TAG_EVERY: u64 = 10;

/// Pushes at once while the directory is filled.
const PUSHERS: u64 = 128;

const READS: u64 = 10_000;

#[tokio::main]
async fn main() {
    let manifests = std::env::args()
        .nth(1)
        .map_or(100_000, |count| count.parse::<u64>().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path, manifests).await;

    let mut opened: Vec<Duration> = (0..10)
        .map(|_| timed(|| DataDirectory::open(&path).unwrap()).1)
        .collect();
    opened.sort();
    println!("open: median {:?}, worst {:?}", opened[5], opened[9]);

    let data = Arc::new(DataDirectory::open(&path).unwrap());
    list(&data).await;
    read(&data, manifests, "alone").await;
    durable_pushes(&data).await;

    let collection = tokio::spawn(collection(Arc::clone(&data)));
    read(&data, manifests, "while a collection runs").await;
    println!("that collection had ended: {}", collection.is_finished());
    collection.await.unwrap();
}

async fn collection(data: Arc<DataDirectory>) {
    let options = CollectionOptions {
        grace: Duration::from_secs(3600),
        upload_idle: Duration::from_secs(3600),
        untagged_after: Some(Duration::from_secs(u64::MAX)),
        dry_run: false,
        actor: actor().clone(),
    };
    let begun = Instant::now();
    let report = collect(data.blobs(), data.metadata(), &options, at(1_000_000_000))
        .await
        .unwrap();
    println!(
        "collection: {:?}, freed {} blobs",
        begun.elapsed(),
        report.blobs.count
    );
}

/// Every manifest has a blob of its own.
async fn fill(path: &Path, manifests: u64) {
    let data = Arc::new(DataDirectory::open(path).unwrap());
    data.metadata()
        .create_repository(&repository(), actor())
        .await
        .unwrap()
        .unwrap();
    let begun = Instant::now();
    let mut pushers = tokio::task::JoinSet::new();
    for pusher in 0..PUSHERS {
        let data = Arc::clone(&data);
        pushers.spawn(async move {
            for number in (pusher..manifests).step_by(PUSHERS as usize) {
                push(&data, number).await;
            }
        });
    }
    pushers.join_all().await;
    let took = begun.elapsed();
    let rate = manifests as f64 / took.as_secs_f64();
    println!("filled with {manifests} manifests in {took:.1?}: {rate:.0}/s, {PUSHERS} at once");
    drop(data);
    let bytes = std::fs::metadata(path.join("metadata.sqlite")).unwrap().len();
    println!("database: {} MiB", bytes >> 20);
}

async fn list(data: &DataDirectory) {
    for (limit, what) in [(usize::MAX, "all"), (1000, "1,000")] {
        let mut took = Vec::new();
        let mut count = 0;
        for _ in 0..20 {
            let begun = Instant::now();
            count = data
                .metadata()
                .tags(&package(), None, limit)
                .await
                .unwrap()
                .unwrap()
                .len();
            took.push(begun.elapsed());
        }
        took.sort();
        println!(
            "tags, {what} ({count}): median {:?}, worst {:?}",
            took[10], took[19]
        );
    }
}

async fn read(data: &Arc<DataDirectory>, manifests: u64, when: &str) {
    let mut took = Vec::new();
    for number in 0..READS {
        let tag = tag(number * TAG_EVERY * 7919 % manifests / TAG_EVERY * TAG_EVERY);
        let begun = Instant::now();
        data.metadata().tagged(&package(), &tag).await.unwrap().unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    let at = |share: usize| took[took.len() * share / 1000];
    println!(
        "manifest by tag, {when}: median {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    );
    let begun = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..16 {
        let data = Arc::clone(data);
        readers.spawn(async move {
            for number in 0..READS / 4 {
                let tag = tag((reader + number * 16) * TAG_EVERY % manifests);
                data.metadata().tagged(&package(), &tag).await.unwrap().unwrap();
            }
        });
    }
    readers.join_all().await;
    let rate = (4 * READS) as f64 / begun.elapsed().as_secs_f64();
    println!("manifest by tag, {when}, 16 at once: {rate:.0}/s");
}

/// Two commits a push, as a registry does for an image of one new blob.
async fn durable_pushes(data: &Arc<DataDirectory>) {
    for clients in [1, 8, 64] {
        let (begun, each) = (Instant::now(), 50);
        let mut pushers = tokio::task::JoinSet::new();
        for client in 0..clients {
            let data = Arc::clone(data);
            pushers.spawn(async move {
                for number in 0..each {
                    push(
                        &data,
                        1_000_000_000 + clients * 1_000_000 + client * 1000 + number,
                    )
                    .await;
                }
            });
        }
        pushers.join_all().await;
        let rate = (clients * each) as f64 / begun.elapsed().as_secs_f64();
        println!("rows of durable pushes, {clients} at once: {rate:.0}/s");
    }
}

async fn push(data: &DataDirectory, number: u64) {
    let digest = Digest::sha256_of(&number.to_be_bytes());
    let blob = Blob {
        digest,
        size: 1,
        key: format!("{digest}.{number:032x}").parse().unwrap(),
        last_seen: at(10),
    };
    let package = package();
    data.metadata()
        .commit_blob(&package, &blob, actor())
        .await
        .unwrap();
    let bytes = Bytes::from(format!("{number:0900}"));
    let tags = if number.is_multiple_of(TAG_EVERY) {
        vec![tag(number)]
    } else {
        Vec::new()
    };
    let manifest = NewManifest {
        digest: Digest::sha256_of(&bytes),
        bytes,
        media_type: MediaType::OCI_MANIFEST,
        artifact_type: None,
        subject: None,
        references: vec![ManifestReference {
            digest,
            kind: Reference::Blob,
        }],
        size_bytes: 1,
        tags,
    };
    let put = data.metadata().put_manifest(&package, &manifest, actor(), at(20));
    put.await.unwrap().unwrap();
}

fn tag(number: u64) -> Tag {
    format!("v{number}").parse().unwrap()
}

fn package() -> PackagePath {
    PackagePath {
        repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
        name: "a".parse().unwrap(),
    }
}

fn repository() -> Repository {
    Repository::new(package().repository, at(1))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn actor() -> &'static Actor {
    static ANN: LazyLock<Actor> = LazyLock::new(|| Actor("user:ann".to_owned()));
    &ANN
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}
