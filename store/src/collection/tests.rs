use std::time::Duration;

use super::*;
use crate::conformance::{BlobWorld, Counter, ann, at, manifest, no_redirects, package, repository};
use crate::files::{Fault, SimulatedDisk};
use crate::{BlobStore, Content, FileBlobStore, Reference, Repositories, SqliteMetadata};

struct World {
    disk: SimulatedDisk,
    blobs: FileBlobStore,
    metadata: SqliteMetadata,
    _directory: tempfile::TempDir,
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::default();
    let world = World {
        blobs: FileBlobStore::on(Box::new(disk.clone())).unwrap(),
        metadata: SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap(),
        disk,
        _directory: directory,
    };
    let made = world.metadata.create_repository(&repository("r"), ann()).await;
    made.unwrap().unwrap();
    world
}

impl World {
    async fn collect(&self, dry_run: bool) -> CollectionReport {
        let options = CollectionOptions {
            grace: GRACE_MIN,
            upload_idle: GRACE_MIN,
            untagged_after: Some(Duration::ZERO),
            dry_run,
            actor: ann().clone(),
        };
        collect(&self.blobs, &self.metadata, &options, at(1_000_000))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_object_that_resists_is_counted_and_goes_the_next_time() {
    let world = world().await;
    let store = BlobWorld {
        store: Box::new(world.blobs.clone()),
        entropy: Counter::default(),
        fetch: Box::new(no_redirects),
        _keep: Box::new(()),
    };
    for content in [&b"one"[..], b"three"] {
        let blob = Blob {
            digest: Digest::sha256_of(content),
            size: content.len() as u64,
            key: store.stored(content).await,
            last_seen: at(10),
        };
        world
            .metadata
            .commit_blob(&package("a"), &blob, ann())
            .await
            .unwrap();
    }
    let dry = world.collect(true).await;
    assert_eq!((dry.links, dry.blobs.count), (2, 0));
    world.disk.fail_at(1, Fault::Error(std::io::ErrorKind::Other));
    let report = world.collect(false).await;
    let counts = (report.links, report.blobs.count, report.failures, report.packages);
    assert_eq!(counts, (2, 1, 1, 1));
    // No row names it any more, so it goes when it is old enough.
    assert_eq!(world.collect(false).await, CollectionReport::default());
    world.disk.advance(GRACE_MIN + Duration::from_secs(1));
    let freed = 8 - report.blobs.bytes;
    let orphans = Freed {
        count: 1,
        bytes: freed,
    };
    for dry_run in [true, false] {
        let expected = CollectionReport {
            orphans,
            ..CollectionReport::default()
        };
        assert_eq!(world.collect(dry_run).await, expected);
    }
    assert_eq!(world.blobs.objects(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn what_an_untagged_index_held_goes_with_it() {
    let world = world().await;
    let image = manifest("image", &[], &[]);
    let inner = manifest("inner", &[(image.digest, Reference::Child)], &[]);
    let outer = manifest("outer", &[(inner.digest, Reference::Child)], &[]);
    let mut signature = manifest("signature", &[], &[]);
    signature.subject = Some(outer.digest);
    for manifest in [&image, &inner, &outer, &signature] {
        let put = world
            .metadata
            .put_manifest(&package("a"), manifest, ann(), at(20))
            .await;
        put.unwrap().unwrap();
    }
    assert_eq!(world.collect(true).await.manifests, 1);
    let report = world.collect(false).await;
    assert_eq!((report.manifests, report.packages), (4, 1));
}

/// Whoever has manifests in memory, and how many blobs there were when it was told to forget them.
struct Remembering<'w> {
    world: &'w World,
    blobs_then: std::sync::Mutex<Vec<usize>>,
}

impl Others for Remembering<'_> {
    fn requests(&self) -> u64 {
        0
    }

    fn forget_manifests(&self) {
        let all = Walk {
            from: None,
            limit: 100,
        };
        let idle = self.world.metadata.idle_blobs(at(1_000_000), all);
        let objects = self.world.blobs.objects(None, 100);
        let (idle, objects) = tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Handle::current();
            (
                runtime.block_on(idle).unwrap(),
                runtime.block_on(objects).unwrap(),
            )
        });
        assert_eq!(idle.items, [], "what the manifest named is linked");
        self.blobs_then.lock().unwrap().push(objects.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_forgotten_before_what_they_name_is_freed() {
    let world = world().await;
    let store = BlobWorld {
        store: Box::new(world.blobs.clone()),
        entropy: Counter::default(),
        fetch: Box::new(no_redirects),
        _keep: Box::new(()),
    };
    let blob = Blob {
        digest: Digest::sha256_of(b"one"),
        size: 3,
        key: store.stored(b"one").await,
        last_seen: at(10),
    };
    let metadata = &world.metadata;
    metadata.commit_blob(&package("a"), &blob, ann()).await.unwrap();
    let untagged = manifest("m", &[(blob.digest, Reference::Blob)], &[]);
    let put = metadata
        .put_manifest(&package("a"), &untagged, ann(), at(10))
        .await;
    put.unwrap().unwrap();
    let options = |dry_run| CollectionOptions {
        grace: GRACE_MIN,
        upload_idle: GRACE_MIN,
        untagged_after: Some(Duration::ZERO),
        dry_run,
        actor: ann().clone(),
    };
    let others = Remembering {
        world: &world,
        blobs_then: std::sync::Mutex::default(),
    };
    for (dry_run, told) in [(true, vec![]), (false, vec![1]), (false, vec![1])] {
        let now = at(1_000_000);
        let collected = collect_beside(&world.blobs, metadata, &options(dry_run), now, &others).await;
        assert_eq!(collected.unwrap().failures, 0);
        assert_eq!(*others.blobs_then.lock().unwrap(), told);
    }
    let objects = world.blobs.objects(None, 100).await.unwrap();
    assert_eq!(objects.len(), 0, "the blob went then");
}
