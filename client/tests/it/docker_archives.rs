//! Docker archives in the forms that other programs write them.

use std::fs;
use std::path::Path;

use archive::EntryPath;
use archive::tar::{Entry, EntryKind, Writer};
use client::{Selector, SinkError};
use oci::{Digest, ImageConfig, MediaType, RootFs};

use crate::sample::{Memory, blob_bytes, location, write};

fn config(layers: &[&[u8]]) -> Vec<u8> {
    ImageConfig {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| Digest::sha256_of(layer)).collect(),
            ..RootFs::default()
        },
        ..ImageConfig::default()
    }
    .to_json()
}

fn write_tar(file: &Path, entries: &[(&str, EntryKind, &[u8])]) {
    let mut writer = Writer::new(Vec::new());
    for (path, kind, content) in entries {
        let mut entry = Entry::file(
            EntryPath::parse(path.as_bytes()).unwrap(),
            0o644,
            content.len() as u64,
        );
        entry.kind = kind.clone();
        writer.append(&entry, &mut &content[..]).unwrap();
    }
    fs::write(file, writer.finish().unwrap()).unwrap();
}

#[tokio::test]
async fn reads_the_form_with_a_directory_for_each_layer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let link = EntryKind::Symlink {
        target: b"../1/layer.tar".as_slice().into(),
    };
    let config = config(&[b"one", b"two", b"one"]);
    write_tar(
        &file,
        &[
            ("1/layer.tar", EntryKind::File, b"one"),
            ("2/layer.tar", EntryKind::File, b"two"),
            ("3/layer.tar", link, b""),
            ("abc.json", EntryKind::File, &config),
            (
                "manifest.json",
                EntryKind::File,
                br#"[{"Config":"abc.json","RepoTags":["app:1"],"Layers":["1/layer.tar","2/layer.tar","3/layer.tar"]}]"#,
            ),
        ],
    );
    let source = location("docker-archive", &file, None).open_source().unwrap();
    for name in ["app:1", "docker.io/library/app:1", "localhost/app:1"] {
        assert!(
            source.resolve(&Selector::Tag(name.to_owned())).await.is_ok(),
            "{name}"
        );
    }
    let image = source.resolve(&Selector::Only).await.unwrap();
    let manifest = source.manifest(&image).await.unwrap();
    let layers = &manifest.image().unwrap().layers;
    assert!(
        layers
            .iter()
            .all(|layer| layer.media_type == MediaType::OCI_LAYER_TAR)
    );
    assert_eq!(blob_bytes(&*source, &layers[2]).await, b"one");
}

#[tokio::test]
async fn reads_the_form_with_a_layout_inside() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let config = config(&[b"one"]);
    let (config_name, layer_name) = (
        format!("blobs/sha256/{}", Digest::sha256_of(&config).hex()),
        format!("blobs/sha256/{}", Digest::sha256_of(b"one").hex()),
    );
    let list = format!(
        r#"[{{"Config":"{config_name}","RepoTags":null,"Layers":["{layer_name}"],"LayerSources":{{}}}}]"#
    );
    write_tar(
        &file,
        &[
            (&config_name, EntryKind::File, &config),
            (&layer_name, EntryKind::File, b"one"),
            (
                "index.json",
                EntryKind::File,
                br#"{"schemaVersion":2,"manifests":[]}"#,
            ),
            ("manifest.json", EntryKind::File, list.as_bytes()),
            (
                "oci-layout",
                EntryKind::File,
                br#"{"imageLayoutVersion":"1.0.0"}"#,
            ),
        ],
    );
    let source = location("docker-archive", &file, None).open_source().unwrap();
    assert!(source.tags().await.unwrap().is_empty());
    let image = source.resolve(&Selector::Only).await.unwrap();
    let manifest = source.manifest(&image).await.unwrap();
    assert_eq!(
        blob_bytes(&*source, &manifest.image().unwrap().layers[0]).await,
        b"one"
    );
}

#[tokio::test]
async fn compressed_layers_and_archives_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let config = config(&[b"one"]);
    let mut layer = Vec::new();
    archive::Encoder::Gzip.encode_member(b"one", &mut layer).unwrap();
    write_tar(
        &file,
        &[
            ("c", EntryKind::File, &config),
            ("l", EntryKind::File, &layer),
            (
                "manifest.json",
                EntryKind::File,
                br#"[{"Config":"c","Layers":["l"]}]"#,
            ),
        ],
    );
    let mut packed = Vec::new();
    archive::Encoder::Zstd
        .encode_member(&fs::read(&file).unwrap(), &mut packed)
        .unwrap();
    let packed_file = dir.path().join("a.tar.zst");
    fs::write(&packed_file, packed).unwrap();
    for file in [file, packed_file] {
        let source = location("docker-archive", &file, None).open_source().unwrap();
        let image = source.resolve(&Selector::Only).await.unwrap();
        let manifest = source.manifest(&image).await.unwrap();
        let found = &manifest.image().unwrap().layers[0];
        assert_eq!(
            (&found.media_type, found.digest),
            (&MediaType::OCI_LAYER_GZIP, Digest::sha256_of(&layer))
        );
        assert_eq!(blob_bytes(&*source, found).await, layer);
    }
}

#[tokio::test]
async fn several_platforms_and_artifacts_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let amd64 = memory.image("amd64", &[b"1"]);
    let index = memory.index(vec![amd64.clone()]);
    let artifact = memory.referrer(&amd64, b"sbom");
    let sink = location("docker-archive", &dir.path().join("a.tar"), None)
        .open_sink()
        .unwrap();
    let put = async |descriptor: &oci::Descriptor| {
        sink.put_manifest(&memory.manifests[&descriptor.digest], Some("a:1"))
            .await
    };
    assert!(matches!(put(&index).await, Err(SinkError::OnePlatformOnly)));
    assert!(matches!(put(&artifact).await, Err(SinkError::ImagesOnly { .. })));
}

#[tokio::test]
async fn a_name_without_a_tag_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let place = location(
        "docker-archive",
        &dir.path().join("a.tar"),
        Some("r.example:5000/app"),
    );
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    write(&place, &memory, &image, place.name().as_deref()).await;
    let tags = place.open_source().unwrap().tags().await.unwrap();
    assert_eq!(tags[0].0, "r.example:5000/app:latest");
}
