//! A tar archive of an OCI layout.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use oci::{Descriptor, Manifest};

use crate::layout::{INDEX, IndexFile, LayoutSource, MARKER, MARKER_JSON, Roots, blob_name};
use crate::spool::{Member, Spool, Target, write_archive};
use crate::tar_index::TarIndex;
use crate::{BlobRead, OpenError, Sink, SinkError};

/// Opens an archive for reading, compressed or not.
pub(crate) fn open_source(file: &Path) -> Result<LayoutSource, OpenError> {
    LayoutSource::open_archive(TarIndex::open(file)?)
}

/// A new archive. The same content gives the same bytes.
pub(crate) struct OciArchiveSink {
    target: Arc<Target>,
    spool: Spool,
    roots: Mutex<Roots>,
}

impl OciArchiveSink {
    pub(crate) fn open(file: &Path) -> Result<Self, OpenError> {
        let target = Target::new(file)?;
        Ok(Self {
            spool: Spool::new(&target)?,
            target: Arc::new(target),
            roots: Mutex::default(),
        })
    }

    fn roots(&self) -> MutexGuard<'_, Roots> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> Result<Vec<(String, Member)>, SinkError> {
        let mut index = IndexFile::empty();
        let listed = self.roots().list_in(&mut index);
        let json = listed
            .and_then(|_| index.to_json())
            .map_err(|source| SinkError::IndexFile {
                path: self.target.path().to_owned(),
                source,
            })?;
        let mut members = vec![
            ("blobs".to_owned(), Member::Directory),
            (INDEX.to_owned(), Member::Bytes(json)),
            (MARKER.to_owned(), Member::Bytes(MARKER_JSON.to_vec())),
        ];
        for (digest, length) in self.spool.blobs() {
            members.push((format!("blobs/{}", digest.algorithm()), Member::Directory));
            members.push((blob_name(&digest), Member::Blob(digest, length)));
        }
        Ok(members)
    }
}

#[async_trait]
impl Sink for OciArchiveSink {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError> {
        Ok(self.spool.has(descriptor))
    }

    async fn put_blob(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError> {
        self.spool.put(descriptor, content).await
    }

    async fn put_manifest(&self, manifest: &Manifest, name: Option<&str>) -> Result<(), SinkError> {
        let content = BlobRead::Bytes(manifest.bytes().to_vec());
        self.spool.put(&manifest.descriptor(), content).await?;
        self.roots().note(manifest, name);
        Ok(())
    }

    async fn finish(&self) -> Result<(), SinkError> {
        if self.roots().is_empty() {
            return Err(SinkError::Nothing {
                path: self.target.path().to_owned(),
            });
        }
        write_archive(&self.target, &self.spool, self.members()?).await
    }
}
