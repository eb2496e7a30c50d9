//! Bytes that come to an upload between its hash and its seal: what is kept under a digest is of that digest.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oci::Digest;
use store::{
    Append, BlobContent, BlobStore, ByteRange, FileBlobStore, ObjectAge, StorageKey, StoreError, UploadKey,
};

use crate::server::{Server, options};

/// Somebody appends to uploads whose bytes are known, just before they are sealed.
#[derive(Debug)]
struct LateAppend(FileBlobStore);

#[async_trait]
impl BlobStore for LateAppend {
    async fn begin(&self, upload: &UploadKey) -> Result<(), StoreError> {
        self.0.begin(upload).await
    }

    async fn upload_length(&self, upload: &UploadKey) -> Result<Option<u64>, StoreError> {
        self.0.upload_length(upload).await
    }

    async fn append(&self, upload: &UploadKey, offset: u64) -> Result<Box<dyn Append>, StoreError> {
        self.0.append(upload, offset).await
    }

    async fn read_upload(&self, upload: &UploadKey) -> Result<BlobContent, StoreError> {
        self.0.read_upload(upload).await
    }

    async fn seal(&self, upload: &UploadKey, key: &StorageKey, size: u64) -> Result<(), StoreError> {
        let length = self.0.upload_length(upload).await?.unwrap_or_default();
        let mut append = self.0.append(upload, length).await?;
        append.write(Bytes::from_static(b"more")).await?;
        append.finish().await?;
        self.0.seal(upload, key, size).await
    }

    async fn abort(&self, upload: &UploadKey) -> Result<bool, StoreError> {
        self.0.abort(upload).await
    }

    async fn read(&self, key: &StorageKey, size: u64, range: ByteRange) -> Result<BlobContent, StoreError> {
        self.0.read(key, size, range).await
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StoreError> {
        self.0.remove(key).await
    }

    async fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError> {
        self.0.objects(after, limit).await
    }

    async fn idle_uploads(
        &self,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<ObjectAge<UploadKey>>, StoreError> {
        self.0.idle_uploads(idle, limit).await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.0.room().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_the_hash_makes_no_blob_of_that_digest() {
    let server = Server::seeing(options(), |blobs| Arc::new(LateAppend(blobs))).await;
    let digest = Digest::sha256_of(b"abc");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let reply = server.ask("POST", &path, &[], b"abc").await;
    assert!(reply.status.is_client_error(), "{}", reply.text());
    let reply = server.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(reply.status.as_u16(), 404);
}
