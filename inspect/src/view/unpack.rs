//! The image as files of this machine, for whoever wants to run it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use archive::EntryPath;

use super::{FileFacts, FileKind, ImageView, UnpackError};

/// Whom unpacked files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// To the caller.
    Caller,
    /// To whom they belong in the image; needs privileges.
    Image,
}

/// The names of files whose content is still to be written, by layer and entry.
type Wanted<'v> = BTreeMap<(usize, u64), Names<'v>>;

/// The names of one file.
type Names<'v> = Vec<(PathBuf, &'v FileFacts)>;

impl ImageView {
    /// Writes all files below `dir`, which must be there and empty. Hard links stay hard links; device
    /// files and named pipes are left out. Blocks.
    ///
    /// Nothing is written through a link: every directory above a file is one that was made here.
    ///
    /// # Errors
    /// When a file cannot be written, or belong to whom it should. What was written stays.
    pub fn unpack(&self, dir: &Path, owners: Owners) -> Result<(), UnpackError> {
        let mut wanted: Wanted<'_> = BTreeMap::new();
        for (path, facts) in self.iter().skip(1) {
            let place = place(dir, path);
            match &facts.kind {
                FileKind::Directory => {
                    let made = fs::DirBuilder::new().mode(0o700).create(&place);
                    made.map_err(io_error(&place))?;
                }
                FileKind::Symlink { target } => {
                    symlink(OsStr::from_bytes(target), &place).map_err(io_error(&place))?;
                    give(&place, facts, owners).map_err(io_error(&place))?;
                }
                FileKind::File => wanted
                    .entry((facts.layer, facts.entry))
                    .or_default()
                    .push((place, facts)),
                FileKind::CharDevice { .. } | FileKind::BlockDevice { .. } | FileKind::Fifo => {}
            }
        }
        self.write_files(wanted, owners)?;
        self.finish_directories(dir, owners)
    }

    /// Writes contents: small files from where they are kept, the others by going through their layer
    /// once.
    fn write_files(&self, wanted: Wanted<'_>, owners: Owners) -> Result<(), UnpackError> {
        let mut by_layer: BTreeMap<usize, BTreeMap<u64, Names<'_>>> = BTreeMap::new();
        for ((layer, entry), names) in wanted {
            let kept = names.first().and_then(|(_, facts)| self.contents.kept(facts));
            match kept {
                Some(kept) => {
                    let shown = names.first().map(|(path, _)| path.clone()).unwrap_or_default();
                    write_file(&names, &mut kept.map_err(io_error(&shown))?, owners)?;
                }
                None => {
                    by_layer.entry(layer).or_default().insert(entry, names);
                }
            }
        }
        for (layer, mut entries) in by_layer {
            let Some(file) = self.contents.layer(layer) else {
                continue;
            };
            let mut reader = file.reader().map_err(io_error(Path::new("layer")))?;
            let mut number = 0;
            // No further than to the last one that is wanted.
            while !entries.is_empty() {
                let entry = reader
                    .next_entry()
                    .map_err(|source| UnpackError::Layer { layer, source })?;
                if entry.is_none() {
                    break;
                }
                if let Some(names) = entries.remove(&number) {
                    write_file(&names, &mut reader.content(), owners)?;
                }
                number += 1;
            }
        }
        Ok(())
    }

    /// Gives directories their modes and times, from the leaves up: one may forbid its owner to write.
    fn finish_directories(&self, dir: &Path, owners: Owners) -> Result<(), UnpackError> {
        for (path, facts) in self.files.iter().rev() {
            if facts.kind == FileKind::Directory {
                let place = place(dir, path);
                give(&place, facts, owners).map_err(io_error(&place))?;
                let file = File::open(&place).map_err(io_error(&place))?;
                dress(&file, facts).map_err(io_error(&place))?;
            }
        }
        Ok(())
    }
}

/// Writes one file with all its names.
fn write_file(
    names: &[(PathBuf, &FileFacts)],
    content: &mut dyn io::Read,
    owners: Owners,
) -> Result<(), UnpackError> {
    let Some(((first, facts), others)) = names.split_first() else {
        return Ok(());
    };
    let mut write = || -> io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(first)?;
        io::copy(content, &mut file)?;
        // The owner first: giving a file away clears set-uid.
        give(first, facts, owners)?;
        dress(&file, facts)
    };
    write().map_err(io_error(first))?;
    for (other, _) in others {
        fs::hard_link(first, other).map_err(io_error(other))?;
    }
    Ok(())
}

fn give(place: &Path, facts: &FileFacts, owners: Owners) -> io::Result<()> {
    if owners == Owners::Caller {
        return Ok(());
    }
    let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    lchown(place, Some(id(facts.uid)?), Some(id(facts.gid)?))
}

fn dress(file: &File, facts: &FileFacts) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(facts.mode))?;
    let since = Duration::from_secs(facts.mtime.unsigned_abs());
    let time = if facts.mtime < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(since)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(since)
    };
    // A time that this machine cannot hold is left as it is.
    time.map_or(Ok(()), |time| file.set_times(FileTimes::new().set_modified(time)))
}

fn place(dir: &Path, path: &EntryPath) -> PathBuf {
    dir.join(OsStr::from_bytes(path.as_bytes()))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> UnpackError + use<> {
    let path = path.to_owned();
    move |source| UnpackError::Io { path, source }
}
