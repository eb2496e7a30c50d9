//! Files and trees on the user's disk: bounded, in a fixed order, and never out of the tree.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use archive::EntryPath;
use sha2::{Digest as _, Sha256};

use super::{Content, ContentSource, TreeError};

/// Bounds of what a specification may take from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskLimits {
    /// Entries of one tree.
    pub entries_max: u64,
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all files of one tree.
    pub tree_bytes_max: u64,
    /// Directories within directories.
    pub depth_max: u64,
}

impl Default for DiskLimits {
    fn default() -> Self {
        Self {
            entries_max: 200_000,
            file_bytes_max: 8 << 30,
            tree_bytes_max: 16 << 30,
            depth_max: 128,
        }
    }
}

/// A file on disk.
#[derive(Debug)]
pub(super) struct DiskFile {
    /// Its digest and where it is.
    pub(super) content: Content,
    /// 0755 when its owner may execute it, else 0644: the rest depends on the umask of a checkout.
    pub(super) mode: u32,
}

/// An entry of a tree on disk.
#[derive(Debug)]
pub(super) struct DiskEntry {
    /// Relative to the tree.
    pub(super) path: EntryPath,
    /// What it is.
    pub(super) kind: DiskKind,
}

/// What an entry of a tree is.
#[derive(Debug)]
pub(super) enum DiskKind {
    /// A directory.
    Directory,
    /// A file.
    File(DiskFile),
    /// A link with its target as written.
    Symlink(Box<[u8]>),
}

/// Hashes one file. A link given by the user is followed, since it was named.
///
/// # Errors
/// When it cannot be read, is not a regular file, or is over the limit.
pub(super) fn file(path: &Path, limits: &DiskLimits) -> Result<DiskFile, TreeError> {
    let unreadable = |source| TreeError::Disk {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(TreeError::DiskType {
            path: path.to_owned(),
        });
    }
    let mut hasher = Sha256::new();
    let size = std::io::copy(
        &mut file.take(limits.file_bytes_max.saturating_add(1)),
        &mut hasher,
    )
    .map_err(unreadable)?;
    if size > limits.file_bytes_max {
        return Err(limit(path, "bytes", limits.file_bytes_max));
    }
    let mode = if metadata.permissions().mode() & 0o100 == 0 {
        0o644
    } else {
        0o755
    };
    let source = ContentSource::Disk(path.into());
    Ok(DiskFile {
        content: Content {
            digest: hasher.finalize().into(),
            size,
            source,
        },
        mode,
    })
}

/// Everything below `root`, directories before what is in them, by name.
///
/// Links are taken as links and never followed; one that points out of the tree by a relative path is
/// an error (an absolute target is meant for the image, so it is kept).
///
/// # Errors
/// When something cannot be read, is neither file, directory nor link, or a limit is passed.
pub(super) fn tree(root: &Path, limits: &DiskLimits) -> Result<Vec<DiskEntry>, TreeError> {
    let mut walk = Walk {
        root,
        limits,
        entries: Vec::new(),
        bytes: 0,
    };
    walk.directory(root, &EntryPath::root(), 0)?;
    Ok(walk.entries)
}

struct Walk<'w> {
    root: &'w Path,
    limits: &'w DiskLimits,
    entries: Vec<DiskEntry>,
    bytes: u64,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, path: &EntryPath, depth: u64) -> Result<(), TreeError> {
        if depth > self.limits.depth_max {
            return Err(limit(
                self.root,
                "directories within directories",
                self.limits.depth_max,
            ));
        }
        let unreadable = |source| TreeError::Disk {
            path: directory.to_owned(),
            source,
        };
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            names.push(entry.map_err(unreadable)?.path());
            if (self.entries.len() + names.len()) as u64 > self.limits.entries_max {
                return Err(limit(self.root, "entries", self.limits.entries_max));
            }
        }
        names.sort();
        for name in names {
            self.entry(&name, path, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, on_disk: &Path, parent: &EntryPath, depth: u64) -> Result<(), TreeError> {
        let unreadable = |source| TreeError::Disk {
            path: on_disk.to_owned(),
            source,
        };
        let path = parent.join(on_disk.file_name().unwrap_or_default().as_bytes())?;
        let kind = fs::symlink_metadata(on_disk).map_err(unreadable)?.file_type();
        if kind.is_dir() {
            self.entries.push(DiskEntry {
                path: path.clone(),
                kind: DiskKind::Directory,
            });
            return self.directory(on_disk, &path, depth + 1);
        }
        let kind = if kind.is_symlink() {
            let target = fs::read_link(on_disk).map_err(unreadable)?.into_os_string();
            if leaves_tree(parent, target.as_bytes()) {
                return Err(TreeError::LinkOutOfTree {
                    path: on_disk.to_owned(),
                });
            }
            DiskKind::Symlink(target.as_bytes().into())
        } else if kind.is_file() {
            let file = file(on_disk, self.limits)?;
            self.bytes = self.bytes.saturating_add(file.content.size);
            if self.bytes > self.limits.tree_bytes_max {
                return Err(limit(self.root, "bytes", self.limits.tree_bytes_max));
            }
            DiskKind::File(file)
        } else {
            return Err(TreeError::DiskType {
                path: on_disk.to_owned(),
            });
        };
        self.entries.push(DiskEntry { path, kind });
        Ok(())
    }
}

/// Whether a relative target goes above the root of the tree on its way.
fn leaves_tree(parent: &EntryPath, target: &[u8]) -> bool {
    if target.first() == Some(&b'/') {
        return false;
    }
    let mut depth = parent.components().count();
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn limit(path: &Path, what: &'static str, limit: u64) -> TreeError {
    TreeError::DiskLimit {
        path: path.to_owned(),
        what,
        limit,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sample() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("b")).unwrap();
        fs::write(directory.path().join("b/x"), "x").unwrap();
        fs::write(directory.path().join("a"), "four").unwrap();
        fs::set_permissions(directory.path().join("a"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("../a", directory.path().join("b/link")).unwrap();
        directory
    }

    #[test]
    fn a_tree_is_read_in_the_order_of_names_with_links_as_links() {
        let directory = sample();
        let entries = tree(directory.path(), &DiskLimits::default()).unwrap();
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["/a", "/b", "/b/link", "/b/x"]);
        assert!(matches!(&entries[2].kind, DiskKind::Symlink(target) if &**target == b"../a"));
        assert!(
            matches!(&entries[0].kind, DiskKind::File(file) if file.mode == 0o755 && file.content.size == 4)
        );
        assert!(matches!(&entries[3].kind, DiskKind::File(file) if file.mode == 0o644));
    }

    #[test]
    fn limits_hold_at_the_limit_and_stop_one_above() {
        let directory = sample();
        let limits = DiskLimits {
            entries_max: 4,
            tree_bytes_max: 5,
            file_bytes_max: 4,
            depth_max: 1,
        };
        assert!(tree(directory.path(), &limits).is_ok());
        for limits in [
            DiskLimits {
                entries_max: 3,
                ..limits
            },
            DiskLimits {
                tree_bytes_max: 4,
                ..limits
            },
            DiskLimits {
                file_bytes_max: 3,
                ..limits
            },
            DiskLimits {
                depth_max: 0,
                ..limits
            },
        ] {
            assert!(
                matches!(tree(directory.path(), &limits), Err(TreeError::DiskLimit { .. })),
                "{limits:?}"
            );
        }
    }

    #[test]
    fn a_link_out_of_the_tree_is_refused_and_an_absolute_one_kept() {
        let directory = sample();
        symlink("/etc/passwd", directory.path().join("absolute")).unwrap();
        assert!(tree(directory.path(), &DiskLimits::default()).is_ok());
        symlink("../../etc/passwd", directory.path().join("b/out")).unwrap();
        assert!(matches!(
            tree(directory.path(), &DiskLimits::default()),
            Err(TreeError::LinkOutOfTree { .. })
        ));
    }

    #[test]
    fn a_missing_file_and_a_directory_are_errors() {
        let directory = sample();
        assert!(matches!(
            file(&directory.path().join("none"), &DiskLimits::default()),
            Err(TreeError::Disk { .. })
        ));
        assert!(matches!(
            file(directory.path(), &DiskLimits::default()),
            Err(TreeError::DiskType { .. })
        ));
    }
}
