//! The copy itself: what comes along, and what is refused.

use client::{CopyError, CopyOptions, INDEX_DEPTH_MAX, Referrers, Selector, select_platform};
use oci::Platform;

use crate::sample::{Memory, blob_bytes, copy, location, write};

#[tokio::test]
async fn children_and_referrers_come_along() {
    for medium in ["oci", "oci-archive"] {
        let dir = tempfile::tempdir().unwrap();
        let place = location(medium, &dir.path().join("image"), None);
        let mut memory = Memory::default();
        let amd64 = memory.image("amd64", &[b"shared", b"amd64"]);
        let arm64 = memory.image("arm64", &[b"shared", b"arm64"]);
        let index = memory.index(vec![amd64.clone(), arm64.clone()]);
        let sbom = memory.referrer(&amd64, b"{\"sbom\":1}");
        let signature = memory.referrer(&sbom, b"signature");
        write(&place, &memory, &index, Some("latest")).await;

        let source = place.open_source().unwrap();
        // Referrers have no name, so the index is still the only image.
        let found = source.resolve(&Selector::Only).await.unwrap();
        assert_eq!(found.digest, index.digest);
        let referrers = source.referrers(&amd64.digest).await.unwrap();
        assert_eq!(referrers.len(), 1, "{medium}");
        assert_eq!(referrers[0].digest, sbom.digest);
        assert_eq!(referrers[0].annotations["kind"], "sbom");
        assert_eq!(referrers[0].artifact_type, sbom.artifact_type);
        assert_eq!(
            source.referrers(&sbom.digest).await.unwrap()[0].digest,
            signature.digest
        );
        assert!(source.referrers(&arm64.digest).await.unwrap().is_empty());

        // And all of it again, from there.
        let again = location("oci", &dir.path().join("again"), None);
        write(&again, &*source, &found, Some("b")).await;
        let source = again.open_source().unwrap();
        assert_eq!(source.referrers(&sbom.digest).await.unwrap().len(), 1);
        let arm64 = select_platform(&*source, &index, Some(&"arm64".parse::<Platform>().unwrap()))
            .await
            .unwrap();
        let manifest = source.manifest(&arm64).await.unwrap();
        assert_eq!(
            blob_bytes(&*source, &manifest.image().unwrap().layers[1]).await,
            b"arm64"
        );
    }
}

#[tokio::test]
async fn referrers_stay_when_they_are_not_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    memory.referrer(&image, b"sbom");
    let sink = place.open_sink().unwrap();
    let options = CopyOptions {
        referrers: Referrers::Skip,
        ..CopyOptions::default()
    };
    let copied = client::copy(&memory, &image, &*sink, Some("a"), &options, &progress::Silent)
        .await
        .unwrap();
    sink.finish().await.unwrap();
    assert_eq!((copied.manifests, copied.blobs, copied.blobs_present), (1, 2, 0));
    let source = place.open_source().unwrap();
    assert!(source.referrers(&image.digest).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_there_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = location("oci", dir.path(), None);
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1", b"2"]);
    write(&place, &memory, &image, Some("a")).await;
    memory.blobs.clear();
    let sink = place.open_sink().unwrap();
    let options = CopyOptions::default();
    let copied = client::copy(&memory, &image, &*sink, Some("b"), &options, &progress::Silent)
        .await
        .unwrap();
    assert_eq!((copied.blobs, copied.blobs_present, copied.blob_bytes), (0, 3, 0));
}

#[tokio::test]
async fn indexes_within_indexes_are_followed_up_to_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut nested = memory.image("amd64", &[b"1"]);
    for _ in 0..INDEX_DEPTH_MAX {
        nested = memory.index(vec![nested.clone(), nested]);
    }
    let sink = location("oci", dir.path(), None).open_sink().unwrap();
    copy(&memory, &nested, &*sink, Some("a")).await;
    nested = memory.index(vec![nested]);
    let options = CopyOptions::default();
    let error = client::copy(&memory, &nested, &*sink, Some("a"), &options, &progress::Silent).await;
    assert!(matches!(error, Err(CopyError::TooDeep)));
}

#[tokio::test]
async fn a_cycle_of_a_lying_source_ends() {
    let mut memory = Memory::default();
    let inner = memory.index(Vec::new());
    let outer = memory.index(vec![inner.clone()]);
    // What has the digest of the inner index names the outer one.
    let lie = oci::Manifest::from_index(&oci::ImageIndex::new(vec![outer.clone()]));
    memory.manifests.insert(inner.digest, lie);
    let dir = tempfile::tempdir().unwrap();
    let sink = location("oci", dir.path(), None).open_sink().unwrap();
    copy(&memory, &outer, &*sink, Some("a")).await;
}

#[tokio::test]
async fn a_platform_is_chosen_or_those_there_are_named() {
    let mut memory = Memory::default();
    let amd64 = memory.image("amd64", &[b"1"]);
    let arm = memory.image("arm", &[b"2"]);
    let index = memory.index(vec![amd64.clone(), arm.clone()]);
    let choose = |text: &str| text.parse::<Platform>().unwrap();
    let found = select_platform(&memory, &index, Some(&choose("linux/arm/v7")))
        .await
        .unwrap();
    assert_eq!(found.digest, arm.digest);
    let error = select_platform(&memory, &index, Some(&choose("s390x")))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "image is not for linux/s390x; it is for linux/amd64, linux/arm"
    );
    let alone = select_platform(&memory, &arm, None).await.unwrap();
    assert_eq!(alone.digest, arm.digest);
}
