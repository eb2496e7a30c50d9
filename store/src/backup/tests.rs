use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use oci::Digest;
use tempfile::TempDir;

use super::*;
use crate::conformance::{
    Counter, ann, at, blob, bytes_of, manifest, no_redirects, package, repository, tag,
};
use crate::{
    Blob, BlobStore, ByteRange, CollectionOptions, Committed, Content, GRACE_MIN, Listing, Reference,
    Repositories, StorageKey, UploadKey, collect, scrub,
};

struct World {
    directory: TempDir,
    data: DataDirectory,
    entropy: Counter,
}

impl World {
    async fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&directory.path().join("data")).unwrap();
        let made = repository("r");
        let created = data.metadata().create_repository(&made, ann()).await;
        created.unwrap().unwrap();
        World {
            directory,
            data,
            entropy: Counter::default(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Pushes an image of one layer of its own, with a tag of its own, until it is stored: the collection of these tests
    /// has no patience with rows.
    async fn push(&self, name: &str) {
        let (bytes, a) = (layer(name), package("a"));
        let (blobs, metadata, digest) = (self.data.blobs(), self.data.metadata(), Digest::sha256_of(&bytes));
        let image = manifest(name, &[(digest, Reference::Blob)], &[name]);
        for _ in 0..1000 {
            let upload = UploadKey::of(&UploadKey::session(&self.entropy), "a").unwrap();
            blobs.begin(&upload).await.unwrap();
            let mut append = blobs.append(&upload, 0).await.unwrap();
            append.write(Bytes::from(bytes.clone())).await.unwrap();
            append.finish().await.unwrap();
            let key = StorageKey::new(&digest, &self.entropy);
            blobs.seal(&upload, &key, bytes.len() as u64).await.unwrap();
            let new = Blob {
                key: key.clone(),
                ..blob(&bytes, 0)
            };
            if metadata.commit_blob(&a, &new, ann()).await.unwrap() == Committed::Superseded {
                blobs.remove(&key).await.unwrap();
            }
            let put = metadata.put_manifest(&a, &image, ann(), at(20)).await;
            if put.unwrap().is_ok() {
                return;
            }
        }
        panic!("never stored");
    }

    async fn back_up(
        &self,
        name: &str,
        change: impl FnOnce(&mut BackupOptions),
    ) -> Result<Copied, BackupError> {
        let mut options = BackupOptions {
            to: self.at(name),
            earlier: None,
            link: false,
            progress: None,
        };
        change(&mut options);
        self.data.back_up(&options, at(1000)).await
    }

    /// Opens what was restored and looks whether all is well with it, and these images are in it.
    async fn check(&self, name: &str, images: &[&str]) {
        let data = DataDirectory::open(&self.at(name)).unwrap();
        let report = scrub(data.blobs(), data.metadata()).await.unwrap();
        assert_eq!(report.findings, []);
        for name in images {
            let stored = data.metadata().tagged(&package("a"), &tag(name)).await.unwrap();
            assert_eq!(&stored.unwrap().bytes[..], name.as_bytes());
            let digest = Digest::sha256_of(&layer(name));
            let blob = data
                .metadata()
                .blob(&package("a"), &digest)
                .await
                .unwrap()
                .unwrap();
            let read = data.blobs().read(&blob.key, blob.size, ByteRange::all(blob.size));
            assert!(bytes_of(read.await.unwrap(), &no_redirects).await == layer(name));
        }
    }
}

fn layer(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(5000).collect()
}

/// All objects of a backup or data directory.
fn objects(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root.join("objects")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            left.extend(entries.map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_was_backed_up_is_restored() {
    let world = World::new().await;
    let names = ["one", "two", "three"];
    for name in names {
        world.push(name).await;
    }
    let copied = world.back_up("backup", |_| {}).await.unwrap();
    assert_eq!((copied.objects, copied.bytes, copied.linked), (3, 15_000, 0));
    world.push("later").await;
    let restored = restore(&world.at("backup"), &world.at("new"), None).unwrap();
    assert_eq!(restored, copied);
    world.check("new", &names).await;
    let data = DataDirectory::open(&world.at("new")).unwrap();
    let later = data.metadata().tagged(&package("a"), &tag("later")).await;
    assert_eq!(later.unwrap(), None);
    // The one that was copied has nothing to do with the copy.
    assert!(world.at("data").join("lock").exists() && !world.at("backup").join("lock").exists());
}

#[tokio::test]
async fn a_place_that_is_not_empty_is_left_alone() {
    let world = World::new().await;
    world.push("one").await;
    world.back_up("backup", |_| {}).await.unwrap();
    let again = world.back_up("backup", |_| {}).await;
    assert!(matches!(again, Err(BackupError::NotEmpty { .. })));
    for place in ["data", "backup"] {
        let restored = restore(&world.at("backup"), &world.at(place), None);
        assert!(matches!(restored, Err(BackupError::NotEmpty { .. })));
    }
    world.check_backup("backup");
    let nowhere = restore(&world.at("data"), &world.at("new"), None);
    assert!(matches!(nowhere, Err(BackupError::NotABackup { .. })));
    assert!(!world.at("new").exists());
    // A backup is no data directory.
    assert!(matches!(
        DataDirectory::open(&world.at("backup")),
        Err(StoreError::Foreign)
    ));
}

impl World {
    fn check_backup(&self, name: &str) {
        let place = self.at(&format!("of {name}"));
        restore(&self.at(name), &place, None).unwrap();
        fs::remove_dir_all(place).unwrap();
    }
}

#[tokio::test]
async fn a_restore_that_is_cut_short_is_no_store_and_a_backup_no_backup() {
    let world = World::new().await;
    for number in 0..4 {
        world.push(&format!("n{number}")).await;
    }
    world.back_up("backup", |_| {}).await.unwrap();
    for cut in 1..=4 {
        // Whatever was written until then stays as it is, as after a kill.
        let dies: CopyProgress = Arc::new(move |copied: Copied| assert!(copied.objects < cut, "killed"));
        let place = world.at(&format!("cut {cut}"));
        let (from, to, progress) = (world.at("backup"), place.clone(), Arc::clone(&dies));
        let killed = std::thread::spawn(move || restore(&from, &to, Some(&progress)).is_ok()).join();
        assert!(killed.is_err());
        assert!(matches!(DataDirectory::open(&place), Err(StoreError::Foreign)));
        let again = restore(&world.at("backup"), &place, None);
        assert!(matches!(again, Err(BackupError::NotEmpty { .. })));
        let name = format!("backup {cut}");
        let backup = world
            .back_up(&name, |options| options.progress = Some(dies))
            .await;
        assert!(backup.is_err());
        let restored = restore(&world.at(&name), &world.at("new"), None);
        assert!(matches!(restored, Err(BackupError::NotABackup { .. })));
    }
    // The store whose backup was cut short removes objects again.
    let object = objects(&world.at("data")).pop().unwrap();
    let key = object.file_name().unwrap().to_str().unwrap();
    let key: StorageKey = format!("sha256:{key}").parse().unwrap();
    world.data.blobs().remove(&key).await.unwrap();
    assert!(!object.exists());
}

#[tokio::test]
async fn damage_is_found_before_anything_is_opened() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("other bytes", |backup| {
            fs::write(&objects(backup)[0], vec![0; 5000]).unwrap();
        }),
        ("cut short", |backup| {
            fs::write(&objects(backup)[1], b"short").unwrap()
        }),
        ("gone", |backup| fs::remove_file(&objects(backup)[0]).unwrap()),
        ("database", |backup| {
            let path = backup.join(METADATA_FILE);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("database cut short", |backup| {
            let path = backup.join(METADATA_FILE);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 4096]).unwrap();
        }),
    ];
    let world = World::new().await;
    for name in ["one", "two"] {
        world.push(name).await;
    }
    for (what, damage) in damages {
        let name = format!("backup, {what}");
        world.back_up(&name, |_| {}).await.unwrap();
        damage(&world.at(&name));
        let place = world.at(&format!("restored, {what}"));
        let restored = restore(&world.at(&name), &place, None);
        assert!(matches!(restored, Err(BackupError::Damaged { .. })), "{what}");
        assert!(matches!(DataDirectory::open(&place), Err(StoreError::Foreign)));
    }
    let newer = world.at("newer");
    world.back_up("newer", |_| {}).await.unwrap();
    let text = fs::read_to_string(newer.join("backup.json")).unwrap();
    fs::write(
        newer.join("backup.json"),
        text.replace("\"format\": 1", "\"format\": 2"),
    )
    .unwrap();
    let restored = restore(&newer, &world.at("new"), None);
    assert!(matches!(restored, Err(BackupError::Newer { found: 2, known: 1 })));
}

#[tokio::test]
async fn objects_of_an_earlier_backup_need_no_room_again() {
    let world = World::new().await;
    world.push("one").await;
    world.back_up("first", |_| {}).await.unwrap();
    world.push("two").await;
    let earlier = world.at("first");
    let copied = world
        .back_up("second", |options| options.earlier = Some(earlier))
        .await
        .unwrap();
    assert_eq!((copied.objects, copied.linked), (2, 1));
    let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
    let first: Vec<u64> = objects(&world.at("first")).iter().map(inode).collect();
    let second: Vec<u64> = objects(&world.at("second")).iter().map(inode).collect();
    assert!(second.contains(&first[0]));
    // Each stands for itself.
    fs::remove_dir_all(world.at("first")).unwrap();
    restore(&world.at("second"), &world.at("new"), None).unwrap();
    world.check("new", &["one", "two"]).await;
    let linked = world
        .back_up("linked", |options| options.link = true)
        .await
        .unwrap();
    assert_eq!(linked.linked, 2);
    let no_backup = world.at("data");
    let refused = world.back_up("third", |options| options.earlier = Some(no_backup));
    assert!(matches!(refused.await, Err(BackupError::NotABackup { .. })));
}

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
        let (backup, new) = (format!("backup {number}"), format!("new {number}"));
        world.back_up(&backup, |_| {}).await.unwrap();
        let (from, to) = (world.at(&backup), world.at(&new));
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
