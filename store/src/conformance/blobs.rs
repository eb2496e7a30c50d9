//! Promises of a store of bytes.

use std::time::Duration;

use bytes::Bytes;
use oci::{Algorithm, Digest};

use super::{BlobWorld, bytes_of};
use crate::{BlobContent, ByteRange, StorageKey, StoreError, UploadKey};

async fn read(world: &BlobWorld, key: &StorageKey, size: u64, range: ByteRange) -> Vec<u8> {
    let content = world.store.read(key, size, range).await.unwrap();
    let is_whole = matches!(content, BlobContent::Redirect(_));
    let bytes = bytes_of(content, &*world.fetch).await;
    if is_whole {
        bytes[range.start as usize..range.end as usize].to_vec()
    } else {
        bytes
    }
}

pub(crate) async fn what_was_sealed_is_read_by_range(world: BlobWorld) {
    let content: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    let key = world.stored(&content).await;
    for (start, end) in [(0, 700_000), (1000, 300_000), (699_999, 700_000), (5, 5)] {
        let bytes = read(&world, &key, 700_000, ByteRange { start, end }).await;
        assert!(
            bytes == content[start as usize..end as usize],
            "{start}-{end}: {} bytes",
            bytes.len()
        );
    }
    let long = Digest::of(Algorithm::Sha512, &content);
    let (upload, key) = (
        world.upload(&content).await,
        StorageKey::new(&long, &world.entropy),
    );
    world.store.seal(&upload, &key, 700_000).await.unwrap();
    assert!(read(&world, &key, 700_000, ByteRange::all(700_000)).await == content);
}

pub(crate) async fn an_empty_object_is_an_object(world: BlobWorld) {
    let key = world.stored(b"").await;
    assert_eq!(read(&world, &key, 0, ByteRange::all(0)).await, b"");
    assert_eq!(world.store.objects(None, 9).await.unwrap()[0].size, 0);
}

pub(crate) async fn nothing_of_an_upload_is_an_object(world: BlobWorld) {
    let upload = world.upload(b"abc").await;
    assert_eq!(world.store.objects(None, 9).await.unwrap(), []);
    assert_eq!(world.store.upload_length(&upload).await.unwrap(), Some(3));
    let content = world.store.read_upload(&upload).await.unwrap();
    assert_eq!(bytes_of(content, &*world.fetch).await, b"abc");
    let key = StorageKey::new(&Digest::sha256_of(b"abc"), &world.entropy);
    for another in [2, 4] {
        let sealed = world.store.seal(&upload, &key, another).await;
        assert!(matches!(sealed, Err(StoreError::Offset { actual: 3, .. })));
    }
    world.store.seal(&upload, &key, 3).await.unwrap();
    assert_eq!(world.store.upload_length(&upload).await.unwrap(), None);
    let again = StorageKey::new(&Digest::sha256_of(b"abc"), &world.entropy);
    assert!(matches!(
        world.store.seal(&upload, &again, 3).await,
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        world.store.read_upload(&upload).await,
        Err(StoreError::Missing { .. })
    ));
}

pub(crate) async fn one_appends_at_a_time_and_only_at_the_end(world: BlobWorld) {
    let store = &world.store;
    let upload = UploadKey::of(&UploadKey::session(&world.entropy), "p").unwrap();
    assert!(matches!(
        store.append(&upload, 0).await.err(),
        Some(StoreError::Missing { .. })
    ));
    store.begin(&upload).await.unwrap();
    assert!(store.begin(&upload).await.is_err(), "begun twice");
    let mut append = store.append(&upload, 0).await.unwrap();
    assert!(matches!(
        store.append(&upload, 0).await.err(),
        Some(StoreError::Busy)
    ));
    let key = StorageKey::new(&Digest::sha256_of(b"abc"), &world.entropy);
    assert!(matches!(
        store.seal(&upload, &key, 0).await,
        Err(StoreError::Busy)
    ));
    append.write(Bytes::from_static(b"abc")).await.unwrap();
    append.finish().await.unwrap();
    assert!(matches!(
        store.append(&upload, 2).await.err(),
        Some(StoreError::Offset {
            expected: 2,
            actual: 3
        })
    ));
    let mut append = store.append(&upload, 3).await.unwrap();
    append.write(Bytes::from_static(b"def")).await.unwrap();
    assert_eq!(append.finish().await.unwrap(), 6);
    let content = store.read_upload(&upload).await.unwrap();
    assert_eq!(bytes_of(content, &*world.fetch).await, b"abcdef");
}

pub(crate) async fn an_append_that_was_dropped_leaves_a_beginning(world: BlobWorld) {
    let store = &world.store;
    let upload = world.upload(b"abc").await;
    let mut append = store.append(&upload, 3).await.unwrap();
    append.write(Bytes::from(vec![b'd'; 400_000])).await.unwrap();
    drop(append);
    let length = store.upload_length(&upload).await.unwrap().unwrap();
    assert!((3..=400_003).contains(&length), "{length}");
    let mut append = store.append(&upload, length).await.unwrap();
    append.write(Bytes::from_static(b"e")).await.unwrap();
    assert_eq!(append.finish().await.unwrap(), length + 1);
    let bytes = bytes_of(store.read_upload(&upload).await.unwrap(), &*world.fetch).await;
    assert!(bytes.starts_with(b"abc") && bytes.ends_with(b"e"));
    assert!(bytes[3..bytes.len() - 1].iter().all(|byte| *byte == b'd'));
}

pub(crate) async fn a_read_that_began_before_a_removal_ends_well(world: BlobWorld) {
    let key = world.stored(&[7; 100_000]).await;
    let content = world
        .store
        .read(&key, 100_000, ByteRange::all(100_000))
        .await
        .unwrap();
    world.store.remove(&key).await.unwrap();
    assert!(bytes_of(content, &*world.fetch).await == [7; 100_000]);
    world.store.remove(&key).await.unwrap();
    assert!(matches!(
        world.store.read(&key, 100_000, ByteRange::all(100_000)).await,
        Err(StoreError::Missing { .. })
    ));
}

pub(crate) async fn an_object_of_another_length_is_not_served(world: BlobWorld) {
    let key = world.stored(b"abc").await;
    for (size, end) in [(2, 2), (4, 4), (3, 4)] {
        let read = world.store.read(&key, size, ByteRange { start: 0, end }).await;
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "{size} {end}");
    }
}

pub(crate) async fn uploads_are_listed_when_they_rest(world: BlobWorld) {
    let store = &world.store;
    let upload = world.upload(b"abc").await;
    let append = store.append(&upload, 3).await.unwrap();
    assert_eq!(store.idle_uploads(Duration::ZERO, 9).await.unwrap(), []);
    drop(append);
    let idle = store.idle_uploads(Duration::ZERO, 9).await.unwrap();
    assert_eq!((idle.len(), idle[0].size), (1, 3));
    assert_eq!(idle[0].key, upload);
    assert_eq!(store.idle_uploads(Duration::from_secs(60), 9).await.unwrap(), []);
    world.upload(b"d").await;
    assert_eq!(store.idle_uploads(Duration::ZERO, 1).await.unwrap().len(), 1);
    assert!(store.abort(&upload).await.unwrap());
    assert!(!store.abort(&upload).await.unwrap());
    assert_eq!(store.upload_length(&upload).await.unwrap(), None);
}

pub(crate) async fn objects_are_listed_page_by_page_in_order(world: BlobWorld) {
    let mut keys = Vec::new();
    for number in 0..40_u32 {
        keys.push(world.stored(&number.to_be_bytes()).await);
    }
    let upload = world.upload(b"last").await;
    let long = StorageKey::new(&Digest::of(Algorithm::Sha512, b"last"), &world.entropy);
    world.store.seal(&upload, &long, 4).await.unwrap();
    keys.push(long);
    keys.sort();
    let mut listed: Vec<StorageKey> = Vec::new();
    loop {
        let page = world.store.objects(listed.last(), 7).await.unwrap();
        assert!(page.len() <= 7 && page.iter().all(|object| object.size == 4));
        listed.extend(page.iter().map(|object| object.key.clone()));
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(listed, keys);
}

pub(crate) async fn the_same_bytes_twice_are_two_objects(world: BlobWorld) {
    let (first, second) = (world.stored(b"abc").await, world.stored(b"abc").await);
    assert_ne!(first, second);
    world.store.remove(&first).await.unwrap();
    assert_eq!(read(&world, &second, 3, ByteRange::all(3)).await, b"abc");
}

pub(crate) async fn an_upload_is_read_while_it_grows(world: BlobWorld) {
    let store = &world.store;
    let upload = UploadKey::of(&UploadKey::session(&world.entropy), "p").unwrap();
    store.begin(&upload).await.unwrap();
    let mut append = store.append(&upload, 0).await.unwrap();
    assert_eq!(append.flush().await.unwrap(), 0);
    let opened = store.read_upload(&upload).await.unwrap();
    append.write(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(append.flush().await.unwrap(), 3);
    let content = store.read_upload(&upload).await.unwrap();
    assert_eq!(bytes_of(content, &*world.fetch).await, b"abc");
    append.write(Bytes::from_static(b"def")).await.unwrap();
    assert_eq!(append.finish().await.unwrap(), 6);
    let key = StorageKey::new(&Digest::sha256_of(b"abcdef"), &world.entropy);
    store.seal(&upload, &key, 6).await.unwrap();
    // What was opened when it was empty has all of it, also under its new name.
    if let BlobContent::File { file, .. } = opened {
        let range = ByteRange::all(6);
        let content = BlobContent::File { file, range };
        assert_eq!(bytes_of(content, &*world.fetch).await, b"abcdef");
    }
}
