//! Wrappers that hand out the same bytes otherwise, and the contract on every embedded store of bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{BlobWorld, Counter, blob_store_contract, bytes_of, no_redirects};
use crate::files::SimulatedDisk;
use crate::{
    Append, BlobContent, BlobStore, ByteRange, FileBlobStore, ObjectAge, StorageKey, StoreError, UploadKey,
};

/// How objects are handed out.
#[derive(Debug, Clone, Copy)]
enum Way {
    Stream,
    Redirect,
}

/// Hands out objects in another way than the store below.
#[derive(Debug)]
struct Otherwise {
    below: FileBlobStore,
    way: Way,
    /// What the places hold that redirects point to.
    places: Places,
}

type Places = Arc<Mutex<HashMap<String, Vec<u8>>>>;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for Otherwise {
    async fn begin(&self, upload: &UploadKey) -> Result<(), StoreError> {
        self.below.begin(upload).await
    }

    async fn upload_length(&self, upload: &UploadKey) -> Result<Option<u64>, StoreError> {
        self.below.upload_length(upload).await
    }

    async fn append(&self, upload: &UploadKey, offset: u64) -> Result<Box<dyn Append>, StoreError> {
        self.below.append(upload, offset).await
    }

    async fn read_upload(&self, upload: &UploadKey) -> Result<BlobContent, StoreError> {
        let bytes = bytes_of(self.below.read_upload(upload).await?, &no_redirects).await;
        Ok(BlobContent::Stream(Box::pin(std::io::Cursor::new(bytes))))
    }

    async fn seal(&self, upload: &UploadKey, key: &StorageKey, size: u64) -> Result<(), StoreError> {
        self.below.seal(upload, key, size).await
    }

    async fn abort(&self, upload: &UploadKey) -> Result<bool, StoreError> {
        self.below.abort(upload).await
    }

    async fn read(&self, key: &StorageKey, size: u64, range: ByteRange) -> Result<BlobContent, StoreError> {
        match self.way {
            Way::Stream => {
                let bytes = bytes_of(self.below.read(key, size, range).await?, &no_redirects).await;
                Ok(BlobContent::Stream(Box::pin(std::io::Cursor::new(bytes))))
            }
            Way::Redirect => {
                self.below.read(key, size, range).await?;
                let whole = self.below.read(key, size, ByteRange::all(size)).await?;
                let (place, bytes) = (
                    format!("test:{}", key.as_str()),
                    bytes_of(whole, &no_redirects).await,
                );
                self.places.lock().unwrap().insert(place.clone(), bytes);
                Ok(BlobContent::Redirect(place))
            }
        }
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StoreError> {
        self.below.remove(key).await
    }

    async fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError> {
        self.below.objects(after, limit).await
    }

    async fn idle_uploads(
        &self,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<ObjectAge<UploadKey>>, StoreError> {
        self.below.idle_uploads(idle, limit).await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.below.room().await
    }
}

fn on_files() -> BlobWorld {
    let directory = tempfile::tempdir().unwrap();
    BlobWorld {
        store: Box::new(FileBlobStore::open(directory.path().to_owned()).unwrap()),
        entropy: Counter::default(),
        fetch: Box::new(no_redirects),
        _keep: Box::new(directory),
    }
}

fn otherwise(way: Way) -> BlobWorld {
    let directory = tempfile::tempdir().unwrap();
    let places = Places::default();
    BlobWorld {
        store: Box::new(Otherwise {
            below: FileBlobStore::open(directory.path().to_owned()).unwrap(),
            way,
            places: Arc::clone(&places),
        }),
        entropy: Counter::default(),
        fetch: Box::new(move |place| places.lock().unwrap().get(place).unwrap().clone()),
        _keep: Box::new(directory),
    }
}

mod files {
    use super::*;
    blob_store_contract!(on_files());
}

mod streams {
    use super::*;
    blob_store_contract!(otherwise(Way::Stream));
}

mod redirects {
    use super::*;
    blob_store_contract!(otherwise(Way::Redirect));
}

mod simulated {
    use super::*;
    blob_store_contract!(BlobWorld {
        store: Box::new(FileBlobStore::on(Box::new(SimulatedDisk::default())).unwrap()),
        entropy: Counter::default(),
        fetch: Box::new(no_redirects),
        _keep: Box::new(()),
    });
}
