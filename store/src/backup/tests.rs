use std::fs;
use std::os::unix::fs::MetadataExt as _;

use bytes::Bytes;
use oci::Digest;
use tempfile::TempDir;

use super::*;
use crate::conformance::{
    Counter, ann, at, blob, bytes_of, manifest, no_redirects, package, repository, tag,
};
use crate::{
    Blob, BlobStore, ByteRange, Committed, Content, Reference, Repositories, StorageKey, UploadKey, scrub,
};

pub(super) struct World {
    directory: TempDir,
    pub(super) data: Arc<DataDirectory>,
    entropy: Counter,
}

impl World {
    pub(super) async fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let data = Arc::new(DataDirectory::open(&directory.path().join("data")).unwrap());
        let made = repository("r");
        let created = data.metadata().create_repository(&made, ann()).await;
        created.unwrap().unwrap();
        World {
            directory,
            data,
            entropy: Counter::default(),
        }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Pushes an image of one layer of its own, with a tag of its own, until it is stored: the collection of these tests
    /// has no patience with rows.
    pub(super) async fn push(&self, name: &str) {
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
            watch: None,
        };
        change(&mut options);
        self.data.back_up(&options, at(1000)).await
    }

    /// Opens what was restored and looks whether all is well with it, and these images are in it.
    pub(super) async fn check(&self, name: &str, images: &[&str]) {
        let data = DataDirectory::open(&self.at(name)).unwrap();
        let report = scrub(data.blobs(), data.metadata(), &crate::ScrubOptions::default())
            .await
            .unwrap();
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

pub(super) fn layer(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(5000).collect()
}

/// All objects of a backup or data directory.
pub(super) fn objects(root: &Path) -> Vec<PathBuf> {
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
    // They hold the secrets that sign tokens.
    for directory in ["backup", "new"] {
        for (what, mode) in [(".", 0o700), (METADATA_FILE, 0o600)] {
            let path = world.at(directory).join(what);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode, "{path:?}");
        }
    }
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
    pub(super) fn check_backup(&self, name: &str) {
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
        let dies: Watch = Arc::new(move |advance: Advance| assert!(advance.done.objects < cut, "killed"));
        let place = world.at(&format!("cut {cut}"));
        let (from, to, progress) = (world.at("backup"), place.clone(), Arc::clone(&dies));
        let killed = std::thread::spawn(move || restore(&from, &to, Some(&progress)).is_ok()).join();
        assert!(killed.is_err());
        assert!(matches!(DataDirectory::open(&place), Err(StoreError::Foreign)));
        let again = restore(&world.at("backup"), &place, None);
        assert_eq!(again.unwrap().objects, 4);
        world.check(&format!("cut {cut}"), &["n0", "n3"]).await;
        let name = format!("backup {cut}");
        let backup = world.back_up(&name, |options| options.watch = Some(dies)).await;
        assert!(backup.is_err());
        let restored = restore(&world.at(&name), &world.at("new"), None);
        assert!(matches!(restored, Err(BackupError::NotABackup { .. })));
        // It begins again where it was broken off.
        world.back_up(&name, |_| {}).await.unwrap();
        world.check_backup(&name);
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

#[tokio::test]
async fn only_what_a_restore_left_behind_is_cleared() {
    let world = World::new().await;
    world.push("one").await;
    world.back_up("backup", |_| {}).await.unwrap();
    let restored = |name: &str| restore(&world.at("backup"), &world.at(name), None);
    let half = |name: &str, mark: &str| {
        fs::create_dir_all(world.at(name).join("objects/sha256")).unwrap();
        fs::write(world.at(name).join("unfinished"), mark).unwrap();
    };
    half("of another program", "to do: chapter three");
    half("with more", "");
    fs::write(world.at("with more").join("thesis.tex"), "precious").unwrap();
    half("whole", "");
    fs::write(world.at("whole").join("format"), "lightship-data 1\n").unwrap();
    for name in ["of another program", "with more", "whole"] {
        let refused = restored(name);
        assert!(matches!(refused, Err(BackupError::NotEmpty { .. })), "{name}");
        assert!(world.at(name).join("objects/sha256").exists(), "{name}");
    }
    half("under way", "");
    let held = fs::File::options()
        .write(true)
        .open(world.at("under way/unfinished"))
        .unwrap();
    held.lock().unwrap();
    assert!(matches!(restored("under way"), Err(BackupError::Busy)));
    drop(held);
    restored("under way").unwrap();
    world.check("under way", &["one"]).await;
}
