//! Layers on top of each other, as engines stack them.
//!
//! Spec: image-spec "Image Layer Filesystem Changeset", "Applying Changesets" and "Whiteouts".

use std::collections::{BTreeMap, HashSet};

use archive::EntryPath;
use archive::tar::{Entry, EntryKind};

use super::layer::ScannedEntry;
use super::resolve::follow;
use super::{FileFacts, FileKind, ViewError};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const RESERVED: &[u8] = b".wh..wh.";

/// The file system so far.
///
/// Every path in it has a directory above it: an entry below a link to a directory lands where the
/// link leads, as it does for engines.
pub(super) struct Merge {
    files: BTreeMap<EntryPath, FileFacts>,
    layer: usize,
    /// The directory that the last entry was put in, as written and as it is: most entries follow one
    /// of the same directory.
    last_parent: Option<(EntryPath, EntryPath)>,
    /// Hard links of the layer that is being put on top. Their facts are those of the file, of a lower layer perhaps,
    /// and yet the layer's own whiteouts do not hide them.
    new_links: HashSet<EntryPath>,
    /// What the layer has hidden already: hiding it again, for a million entries that say so, changes nothing.
    hidden: HashSet<(EntryPath, Hiding)>,
}

/// What a whiteout hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hiding {
    /// A path, with all below it.
    Path,
    /// What is in a directory.
    Content,
}

impl Merge {
    pub(super) fn new() -> Self {
        Self {
            files: BTreeMap::from([(EntryPath::root(), implicit_directory(0))]),
            layer: 0,
            last_parent: None,
            new_links: HashSet::new(),
            hidden: HashSet::new(),
        }
    }

    /// Puts one layer on top.
    pub(super) fn apply(&mut self, entries: Vec<ScannedEntry>) -> Result<(), ViewError> {
        self.last_parent = None;
        self.new_links.clear();
        self.hidden.clear();
        for (number, scanned) in entries.into_iter().enumerate() {
            let path = scanned.entry.path.clone();
            self.apply_entry(number as u64, scanned)
                .map_err(|problem| ViewError::Entry {
                    layer: self.layer,
                    path,
                    problem,
                })?;
        }
        self.layer += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> BTreeMap<EntryPath, FileFacts> {
        self.files
    }

    fn apply_entry(&mut self, number: u64, scanned: ScannedEntry) -> Result<(), &'static str> {
        let Some(name) = scanned.entry.path.file_name() else {
            return self.put_root(number, &scanned.entry);
        };
        let whiteout = name.strip_prefix(WHITEOUT).map(<[u8]>::to_vec);
        if let Some(hidden) = whiteout {
            return self.white_out(&scanned.entry.path, &hidden);
        }
        let path = self.place(&scanned.entry.path)?;
        if matches!(scanned.entry.kind, EntryKind::Hardlink { .. }) {
            self.new_links.insert(path.clone());
        }
        let facts = self.facts(number, scanned)?;
        if facts.kind != FileKind::Directory && self.is_directory(&path) {
            self.remove_below(&path, usize::MAX);
        }
        if self.files.insert(path, facts).is_some() {
            // It may have been a link or a directory on the way there.
            self.last_parent = None;
        }
        Ok(())
    }

    fn put_root(&mut self, number: u64, entry: &Entry) -> Result<(), &'static str> {
        if entry.kind != EntryKind::Directory {
            return Err("which is the root and not a directory");
        }
        let facts = facts_of(self.layer, number, entry, FileKind::Directory);
        self.files.insert(EntryPath::root(), facts);
        Ok(())
    }

    fn facts(&self, number: u64, scanned: ScannedEntry) -> Result<FileFacts, &'static str> {
        let kind = match &scanned.entry.kind {
            EntryKind::File => FileKind::File,
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink { target } => FileKind::Symlink {
                target: target.clone(),
            },
            EntryKind::CharDevice { major, minor } => FileKind::CharDevice {
                major: *major,
                minor: *minor,
            },
            EntryKind::BlockDevice { major, minor } => FileKind::BlockDevice {
                major: *major,
                minor: *minor,
            },
            EntryKind::Fifo => FileKind::Fifo,
            EntryKind::Hardlink { target } => {
                let target = self.real_path(target).ok_or("a hard link to what is not there")?;
                let there = self
                    .files
                    .get(&target)
                    .ok_or("a hard link to what is not there")?;
                if there.kind == FileKind::Directory {
                    return Err("a hard link to a directory");
                }
                return Ok(there.clone());
            }
        };
        let mut facts = facts_of(self.layer, number, &scanned.entry, kind);
        facts.digest = scanned.digest;
        facts.kept_at = scanned.kept_at;
        Ok(facts)
    }

    /// Where an entry really lands; missing directories above it are made.
    fn place(&mut self, path: &EntryPath) -> Result<EntryPath, &'static str> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(path.clone());
        };
        let real = match &self.last_parent {
            Some((written, real)) if *written == parent => real.clone(),
            _ => {
                let real = self.real_directory(&parent)?;
                self.last_parent = Some((parent, real.clone()));
                real
            }
        };
        real.join(name).map_err(|_| "whose path is too long")
    }

    fn real_directory(&mut self, dir: &EntryPath) -> Result<EntryPath, &'static str> {
        // Every path of the map is a real one.
        if self.is_directory(dir) {
            return Ok(dir.clone());
        }
        let (found, missing) = follow(&self.files, dir).map_err(|_| "which leads through too many links")?;
        if !self.is_directory(&found) {
            return Err("which lies below something that is not a directory");
        }
        let mut real = found;
        for name in missing {
            real = real.join(&name).map_err(|_| "whose path is too long")?;
            self.files.insert(real.clone(), implicit_directory(self.layer));
        }
        Ok(real)
    }

    fn real_path(&self, path: &EntryPath) -> Option<EntryPath> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Some(path.clone());
        };
        if self.files.contains_key(path) {
            return Some(path.clone());
        }
        let (real, missing) = follow(&self.files, &parent).ok()?;
        if missing.is_empty() {
            real.join(name).ok()
        } else {
            None
        }
    }

    fn is_directory(&self, path: &EntryPath) -> bool {
        self.files
            .get(path)
            .is_some_and(|facts| facts.kind == FileKind::Directory)
    }

    /// Hides what lower layers have: a file with everything below it, or all that is in a directory.
    fn white_out(&mut self, path: &EntryPath, hidden: &[u8]) -> Result<(), &'static str> {
        let parent = path.parent().unwrap_or_else(EntryPath::root);
        let (parent, missing) =
            follow(&self.files, &parent).map_err(|_| "which leads through too many links")?;
        if !missing.is_empty() {
            return Ok(());
        }
        self.last_parent = None;
        if path.file_name() == Some(OPAQUE) {
            if self.hidden.insert((parent.clone(), Hiding::Content)) {
                self.remove_below(&parent, self.layer);
            }
            return Ok(());
        }
        if path.file_name().is_some_and(|name| name.starts_with(RESERVED)) {
            // Bookkeeping of an old storage driver.
            return Ok(());
        }
        let hidden = parent.join(hidden).map_err(|_| "which hides what cannot be")?;
        if hidden == parent {
            return Err("which hides nothing");
        }
        if !self.hidden.insert((hidden.clone(), Hiding::Path)) {
            return Ok(());
        }
        self.remove_below(&hidden, self.layer);
        let is_needed = self.below(&hidden).nth(1).is_some();
        let is_older = |facts: &FileFacts| facts.layer < self.layer && !self.new_links.contains(&hidden);
        if !is_needed && self.files.get(&hidden).is_some_and(is_older) {
            self.files.remove(&hidden);
        }
        Ok(())
    }

    /// Removes what lies below a directory and comes from a layer before `layer`, except directories
    /// that something newer lies in.
    fn remove_below(&mut self, dir: &EntryPath, layer: usize) {
        let below: Vec<(EntryPath, usize)> = self
            .below(dir)
            .skip(1)
            .map(|(path, facts)| (path.clone(), facts.layer))
            .collect();
        let mut keep: Option<EntryPath> = None;
        // From the end: what is in a directory comes before the directory itself.
        for (path, from) in below.into_iter().rev() {
            let is_new = from >= layer || (layer == self.layer && self.new_links.contains(&path));
            if is_new || keep.as_ref().is_some_and(|kept| kept.starts_with(&path)) {
                keep = Some(path);
            } else {
                self.files.remove(&path);
            }
        }
    }

    fn below<'m>(&'m self, dir: &'m EntryPath) -> impl Iterator<Item = (&'m EntryPath, &'m FileFacts)> {
        self.files
            .range(dir.clone()..)
            .take_while(move |(path, _)| path.starts_with(dir))
    }
}

fn facts_of(layer: usize, number: u64, entry: &Entry, kind: FileKind) -> FileFacts {
    FileFacts {
        kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        mtime: entry.mtime,
        layer,
        digest: None,
        entry: number,
        kept_at: None,
    }
}

/// A directory that no layer has, but something lies in.
fn implicit_directory(layer: usize) -> FileFacts {
    FileFacts {
        kind: FileKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: 0,
        layer,
        digest: None,
        entry: 0,
        kept_at: None,
    }
}
