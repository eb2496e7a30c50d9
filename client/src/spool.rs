//! Blobs on their way into an archive, and the archive on its way to its name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use archive::EntryPath;
use archive::tar::{self, WriteError};
use oci::{Descriptor, Digest};
use tokio::runtime::Handle;

use crate::sink::{copy_verified, in_blocking, temporary_in};
use crate::{BlobRead, OpenError, RangeReader, SinkError};

/// Verified blobs in one unnamed temporary file: an archive has its members in order, whatever the
/// order they came in.
pub(crate) struct Spool(Arc<Shared>);

struct Shared {
    file: File,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    end: u64,
    blobs: BTreeMap<Digest, (u64, u64)>,
}

/// Where an archive goes.
pub(crate) enum Target {
    /// A file that is replaced at once, when the archive is whole.
    File(PathBuf),
    /// Something that cannot be replaced, such as `/dev/stdout`: it gets the bytes as they come.
    Stream(PathBuf),
}

impl Target {
    pub(crate) fn new(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(OpenError::NotThat {
                path: path.to_owned(),
                expected: "an archive",
                problem: "it is a directory",
            }),
            // A link to a file is kept; what it leads to is replaced.
            Ok(metadata) if metadata.is_file() => fs::canonicalize(path).map(Self::File).map_err(io),
            Ok(_) => Ok(Self::Stream(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::File(path.to_owned())),
            Err(error) => Err(io(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Stream(path) => path,
        }
    }

    fn dir(path: &Path) -> &Path {
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Writes the archive; what was there stays until the new one is whole and durable.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
    ) -> Result<(), SinkError> {
        let io = |source| SinkError::Io {
            path: self.path().to_owned(),
            source,
        };
        let tar = |error| io(io::Error::other(error));
        match self {
            Self::Stream(path) => {
                let file = File::options().write(true).open(path).map_err(io)?;
                let mut out = BufWriter::new(file);
                write(&mut out).map_err(tar)?;
                out.flush().map_err(io)
            }
            Self::File(path) => {
                let mut file = temporary_in(Self::dir(path)).map_err(io)?;
                write(file.as_file_mut()).map_err(tar)?;
                file.as_file().sync_all().map_err(io)?;
                file.persist(path).map_err(|error| io(error.error))?;
                let dir = File::open(Self::dir(path)).map_err(io)?;
                dir.sync_all().map_err(io)
            }
        }
    }
}

impl Spool {
    /// A spool for an archive at `target`, on the same file system where that can be.
    pub(crate) fn new(target: &Target) -> Result<Self, OpenError> {
        let file = match target {
            Target::File(path) => tempfile::tempfile_in(Target::dir(path)),
            Target::Stream(_) => tempfile::tempfile(),
        };
        let file = file.map_err(|source| OpenError::Io {
            path: target.path().to_owned(),
            source,
        })?;
        Ok(Self(Arc::new(Shared {
            file,
            path: target.path().to_owned(),
            state: Mutex::default(),
        })))
    }

    pub(crate) fn has(&self, descriptor: &Descriptor) -> bool {
        self.length(&descriptor.digest) == Some(descriptor.size)
    }

    /// Length of a blob that was put.
    pub(crate) fn length(&self, digest: &Digest) -> Option<u64> {
        self.0.state().blobs.get(digest).map(|(_, length)| *length)
    }

    /// Digests and lengths of everything that was put, by digest.
    pub(crate) fn blobs(&self) -> Vec<(Digest, u64)> {
        let state = self.0.state();
        state
            .blobs
            .iter()
            .map(|(digest, (_, length))| (*digest, *length))
            .collect()
    }

    pub(crate) async fn put(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError> {
        if self.has(descriptor) {
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        let descriptor = descriptor.clone();
        let runtime = Handle::current();
        in_blocking(&self.0.path, move || shared.write(&descriptor, content, &runtime)).await
    }

    /// The content of a blob that was put.
    pub(crate) fn reader(&self, digest: &Digest) -> io::Result<RangeReader> {
        let place = self.0.state().blobs.get(digest).copied();
        let (offset, length) = place.ok_or(io::ErrorKind::NotFound)?;
        Ok(RangeReader::new(self.0.file.try_clone()?, offset, length))
    }

    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, descriptor: &Descriptor, content: BlobRead, runtime: &Handle) -> Result<(), SinkError> {
        // The place is taken first, so that several blobs are written at once.
        let start = {
            let mut state = self.state();
            let start = state.end;
            state.end = start.saturating_add(descriptor.size.min(crate::BLOB_BYTES_MAX));
            start
        };
        let mut offset = start;
        copy_verified(descriptor, content, runtime, |piece| {
            let written = self.file.write_all_at(piece, offset);
            offset += piece.len() as u64;
            written.map_err(|source| SinkError::Io {
                path: self.path.clone(),
                source,
            })
        })?;
        self.state()
            .blobs
            .insert(descriptor.digest, (start, descriptor.size));
        Ok(())
    }
}

/// One member of an archive that is being written.
pub(crate) enum Member {
    Directory,
    Bytes(Vec<u8>),
    Blob(Digest, u64),
}

/// Writes an archive of these members, whose names are of our own making.
pub(crate) async fn write_archive(
    target: &Arc<Target>,
    spool: &Spool,
    members: Vec<(String, Member)>,
) -> Result<(), SinkError> {
    // Every name is one of ours: none is refused.
    let parsed = members
        .into_iter()
        .filter_map(|(name, member)| EntryPath::parse(name.as_bytes()).ok().map(|path| (path, member)));
    let members: BTreeMap<EntryPath, Member> = parsed.collect();
    let (to, spool) = (Arc::clone(target), spool.share());
    in_blocking(target.path(), move || {
        to.write(|out| -> Result<(), WriteError> { write_members(out, &members, &spool) })
    })
    .await
}

/// Writes members in order of their names: the same members give the same bytes.
fn write_members(
    out: &mut dyn Write,
    members: &BTreeMap<EntryPath, Member>,
    spool: &Spool,
) -> Result<(), WriteError> {
    let mut writer = tar::Writer::new(out);
    for (path, member) in members {
        match member {
            Member::Directory => {
                writer.append(&tar::Entry::directory(path.clone(), 0o755), &mut io::empty())?
            }
            Member::Bytes(bytes) => {
                let entry = tar::Entry::file(path.clone(), 0o644, bytes.len() as u64);
                writer.append(&entry, &mut bytes.as_slice())?;
            }
            Member::Blob(digest, length) => {
                let entry = tar::Entry::file(path.clone(), 0o644, *length);
                let mut reader = spool.reader(digest).map_err(WriteError::Io)?;
                writer.append(&entry, &mut reader)?;
            }
        }
    }
    writer.finish().map(drop)
}
