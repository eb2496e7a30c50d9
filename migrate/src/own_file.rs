//! Files that this program keeps for itself in a directory that others may write to, too.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
#[error("it is a symbolic link, or no file")]
struct NotAFile;

/// Opens a file for reading and writing, and makes it where there is none. Nothing of it is changed.
///
/// A symbolic link is not followed, not even to make what it names: it would let whoever put it there choose which file of
/// this user is locked, written to or cut off.
///
/// # Errors
/// When it is a link or something else than a file, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    // Making it anew fails where something is, and that includes a link to nowhere.
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, NotAFile);
    // Before it is opened: opening something else than a file may wait for ever.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(refused());
    }
    let file = options.open(path)?;
    // Again, since it may have been put there in between: what is open is what lies there, and that is no link.
    let (here, opened) = (fs::symlink_metadata(path)?, file.metadata()?);
    match here.is_file() && (here.dev(), here.ino()) == (opened.dev(), opened.ino()) {
        true => Ok(file),
        false => Err(refused()),
    }
}
