//! Media that someone made to do harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use archive::EntryPath;
use archive::tar::{Entry, EntryKind, Writer};
use client::{OpenError, Selector, SourceError};
use oci::{Descriptor, Digest, Manifest, MediaType};
use proptest::prelude::*;

use crate::sample::{Memory, location, write};

const INDEX_BYTES_MAX: usize = 16 << 20;

fn layout_with(dir: &Path, index: &[u8]) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(dir.join("index.json"), index).unwrap();
}

fn open_error(dir: &Path) -> String {
    location("oci", dir, None)
        .open_source()
        .err()
        .unwrap()
        .to_string()
}

fn only_entry(descriptor: &Descriptor) -> Vec<u8> {
    Manifest::from_index(&oci::ImageIndex::new(vec![descriptor.clone()]))
        .bytes()
        .to_vec()
}

#[test]
fn a_digest_that_is_a_path_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for digest in ["sha256:../../../../etc/passwd", "../x:00", "sha256:/etc/passwd"] {
        let json = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"a/b","digest":"{digest}","size":1}}]}}"#
        );
        layout_with(dir.path(), json.as_bytes());
        assert!(open_error(dir.path()).ends_with("index.json cannot be read"));
    }
}

#[test]
fn documents_are_read_up_to_their_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
    index.resize(INDEX_BYTES_MAX, b' ');
    layout_with(dir.path(), &index);
    assert!(location("oci", dir.path(), None).open_source().is_ok());
    index.push(b' ');
    layout_with(dir.path(), &index);
    assert!(open_error(dir.path()).contains("more than 16777216 bytes"));
}

#[test]
fn what_is_no_layout_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(open_error(dir.path()).contains("it has no file oci-layout"));
    layout_with(dir.path(), b"{}");
    assert!(open_error(dir.path()).contains("index.json cannot be read"));
    fs::write(
        dir.path().join("oci-layout"),
        br#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    assert!(open_error(dir.path()).contains("its version is not 1"));
    assert!(matches!(
        location("oci", &dir.path().join("absent"), None).open_source(),
        Err(OpenError::Io { .. })
    ));
}

#[tokio::test]
async fn a_manifest_must_be_what_its_descriptor_says() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
    let good = Descriptor::of(MediaType::OCI_INDEX, bytes);
    layout_with(dir.path(), &only_entry(&good));
    let blob = dir.path().join("blobs/sha256").join(good.digest.hex());
    let place = location("oci", dir.path(), None);
    let read = async |descriptor: &Descriptor| place.open_source().unwrap().manifest(descriptor).await;

    assert!(matches!(read(&good).await, Err(SourceError::Missing { .. })));
    fs::write(&blob, bytes).unwrap();
    assert!(read(&good).await.is_ok());
    let mut wrong = good.clone();
    wrong.size = u64::MAX;
    assert!(matches!(read(&wrong).await, Err(SourceError::Size { .. })));
    assert!(place.open_source().unwrap().blob(&wrong).await.is_err());
    wrong = good.clone();
    wrong.media_type = MediaType::OCI_MANIFEST;
    assert!(matches!(read(&wrong).await, Err(SourceError::Manifest { .. })));
    fs::write(&blob, br#"{"schemaVersion":2,"manifests":[ ]}"#).unwrap();
    assert!(matches!(read(&good).await, Err(SourceError::Digest { .. })));
    fs::write(&blob, vec![b' '; oci::MANIFEST_BYTES_MAX + 1]).unwrap();
    assert!(matches!(read(&good).await, Err(SourceError::Size { .. })));
}

#[tokio::test]
async fn a_blob_that_is_a_pipe_or_a_directory_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let blob = Descriptor::of(MediaType::OCI_LAYER_TAR, b"x");
    layout_with(dir.path(), &only_entry(&blob));
    let path = dir.path().join("blobs/sha256").join(blob.digest.hex());
    let source = location("oci", dir.path(), None).open_source().unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(matches!(source.blob(&blob).await, Err(SourceError::Io { .. })));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(source.blob(&blob).await, Err(SourceError::Io { .. })));
    fs::remove_dir(&path).unwrap();
    // Bazel makes layouts of links: their content is checked like any other.
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, b"x").unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(source.blob(&blob).await.is_ok());
}

fn tar(entries: &[(&str, EntryKind, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, kind, content) in entries {
        let path = EntryPath::parse(path.as_bytes()).unwrap();
        let mut entry = Entry::file(path, 0o644, content.len() as u64);
        entry.kind = kind.clone();
        writer.append(&entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn link(target: &str) -> EntryKind {
    EntryKind::Symlink {
        target: target.as_bytes().into(),
    }
}

#[test]
fn links_in_an_archive_lead_neither_out_nor_in_circles() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    for (entries, expected) in [
        (
            vec![("manifest.json", link("/etc/passwd"), &b""[..])],
            "it has no file manifest.json",
        ),
        (
            vec![("manifest.json", link("../x"), b"")],
            "it has no file manifest.json",
        ),
        (
            vec![
                ("manifest.json", link("b"), b""),
                ("b", link("manifest.json"), b""),
            ],
            "it has no file manifest.json",
        ),
        (
            vec![("manifest.json", link("b"), b""), ("b", EntryKind::File, b"{")],
            "manifest.json cannot be read",
        ),
        (
            vec![(
                "manifest.json",
                EntryKind::File,
                br#"[{"Config":"../../etc/passwd","Layers":[]}]"#,
            )],
            "../../etc/passwd is missing",
        ),
        (
            vec![
                (
                    "manifest.json",
                    EntryKind::File,
                    br#"[{"Config":"c","Layers":["l"]}]"#,
                ),
                (
                    "c",
                    EntryKind::File,
                    br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#,
                ),
            ],
            "not as many layers",
        ),
    ] {
        fs::write(&file, tar(&entries)).unwrap();
        let error = location("docker-archive", &file, None)
            .open_source()
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_layer_of_a_docker_archive_that_is_not_its_diff_id_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::sha256_of(b"good")
    );
    fs::write(
        &file,
        tar(&[
            ("c.json", EntryKind::File, config.as_bytes()),
            ("l/layer.tar", EntryKind::File, b"evil"),
            (
                "manifest.json",
                EntryKind::File,
                br#"[{"Config":"c.json","Layers":["l/layer.tar"]}]"#,
            ),
        ]),
    )
    .unwrap();
    let source = location("docker-archive", &file, None).open_source().unwrap();
    let image = source.resolve(&Selector::Only).await.unwrap();
    let sink = location("oci", &dir.path().join("out"), None)
        .open_sink()
        .unwrap();
    let options = client::CopyOptions::default();
    let error = client::copy(&*source, &image, &*sink, None, &options, &progress::Silent)
        .await
        .unwrap_err();
    assert!(
        matches!(error, client::CopyError::Sink(client::SinkError::Digest { .. })),
        "{error:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_archive_with_a_damaged_byte_never_gives_wrong_content(position in 0.0_f64..1.0, bit in 0_u8..8) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("a.tar");
            let place = location("oci-archive", &file, None);
            let mut memory = Memory::default();
            let image = memory.image("amd64", &[b"one", b"two"]);
            write(&place, &memory, &image, Some("a")).await;
            let mut bytes = fs::read(&file).unwrap();
            let damaged = (position * bytes.len() as f64) as usize;
            bytes[damaged] ^= 1 << bit;
            fs::write(&file, &bytes).unwrap();

            let Ok(source) = place.open_source() else { return };
            let Ok(found) = source.resolve(&Selector::Digest(image.digest)).await else { return };
            let out = location("oci", &dir.path().join("out"), None);
            let sink = out.open_sink().unwrap();
            let options = client::CopyOptions::default();
            if client::copy(&*source, &found, &*sink, Some("a"), &options, &progress::Silent).await.is_ok() {
                sink.finish().await.unwrap();
                let copied = out.open_source().unwrap().resolve(&Selector::Only).await.unwrap();
                assert_eq!(copied.digest, image.digest);
            }
        });
    }
}
