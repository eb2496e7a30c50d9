use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::registry::{CredentialStore, Encryption, NoHostAuthorities, NoWarnings, RegistryOptions};
use client::{BlobRead, Sink};
use oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, MediaType};
use progress::Silent;
use tempfile::TempDir;
use transport::{Transport, TransportOptions};

use super::*;

/// Two layouts with the same content.
struct Sides {
    directory: TempDir,
}

/// Content of a blob.
const LAYER: &[u8] = b"a layer";

fn registries() -> Registries {
    Registries::new(RegistryOptions {
        transport: Transport::new(TransportOptions::new("tests")),
        credentials: CredentialStore::empty(),
        encryption: Encryption::default(),
        authorities: Arc::new(NoHostAuthorities),
        warnings: Arc::new(NoWarnings),
    })
}

async fn blob(sink: &dyn Sink, media_type: MediaType, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    sink.put_blob(&descriptor, BlobRead::Bytes(bytes.to_vec()))
        .await
        .unwrap();
    descriptor
}

async fn image(sink: &dyn Sink, layer: &[u8]) -> ImageManifest {
    let config = blob(
        sink,
        MediaType::OCI_CONFIG,
        br#"{"architecture":"amd64","os":"linux"}"#,
    )
    .await;
    let layer = blob(sink, MediaType::OCI_LAYER_GZIP, layer).await;
    ImageManifest::new(config, vec![layer])
}

impl Sides {
    /// An index with one image, a single image, and something that refers to the latter; on both sides.
    async fn same() -> Sides {
        let sides = Sides {
            directory: TempDir::new().unwrap(),
        };
        for side in ["old", "new"] {
            let sink = sides.location(side).open_sink().unwrap();
            let child = Manifest::from_image(&image(&*sink, b"another layer").await);
            sink.put_manifest(&child, None).await.unwrap();
            let index = Manifest::from_index(&ImageIndex::new(vec![child.descriptor()]));
            sink.put_manifest(&index, Some("all")).await.unwrap();
            let single = Manifest::from_image(&image(&*sink, LAYER).await);
            sink.put_manifest(&single, Some("one")).await.unwrap();
            let mut referrer = image(&*sink, b"a signature").await;
            referrer.subject = Some(single.descriptor());
            sink.put_manifest(&Manifest::from_image(&referrer), None)
                .await
                .unwrap();
            sink.finish().await.unwrap();
        }
        sides
    }

    fn location(&self, side: &str) -> Location {
        format!("oci:{}", self.directory.path().join(side).display())
            .parse()
            .unwrap()
    }

    fn blob(&self, side: &str, digest: &Digest) -> PathBuf {
        self.directory
            .path()
            .join(side)
            .join("blobs/sha256")
            .join(digest.hex())
    }

    /// The digest of the manifest in the new layout that has `part` in it, other than an index.
    fn manifest_with(&self, part: &str) -> Digest {
        let directory = self.directory.path().join("new/blobs/sha256");
        let has = |path: &Path| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            text.contains("\"layers\"") && text.contains(part)
        };
        let paths = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let found = paths.into_iter().find(|path| has(path)).unwrap();
        Digest::sha256_of(&fs::read(found).unwrap())
    }

    async fn verify(&self, depth: Depth, tags: Option<&[&str]>) -> Report {
        let pair = Pair {
            old: self.location("old"),
            new: self.location("new"),
            routes: Vec::new(),
            tags: tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect()),
        };
        let operator = Principal {
            name: "operator".to_owned(),
            old: registries(),
            new: registries(),
        };
        let verification = Verification {
            operator,
            principals: Vec::new(),
            depth,
            progress: &Silent,
        };
        verify(&[pair], &verification).await
    }
}

#[tokio::test]
async fn what_is_the_same_holds_and_every_part_was_looked_at() {
    let sides = Sides::same().await;
    let report = sides.verify(Depth::Bytes, None).await;
    assert!(report.holds(), "{:?}", report.differences);
    assert_eq!((report.tags, report.manifests, report.blobs), (2, 4, 4));
    let bytes = LAYER.len() + b"another layer".len() + b"a signature".len() + 37;
    assert_eq!(report.hashed_bytes, bytes as u64);
}

#[tokio::test]
async fn a_blob_or_child_that_is_missing_here_is_named_with_its_image() {
    let sides = Sides::same().await;
    let digest = Digest::sha256_of(LAYER);
    fs::remove_file(sides.blob("new", &digest)).unwrap();
    let report = sides.verify(Depth::Presence, None).await;
    let [
        Finding::PartMissing {
            tag,
            part: Part::Blob,
            digest: named,
            ..
        },
    ] = &report.differences[..]
    else {
        panic!("{:?}", report.differences);
    };
    assert_eq!((tag.as_str(), *named), ("one", digest));

    let sides = Sides::same().await;
    let child = sides.manifest_with(&Digest::sha256_of(b"another layer").hex());
    fs::remove_file(sides.blob("new", &child)).unwrap();
    let report = sides.verify(Depth::Presence, None).await;
    let [
        Finding::PartMissing {
            tag,
            part: Part::Manifest,
            digest: named,
            ..
        },
    ] = &report.differences[..]
    else {
        panic!("{:?}", report.differences);
    };
    assert_eq!((tag.as_str(), *named), ("all", child));
}

#[tokio::test]
async fn bytes_that_are_not_their_digest_are_found_when_they_are_read() {
    let sides = Sides::same().await;
    fs::write(sides.blob("new", &Digest::sha256_of(LAYER)), b"b layer").unwrap();
    assert!(sides.verify(Depth::Presence, None).await.holds());
    let report = sides.verify(Depth::Bytes, None).await;
    assert!(
        matches!(&report.differences[..], [Finding::PartDamaged { .. }]),
        "{:?}",
        report.differences
    );
    fs::write(
        sides.blob("new", &Digest::sha256_of(LAYER)),
        b"longer than it was",
    )
    .unwrap();
    let report = sides.verify(Depth::Presence, None).await;
    assert!(
        matches!(&report.differences[..], [Finding::PartDamaged { .. }]),
        "{:?}",
        report.differences
    );
}

/// Takes a tag or manifest out of the list of a layout.
fn forget(sides: &Sides, side: &str, is_gone: impl Fn(&serde_json::Value) -> bool) {
    let path = sides.directory.path().join(side).join("index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    index["manifests"]
        .as_array_mut()
        .unwrap()
        .retain(|entry| !is_gone(entry));
    fs::write(path, index.to_string()).unwrap();
}

fn is_tag(tag: &str) -> impl Fn(&serde_json::Value) -> bool {
    move |entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag
}

#[tokio::test]
async fn a_tag_or_signature_that_did_not_come_along_is_a_difference() {
    let sides = Sides::same().await;
    forget(&sides, "new", is_tag("all"));
    let report = sides.verify(Depth::Presence, None).await;
    let [Finding::TagMissing { tag, .. }] = &report.differences[..] else {
        panic!("{:?}", report.differences);
    };
    assert_eq!(tag, "all");
    assert!(sides.verify(Depth::Presence, Some(&["one"])).await.holds());
    let report = sides.verify(Depth::Presence, Some(&["gone"])).await;
    assert!(
        matches!(&report.differences[..], [Finding::Unchecked { .. }]),
        "{:?}",
        report.differences
    );

    let sides = Sides::same().await;
    let signature = sides.manifest_with("\"subject\"");
    forget(&sides, "new", |entry| entry["digest"] == signature.to_string());
    let report = sides.verify(Depth::Presence, None).await;
    let [Finding::ReferrerMissing { digest, .. }] = &report.differences[..] else {
        panic!("{:?}", report.differences);
    };
    assert_eq!(*digest, signature);
}

#[tokio::test]
async fn an_image_that_is_not_whole_there_either_is_told_and_is_no_difference() {
    let sides = Sides::same().await;
    fs::remove_file(sides.blob("old", &Digest::sha256_of(LAYER))).unwrap();
    forget(&sides, "new", is_tag("one"));
    let report = sides.verify(Depth::Presence, None).await;
    assert!(report.holds(), "{:?}", report.differences);
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(
        (report.damaged[0].reference.as_str(), report.damaged[0].digest),
        ("one", Digest::sha256_of(LAYER))
    );
    // One that is whole there is missed.
    forget(&sides, "new", is_tag("all"));
    assert!(!sides.verify(Depth::Presence, None).await.holds());
}

#[tokio::test]
async fn a_side_that_is_not_there_is_no_proof() {
    let sides = Sides::same().await;
    fs::remove_dir_all(sides.directory.path().join("new")).unwrap();
    let report = sides.verify(Depth::Presence, None).await;
    assert!(
        matches!(&report.differences[..], [Finding::Unchecked { .. }]),
        "{:?}",
        report.differences
    );
}

#[test]
fn more_differences_than_are_kept_are_counted() {
    let mut report = Report::default();
    for _ in 0..=FINDINGS_MAX {
        report.unchecked("x", "y");
    }
    assert_eq!(
        (report.differences.len(), report.differences_total),
        (FINDINGS_MAX, FINDINGS_MAX + 1)
    );
}

#[tokio::test]
async fn what_looks_at_no_tag_proves_nothing() {
    let sides = Sides::same().await;
    assert!(!sides.verify(Depth::Presence, Some(&[])).await.holds());
}
