//! Random access to the files of a tar archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use archive::tar::{self, EndOfArchive, EntryKind, Reader};
use archive::{Codec, EntryPath};

use crate::layout::Opened;
use crate::{OpenError, RangeReader};

/// Most entries of an archive of images.
pub(crate) const ENTRIES_MAX: u64 = 250_000;

/// Most bytes of an archive of images once it is decompressed.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 256 << 30;

/// Links followed for one file.
const LINKS_MAX: usize = 8;

/// A tar archive and where its files are. One that is compressed is decompressed into an unnamed
/// temporary file first.
pub(crate) struct TarIndex {
    path: PathBuf,
    file: File,
    nodes: BTreeMap<EntryPath, Node>,
}

enum Node {
    File { offset: u64, length: u64 },
    Link(Option<EntryPath>),
}

impl TarIndex {
    /// Reads through the archive once. A later entry replaces an earlier one of the same name, as
    /// unpacking would.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let (file, length) = plain_file(path).map_err(io)?;
        let shared = file.try_clone().map_err(io)?;
        let limits = tar::Limits {
            entries_max: ENTRIES_MAX,
            content_bytes_max: ARCHIVE_BYTES_MAX,
            ..tar::Limits::default()
        };
        let mut reader =
            Reader::new(RangeReader::new(shared, 0, length), limits).with_end(EndOfArchive::Optional);
        let mut nodes = BTreeMap::new();
        loop {
            let entry = reader.next_entry().map_err(|source| OpenError::Tar {
                path: path.to_owned(),
                source,
            })?;
            let Some(entry) = entry else { break };
            let node = match &entry.kind {
                EntryKind::File => Node::File {
                    offset: reader.position(),
                    length: entry.size,
                },
                EntryKind::Hardlink { target } => Node::Link(Some(target.clone())),
                EntryKind::Symlink { target } => Node::Link(resolve(&entry.path, target)),
                _ => continue,
            };
            nodes.insert(entry.path, node);
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            nodes,
        })
    }

    /// The archive.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file, through links; `None` when it is absent.
    pub(crate) fn open_file(&self, path: &EntryPath) -> io::Result<Option<Opened>> {
        let mut path = path;
        for _ in 0..=LINKS_MAX {
            match self.nodes.get(path) {
                Some(Node::File { offset, length }) => {
                    return Ok(Some(Opened {
                        file: self.file.try_clone()?,
                        offset: *offset,
                        length: *length,
                    }));
                }
                Some(Node::Link(Some(target))) => path = target,
                Some(Node::Link(None)) | None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The same, by a name that is still to be parsed; one that is no path is absent.
    pub(crate) fn open_named(&self, name: &[u8]) -> io::Result<Option<Opened>> {
        EntryPath::parse(name).map_or(Ok(None), |path| self.open_file(&path))
    }
}

/// Where a symbolic link leads inside the archive; `None` when it leads outside.
fn resolve(link: &EntryPath, target: &[u8]) -> Option<EntryPath> {
    let mut resolved = link.parent()?;
    if target.first() == Some(&b'/') {
        return None;
    }
    for component in target.split(|byte| *byte == b'/') {
        resolved = match component {
            b"" | b"." => resolved,
            b".." => resolved.parent()?,
            name => resolved.join(name).ok()?,
        };
    }
    Some(resolved)
}

/// The archive without compression, and its length.
fn plain_file(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    let mut start = Vec::new();
    RangeReader::new(file.try_clone()?, 0, metadata.len().min(6)).read_to_end(&mut start)?;
    let codec = Codec::sniff(&start);
    if codec == Codec::None {
        return Ok((file, metadata.len()));
    }
    let mut plain = tempfile::tempfile()?;
    let mut decoder = archive::decode(codec, file, ARCHIVE_BYTES_MAX);
    let length = io::copy(&mut decoder, &mut plain)?;
    Ok((plain, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_the_archive() {
        let resolve = |link: &str, target: &str| {
            let link = EntryPath::parse(link.as_bytes()).unwrap();
            resolve(&link, target.as_bytes()).map(|path| path.to_string())
        };
        assert_eq!(
            resolve("a/layer.tar", "../b/layer.tar").as_deref(),
            Some("/b/layer.tar")
        );
        assert_eq!(resolve("layer.tar", "./b//c").as_deref(), Some("/b/c"));
        assert_eq!(resolve("a/layer.tar", "../../etc/passwd"), None);
        assert_eq!(resolve("a/layer.tar", "/etc/passwd"), None);
    }
}
