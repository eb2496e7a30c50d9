//! Fills a data directory for measuring: `fill DIR MANIFESTS`. All are of the package `a` of the repository that a server
//! has for hosts without a meaning; each names a blob of its own, of 1,000 bytes; one in ten has a tag, `v0`, `v1` and so on. Blobs
//! of those without a tag were last asked for three days ago.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an example: whatever fails ends it"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "an example that makes things of three days ago"
)]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use oci::{Digest, MediaType};
use store::{
    Actor, Blob, Content, DataDirectory, ManifestReference, NewManifest, PackagePath, Reference,
    Repositories, Repository,
};

/// One in so many manifests has a tag.
const TAG_EVERY: u64 = 10;

/// Pushes at once.
const PUSHERS: u64 = 256;

const DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, manifests] = words.as_slice() else {
        panic!("usage: fill DIR MANIFESTS");
    };
    let (path, manifests) = (Path::new(path), manifests.parse::<u64>().unwrap());
    let data = Arc::new(DataDirectory::open(path).unwrap());
    data.metadata()
        .create_repository(&repository(), &actor())
        .await
        .unwrap()
        .unwrap();
    let mut pushers = tokio::task::JoinSet::new();
    for pusher in 0..PUSHERS {
        let (data, path) = (Arc::clone(&data), path.to_owned());
        pushers.spawn(async move {
            for number in (pusher..manifests).step_by(PUSHERS as usize) {
                push(&data, &path, number).await;
            }
        });
    }
    pushers.join_all().await;
}

async fn push(data: &DataDirectory, path: &Path, number: u64) {
    let tagged = number.is_multiple_of(TAG_EVERY);
    let content = format!("{number:01000}");
    let digest = Digest::sha256_of(content.as_bytes());
    let name = format!(
        "{}.{number:032x}",
        digest.to_string().trim_start_matches("sha256:")
    );
    // Not as the store writes it: this is synced by nobody.
    let directory = path.join("objects/sha256").join(&name[..2]);
    fs::create_dir_all(&directory).unwrap();
    let object = directory.join(name);
    fs::write(&object, &content).unwrap();
    let long_ago = SystemTime::now() - DAYS;
    File::options()
        .write(true)
        .open(object)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let blob = Blob {
        digest,
        size: content.len() as u64,
        key: format!("{digest}.{number:032x}").parse().unwrap(),
        last_seen: if tagged { Timestamp::now() } else { then() },
    };
    let package = package();
    data.metadata()
        .commit_blob(&package, &blob, &actor())
        .await
        .unwrap();
    let media_type = MediaType::OCI_MANIFEST;
    let bytes = Bytes::from(format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":1000}},"layers":[],"annotations":{{"number":"{number:0500}"}}}}"#
    ));
    let manifest = NewManifest {
        digest: Digest::sha256_of(&bytes),
        bytes,
        media_type,
        artifact_type: None,
        subject: None,
        references: vec![ManifestReference {
            digest,
            kind: Reference::Blob,
        }],
        size_bytes: 1000,
        tags: tagged
            .then(|| format!("v{}", number / TAG_EVERY).parse().unwrap())
            .into_iter()
            .collect(),
    };
    data.metadata()
        .put_manifest(&package, &manifest, &actor(), then())
        .await
        .unwrap()
        .unwrap();
}

fn package() -> PackagePath {
    PackagePath {
        repository: "projects/default/locations/local/repositories/images"
            .parse()
            .unwrap(),
        name: "a".parse().unwrap(),
    }
}

fn repository() -> Repository {
    Repository::new(package().repository, then())
}

fn then() -> Timestamp {
    Timestamp::now() - SignedDuration::try_from(DAYS).unwrap()
}

fn actor() -> Actor {
    Actor("user:ann".to_owned())
}
