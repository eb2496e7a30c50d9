//! The digest of all that decides a layer's bytes.

use std::fmt;

use archive::{EntryPath, tar};
use sha2::{Digest, Sha256};

use super::{Layer, LayerEntry};
use crate::tree::NodeKind;

/// Digest of a layer's entries: what the layer is, whatever compresses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipe([u8; 32]);

impl fmt::Display for Recipe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The recipe of a layer: its ordered paths with type, mode, owner, time, link and content digest.
pub fn recipe(layer: &Layer<'_>) -> Recipe {
    let mut hash = Sha256::new();
    hash.update(FORMAT);
    let mut line = Vec::with_capacity(256);
    for entry in &layer.entries {
        line.clear();
        put_entry(&mut line, &tar_entry(entry));
        if let Some(content) = entry.content {
            line.extend_from_slice(&content.digest);
        }
        hash.update(&line);
    }
    Recipe(hash.finalize().into())
}

/// Goes up when the same entries would be written as other bytes.
const FORMAT: &[u8] = b"lightship layer recipe 1\n";

/// The entry as it stands in the layer's tar.
pub(super) fn tar_entry(entry: &LayerEntry<'_>) -> tar::Entry {
    let kind = match (&entry.node.kind, entry.content) {
        (_, Some(_)) | (NodeKind::File(_), _) => tar::EntryKind::File,
        (NodeKind::Directory, _) => tar::EntryKind::Directory,
        (NodeKind::Symlink(target), _) => tar::EntryKind::Symlink {
            target: target.clone(),
        },
        (NodeKind::Hardlink(target), _) => tar::EntryKind::Hardlink {
            target: target.clone(),
        },
    };
    tar::Entry {
        path: entry.path.clone(),
        kind,
        mode: entry.node.mode,
        uid: u64::from(entry.node.uid),
        gid: u64::from(entry.node.gid),
        mtime: entry.node.mtime,
        size: entry.content.map_or(0, |content| content.size),
    }
}

/// Every field has a fixed width or its length before it, so that no two entries serialise alike.
fn put_entry(line: &mut Vec<u8>, entry: &tar::Entry) {
    let put_path = |line: &mut Vec<u8>, path: &EntryPath| put_bytes(line, path.as_bytes());
    match &entry.kind {
        tar::EntryKind::Directory => line.push(b'd'),
        tar::EntryKind::Symlink { target } => {
            line.push(b'l');
            put_bytes(line, target);
        }
        tar::EntryKind::Hardlink { target } => {
            line.push(b'h');
            put_path(line, target);
        }
        // A tree holds nothing else.
        _ => line.push(b'f'),
    }
    put_path(line, &entry.path);
    line.extend_from_slice(&entry.mode.to_le_bytes());
    line.extend_from_slice(&entry.uid.to_le_bytes());
    line.extend_from_slice(&entry.gid.to_le_bytes());
    line.extend_from_slice(&entry.mtime.to_le_bytes());
    line.extend_from_slice(&entry.size.to_le_bytes());
}

fn put_bytes(line: &mut Vec<u8>, bytes: &[u8]) {
    line.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    line.extend_from_slice(bytes);
}
