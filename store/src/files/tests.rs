use std::time::Duration;

use bytes::Bytes;
use oci::Digest;
use tokio::io::AsyncReadExt;

use super::*;
use crate::Entropy;

/// Counts, so that every key is another.
struct Counter(std::sync::atomic::AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes.fill(0);
        bytes[..8].copy_from_slice(&number.to_be_bytes());
    }
}

fn entropy() -> Counter {
    Counter(std::sync::atomic::AtomicU64::new(0))
}

async fn stored(store: &FileBlobStore, entropy: &Counter, content: &[u8]) -> StorageKey {
    let upload = UploadKey::of(&UploadKey::session(entropy), "p").unwrap();
    store.begin(&upload).await.unwrap();
    let mut append = store.append(&upload, 0).await.unwrap();
    append.write(Bytes::copy_from_slice(content)).await.unwrap();
    assert_eq!(append.finish().await.unwrap(), content.len() as u64);
    let key = StorageKey::new(&Digest::sha256_of(content), entropy);
    store.seal(&upload, &key).await.unwrap();
    assert_eq!(store.upload_length(&upload).await.unwrap(), None);
    key
}

async fn bytes_of(content: BlobContent) -> Vec<u8> {
    match content {
        BlobContent::File { file, range } => {
            use std::os::unix::fs::FileExt as _;
            let mut bytes = vec![0; range.length() as usize];
            file.read_exact_at(&mut bytes, range.start).unwrap();
            bytes
        }
        BlobContent::Stream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            bytes
        }
        BlobContent::Redirect(_) => panic!(),
    }
}

#[tokio::test]
async fn what_was_sealed_is_read_by_range() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileBlobStore::open(directory.path().to_owned()).unwrap();
    let entropy = entropy();
    let content: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    let key = stored(&store, &entropy, &content).await;
    let range = ByteRange {
        start: 1000,
        end: 300_000,
    };
    let read = store.read(&key, 700_000, range).await.unwrap();
    assert!(bytes_of(read).await == content[1000..300_000]);
    assert!(matches!(
        store.read(&key, 700_001, ByteRange::all(700_001)).await,
        Err(StoreError::Damaged { .. })
    ));
    store.remove(&key).await.unwrap();
    store.remove(&key).await.unwrap();
    assert!(matches!(
        store.read(&key, 700_000, range).await,
        Err(StoreError::Missing { .. })
    ));
}

#[tokio::test]
async fn one_appends_at_a_time_and_only_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileBlobStore::open(directory.path().to_owned()).unwrap();
    let upload = UploadKey::of(&UploadKey::session(&entropy()), "p").unwrap();
    assert!(matches!(
        store.append(&upload, 0).await.err(),
        Some(StoreError::Missing { .. })
    ));
    store.begin(&upload).await.unwrap();
    let mut append = store.append(&upload, 0).await.unwrap();
    assert!(matches!(
        store.append(&upload, 0).await.err(),
        Some(StoreError::Busy)
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
    assert_eq!(bytes_of(store.read_upload(&upload).await.unwrap()).await, b"abc");
    assert_eq!(store.idle_uploads(Duration::ZERO, 9).await.unwrap().len(), 1);
    assert_eq!(store.idle_uploads(Duration::from_secs(60), 9).await.unwrap(), []);
    assert!(store.abort(&upload).await.unwrap());
    assert!(!store.abort(&upload).await.unwrap());
}

#[tokio::test]
async fn a_session_is_of_one_package_alone() {
    let session = UploadKey::session(&entropy());
    assert_ne!(
        UploadKey::of(&session, "a").unwrap(),
        UploadKey::of(&session, "b").unwrap()
    );
    assert!(UploadKey::of("../../etc/passwd", "a").is_err());
}

#[tokio::test]
async fn objects_are_listed_page_by_page_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileBlobStore::open(directory.path().to_owned()).unwrap();
    let entropy = entropy();
    let mut keys = Vec::new();
    for number in 0..40_u32 {
        keys.push(stored(&store, &entropy, &number.to_be_bytes()).await);
    }
    keys.push(stored(&store, &entropy, &7_u32.to_be_bytes()).await);
    keys.sort();
    let mut listed: Vec<StorageKey> = Vec::new();
    loop {
        let page = store.objects(listed.last(), 7).await.unwrap();
        assert!(page.iter().all(|object| object.size == 4));
        listed.extend(page.iter().map(|object| object.key.clone()));
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(listed, keys);
}
