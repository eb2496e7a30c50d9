//! Writing to the end of an upload.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::disk::Growing;
use super::{Shared, missing, run_blocking, upload_path};
use crate::{Append, StoreError, UploadKey};

/// Bytes that are gathered before they are written.
const PIECE_BYTES: usize = 256 << 10;

/// The only writer of one upload.
pub(super) struct FileAppend {
    open: Option<Open>,
    waiting: BytesMut,
    length: u64,
}

/// The file, and the turn that goes where it goes: a write that is still under way when its append was dropped keeps
/// everybody else away, and so nothing follows bytes that somebody else has hashed.
struct Open {
    file: Box<dyn Growing>,
    _turn: Turn,
}

/// Nobody else appends to the upload, or seals it, while this is there.
pub(super) struct Turn {
    store: Arc<Shared>,
    upload: UploadKey,
}

impl FileAppend {
    /// Blocks for a moment.
    pub(super) fn open(store: Arc<Shared>, upload: UploadKey, offset: u64) -> Result<FileAppend, StoreError> {
        const ACTION: &str = "open an upload";
        let path = upload_path(&upload);
        let turn = Turn::take(store, upload)?;
        let disk = &turn.store.disk;
        let length = disk
            .length(&path)
            .map_err(|source| StoreError::io(ACTION, source))?;
        let length = length.ok_or_else(|| missing("the upload"))?;
        if length != offset {
            return Err(StoreError::Offset {
                expected: offset,
                actual: length,
            });
        }
        let file = disk
            .append(&path)
            .map_err(|source| StoreError::io(ACTION, source))?;
        Ok(FileAppend {
            open: Some(Open { file, _turn: turn }),
            waiting: BytesMut::new(),
            length,
        })
    }

    /// Writes what waits.
    async fn write_out(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let Some(mut open) = self.open.take() else {
            return Err(missing("the upload"));
        };
        let piece = self.waiting.split().freeze();
        let count = piece.len() as u64;
        // After an error the file is gone from here: what came until then is in it, and nothing follows.
        self.open = Some(
            run_blocking(move || {
                open.file
                    .write(&piece)
                    .map_err(|source| StoreError::io("write an upload", source))?;
                Ok(open)
            })
            .await?,
        );
        self.length += count;
        Ok(())
    }
}

#[async_trait]
impl Append for FileAppend {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.open.is_none() {
            return Err(missing("the upload"));
        }
        self.waiting.extend_from_slice(&bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.write_out().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<u64, StoreError> {
        self.write_out().await?;
        Ok(self.length)
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        self.write_out().await?;
        let open = self.open.take().ok_or_else(|| missing("the upload"))?;
        let actual = open
            .file
            .length()
            .map_err(|source| StoreError::io("look at an upload", source))?;
        if actual != self.length {
            return Err(StoreError::Offset {
                expected: self.length,
                actual,
            });
        }
        Ok(actual)
    }
}

impl Turn {
    pub(super) fn take(store: Arc<Shared>, upload: UploadKey) -> Result<Turn, StoreError> {
        let free = store
            .growing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(upload.clone());
        if free {
            Ok(Turn { store, upload })
        } else {
            Err(StoreError::Busy)
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.store
            .growing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.upload);
    }
}
