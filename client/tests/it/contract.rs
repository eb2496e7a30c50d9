//! What `Sink` and `Source` promise, for every medium there is.

use std::fs;
use std::path::Path;

use archive::tar::{EntryKind, Limits, Reader};
use client::{BlobRead, CopyOptions, Location, Selector, SinkError};
use oci::{Descriptor, Digest, MediaType};

use crate::sample::{Memory, blob_bytes, copy, location, write};

const MEDIA: [&str; 3] = ["oci", "oci-archive", "docker-archive"];

fn place(medium: &str, dir: &Path) -> Location {
    location(medium, &dir.join("image"), None)
}

/// A large layer, several pieces long, and a small one.
fn layers() -> [Vec<u8>; 2] {
    [
        (0..700_000_u32).map(|number| (number % 251) as u8).collect(),
        b"small".to_vec(),
    ]
}

fn sample(streams: bool) -> (Memory, Descriptor) {
    let mut memory = Memory {
        streams,
        ..Memory::default()
    };
    let layers = layers();
    let image = memory.image("amd64", &[&layers[0], &layers[1]]);
    (memory, image)
}

#[tokio::test]
async fn what_is_put_can_be_read_from_every_medium() {
    for (medium, streams) in MEDIA
        .into_iter()
        .flat_map(|medium| [(medium, false), (medium, true)])
    {
        let dir = tempfile::tempdir().unwrap();
        let (memory, image) = sample(streams);
        let place = place(medium, dir.path());
        write(&place, &memory, &image, Some("cc:a")).await;

        let source = place.open_source().unwrap();
        let tags = source.tags().await.unwrap();
        assert_eq!(
            tags.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["cc:a"],
            "{medium}"
        );
        let found = source.resolve(&Selector::Only).await.unwrap();
        assert_eq!(
            source.resolve(&Selector::Tag("cc:a".to_owned())).await.unwrap(),
            found
        );
        assert_eq!(
            source
                .resolve(&Selector::Digest(found.digest))
                .await
                .unwrap()
                .digest,
            found.digest
        );
        let manifest = source.manifest(&found).await.unwrap();
        let image = manifest.image().unwrap();
        let original = &memory.manifests.values().next().unwrap().image().unwrap().clone();
        assert_eq!(image.config.digest, original.config.digest);
        for (layer, content) in image.layers.iter().zip(layers()) {
            assert_eq!(blob_bytes(&*source, layer).await, content, "{medium}");
        }
    }
}

#[tokio::test]
async fn a_blob_that_is_not_what_was_announced_never_appears() {
    let good = b"content".to_vec();
    let announced = Descriptor::of(MediaType::OCI_LAYER_TAR, &good);
    let wrong = [
        b"contents".to_vec(),
        b"conten".to_vec(),
        b"c0ntent".to_vec(),
        Vec::new(),
    ];
    for medium in MEDIA {
        let dir = tempfile::tempdir().unwrap();
        let sink = place(medium, dir.path()).open_sink().unwrap();
        for bytes in &wrong {
            for read in [
                BlobRead::Bytes(bytes.clone()),
                BlobRead::Stream(Box::pin(std::io::Cursor::new(bytes.clone()))),
            ] {
                let error = sink.put_blob(&announced, read).await.unwrap_err();
                let as_expected = match error {
                    SinkError::Digest { expected, actual } => {
                        expected == announced.digest && actual == Digest::sha256_of(bytes)
                    }
                    SinkError::Size { expected, actual, .. } => expected == 7 && actual == bytes.len() as u64,
                    _ => false,
                };
                assert!(as_expected, "{medium}");
                assert!(!sink.has_blob(&announced).await.unwrap());
            }
        }
        assert!(fs::read_dir(dir.path()).unwrap().all(|entry| {
            let path = entry.unwrap().path();
            !path.join("blobs/sha256").join(announced.digest.hex()).exists()
        }));
        sink.put_blob(&announced, BlobRead::Bytes(good.clone()))
            .await
            .unwrap();
        assert!(sink.has_blob(&announced).await.unwrap());
    }
}

#[tokio::test]
async fn a_sink_that_is_not_finished_changes_nothing() {
    for medium in MEDIA {
        let dir = tempfile::tempdir().unwrap();
        let place = place(medium, dir.path());
        let (memory, image) = sample(false);
        write(&place, &memory, &image, Some("a:1")).await;
        let before = place.open_source().unwrap().tags().await.unwrap();

        let mut other = Memory::default();
        let newer = other.image("amd64", &[b"newer"]);
        let sink = place.open_sink().unwrap();
        copy(&other, &newer, &*sink, Some("a:1")).await;
        drop(sink);
        let source = place.open_source().unwrap();
        assert_eq!(source.tags().await.unwrap(), before, "{medium}");
        assert!(leftovers(dir.path()).is_empty());
    }
}

#[tokio::test]
async fn a_name_that_is_put_again_moves() {
    for medium in MEDIA {
        let dir = tempfile::tempdir().unwrap();
        let place = place(medium, dir.path());
        let mut memory = Memory::default();
        let (older, newer) = (
            memory.image("amd64", &[b"older"]),
            memory.image("amd64", &[b"newer"]),
        );
        let sink = place.open_sink().unwrap();
        copy(&memory, &older, &*sink, Some("a:1")).await;
        copy(&memory, &newer, &*sink, Some("a:1")).await;
        sink.finish().await.unwrap();
        let source = place.open_source().unwrap();
        let found = source.resolve(&Selector::Tag("a:1".to_owned())).await.unwrap();
        let manifest = source.manifest(&found).await.unwrap();
        let layer = &manifest.image().unwrap().layers[0];
        assert_eq!(blob_bytes(&*source, layer).await, b"newer", "{medium}");
    }
}

#[tokio::test]
async fn archives_of_the_same_images_are_the_same_bytes() {
    for medium in ["oci-archive", "docker-archive"] {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        let one = memory.image("amd64", &[b"1", b"2", b"3"]);
        let two = memory.image("amd64", &[b"3", b"4"]);
        let mut archives = Vec::new();
        for (number, order) in [[("a:1", &one), ("b:1", &two)], [("b:1", &two), ("a:1", &one)]]
            .into_iter()
            .enumerate()
        {
            let path = dir.path().join(number.to_string());
            let sink = location(medium, &path, None).open_sink().unwrap();
            for (name, image) in order {
                copy(&memory, image, &*sink, Some(name)).await;
            }
            sink.finish().await.unwrap();
            archives.push(fs::read(path).unwrap());
        }
        assert_eq!(archives[0], archives[1], "{medium}");
        // Nothing of who wrote them, where and when, and everybody may read what is unpacked.
        let mut reader = Reader::new(&archives[0][..], Limits::default());
        let mut kinds = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mode = match entry.kind {
                EntryKind::Directory => 0o755,
                _ => 0o644,
            };
            assert_eq!(
                (entry.mode, entry.uid, entry.gid, entry.mtime),
                (mode, 0, 0, 0),
                "{medium}: {entry:?}"
            );
            kinds.push(entry.kind);
        }
        assert!(kinds.contains(&EntryKind::File), "{medium}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is() {
    for medium in MEDIA {
        let dir = tempfile::tempdir().unwrap();
        let place = place(medium, dir.path());
        let mut memory = Memory::default();
        let (one, two) = (memory.image("amd64", &[b"1"]), memory.image("amd64", &[b"2"]));
        let sink = place.open_sink().unwrap();
        copy(&memory, &one, &*sink, Some("a:1")).await;
        copy(&memory, &two, &*sink, Some("b:2")).await;
        sink.finish().await.unwrap();
        let source = place.open_source().unwrap();
        let error = source
            .resolve(&Selector::Tag("c:3".to_owned()))
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "no image with tag \"c:3\"; there is a:1, b:2", "{medium}");
        let error = source.resolve(&Selector::Only).await.unwrap_err().to_string();
        assert!(
            error.contains("more than one image") && error.contains("a:1"),
            "{medium}: {error}"
        );
        // The tag alone is enough where it is unique.
        assert!(
            source.resolve(&Selector::Tag("2".to_owned())).await.is_ok(),
            "{medium}"
        );
    }
}

#[tokio::test]
async fn an_archive_without_an_image_is_not_written() {
    for medium in ["oci-archive", "docker-archive"] {
        let dir = tempfile::tempdir().unwrap();
        let sink = place(medium, dir.path()).open_sink().unwrap();
        assert!(matches!(sink.finish().await, Err(SinkError::Nothing { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error() {
    for medium in ["oci-archive", "docker-archive"] {
        let (memory, image) = sample(false);
        let place: Location = format!("{medium}:/dev/full").parse().unwrap();
        let sink = place.open_sink().unwrap();
        copy(&memory, &image, &*sink, Some("a:1")).await;
        let error = sink.finish().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot write /dev/full");
    }
}

#[tokio::test]
async fn a_damaged_blob_is_not_copied() {
    for medium in MEDIA {
        let dir = tempfile::tempdir().unwrap();
        let (mut memory, image) = sample(false);
        let layer = memory.manifests.values().next().unwrap().image().unwrap().layers[0].clone();
        memory.blobs.get_mut(&layer.digest).unwrap()[350_000] ^= 1;
        let sink = place(medium, dir.path()).open_sink().unwrap();
        let options = CopyOptions::default();
        let error = client::copy(&memory, &image, &*sink, None, &options, &progress::Silent)
            .await
            .unwrap_err();
        assert!(
            matches!(error, client::CopyError::Sink(SinkError::Digest { .. })),
            "{medium}: {error:?}"
        );
    }
}

pub(crate) fn leftovers(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".lightship-") {
            found.push(name);
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}
