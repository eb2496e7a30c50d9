//! The image's files on disk: one copy that is never written to, and one per test that is.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::protocol::{Identities, Overlay, SHIFT, SHIFTED_COUNT};

/// A directory for everything; it goes with the value.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Nobody but us may look in: the image may hold setuid programs.
    outer: TempDir,
    /// Locked, so that others know that the directory is no leftover. The kernel unlocks it when we are killed.
    _presence: File,
    identities: Identities,
    sessions: u64,
}

/// The files of one test. Paths are relative to [`Scratch::directory`].
#[derive(Debug)]
pub(super) struct SessionFiles {
    pub(super) root: PathBuf,
    pub(super) overlay: Option<Overlay>,
    /// Absolute.
    directory: PathBuf,
}

impl Scratch {
    /// A new directory in `parent`, from which those that killed processes left are removed.
    pub(super) fn new(parent: &Path, identities: Identities) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_leftovers(parent);
        let (outer, presence) = claimed_directory(parent)?;
        let scratch = Self {
            outer,
            _presence: presence,
            identities,
            sessions: 0,
        };
        // The sandbox starts in this directory, so it need not be able to walk to it; but it must be able to look
        // things up in it, as a user that is nobody out here.
        make_directory(&scratch.directory(), 0o755)?;
        make_directory(&scratch.image(), 0o755)?;
        Ok(scratch)
    }

    /// Where the sandbox starts.
    pub(super) fn directory(&self) -> PathBuf {
        self.outer.path().join("files")
    }

    /// Where the image is unpacked to.
    pub(super) fn image(&self) -> PathBuf {
        self.directory().join(IMAGE)
    }

    /// Gives the unpacked files to the users that they have inside.
    pub(super) fn adopt_image(&self) -> io::Result<()> {
        match self.identities {
            Identities::Single => Ok(()),
            Identities::Shifted => shift_owners(&self.image(), 0),
        }
    }

    /// Files for one test, as an overlay or, where there are none, as a copy.
    pub(super) fn session(&mut self, with_overlay: bool) -> io::Result<SessionFiles> {
        self.sessions += 1;
        let name = PathBuf::from(self.sessions.to_string());
        let directory = self.directory().join(&name);
        make_directory(&directory, 0o755)?;
        let files = SessionFiles {
            root: name.join("root"),
            overlay: with_overlay.then(|| Overlay {
                lower: PathBuf::from(IMAGE),
                upper: name.join("upper"),
                work: name.join("work"),
            }),
            directory,
        };
        if files.overlay.is_some() {
            for name in ["root", "upper", "work"] {
                let directory = files.directory.join(name);
                make_directory(&directory, 0o755)?;
                self.give_to_root(&directory)?;
            }
        } else {
            copy_tree(&self.image(), &files.directory.join("root"), 0)?;
        }
        Ok(files)
    }

    fn give_to_root(&self, path: &Path) -> io::Result<()> {
        match self.identities {
            Identities::Single => Ok(()),
            Identities::Shifted => lchown(path, Some(SHIFT), Some(SHIFT)),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What the temporary directory's own drop cannot remove: directories without permissions.
        let _ = remove_tree(&self.directory(), 0);
    }
}

impl Drop for SessionFiles {
    fn drop(&mut self) {
        let _ = remove_tree(&self.directory, 0);
    }
}

/// A directory of a name that nobody has, locked. Another process may take it for a leftover before it is locked, so
/// that more than one attempt may be needed.
fn claimed_directory(parent: &Path) -> io::Result<(TempDir, File)> {
    for _ in 0..CLAIMS_MAX {
        let outer = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let Ok(presence) = File::open(outer.path()) else {
            continue;
        };
        if presence.try_lock().is_ok() && outer.path().exists() {
            return Ok((outer, presence));
        }
    }
    Err(io::Error::other("another process removes what this one makes"))
}

/// Removes our directories that no process holds. What cannot be removed is in nobody's way.
fn remove_leftovers(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
    }) {
        let path = entry.path();
        let is_ours = fs::symlink_metadata(&path)
            .is_ok_and(|status| status.is_dir() && status.uid() == geteuid().as_raw());
        let unheld = |directory: &File| directory.try_lock().is_ok();
        if is_ours && let Some(_held) = File::open(&path).ok().filter(unheld) {
            let _ = remove_tree(&path, 0);
        }
    }
}

/// The ids that a sandbox of this process can have.
///
/// Root gives it ids that nobody has outside; anybody else has only the own one to give.
pub(super) fn identities(is_root: bool) -> Identities {
    let mapped = |line: &str| {
        let mut fields = line
            .split_whitespace()
            .map(|field| field.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (
            fields.next().unwrap_or(0),
            fields.next(),
            fields.next().unwrap_or(0),
        );
        first <= u64::from(SHIFT) && first + count >= u64::from(SHIFT) + u64::from(SHIFTED_COUNT)
    };
    let all = |path: &str| fs::read_to_string(path).is_ok_and(|map| map.lines().any(mapped));
    if is_root && all("/proc/self/uid_map") && all("/proc/self/gid_map") {
        Identities::Shifted
    } else {
        Identities::Single
    }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn shift_owners(path: &Path, depth: usize) -> io::Result<()> {
    too_deep(depth)?;
    let status = fs::symlink_metadata(path)?;
    // A file with several names is met several times.
    if status.uid() < SHIFT {
        let shifted = |id: u32| {
            let fault = || {
                io::Error::other(format!(
                    "the owner {id} of {} is too large a number",
                    path.display()
                ))
            };
            if id < SHIFTED_COUNT {
                Ok(Some(id + SHIFT))
            } else {
                Err(fault())
            }
        };
        lchown(path, shifted(status.uid())?, shifted(status.gid())?)?;
        if !status.is_symlink() {
            // Changing the owner took the setuid and setgid bits away.
            fs::set_permissions(path, status.permissions())?;
        }
    }
    if status.is_dir() {
        for entry in fs::read_dir(path)? {
            shift_owners(&entry?.path(), depth + 1)?;
        }
    }
    Ok(())
}

/// Copies files, directories and links with modes and owners; pipes and devices are left out.
fn copy_tree(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    too_deep(depth)?;
    let status = fs::symlink_metadata(from)?;
    let kind = status.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()), depth + 1)?;
        }
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    let copied = fs::symlink_metadata(to)?;
    if (copied.uid(), copied.gid()) != (status.uid(), status.gid()) {
        lchown(to, Some(status.uid()), Some(status.gid()))?;
    }
    if !kind.is_symlink() {
        fs::set_permissions(to, status.permissions())?;
    }
    Ok(())
}

/// Removes everything, directories without permissions too.
fn remove_tree(path: &Path, depth: usize) -> io::Result<()> {
    too_deep(depth)?;
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        remove_tree(&entry?.path(), depth + 1)?;
    }
    fs::remove_dir(path)
}

fn too_deep(depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        Err(io::Error::other("directories are nested too deeply"))
    } else {
        Ok(())
    }
}

/// Deeper trees do not fit into a path that the kernel takes.
const DEPTH_MAX: usize = 2048;
const IMAGE: &str = "image";
const PREFIX: &str = "lightship-test-";
const CLAIMS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_modes_and_links_and_goes_with_its_session() {
        let parent = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(parent.path(), Identities::Single).unwrap();
        fs::create_dir(scratch.image().join("closed")).unwrap();
        fs::write(scratch.image().join("closed/file"), b"x").unwrap();
        fs::set_permissions(
            scratch.image().join("closed/file"),
            Permissions::from_mode(0o4711),
        )
        .unwrap();
        symlink("closed/file", scratch.image().join("link")).unwrap();
        fs::set_permissions(scratch.image().join("closed"), Permissions::from_mode(0o500)).unwrap();
        let session = scratch.session(false).unwrap();
        let root = scratch.directory().join(&session.root);
        assert_eq!(
            fs::metadata(root.join("closed/file")).unwrap().mode() & 0o7777,
            0o4711
        );
        assert_eq!(
            fs::read_link(root.join("link")).unwrap(),
            Path::new("closed/file")
        );
        drop(session);
        assert!(!root.exists());
        drop(scratch);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("lightship-test-left");
        fs::create_dir_all(left.join("files/image/closed")).unwrap();
        fs::set_permissions(left.join("files/image/closed"), Permissions::from_mode(0o000)).unwrap();
        let elsewhere = parent.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, parent.path().join("lightship-test-link")).unwrap();
        let first = Scratch::new(parent.path(), Identities::Single).unwrap();
        assert!(!left.exists() && elsewhere.exists());
        let second = Scratch::new(parent.path(), Identities::Single).unwrap();
        assert!(first.image().exists() && second.image().exists());
    }

    #[test]
    fn only_root_has_ids_to_give() {
        assert_eq!(identities(false), Identities::Single);
    }
}
