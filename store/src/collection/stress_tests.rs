//! Pushes of the same few blobs while a collection without a grace time runs again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use oci::Digest;

use super::*;
use crate::conformance::{
    Counter, Dice, ann, at, blob, bytes_of, manifest, no_redirects, package, repository, tag,
};
use crate::{
    BlobStore, ByteRange, Committed, Content, DataDirectory, Inspection, NewManifest, PutRefusal, Reference,
    Repositories, UploadKey, scrub,
};

const PUSHERS: usize = 6;
const ROUNDS: usize = 40;

struct World {
    data: DataDirectory,
    entropy: Counter,
    is_over: AtomicBool,
}

fn content(number: usize) -> Vec<u8> {
    vec![number as u8; 5000 + number]
}

impl World {
    async fn push_blob(&self, package: &PackagePath, number: usize, dice: &mut Dice) {
        let (blobs, metadata, bytes) = (self.data.blobs(), self.data.metadata(), content(number));
        let digest = Digest::sha256_of(&bytes);
        if dice.below(2) == 0 {
            let there = metadata.blob(package, &digest).await.unwrap().is_some();
            if there && metadata.touch_blob(package, &digest, at(10)).await.unwrap() {
                return;
            }
            let from = place(dice.below(3));
            if metadata
                .mount_blob(package, &from, &digest, at(10))
                .await
                .unwrap()
            {
                return;
            }
        }
        let upload = UploadKey::of(&UploadKey::session(&self.entropy), "p").unwrap();
        blobs.begin(&upload).await.unwrap();
        let mut append = blobs.append(&upload, 0).await.unwrap();
        append.write(Bytes::from(bytes.clone())).await.unwrap();
        append.finish().await.unwrap();
        let key = StorageKey::new(&digest, &self.entropy);
        let size = bytes.len() as u64;
        blobs.seal(&upload, &key, size).await.unwrap();
        let new = Blob {
            key: key.clone(),
            ..blob(&bytes, 0)
        };
        match metadata.commit_blob(package, &new, ann()).await.unwrap() {
            Committed::Kept => {}
            Committed::Superseded => blobs.remove(&key).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Pushes until it is answered that all is stored.
    async fn push(&self, package: &PackagePath, image: &NewManifest, numbers: &[usize], dice: &mut Dice) {
        for _ in 0..1000 {
            for number in numbers {
                self.push_blob(package, *number, dice).await;
            }
            let put = self
                .data
                .metadata()
                .put_manifest(package, image, ann(), at(10))
                .await;
            match put.unwrap() {
                Ok(()) => return,
                // With no grace time at all a collection may come between; the client starts again.
                Err(PutRefusal::BlobUnknown { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        panic!("never stored");
    }

    async fn check(&self, package: &PackagePath, numbers: &[usize]) {
        for number in numbers {
            let bytes = content(*number);
            let digest = Digest::sha256_of(&bytes);
            let blob = self
                .data
                .metadata()
                .blob(package, &digest)
                .await
                .unwrap()
                .unwrap();
            let read = self
                .data
                .blobs()
                .read(&blob.key, blob.size, ByteRange::all(blob.size));
            assert!(bytes_of(read.await.unwrap(), &no_redirects).await == bytes);
        }
    }

    async fn pusher(&self, number: usize) {
        let mut dice = Dice::new(number as u64);
        let (package, name) = (place(number % 3), format!("of-{number}"));
        for round in 0..ROUNDS {
            let numbers = [dice.below(5), dice.below(5)];
            let digests = numbers.map(|number| (Digest::sha256_of(&content(number)), Reference::Blob));
            let image = manifest(&format!("{number} {round}"), &digests, &[&name]);
            self.push(&package, &image, &numbers, &mut dice).await;
            self.check(&package, &numbers).await;
            if dice.below(2) == 0 {
                let deleted = self
                    .data
                    .metadata()
                    .delete_manifest(&package, &image.digest, ann(), at(20));
                assert_eq!(deleted.await.unwrap(), Ok(true));
            } else {
                self.data
                    .metadata()
                    .delete_tag(&package, &tag(&name), ann(), at(10))
                    .await
                    .unwrap()
                    .unwrap();
            }
        }
    }

    async fn collector(&self) -> CollectionReport {
        // Rows count as old at once. Objects do not: that is what the grace time of those without a row is for.
        let options = CollectionOptions {
            grace: GRACE_MIN,
            upload_idle: GRACE_MIN,
            untagged_after: Some(Duration::ZERO),
            dry_run: false,
            actor: ann().clone(),
        };
        let mut sum = CollectionReport::default();
        while !self.is_over.load(Ordering::Relaxed) {
            let report = collect(self.data.blobs(), self.data.metadata(), &options, at(1_000_000))
                .await
                .unwrap();
            assert_eq!(report.failures, 0);
            sum.blobs.count += report.blobs.count;
            sum.manifests += report.manifests;
        }
        sum
    }
}

fn place(number: usize) -> PackagePath {
    package(["a", "b", "c"][number])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_collection_without_a_pause_loses_nothing_that_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(&directory.path().join("data")).unwrap();
    data.metadata()
        .create_repository(&repository("r"), ann())
        .await
        .unwrap()
        .unwrap();
    let world = Arc::new(World {
        data,
        entropy: Counter::default(),
        is_over: AtomicBool::new(false),
    });
    let mut pushers = tokio::task::JoinSet::new();
    for number in 0..PUSHERS {
        let world = Arc::clone(&world);
        pushers.spawn(async move { world.pusher(number).await });
    }
    let collector = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.collector().await }
    });
    pushers.join_all().await;
    world.is_over.store(true, Ordering::Relaxed);
    let freed = collector.await.unwrap();
    assert!(freed.blobs.count > 0 && freed.manifests > 0, "{freed:?}");
    let found = scrub(
        world.data.blobs(),
        world.data.metadata(),
        &crate::ScrubOptions::default(),
    )
    .await
    .unwrap();
    assert_eq!(found.findings, []);
    // Every object is one that a row names.
    let objects = world.data.blobs().objects(None, 1000).await.unwrap();
    let walk = Walk {
        from: None,
        limit: 1000,
    };
    let rows = world.data.metadata().all_blobs(walk).await.unwrap().items;
    assert_eq!(objects.len(), rows.len());
}
