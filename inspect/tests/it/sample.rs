//! Images made of a few entries.

use archive::tar::{Entry, EntryKind, Writer};
use archive::{Encoder, EntryPath};
use client::{BlobRead, Location, Selector, Sink, Source};
use inspect::ImageView;
use inspect::view::ViewError;
use oci::{Descriptor, Digest, ImageConfig, ImageManifest, Manifest, MediaType, RootFs};
use tempfile::TempDir;

/// An entry of a layer with its content.
pub(crate) type Item = (Entry, Vec<u8>);

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::parse_absolute(text.as_bytes()).unwrap()
}

pub(crate) fn file(at: &str, content: &[u8]) -> Item {
    (
        Entry::file(path(at), 0o644, content.len() as u64),
        content.to_vec(),
    )
}

pub(crate) fn dir(at: &str) -> Item {
    (Entry::directory(path(at), 0o755), Vec::new())
}

pub(crate) fn special(at: &str, kind: EntryKind) -> Item {
    let mut entry = Entry::file(path(at), 0o777, 0);
    entry.kind = kind;
    (entry, Vec::new())
}

pub(crate) fn link(at: &str, target: &str) -> Item {
    special(
        at,
        EntryKind::Symlink {
            target: target.as_bytes().into(),
        },
    )
}

pub(crate) fn hardlink(at: &str, target: &str) -> Item {
    special(at, EntryKind::Hardlink { target: path(target) })
}

pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in items {
        writer.append(entry, &mut content.as_slice()).unwrap();
    }
    writer.finish().unwrap()
}

/// How a layer is stored.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Plain,
    Gzip,
    Zstd,
}

/// A layer's blob and its diff ID.
pub(crate) struct Layer {
    pub(crate) media_type: MediaType,
    pub(crate) blob: Vec<u8>,
    pub(crate) diff_id: Digest,
}

pub(crate) fn layer(items: &[Item], form: Form) -> Layer {
    layer_of(&tar(items), form)
}

/// Compressed in several members, as ours are.
pub(crate) fn layer_of(tar: &[u8], form: Form) -> Layer {
    let encode = |encoder: Encoder| {
        let mut blob = Vec::new();
        for piece in tar.chunks(1000) {
            encoder.encode_member(piece, &mut blob).unwrap();
        }
        blob
    };
    let (media_type, blob) = match form {
        Form::Plain => (MediaType::OCI_LAYER_TAR, tar.to_vec()),
        Form::Gzip => (MediaType::OCI_LAYER_GZIP, encode(Encoder::Gzip)),
        Form::Zstd => (MediaType::OCI_LAYER_ZSTD, encode(Encoder::Zstd)),
    };
    Layer {
        media_type,
        blob,
        diff_id: Digest::sha256_of(tar),
    }
}

/// A layout with one image.
pub(crate) struct Image {
    dir: TempDir,
    pub(crate) descriptor: Descriptor,
}

impl Image {
    pub(crate) async fn of(layers: &[Layer]) -> Self {
        Self::with_config(layers, ImageConfig::default()).await
    }

    pub(crate) async fn with_config(layers: &[Layer], mut config: ImageConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location: Location = format!("oci:{}", dir.path().display()).parse().unwrap();
        let sink = location.open_sink().unwrap();
        config.architecture = "amd64".to_owned();
        config.os = "linux".to_owned();
        config.rootfs = RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
            ..RootFs::default()
        };
        let config = put(&*sink, MediaType::OCI_CONFIG, &config.to_json()).await;
        let mut blobs = Vec::new();
        for layer in layers {
            blobs.push(put(&*sink, layer.media_type.clone(), &layer.blob).await);
        }
        let manifest = Manifest::from_image(&ImageManifest::new(config, blobs));
        sink.put_manifest(&manifest, Some("a")).await.unwrap();
        sink.finish().await.unwrap();
        Self {
            dir,
            descriptor: manifest.descriptor(),
        }
    }

    pub(crate) fn source(&self) -> Box<dyn Source> {
        let location: Location = format!("oci:{}", self.dir.path().display()).parse().unwrap();
        location.open_source().unwrap()
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> std::path::PathBuf {
        self.dir.path().join("blobs/sha256").join(digest.hex())
    }

    pub(crate) async fn view(&self) -> Result<ImageView, ViewError> {
        let source = self.source();
        let descriptor = source.resolve(&Selector::Only).await.unwrap();
        ImageView::open(&*source, &descriptor, None).await
    }
}

async fn put(sink: &dyn Sink, media_type: MediaType, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    sink.put_blob(&descriptor, BlobRead::Bytes(bytes.to_vec()))
        .await
        .unwrap();
    descriptor
}

/// The view of an image of those layers.
pub(crate) async fn view(layers: &[&[Item]]) -> ImageView {
    let layers: Vec<Layer> = layers.iter().map(|items| layer(items, Form::Gzip)).collect();
    Image::of(&layers).await.view().await.unwrap()
}

/// Paths and what is there, one per line, without the root.
pub(crate) async fn listing(view: &ImageView) -> String {
    let mut lines = String::new();
    for (path, facts) in view.iter().skip(1) {
        let what = match &facts.kind {
            inspect::view::FileKind::File => {
                String::from_utf8_lossy(&view.read(path, 1000).await.unwrap()).into_owned()
            }
            inspect::view::FileKind::Symlink { target } => format!("-> {}", String::from_utf8_lossy(target)),
            other => other.name().to_owned(),
        };
        lines.push_str(&format!("{path} {what}\n"));
    }
    lines
}
