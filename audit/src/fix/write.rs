//! Rewrites a file in place.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// A file was not rewritten; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody has changed it since it was looked at.
    #[error("{} was changed meanwhile, and is left alone", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// It is a link, or no file.
    #[error("{} is no plain file, and is left alone", path.display())]
    NoFile {
        /// Which.
        path: PathBuf,
    },
    /// Nobody may write it.
    #[error("{} has no permission to be written, and is left alone", path.display())]
    ReadOnly {
        /// Which.
        path: PathBuf,
    },
    /// It has other names: these would go on with what it was.
    #[error("{} is the same file as another name, and is left alone", path.display())]
    OtherNames {
        /// Which.
        path: PathBuf,
    },
    /// It is somebody else's, and would not be afterwards.
    #[error("{} belongs to somebody else, and would not afterwards: it is left alone", path.display())]
    Owner {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot rewrite {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl WriteError {
    /// Why, in a few words.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            WriteError::Changed { .. } => "the file was changed meanwhile",
            WriteError::NoFile { .. } => "it is no plain file",
            WriteError::ReadOnly { .. } => "the file has no permission to be written",
            WriteError::OtherNames { .. } => "the file is the same as another name",
            WriteError::Owner { .. } => "the file belongs to somebody else",
            WriteError::Io { .. } => "the file cannot be written",
        }
    }
}

/// Puts new bytes in place of those that were looked at: whole or not at all, with the same owner and permissions.
///
/// # Errors
/// When it is not what was looked at any more, or cannot be written.
pub fn write(path: &Path, seen: &[u8], new: &[u8]) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(WriteError::NoFile {
            path: path.to_owned(),
        });
    }
    if metadata.permissions().mode() & WRITE_BITS == 0 {
        return Err(WriteError::ReadOnly {
            path: path.to_owned(),
        });
    }
    if metadata.nlink() > 1 {
        return Err(WriteError::OtherNames {
            path: path.to_owned(),
        });
    }
    // Whoever may only write the folder could put another file there, but may not change this one.
    match fs::OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(WriteError::ReadOnly {
                path: path.to_owned(),
            });
        }
        opened => drop(opened.map_err(failed)?),
    }
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut complete = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    complete.write_all(new).map_err(failed)?;
    let mine = complete.as_file().metadata().map_err(failed)?;
    if (mine.uid(), mine.gid()) != (metadata.uid(), metadata.gid())
        && fchown(complete.as_file(), Some(metadata.uid()), Some(metadata.gid())).is_err()
    {
        return Err(WriteError::Owner {
            path: path.to_owned(),
        });
    }
    complete
        .as_file()
        .set_permissions(metadata.permissions())
        .map_err(failed)?;
    complete.as_file().sync_all().map_err(failed)?;
    // As late as can be: whoever writes between this and the next line is not seen.
    if fs::read(path).map_err(failed)? != seen {
        return Err(WriteError::Changed {
            path: path.to_owned(),
        });
    }
    complete.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Permissions of a file that anybody may write.
const WRITE_BITS: u32 = 0o222;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_written_and_what_has_other_names_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(
            write(&path, b"old", b"new"),
            Err(WriteError::ReadOnly { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::hard_link(&path, directory.path().join("b")).unwrap();
        assert!(matches!(
            write(&path, b"old", b"new"),
            Err(WriteError::OtherNames { .. })
        ));
        fs::remove_file(directory.path().join("b")).unwrap();
        // Only who may give files away can see that the owner is kept.
        let is_given = std::os::unix::fs::chown(&path, Some(65534), Some(65534)).is_ok();
        write(&path, b"old", b"new").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        assert!(!is_given || owner == 65534, "{owner}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_changed_meanwhile_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(
            write(&path, b"other", b"new"),
            Err(WriteError::Changed { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"old", b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("a", &link).unwrap();
        assert!(matches!(
            write(&link, b"new", b"x"),
            Err(WriteError::NoFile { .. })
        ));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
