use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oci::Algorithm;

use super::*;
use crate::conformance::{BlobWorld, Counter, ann, at, manifest, no_redirects, package, repository};
use crate::{Advance, Content, DataDirectory, FileBlobStore, Reference, Repositories};

struct World {
    directory: tempfile::TempDir,
    data: DataDirectory,
    blobs: Vec<Blob>,
}

/// Three blobs, and a manifest of package `a` that names them all.
async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(&directory.path().join("data")).unwrap();
    let metadata = data.metadata();
    metadata
        .create_repository(&repository("r"), ann())
        .await
        .unwrap()
        .unwrap();
    let store = BlobWorld {
        store: Box::new(data.blobs().clone()),
        entropy: Counter::default(),
        fetch: Box::new(no_redirects),
        _keep: Box::new(()),
    };
    let mut blobs = Vec::new();
    for (content, algorithm) in [
        (vec![1; 3 << 20], Algorithm::Sha512),
        (vec![2; 10], Algorithm::Sha256),
        (vec![], Algorithm::Sha256),
    ] {
        let digest = Digest::of(algorithm, &content);
        let upload = store.upload(&content).await;
        let key = crate::StorageKey::new(&digest, &store.entropy);
        let size = content.len() as u64;
        data.blobs().seal(&upload, &key, size).await.unwrap();
        let blob = Blob {
            digest,
            size,
            key,
            last_seen: at(10),
        };
        metadata.commit_blob(&package("a"), &blob, ann()).await.unwrap();
        blobs.push(blob);
    }
    let references: Vec<_> = blobs.iter().map(|blob| (blob.digest, Reference::Blob)).collect();
    let mut image = manifest("{}", &references, &["t"]);
    image.references.push(crate::ManifestReference {
        digest: Digest::sha256_of(b"sparse"),
        kind: Reference::SparseChild,
    });
    metadata
        .put_manifest(&package("a"), &image, ann(), at(20))
        .await
        .unwrap()
        .unwrap();
    World {
        directory,
        data,
        blobs,
    }
}

impl World {
    async fn scrub(&self) -> ScrubReport {
        scrub(self.data.blobs(), self.data.metadata(), &ScrubOptions::default())
            .await
            .unwrap()
    }

    fn object(&self, blob: &Blob) -> PathBuf {
        let name = blob.key.as_str().split_once(':').unwrap().1;
        let objects = self.directory.path().join("data/objects");
        let algorithm = blob.digest.algorithm().as_str();
        objects.join(algorithm).join(&name[..2]).join(name)
    }
}

#[tokio::test]
async fn a_whole_store_has_no_findings() {
    let world = world().await;
    let expected = ScrubReport {
        blobs: 3,
        bytes: (3 << 20) + 10,
        manifests: 1,
        missing_children: 1,
        ..ScrubReport::default()
    };
    assert_eq!(world.scrub().await, expected);
}

#[tokio::test]
async fn a_scrub_tells_how_far_it_is_and_keeps_to_its_rate() {
    const BYTES: u64 = (3 << 20) + 10;
    const RATE: u64 = 8 << 20;
    let world = world().await;
    let told: Arc<Mutex<Vec<Advance>>> = Arc::default();
    let telling = Arc::clone(&told);
    let options = ScrubOptions {
        bytes_per_second: NonZeroU64::new(RATE),
        watch: Some(Arc::new(move |advance| telling.lock().unwrap().push(advance))),
    };
    let begun = Instant::now();
    let report = scrub(world.data.blobs(), world.data.metadata(), &options)
        .await
        .unwrap();
    assert_eq!((report.bytes, report.findings), (BYTES, vec![]));
    assert!(begun.elapsed() >= Duration::from_secs_f64(BYTES as f64 / RATE as f64));
    let told = told.lock().unwrap();
    let total = Extent {
        objects: 3,
        bytes: BYTES,
    };
    assert!(told.iter().all(|advance| advance.total == total));
    let bytes: Vec<u64> = told.iter().map(|advance| advance.done.bytes).collect();
    assert!(bytes.is_sorted(), "{bytes:?}");
    // Also within a large one.
    assert!(bytes.iter().filter(|bytes| **bytes > 0).count() > 3, "{bytes:?}");
    assert_eq!(told.last().unwrap().done, total);
}

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    let world = world().await;
    let [big, small, empty] = &world.blobs[..] else {
        unreachable!()
    };
    let mut bytes = fs::read(world.object(big)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(world.object(big), bytes).unwrap();
    fs::write(world.object(small), "short").unwrap();
    fs::remove_file(world.object(empty)).unwrap();
    world
        .data
        .metadata()
        .unlink_blob(&package("a"), &empty.digest)
        .await
        .unwrap();
    let mut findings = world.scrub().await.findings;
    findings.sort_by_key(ToString::to_string);
    let mut expected = [
        Finding::BlobDamaged { digest: big.digest },
        Finding::BlobDamaged { digest: small.digest },
        Finding::BlobMissing { digest: empty.digest },
        Finding::BlobUnlinked {
            package: package("a"),
            manifest: Digest::sha256_of(b"{}"),
            blob: empty.digest,
        },
    ];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(findings, expected);
}

#[tokio::test]
async fn a_manifest_with_other_bytes_is_found() {
    let world = world().await;
    let mut wrong = manifest("bytes", &[], &[]);
    wrong.digest = Digest::sha256_of(b"other bytes");
    let put = world
        .data
        .metadata()
        .put_manifest(&package("b"), &wrong, ann(), at(20))
        .await;
    put.unwrap().unwrap();
    let expected = Finding::ManifestDamaged {
        package: package("b"),
        digest: wrong.digest,
    };
    assert_eq!(world.scrub().await.findings, [expected]);
}

#[tokio::test]
async fn what_another_store_has_is_missing_in_this_one() {
    let world = world().await;
    let empty = tempfile::tempdir().unwrap();
    let blobs = FileBlobStore::open(empty.path().to_owned()).unwrap();
    let report = scrub(&blobs, world.data.metadata(), &ScrubOptions::default())
        .await
        .unwrap();
    assert_eq!((report.findings.len(), report.blobs), (3, 0));
}
