//! Images that are damaged, or made to do harm.

use std::fs;

use client::SourceError;
use inspect::view::{LAYERS_MAX, ViewError};
use oci::{Digest, ImageConfig};
use proptest::prelude::*;

use crate::sample::{Form, Image, dir, file, hardlink, layer, layer_of, link, tar};

#[tokio::test]
async fn a_layer_that_is_not_its_diff_id_is_refused() {
    let mut wrong = layer(&[file("/a", b"a")], Form::Gzip);
    wrong.diff_id = Digest::sha256_of(b"other");
    let error = Image::of(&[wrong]).await.view().await.unwrap_err();
    assert!(matches!(error, ViewError::Digest { expected, .. } if expected == Digest::sha256_of(b"other")));
}

#[tokio::test]
async fn a_damaged_blob_is_told_by_its_digest() {
    for form in [Form::Plain, Form::Gzip, Form::Zstd] {
        let good = layer(&[file("/a", &vec![b'a'; 5000])], form);
        let digest = Digest::sha256_of(&good.blob);
        let middle = good.blob.len() / 2;
        let image = Image::of(&[good]).await;
        let path = image.blob_path(&digest);
        let mut bytes = fs::read(&path).unwrap();
        bytes[middle] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let error = image.view().await.unwrap_err();
        assert!(
            matches!(error, ViewError::Digest { expected, .. } if expected == digest),
            "{error:?}"
        );
        bytes.truncate(middle);
        fs::write(&path, &bytes).unwrap();
        let error = image.view().await.unwrap_err();
        assert!(
            matches!(error, ViewError::Source(SourceError::Size { .. })),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn entries_that_cannot_be_applied_are_named() {
    for (items, expected) in [
        (
            vec![file("/a", b""), file("/a/b", b"")],
            "layer 0 has /a/b, which lies below something that is not a directory",
        ),
        (
            vec![hardlink("/a", "/b")],
            "layer 0 has /a, a hard link to what is not there",
        ),
        (
            vec![dir("/b"), hardlink("/a", "/b")],
            "layer 0 has /a, a hard link to a directory",
        ),
        (
            vec![link("/a", "a"), file("/a/b", b"")],
            "layer 0 has /a/b, which leads through too many links",
        ),
        (
            vec![file("/.wh...", b"")],
            "layer 0 has /.wh..., which hides what cannot be",
        ),
    ] {
        let error = Image::of(&[layer(&items, Form::Plain)])
            .await
            .view()
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn an_archive_with_a_path_outside_is_refused() {
    let mut bytes = tar(&[file("/xx/passwd", b"")]);
    bytes[..10].copy_from_slice(b"../passwd\0");
    // The header's checksum, over spaces in its own place.
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let error = Image::of(&[layer_of(&bytes, Form::Plain)])
        .await
        .view()
        .await
        .unwrap_err();
    assert!(matches!(error, ViewError::Layer { .. }), "{error:?}");
}

#[tokio::test]
async fn layers_are_counted_up_to_their_limit() {
    let layers = |count: usize| -> Vec<_> {
        (0..count)
            .map(|number| layer(&[file(&format!("/{number}"), b"")], Form::Plain))
            .collect()
    };
    let view = Image::of(&layers(LAYERS_MAX)).await.view().await.unwrap();
    assert_eq!(view.iter().count(), LAYERS_MAX + 1);
    let error = Image::of(&layers(LAYERS_MAX + 1)).await.view().await.unwrap_err();
    assert!(matches!(error, ViewError::TooManyLayers { .. }));
}

#[tokio::test]
async fn a_configuration_with_other_layers_is_refused() {
    let one = || layer(&[file("/a", b"")], Form::Plain);
    let image = Image::with_config(&[one(), one()], ImageConfig::default()).await;
    // The manifest of an image of one layer, with the configuration of two.
    let source = image.source();
    let manifest = source.manifest(&image.descriptor).await.unwrap();
    let mut image_manifest = manifest.image().unwrap().clone();
    image_manifest.layers.pop();
    let changed = oci::Manifest::from_image(&image_manifest);
    fs::write(image.blob_path(&changed.digest()), changed.bytes()).unwrap();
    let error = inspect::ImageView::open(&*source, &changed.descriptor(), None)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ViewError::LayerCount {
            manifest: 1,
            config: 2
        }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_as_a_layer_give_a_view_or_an_error(
        noise in proptest::collection::vec(any::<u8>(), 0..2000),
        at in 0_usize..1500,
        form in 0_usize..3,
    ) {
        let mut bytes = tar(&[dir("/a"), file("/a/b", b"content"), link("/l", "a"), file("/l/.wh.b", b"")]);
        for (byte, noise) in bytes.iter_mut().skip(at).step_by(97).zip(&noise) {
            *byte ^= noise;
        }
        let form = [Form::Plain, Form::Gzip, Form::Zstd][form];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let damaged = layer_of(&bytes, form);
            let mut raw = layer_of(&noise, Form::Plain);
            raw.media_type = oci::MediaType::OCI_LAYER_GZIP;
            for layers in [[damaged], [raw]] {
                if let Ok(view) = Image::of(&layers).await.view().await {
                    for (path, _) in view.iter() {
                        let _ = view.read(path, 1000).await;
                    }
                }
            }
        });
    }
}
