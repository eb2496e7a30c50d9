//! What was answered is there after `kill -9`, at any moment, again and again in one directory.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use oci::Digest;
use store::{BlobStore, ByteRange, Content, DataDirectory, ScrubOptions, scrub};

use crate::child::{self, layer, package};

const KILLS: u64 = 120;

/// Longest time until a directory is ready, on a busy machine.
const READY_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Answered {
    pushed: BTreeSet<String>,
    /// Deleted, or on the way to it when the process was killed.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Answered {
    /// Takes note of what the child said. A line without an end was not said.
    fn note(&mut self, said: &str) {
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        for line in whole.lines() {
            let (verb, name) = line.split_once(' ').unwrap();
            match verb {
                "pushed" => self.pushed.insert(name.to_owned()),
                "deleting" => self.deleting.insert(name.to_owned()),
                "deleted" => self.deleted.insert(name.to_owned()),
                _ => panic!("{line}"),
            };
        }
    }
}

async fn check(place: &Path, answered: &Answered) {
    let data = DataDirectory::open(place).unwrap();
    let found = scrub(data.blobs(), data.metadata(), &ScrubOptions::default())
        .await
        .unwrap();
    assert_eq!(found.findings, []);
    for name in &answered.pushed {
        let tag = format!("t-{name}").parse().unwrap();
        let stored = data.metadata().tagged(package(), &tag).await.unwrap();
        let Some(stored) = stored else {
            assert!(answered.deleting.contains(name), "{name} is lost");
            continue;
        };
        assert!(!answered.deleted.contains(name), "{name} is back");
        assert_eq!(&stored.bytes[..], name.as_bytes());
        for content in ["shared", name].map(layer) {
            let digest = Digest::sha256_of(&content);
            let blob = data.metadata().blob(package(), &digest).await.unwrap().unwrap();
            // The scrub above has read and hashed it.
            let read = data.blobs().read(&blob.key, blob.size, ByteRange::all(blob.size));
            read.await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut place = directory.path().join("0");
    let (mut answered, mut pushed) = (Answered::default(), 0);
    for life in 0..KILLS {
        // A new directory now and then, so that its making is cut short as well and nothing grows without end.
        if life % 30 == 0 {
            pushed += answered.pushed.len();
            answered = Answered::default();
            let _ = std::fs::remove_dir_all(&place);
            place = directory.path().join(life.to_string());
        }
        let begun = Instant::now();
        let (mut child, mut said) = child::start(&place, life);
        assert!(begun.elapsed() < READY_MAX);
        std::thread::sleep(Duration::from_millis(life * 37 % 120));
        child.kill().unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        child.wait().unwrap();
        answered.note(&rest);
        check(&place, &answered).await;
    }
    assert!(pushed > 100, "{pushed} pushes test little");
}
