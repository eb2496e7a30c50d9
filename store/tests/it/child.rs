//! A process that pushes, deletes and collects until it is killed, and says what was answered.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, MediaType};
use store::{
    Actor, Blob, BlobStore, CollectionOptions, Committed, Content, DataDirectory, Entropy, ManifestReference,
    NewManifest, PackagePath, Reference, Repositories, Repository, StorageKey, UploadKey, collect,
};

const PLACE: &str = "LIGHTSHIP_TEST_STORE_PLACE";
const LIFE: &str = "LIGHTSHIP_TEST_STORE_LIFE";
const PUSHERS: usize = 4;

/// Keys of this life alone.
struct Keys {
    life: u64,
    counter: AtomicU64,
}

impl Entropy for Keys {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        bytes[..8].copy_from_slice(&self.life.to_be_bytes());
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
    }
}

/// Not a test: what [`start`] runs. Without its variables it has nothing to do.
#[test]
fn lives_for_another_test() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the way from parent to child in these tests"
    )]
    let (Some(place), Some(life)) = (env::var_os(PLACE), env::var_os(LIFE)) else {
        return;
    };
    let life = life.into_string().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(live(&PathBuf::from(place), life));
}

/// Starts a process that uses the data directory `place` for its `life`th time.
pub(crate) fn start(place: &Path, life: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child::lives_for_another_test", "--nocapture"])
        .env(PLACE, place)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    // What the harness says comes first, on the same line.
    let mut line = String::new();
    while !line.trim_end().ends_with("ready") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the child did not start");
    }
    (child, said)
}

pub(crate) fn package() -> &'static PackagePath {
    static A: LazyLock<PackagePath> = LazyLock::new(|| PackagePath {
        repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
        name: "a".parse().unwrap(),
    });
    &A
}

/// The bytes of the layer that all pushes share, or of one push alone.
pub(crate) fn layer(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(20_000 + name.len()).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn actor() -> &'static Actor {
    static ANN: LazyLock<Actor> = LazyLock::new(|| Actor("user:ann".to_owned()));
    &ANN
}

async fn live(place: &Path, life: u64) {
    let data = Arc::new(DataDirectory::open(place).unwrap());
    let _ = data
        .metadata()
        .create_repository(&repository(), actor())
        .await
        .unwrap();
    say("ready");
    let keys = Arc::new(Keys {
        life,
        counter: AtomicU64::new(0),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for pusher in 0..PUSHERS {
        let (data, keys) = (Arc::clone(&data), Arc::clone(&keys));
        tasks.spawn(async move {
            for round in 0.. {
                let name = format!("{life}-{pusher}-{round}");
                push(&data, &keys, &name).await;
                say(&format!("pushed {name}"));
                if round % 3 == 0 {
                    say(&format!("deleting {name}"));
                    let digest = Digest::sha256_of(name.as_bytes());
                    let deleted = data
                        .metadata()
                        .delete_manifest(package(), &digest, actor(), at(20));
                    deleted.await.unwrap().unwrap();
                    say(&format!("deleted {name}"));
                }
            }
        });
    }
    tasks.spawn(async move {
        let options = CollectionOptions {
            grace: Duration::from_secs(3600),
            upload_idle: Duration::from_secs(3600),
            untagged_after: None,
            dry_run: false,
            actor: actor().clone(),
        };
        loop {
            collect(data.blobs(), data.metadata(), &options, at(1_000_000))
                .await
                .unwrap();
        }
    });
    tasks.join_all().await;
}

fn repository() -> Repository {
    Repository::new(package().repository.clone(), at(1))
}

/// One line, whole.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Pushes an image of two layers until it is stored: the collection has no patience with rows here.
async fn push(data: &DataDirectory, keys: &Keys, name: &str) {
    let layers = ["shared", name].map(layer);
    let references = layers.iter().map(|layer| ManifestReference {
        digest: Digest::sha256_of(layer),
        kind: Reference::Blob,
    });
    let manifest = NewManifest {
        digest: Digest::sha256_of(name.as_bytes()),
        bytes: Bytes::copy_from_slice(name.as_bytes()),
        media_type: MediaType::OCI_MANIFEST,
        artifact_type: None,
        subject: None,
        references: references.collect(),
        size_bytes: 0,
        tags: vec![format!("t-{name}").parse().unwrap()],
    };
    loop {
        for layer in &layers {
            push_blob(data, keys, layer).await;
        }
        let put = data
            .metadata()
            .put_manifest(package(), &manifest, actor(), at(20));
        if put.await.unwrap().is_ok() {
            return;
        }
    }
}

async fn push_blob(data: &DataDirectory, keys: &Keys, bytes: &[u8]) {
    let upload = UploadKey::of(&UploadKey::session(keys), "a").unwrap();
    data.blobs().begin(&upload).await.unwrap();
    let mut append = data.blobs().append(&upload, 0).await.unwrap();
    append.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    append.finish().await.unwrap();
    let digest = Digest::sha256_of(bytes);
    let key = StorageKey::new(&digest, keys);
    let size = bytes.len() as u64;
    data.blobs().seal(&upload, &key, size).await.unwrap();
    let blob = Blob {
        digest,
        size,
        key: key.clone(),
        last_seen: at(10),
    };
    match data
        .metadata()
        .commit_blob(package(), &blob, actor())
        .await
        .unwrap()
    {
        Committed::Kept => {}
        Committed::Superseded => data.blobs().remove(&key).await.unwrap(),
        other => panic!("{other:?}"),
    }
}
