//! Layouts in directories: adding to them, from several sides, and after accidents.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use client::{BlobRead, Location, OpenError, Selector};
use oci::{Descriptor, MediaType};

use crate::contract::leftovers;
use crate::sample::{Memory, blob_bytes, copy, location, write};

#[tokio::test]
async fn images_are_added_to_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let mut memory = Memory::default();
    let (one, two) = (memory.image("amd64", &[b"1"]), memory.image("amd64", &[b"2"]));
    write(&place, &memory, &one, Some("one")).await;
    write(&place, &memory, &two, Some("two")).await;
    write(&place, &memory, &two, Some("one")).await;
    let tags = place.open_source().unwrap().tags().await.unwrap();
    let shown: Vec<_> = tags
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.digest))
        .collect();
    assert_eq!(shown, [("one", two.digest), ("two", two.digest)]);
    // What is no longer named is not deleted.
    assert!(dir.path().join("blobs/sha256").join(one.digest.hex()).exists());
}

#[test]
fn several_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", &dir.path().join("new"), None);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    let mut memory = Memory::default();
                    let name = format!("v{number}");
                    let image = memory.image("amd64", &[b"shared", name.as_bytes()]);
                    write(place, &memory, &image, Some(&name)).await;
                });
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tags = runtime.block_on(place.open_source().unwrap().tags()).unwrap();
    assert_eq!(tags.len(), 8);
    assert!(leftovers(dir.path()).is_empty());
}

#[tokio::test]
async fn nothing_is_written_when_nothing_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    write(&place, &memory, &image, Some("a")).await;
    let index = dir.path().join("index.json");
    // Another file under the same name would have another inode.
    let inode = |path: &std::path::Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&index);
    write(&place, &memory, &image, Some("a")).await;
    assert_eq!(inode(&index), before);
}

#[tokio::test]
async fn leftovers_of_a_killed_process_go_away_unless_one_is_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let at_work = place.open_sink().unwrap();
    let leftover = dir.path().join(".lightship-x");
    fs::write(&leftover, b"part of a blob").unwrap();
    drop(place.open_sink().unwrap());
    assert!(leftover.exists());
    drop(at_work);
    drop(place.open_sink().unwrap());
    assert!(!leftover.exists());
}

#[tokio::test]
async fn blobs_of_the_wrong_length_and_links_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", &dir.path().join("layout"), None);
    let sink = place.open_sink().unwrap();
    let outside = dir.path().join("outside");
    fs::write(&outside, b"content").unwrap();
    let blob = Descriptor::of(MediaType::OCI_LAYER_TAR, b"content");
    let path = dir.path().join("layout/blobs/sha256").join(blob.digest.hex());
    for damage in 0..2 {
        let _ = fs::remove_file(&path);
        if damage == 0 {
            fs::write(&path, b"cont").unwrap();
        } else {
            symlink(&outside, &path).unwrap();
        }
        assert!(!sink.has_blob(&blob).await.unwrap());
        sink.put_blob(&blob, BlobRead::Bytes(b"content".to_vec()))
            .await
            .unwrap();
        sink.finish().await.unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }
    assert_eq!(fs::read(&outside).unwrap(), b"content");
}

#[tokio::test]
async fn files_are_readable_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    write(
        &location("oci", &dir.path().join("layout"), None),
        &memory,
        &image,
        Some("a"),
    )
    .await;
    write(
        &location("oci-archive", &dir.path().join("archive"), None),
        &memory,
        &image,
        Some("a"),
    )
    .await;
    let ordinary = dir.path().join("ordinary");
    fs::write(&ordinary, b"").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
    for name in ["layout/index.json", "layout/oci-layout", "archive"] {
        assert_eq!(mode(&dir.path().join(name)), mode(&ordinary), "{name}");
    }
    let blob = dir.path().join("layout/blobs/sha256").join(image.digest.hex());
    assert_eq!(mode(&blob), mode(&ordinary));
}

#[test]
fn a_directory_with_other_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), b"").unwrap();
    let error = location("oci", dir.path(), None).open_sink().err().unwrap();
    assert!(matches!(error, OpenError::NotThat { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_creation_that_was_interrupted_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
    fs::write(dir.path().join(".lightship-1"), b"{\"image").unwrap();
    let place = location("oci", dir.path(), None);
    drop(place.open_sink().unwrap());
    assert!(place.open_source().is_ok() && leftovers(dir.path()).is_empty());
}

#[tokio::test]
async fn what_is_on_a_registry_is_not_taken_for_a_file() {
    let place: Location = "registry.example/a:b".parse().unwrap();
    let error = place.open_source().err().unwrap().to_string();
    assert!(
        error.starts_with("registry.example/a:b is not a file or directory"),
        "{error}"
    );
    assert!(place.open_sink().is_err());
}

#[tokio::test]
async fn an_artifact_with_a_tag_of_its_subject_is_a_referrer() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    let sbom = memory.referrer(&image, b"sbom");
    let list = memory.index(vec![sbom.clone()]);
    let sink = place.open_sink().unwrap();
    copy(&memory, &image, &*sink, Some("a")).await;
    copy(
        &memory,
        &list,
        &*sink,
        Some(&format!("sha256-{}", image.digest.hex())),
    )
    .await;
    sink.finish().await.unwrap();
    let source = place.open_source().unwrap();
    assert_eq!(
        source.referrers(&image.digest).await.unwrap()[0].digest,
        sbom.digest
    );
    let sbom = source.manifest(&sbom).await.unwrap();
    assert_eq!(
        blob_bytes(&*source, &sbom.image().unwrap().layers[0]).await,
        b"sbom"
    );
    assert!(source.resolve(&Selector::Tag("a".to_owned())).await.is_ok());
}
