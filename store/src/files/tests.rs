use bytes::Bytes;
use oci::Digest;

use super::*;
use crate::conformance::Counter;

#[test]
fn a_session_is_of_one_package_alone() {
    let session = UploadKey::session(&Counter::default());
    assert_ne!(
        UploadKey::of(&session, "a").unwrap(),
        UploadKey::of(&session, "b").unwrap()
    );
    assert!(UploadKey::of("../../etc/passwd", "a").is_err());
}

#[tokio::test]
async fn an_objects_age_counts_from_its_seal_and_not_from_its_last_byte() {
    let disk = SimulatedDisk::default();
    let store = FileBlobStore::on(Box::new(disk.clone())).unwrap();
    let entropy = Counter::default();
    let upload = UploadKey::of(&UploadKey::session(&entropy), "p").unwrap();
    store.begin(&upload).await.unwrap();
    disk.advance(Duration::from_secs(7200));
    let key = StorageKey::new(&Digest::sha256_of(b""), &entropy);
    store.seal(&upload, &key, 0).await.unwrap();
    assert_eq!(store.objects(None, 9).await.unwrap()[0].idle, Duration::ZERO);
    disk.advance(Duration::from_secs(5));
    assert_eq!(
        store.objects(None, 9).await.unwrap()[0].idle,
        Duration::from_secs(5)
    );
}

#[tokio::test]
async fn the_age_of_a_sealed_file_is_that_of_this_machines_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileBlobStore::open(directory.path().to_owned()).unwrap();
    let entropy = Counter::default();
    let upload = UploadKey::of(&UploadKey::session(&entropy), "p").unwrap();
    store.begin(&upload).await.unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(directory.path().join(upload_path(&upload)))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(store.idle_uploads(hour, 9).await.unwrap().len(), 1);
    let key = StorageKey::new(&Digest::sha256_of(b""), &entropy);
    store.seal(&upload, &key, 0).await.unwrap();
    assert!(store.objects(None, 9).await.unwrap()[0].idle < hour);
}

#[tokio::test]
async fn a_write_that_outlives_its_append_keeps_others_away_until_it_is_done() {
    let disk = SimulatedDisk::default();
    let store = FileBlobStore::on(Box::new(disk.clone())).unwrap();
    let entropy = Counter::default();
    let upload = UploadKey::of(&UploadKey::session(&entropy), "p").unwrap();
    store.begin(&upload).await.unwrap();
    let mut append = store.append(&upload, 0).await.unwrap();
    let held = disk.hold_up();
    let write = append.write(Bytes::from(vec![1; 300_000]));
    let patience = Duration::from_millis(20);
    assert!(
        tokio::time::timeout(patience, write).await.is_err(),
        "the write waits"
    );
    // The client went away, and with it the append; another comes.
    drop(append);
    assert!(matches!(
        store.append(&upload, 0).await.err(),
        Some(StoreError::Busy)
    ));
    let key = StorageKey::new(&Digest::sha256_of(b""), &entropy);
    let size = 300_000;
    assert!(matches!(
        store.seal(&upload, &key, size).await,
        Err(StoreError::Busy)
    ));
    drop(held);
    while let Err(StoreError::Busy) = store.seal(&upload, &key, size).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.objects(None, 9).await.unwrap()[0].size, 300_000);
}
