//! A disk that is full or fails: clean refusals, pulls that go on, nothing lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oci::Digest;
use store::{
    Append, BlobContent, BlobStore, ByteRange, ObjectAge, ScrubOptions, StorageKey, StoreError, UploadKey,
    scrub,
};
use testkit::Fault;

use crate::remote::{Files, MIRROR, host_of, put_in_front_of, read};
use crate::server::{Server, image_of};

/// A disk of its own, of 8 MiB.
pub(crate) struct SmallDisk {
    pub(crate) mounted: PathBuf,
    _at: tempfile::TempDir,
}

impl SmallDisk {
    /// None where this process may not mount.
    pub(crate) fn mount() -> Option<SmallDisk> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(at.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(SmallDisk {
                mounted: at.path().to_owned(),
                _at: at,
            }),
            _ => {
                eprintln!("skipped: nothing can be mounted here, so no real disk gets full");
                None
            }
        }
    }

    /// Leaves no byte free; the file that takes them.
    fn fill(&self) -> PathBuf {
        let filler = self.mounted.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let piece = vec![1; 4096];
        while std::io::Write::write_all(&mut file, &piece).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}

fn uploads(data: &Path) -> usize {
    std::fs::read_dir(data.join("uploads")).unwrap().count()
}

async fn nothing_is_lost(server: &Server, data: &Path) {
    let (blobs, metadata) = (server.directory.blobs(), server.directory.metadata());
    let found = scrub(blobs, metadata, &ScrubOptions::default()).await.unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(uploads(data), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_finds_the_disk_full_gives_back_what_it_took() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.mounted.join("data");
    let server = Server::amid_trouble(&data, |blobs| blobs).await;
    let image = server.push_image("a", "latest", b"there").await;
    let full = (507, "DENIED".to_owned());
    let large = vec![7; 12 << 20];
    let digest = Digest::sha256_of(&large);
    for _ in 0..3 {
        let path = format!("/v2/a/blobs/uploads/?digest={digest}");
        assert_eq!(server.ask("POST", &path, &[], &large).await.refusal(), full);
        let begun = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"").await;
        let location = begun.header("location").to_owned();
        let half = server.ask("PATCH", &location, &[], &large[..3 << 20]).await;
        assert_eq!(half.status.as_u16(), 202);
        assert_eq!(server.ask("PATCH", &location, &[], &large).await.refusal(), full);
        assert_eq!(server.get(&location).await.status.as_u16(), 404);
    }
    let told = server.told();
    let is_of_room = |line: &&String| line.starts_with("trouble the registry has no room left");
    assert_eq!(told.iter().filter(is_of_room).count(), 6, "the operator hears it");
    nothing_is_lost(&server, &data).await;
    assert_eq!(
        server.get(&format!("/v2/a/blobs/{digest}")).await.status.as_u16(),
        404
    );
    assert_eq!(
        server
            .get("/v2/a/manifests/latest")
            .await
            .header("docker-content-digest"),
        image.to_string()
    );
    // Nobody had to clean up.
    server.push_image("a", "next", &large[..3 << 20]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_byte_free_pulls_go_on_and_pushes_do_again_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.mounted.join("data");
    let server = Server::amid_trouble(&data, |blobs| blobs).await;
    let image = server.push_image("a", "latest", b"there").await;
    let filler = disk.fill();
    let (config, layer) = (Digest::sha256_of(b"{}"), Digest::sha256_of(b"there"));
    let another = image_of(config, layer, 5).replace(
        "\"schemaVersion\":2",
        "\"schemaVersion\":2,\"annotations\":{\"a\":\"b\"}",
    );
    let mut refused = 0;
    // The database's log may have a little room of its own for the first of them.
    for number in 0..2000 {
        let reply = server.put_manifest("a", &format!("t{number}"), &another).await;
        if reply.status.as_u16() != 201 {
            assert_eq!(reply.refusal(), (507, "DENIED".to_owned()));
            refused += 1;
        }
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "the database found room on a full disk");
    let blob = server
        .ask(
            "POST",
            &format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256_of(b"new")),
            &[],
            b"new",
        )
        .await;
    assert_eq!(blob.refusal(), (507, "DENIED".to_owned()));
    assert_eq!(
        server
            .get(&format!("/v2/a/manifests/{image}"))
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(server.get(&format!("/v2/a/blobs/{layer}")).await.text(), "there");
    assert_eq!(server.get("/v2/a/tags/list").await.status.as_u16(), 200);
    let told = async || {
        server.clock.forward(5);
        let ready = server.get("/readyz").await;
        assert_eq!(ready.status.as_u16(), 200, "pulls are served");
        let metrics = server.get("/metrics").await;
        let refused = metrics
            .text()
            .contains("lightship_writes_refused{reason=\"no_space\"} 1\n");
        (ready.text().to_owned(), refused)
    };
    assert_eq!(
        told().await,
        ("ready\nwrites: refused (no space)\n".to_owned(), true)
    );
    std::fs::remove_file(filler).unwrap();
    assert_eq!(told().await, ("ready\n".to_owned(), false));
    server.push_image("a", "next", b"more").await;
    nothing_is_lost(&server, &data).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_from_elsewhere_that_does_not_fit_is_refused_before_it_is_begun() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.mounted.join("data");
    let files = Files::new();
    let large = files.blob("app", &vec![7; 12 << 20]);
    let small = files.blob("app", b"{}");
    let manifest = image_of(small, large, 12 << 20);
    let upstream = files.serve();
    let server = Server::amid_trouble(&data, |blobs| blobs).await;
    put_in_front_of(&server, &[("mirror", &host_of(&upstream))]).await;
    let there = format!("/v2/app/blobs/{large}");
    let here = |digest: &Digest| format!("{MIRROR}/app/blobs/{digest}");
    let full = (507, "DENIED".to_owned());
    assert_eq!(read(&server, &here(&large)).await.refusal(), full);
    // Where the manifest alone says its length, too.
    files.put("v2/app/manifests/v1", manifest.as_bytes());
    let pulled = read(&server, &format!("{MIRROR}/app/manifests/v1")).await;
    assert_eq!(pulled.text(), manifest);
    upstream.fault_once(&there, Fault::WithoutLength);
    assert_eq!(read(&server, &here(&large)).await.refusal(), full);
    assert_eq!(uploads(&data), 0);
    assert_eq!(read(&server, &here(&small)).await.text(), "{}");
}

/// Files, of which the next write is torn or the next sync fails.
#[derive(Debug)]
struct Failing {
    below: Arc<dyn BlobStore>,
    tears: Arc<AtomicBool>,
    fails_to_seal: Arc<AtomicBool>,
}

struct Torn {
    below: Option<Box<dyn Append>>,
    tears: Arc<AtomicBool>,
}

fn broken(action: &'static str) -> StoreError {
    StoreError::io(action, std::io::Error::other("the disk is broken"))
}

#[async_trait]
impl Append for Torn {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if !self.tears.swap(false, Ordering::SeqCst) {
            return self.below.as_mut().unwrap().write(bytes).await;
        }
        let mut below = self.below.take().unwrap();
        below.write(bytes.slice(..bytes.len() / 2)).await?;
        below.finish().await?;
        Err(broken("write an upload"))
    }

    async fn flush(&mut self) -> Result<u64, StoreError> {
        self.below.as_mut().unwrap().flush().await
    }

    async fn finish(self: Box<Self>) -> Result<u64, StoreError> {
        self.below.unwrap().finish().await
    }
}

#[async_trait]
impl BlobStore for Failing {
    async fn begin(&self, upload: &UploadKey) -> Result<(), StoreError> {
        self.below.begin(upload).await
    }

    async fn upload_length(&self, upload: &UploadKey) -> Result<Option<u64>, StoreError> {
        self.below.upload_length(upload).await
    }

    async fn append(&self, upload: &UploadKey, offset: u64) -> Result<Box<dyn Append>, StoreError> {
        let below = Some(self.below.append(upload, offset).await?);
        let tears = Arc::clone(&self.tears);
        Ok(Box::new(Torn { below, tears }))
    }

    async fn read_upload(&self, upload: &UploadKey) -> Result<BlobContent, StoreError> {
        self.below.read_upload(upload).await
    }

    async fn seal(&self, upload: &UploadKey, key: &StorageKey, size: u64) -> Result<(), StoreError> {
        if self.fails_to_seal.swap(false, Ordering::SeqCst) {
            self.below.abort(upload).await?;
            return Err(broken("make an object durable"));
        }
        self.below.seal(upload, key, size).await
    }

    async fn abort(&self, upload: &UploadKey) -> Result<bool, StoreError> {
        self.below.abort(upload).await
    }

    async fn read(&self, key: &StorageKey, size: u64, range: ByteRange) -> Result<BlobContent, StoreError> {
        self.below.read(key, size, range).await
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StoreError> {
        self.below.remove(key).await
    }

    async fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError> {
        self.below.objects(after, limit).await
    }

    async fn idle_uploads(
        &self,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<ObjectAge<UploadKey>>, StoreError> {
        self.below.idle_uploads(idle, limit).await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.below.room().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_and_a_failed_sync_are_told_and_nothing_of_them_is_served() {
    let files = tempfile::tempdir().unwrap();
    let data = files.path().join("data");
    let (tears, fails_to_seal) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let flags = (Arc::clone(&tears), Arc::clone(&fails_to_seal));
    let server = Server::amid_trouble(&data, |below| {
        let (tears, fails_to_seal) = flags;
        Arc::new(Failing {
            below,
            tears,
            fails_to_seal,
        })
    })
    .await;
    let unknown = (500, "UNKNOWN".to_owned());
    let digest = Digest::sha256_of(b"abcdef");
    let begun = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let location = begun.header("location").to_owned();
    tears.store(true, Ordering::SeqCst);
    assert_eq!(
        server.ask("PATCH", &location, &[], b"abcdef").await.refusal(),
        unknown
    );
    // Half of it came, and a client goes on from there.
    assert_eq!(server.get(&location).await.header("range"), "0-2");
    let end = format!("{location}?digest={digest}");
    fails_to_seal.store(true, Ordering::SeqCst);
    assert_eq!(
        server
            .ask("PUT", &end, &[("content-range", "3-5")], b"def")
            .await
            .refusal(),
        unknown
    );
    assert_eq!(
        server.get(&format!("/v2/a/blobs/{digest}")).await.status.as_u16(),
        404
    );
    // Nobody asks the disk a second time whether it has the bytes.
    assert_eq!(server.ask("PUT", &end, &[], b"").await.status.as_u16(), 404);
    tears.store(true, Ordering::SeqCst);
    let at_once = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(
        server.ask("POST", &at_once, &[], b"abcdef").await.refusal(),
        unknown
    );
    assert_eq!(uploads(&data), 0, "nobody was told of that upload");
    server.push_blob("a", b"abcdef").await;
    assert_eq!(
        server.get(&format!("/v2/a/blobs/{digest}")).await.text(),
        "abcdef"
    );
    nothing_is_lost(&server, &data).await;
}
