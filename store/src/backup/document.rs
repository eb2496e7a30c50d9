//! What a backup says of itself.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use jiff::Timestamp;
use oci::Digest;
use serde_json::{Value, json};

use super::BackupError;
use crate::StoreError;

/// The format of backups.
const FORMAT: u64 = 1;

const BYTES_MAX: u64 = 64 << 10;

pub(super) struct Document {
    pub(super) created: Timestamp,
    pub(super) metadata_digest: Digest,
    pub(super) metadata_bytes: u64,
    pub(super) objects: u64,
    pub(super) object_bytes: u64,
}

impl Document {
    /// Writes it, whole and with durable bytes, as the last file of the backup.
    pub(super) fn write(&self, to: &Path) -> Result<(), StoreError> {
        let text = json!({
            "kind": KIND,
            "format": FORMAT,
            "created": self.created.to_string(),
            "metadata_digest": self.metadata_digest.to_string(),
            "metadata_bytes": self.metadata_bytes,
            "objects": self.objects,
            "object_bytes": self.object_bytes,
        });
        let temporary = to.join("backup.json.new");
        File::create(&temporary)
            .and_then(|mut file| {
                writeln!(file, "{text:#}")?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, to.join(FILE)))
            .map_err(|source| StoreError::io("finish the backup", source))
    }

    pub(super) fn read(from: &Path) -> Result<Document, BackupError> {
        let no_backup = || BackupError::NotABackup {
            path: from.to_owned(),
        };
        let file = File::open(from.join(FILE)).map_err(|_| no_backup())?;
        let mut text = String::new();
        file.take(BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|_| no_backup())?;
        let value: Value = serde_json::from_str(&text).map_err(|_| no_backup())?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64).ok_or_else(no_backup);
        let word = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(no_backup);
        if word("kind")? != KIND {
            return Err(no_backup());
        }
        let found = number("format")?;
        if found > FORMAT {
            return Err(BackupError::Newer { found, known: FORMAT });
        }
        Ok(Document {
            created: word("created")?.parse().map_err(|_| no_backup())?,
            metadata_digest: word("metadata_digest")?.parse().map_err(|_| no_backup())?,
            metadata_bytes: number("metadata_bytes")?,
            objects: number("objects")?,
            object_bytes: number("object_bytes")?,
        })
    }
}

const FILE: &str = "backup.json";
const KIND: &str = "lightship-backup";
