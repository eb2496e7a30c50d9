//! Looking after a registry that serves: backups, scrubs, quotas.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use oci::Digest;
use serde_json::Value;
use store::{
    Actor, Blob, BlobStore as _, Content as _, DataDirectory, Entropy, PackagePath, Repositories as _,
    Repository, StorageKey, UploadKey,
};

use crate::program::Place;
use crate::server_process::Serving;

const BLOBS: u64 = 200;
const BLOB_BYTES: usize = 10_000;

/// Backups that are killed.
const KILLS: u32 = 12;

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.fill(0);
        bytes.iter_mut().zip(number).for_each(|(byte, of)| *byte = of);
    }
}

/// A data directory with [`BLOBS`] blobs.
async fn fill(place: &Place) {
    let data = DataDirectory::open(&place.path("data")).unwrap();
    let (blobs, metadata, entropy) = (data.blobs(), data.metadata(), Counter(AtomicU64::new(0)));
    let (ann, package) = (
        Actor("user:ann".to_owned()),
        PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: "a".parse().unwrap(),
        },
    );
    let repository = Repository::new(package.repository.clone(), Timestamp::UNIX_EPOCH);
    let made = metadata.create_repository(&repository, &ann).await;
    made.unwrap().unwrap();
    for number in 0..BLOBS {
        let content =
            Bytes::from(format!("{number} ").repeat(BLOB_BYTES).into_bytes()[..BLOB_BYTES].to_vec());
        let upload = UploadKey::of(&UploadKey::session(&entropy), "a").unwrap();
        blobs.begin(&upload).await.unwrap();
        let mut append = blobs.append(&upload, 0).await.unwrap();
        let digest = Digest::sha256_of(&content);
        append.write(content).await.unwrap();
        let size = append.finish().await.unwrap();
        let key = StorageKey::new(&digest, &entropy);
        blobs.seal(&upload, &key, size).await.unwrap();
        let last_seen = Timestamp::UNIX_EPOCH;
        let blob = Blob {
            digest,
            size,
            key,
            last_seen,
        };
        metadata.commit_blob(&package, &blob, &ann).await.unwrap();
    }
}

fn document(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.run(&[arguments, &["--format", "json"]].concat());
    assert_eq!(ran.status, Some(0), "{arguments:?}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_registry_is_backed_up_and_restored() {
    let place = Place::empty();
    fill(&place).await;
    place.write("server.toml", "[server]\nbackup_directory = \"backups\"\n");
    fs::create_dir(place.path("backups")).unwrap();
    let serving = Serving::start(&place, &[]);
    let of = ["--registry", serving.address.as_str()];
    let made = document(&place, &[&["backup"][..], &of].concat());
    assert_eq!(
        (&made["schema"], &made["objects"], &made["bytes"]),
        (
            &"lightship/backup/v1".into(),
            &BLOBS.into(),
            &(BLOBS * BLOB_BYTES as u64).into()
        )
    );
    let name = format!("backups/{}", made["name"].as_str().unwrap());
    let text = place.run(&[&["backup"][..], &of].concat());
    assert!(
        text.stdout.contains("200 objects (2.0 MB), 200 of them linked"),
        "{}",
        text.stdout
    );
    let scrubbed = document(&place, &[&["scrub", "--rate", "100MB"][..], &of].concat());
    assert_eq!(
        (&scrubbed["blobs"], &scrubbed["findings"]),
        (&BLOBS.into(), &Value::Array(vec![]))
    );
    assert_eq!(
        document(&place, &["restore", &name, "--data", "again"])["objects"],
        BLOBS
    );
    assert_eq!(
        document(&place, &["scrub", "--data", "again", "--rate", "0"])["blobs"],
        BLOBS
    );
    for wrong in [&["backup", "dir"][..], &["backup", "--data", "data"]] {
        let ran = place.run(&[wrong, &of].concat());
        assert_eq!(ran.status, Some(2), "{wrong:?}: {}", ran.stderr);
    }
    // The directory vanishes: nobody makes another.
    fs::rename(place.path("backups"), place.path("gone")).unwrap();
    let ran = place.run(&[&["backup"][..], &of].concat());
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the directory for backups is not there"),
        "{}",
        ran.stderr
    );
    assert!(!place.path("backups").exists());
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn a_registry_without_a_place_for_backups_says_what_to_do() {
    let place = Place::empty();
    place.write("server.toml", "");
    let serving = Serving::start(&place, &[]);
    let ran = place.run(&["backup", "--registry", &serving.address]);
    assert_eq!(ran.status, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("server.backup_directory"), "{}", ran.stderr);
    let ran = place.run(&["backup"]);
    assert_eq!(ran.status, Some(2), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_leaves_no_backup_that_only_looks_whole() {
    let place = Place::empty();
    fill(&place).await;
    place.write("server.toml", "[server]\nbackup_directory = \"backups\"\n");
    fs::create_dir(place.path("backups")).unwrap();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(place.path("backups")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "lightship.lock").collect()
    };
    for kill in 0..KILLS {
        let serving = Serving::start(&place, &[]);
        let address = serving.address.clone();
        let asking = std::thread::spawn({
            let mut command = place.command(&["backup", "--registry", &address]);
            move || command.output().unwrap()
        });
        // Sooner and later: before it begins, in the middle, after it.
        let aim = usize::try_from(kill).unwrap() * 20;
        while !asking.is_finished() && files(&place.path("backups")) < aim {
            std::thread::yield_now();
        }
        serving.signal("KILL");
        drop(serving);
        asking.join().unwrap();
        for name in names() {
            let from = place.path("backups").join(&name);
            let to = place.path("restored");
            let restored = store::restore(&from, &to, None);
            if !name.ends_with(".unfinished") {
                assert_eq!(restored.unwrap().objects, BLOBS, "{name}");
                fs::remove_dir_all(&from).unwrap();
            }
            let _ = fs::remove_dir_all(&to);
        }
    }
    // What is left goes when the next server starts, and that one makes whole ones.
    let serving = Serving::start(&place, &[]);
    let made = document(&place, &["backup", "--registry", &serving.address]);
    assert_eq!(names(), [made["name"].as_str().unwrap()]);
}

/// How many files there are, at least.
fn files(root: &std::path::Path) -> usize {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        _ => 1,
    };
    entries.map(count).sum()
}

#[test]
fn projects_have_quotas_and_it_is_told_how_much_of_them_is_used() {
    let place = Place::empty();
    place.write("server.toml", "");
    let serving = Serving::start(&place, &[]);
    let quota = |arguments: &[&str]| {
        let ran = place.run(&[&["repo", "quota", "--registry", &serving.address][..], arguments].concat());
        assert_eq!(ran.status, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let lines = |text: String| -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        text.lines().skip(1).map(words).collect()
    };
    assert_eq!(lines(quota(&["p"])), [["p", "0", "B"]]);
    assert_eq!(
        lines(quota(&["p", "--set", "50GB"])),
        [["p", "0", "B", "50.0", "GB", "0", "%"]]
    );
    assert_eq!(lines(quota(&[])), [["p", "0", "B", "50.0", "GB", "0", "%"]]);
    let document: Value = serde_json::from_str(&quota(&["p", "--format", "json"])).unwrap();
    assert_eq!(document["project"]["quotaBytes"], "50000000000");
    assert_eq!(lines(quota(&["p", "--set", "0"])), [["p", "0", "B"]]);
    let ran = place.run(&["repo", "quota", "--set", "1"]);
    assert_eq!(ran.status, Some(2), "{}", ran.stderr);
}
