//! Backups while everything else goes on.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oci::Digest;

use super::running_tests::unwatched;
use super::tests::{World, layer, objects};
use super::*;
use crate::conformance::{ann, at, package};
use crate::{CollectionOptions, Content, GRACE_MIN, Listing, collect};

/// What goes on while backups are made.
struct Use {
    world: World,
    is_over: AtomicBool,
    pushed: AtomicU64,
}

impl Use {
    /// Pushes; most of it goes again, so that the collection has something to take.
    async fn push(&self, pusher: usize) {
        let (metadata, a) = (self.world.data.metadata(), package("a"));
        for round in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("p{pusher}-{round}");
            self.world.push(&name).await;
            self.pushed.fetch_add(1, Ordering::Relaxed);
            if round % 4 != 0 {
                let digest = Digest::sha256_of(name.as_bytes());
                let deleted = metadata.delete_manifest(&a, &digest, ann(), at(30));
                deleted.await.unwrap().unwrap();
                let digest = Digest::sha256_of(&layer(&name));
                metadata.unlink_blob(&a, &digest).await.unwrap();
            }
        }
    }

    async fn collect(&self) {
        let options = CollectionOptions {
            grace: GRACE_MIN,
            upload_idle: GRACE_MIN,
            untagged_after: Some(Duration::ZERO),
            dry_run: false,
            actor: ann().clone(),
        };
        let (blobs, metadata) = (self.world.data.blobs(), self.world.data.metadata());
        while !self.is_over.load(Ordering::Relaxed) {
            let collected = collect(blobs, metadata, &options, at(1_000_000)).await;
            collected.unwrap();
        }
    }

    /// Backs up and restores, and looks whether what was stored for good before is in it.
    async fn back_up(&self, number: usize) {
        let world = &self.world;
        let a = package("a");
        let entries = world.data.metadata().tag_entries(&a, None, 10_000);
        let mut kept: Vec<String> = entries
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.tag.to_string())
            .collect();
        kept.retain(|name| {
            let round = name.rsplit('-').next().unwrap();
            round.parse::<u64>().unwrap() % 4 == 0
        });
        let new = format!("new {number}");
        let made = world.backups().make_backup(unwatched(), at(1000)).await.unwrap();
        let (from, to) = (world.at("backups").join(made.name), world.at(&new));
        let restored = tokio::task::spawn_blocking(move || restore(&from, &to, None));
        restored.await.unwrap().unwrap();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        assert!(!kept.is_empty());
        world.check(&new, &kept).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_of_a_store_in_use_is_whole() {
    const BACKUPS: usize = 5;
    let used = Arc::new(Use {
        world: World::new().await,
        is_over: AtomicBool::new(false),
        pushed: AtomicU64::new(0),
    });
    fs::create_dir(used.world.at("backups")).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for pusher in 0..3 {
        let used = Arc::clone(&used);
        tasks.spawn(async move { used.push(pusher).await });
    }
    let collecting = Arc::clone(&used);
    tasks.spawn(async move { collecting.collect().await });
    for number in 0..BACKUPS {
        let aim = used.pushed.load(Ordering::Relaxed) + 5;
        while used.pushed.load(Ordering::Relaxed) < aim {
            tokio::task::yield_now().await;
        }
        used.back_up(number).await;
    }
    used.is_over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    // What was to be removed meanwhile is gone.
    let rows = used.world.data.metadata().blobs_of(Walk {
        from: None,
        limit: 100_000,
    });
    let objects = objects(&used.world.at("data"));
    assert_eq!(objects.len(), rows.unwrap().items.len());
}
